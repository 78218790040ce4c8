# SPDX-License-Identifier: Apache-2.0
"""The tls_inspector listener filter: what a ClientHello says, however it comes, and what is none."""
import ssl

import pytest

from lib import PATIENCE, wait_until
from lib import config as c
from lib import hello as h

FAST = ["--file-flush-interval-msec", "20"]
FORMAT = ("%FILTER_CHAIN_NAME% %REQUESTED_SERVER_NAME% %TLS_JA3_FINGERPRINT% %TLS_JA4_FINGERPRINT% "
          "%DYNAMIC_METADATA(envoy.filters.listener.tls_inspector:failure_reason)% "
          "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%\n")


def inspector(**options):
    return c.typed("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector", **options)


def chain(name, **match):
    return {"name": name, "filters": [c.network_filter("echo", "Echo")],
            **({"filter_chain_match": match} if match else {})}


class Inspected:
    """A proxy that echoes, with a log line for each connection."""

    def __init__(self, proxy, client, tmp_path, chains, filters=None, **extra):
        self.client, self.path = client, tmp_path / "access"
        filters = [inspector()] if filters is None else filters
        self.proxy = proxy(c.bootstrap([{"name": "main", "address": c.address(), "filter_chains": chains,
                                         "listener_filters": filters,
                                         "access_log": [c.file_log(self.path, FORMAT)], **extra}]), args=FAST)
        self.n = 0

    def log_line(self):
        """Of the next connection that ended."""
        self.n += 1
        wait_until(lambda: self.path.exists() and self.path.read_text().count("\n") >= self.n, "a line in the log")
        return self.path.read_text().splitlines()[self.n - 1].split(" ", 5)

    def send(self, *parts):
        """Each part in a segment of its own; all of them come back."""
        down = self.client(self.proxy.port)
        for part in parts:
            down.send(part)
        down.expect(b"".join(parts))
        down.close()
        return self.log_line()


@pytest.fixture
def inspected(proxy, client, tmp_path):
    return lambda *args, **options: Inspected(proxy, client, tmp_path, *args, **options)


CHAINS = [chain("exact", server_names=["a.example.com"]), chain("wild", server_names=["*.example.com"]),
          chain("tls", transport_protocol="tls"), chain("plain", transport_protocol="raw_buffer")]


def test_the_server_name_chooses_the_chain(inspected):
    i = inspected(CHAINS)
    for name, want in [("a.example.com", "exact"), ("A.Example.Com", "exact"), ("b.a.example.com", "wild"),
                       ("b.example.com", "wild"), ("example.com", "tls"), (None, "tls")]:
        line = i.send(h.real(name))
        assert line[:2] == [want, (name or "-").lower()]
    line = i.send(b"hello, this is no TLS")
    assert line[:2] == ["plain", "-"]
    i.proxy.expect_stats({"tls_inspector.tls_found": 6, "tls_inspector.tls_not_found": 1,
                          "tls_inspector.sni_found": 5, "tls_inspector.sni_not_found": 1,
                          "tls_inspector.alpn_found": 0, "tls_inspector.alpn_not_found": 6})


def test_protocol_names_choose_the_chain(inspected):
    i = inspected([chain("h2", application_protocols=["h2"]), chain("h1", application_protocols=["http/1.1", "http/1.0"]),
                   chain("other")])
    assert i.send(h.real("a.b", ["h2", "http/1.1"]))[0] == "h2"
    assert i.send(h.real("a.b", ["http/1.1", "h2"]))[0] == "h1"
    assert i.send(h.real("a.b", ["x", "http/1.0"]))[0] == "h1"
    assert i.send(h.real("a.b", ["x"]))[0] == "other"
    assert i.send(h.real("a.b"))[0] == "other"
    assert i.send(b"not TLS")[0] == "other"
    i.proxy.expect_stats({"tls_inspector.alpn_found": 4, "tls_inspector.alpn_not_found": 1})


def test_however_it_is_cut(inspected):
    i = inspected(CHAINS)
    whole = h.real("a.example.com", ["h2"])
    for size in (1, 3, 100, 516):
        assert i.send(h.records(whole, size))[0] == "exact"
    assert i.send(*[whole[n:n + 1] for n in range(len(whole))])[0] == "exact"
    assert i.send(whole[:4], whole[4:6], whole[6:])[0] == "exact"
    assert i.send(whole + b"early data")[0] == "exact"
    assert i.send(h.record(b"") + whole)[0] == "exact"


def test_old_and_new_versions(inspected):
    i = inspected(CHAINS)
    assert i.send(h.real("a.example.com", newest=ssl.TLSVersion.TLSv1_2))[0] == "exact"
    name = h.name_extension(b"a.example.com")
    assert i.send(h.built([h.GREASE, name, h.ECH, h.VERSIONS, h.GROUPS, (0x2a2a, b"\0")]))[0] == "exact"
    assert i.send(h.built([name], version=b"\x03\x01"))[0] == "exact"


NOT_TLS = {
    "http": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", "proxy": b"CONNECT a:1 HTTP/1.1\r\n\r\n", "ssh": b"SSH-2.0-x\r\n",
    "alert": h.record(b"\x02\x28", kind=21), "data": h.record(b"abc", kind=23), "server hello": h.record(b"\x02\0\0\0"),
    "too long": h.record(b"\x01\x01\0\0"), "record too long": b"\x16\x03\x01\xff\xff", "empty message": h.record(b"\x01\0\0\0"),
    "no ciphers": h.built(ciphers=b""), "odd ciphers": h.built(ciphers=b"\x13\x01\x13"),
    "no compression": h.built(compression=b""),
    "empty name": h.built([h.name_extension(b"")]), "NUL in name": h.built([h.name_extension(b"a\0b")]),
    "long name": h.built([h.name_extension(b"a" * 256)]),
    "two names": h.built([(0, h.sized(2, b"\0\0\1a\0\0\1b"))]), "no host": h.built([(0, h.sized(2, b"\1\0\1a"))]),
    "extension cut": h.record(b"\x01" + h.sized(3, h.built()[9:-2] + b"\0\x03\0\x17\0")),
    "extension twice": h.built([h.name_extension(b"a"), (0x7777, b""), (0x7777, b"")]),
    "message with more": h.record(b"\x01" + h.sized(3, h.built()[9:] + b"x")),
    "record with more": h.record(h.built()[5:] + b"\x01"), "empty ech": h.built([(0xfe0d, b"")]),
    "long ech": h.built([(0xfe0d, h.ECH[1] + b"x")]), "empty records": h.record(b"") * 33 + h.built(),
}

ERRORS = {
    "http": "9c:SSL_routines:OPENSSL_internal:HTTP_REQUEST", "proxy": "9b:SSL_routines:OPENSSL_internal:HTTPS_PROXY_REQUEST",
    "ssh": "f7:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER", "data": "e1:SSL_routines:OPENSSL_internal:UNEXPECTED_RECORD",
    "server hello": "df:SSL_routines:OPENSSL_internal:UNEXPECTED_MESSAGE",
    "too long": "96:SSL_routines:OPENSSL_internal:EXCESSIVE_MESSAGE_SIZE",
    "record too long": "92:SSL_routines:OPENSSL_internal:ENCRYPTED_LENGTH_TOO_LONG",
    "empty name": "95:SSL_routines:OPENSSL_internal:ERROR_PARSING_EXTENSION",
    "extension twice": "83:SSL_routines:OPENSSL_internal:CLIENTHELLO_PARSE_FAILED",
    "record with more": "ff:SSL_routines:OPENSSL_internal:EXCESS_HANDSHAKE_DATA",
    "empty ech": "89:SSL_routines:OPENSSL_internal:DECODE_ERROR",
    "empty records": "db:SSL_routines:OPENSSL_internal:TOO_MANY_EMPTY_FRAGMENTS",
}


@pytest.mark.parametrize("what", NOT_TLS)
def test_what_is_no_client_hello(inspected, what):
    i = inspected(CHAINS)
    line = i.send(NOT_TLS[what])
    assert line[0] == "plain" and line[4] == "ClientHelloNotDetected"
    if what in ERRORS:
        assert line[5] == f"TLS_error|error:100000{ERRORS[what]}:TLS_error_end"
    i.proxy.expect_stats({"tls_inspector.tls_not_found": 1, "tls_inspector.tls_found": 0})


BORNE = {
    "bad names": h.built([h.name_extension(b"a.example.com"), (16, b"\0\x03\x05h2")]),
    "bad protocols": h.built([h.name_extension(b"a.example.com"), (16, b"\0\x04\x02h2\0")]),
    "unknown version": h.built([h.name_extension(b"a.example.com"), (43, b"\x02\x7f\x1c")]),
    "no null compression": h.built([h.name_extension(b"a.example.com")], compression=b"\x01"),
    "groups": h.built([h.name_extension(b"a.example.com"), (10, b"\0\x03\0\x1d\0")]),
    "ech": h.built([h.name_extension(b"a.example.com"), h.ECH]),
    "ech inner": h.built([h.name_extension(b"a.example.com"), (0xfe0d, b"\x01x")]),
}


@pytest.mark.parametrize("what", BORNE)
def test_what_the_inspector_bears(inspected, what):
    """It is for the TLS stack to refuse."""
    i = inspected(CHAINS)
    assert i.send(BORNE[what])[0] == "exact"
    i.proxy.expect_stats({"tls_inspector.tls_found": 1, "tls_inspector.alpn_not_found": 1})


@pytest.mark.parametrize("version", [b"\0\x02", b"\x03\0", b"\x03\x05", b"\x7f\0"], ids=bytes.hex)
def test_versions_that_do_not_exist_are_refused(inspected, version):
    i = inspected(CHAINS)
    i.client(i.proxy.port).send(h.built([h.name_extension(b"a.example.com")], version=version)).expect_closed()
    line = i.log_line()
    assert line[:2] == ["-", "a.example.com"] and line[4] == "ClientHelloInvalidTlsVersion"
    i.proxy.expect_stats({"tls_inspector.tls_found": 0, "tls_inspector.tls_not_found": 1, "tls_inspector.sni_found": 1})


def padded(n):
    """A record with a ClientHello of n bytes in all."""
    empty = len(h.built([h.name_extension(b"a.example.com"), (21, b"")]))
    return h.built([h.name_extension(b"a.example.com"), (21, bytes(n - empty))])


def test_limits_of_size(inspected):
    i = inspected(CHAINS, filters=[inspector(max_client_hello_size=1000, initial_read_buffer_size=256)])
    assert i.send(padded(999))[0] == "exact"
    assert i.send(padded(1000))[0] == "exact"
    down = i.client(i.proxy.port)
    down.send(padded(1001)).expect_closed()
    assert i.log_line()[::4] == ["-", "ClientHelloTooLarge"]
    assert i.send(b"x" * 5000)[0] == "plain"
    i.proxy.expect_stats({"tls_inspector.client_hello_too_large": 1, "tls_inspector.tls_found": 2,
                          "listener.127.0.0.1_0.downstream_cx_total": 3})


def test_the_largest(inspected):
    i = inspected(CHAINS)
    assert i.send(padded(16384))[0] == "exact"
    i.client(i.proxy.port).send(padded(16385)).expect_closed()
    i.proxy.expect_stats({"tls_inspector.client_hello_too_large": 1})


def test_errors_can_close(inspected):
    i = inspected(CHAINS, filters=[inspector(close_connection_on_client_hello_parsing_errors=True, max_client_hello_size=300)])
    i.client(i.proxy.port).send(b"GET / HTTP/1.1\r\n\r\n").expect_closed()
    assert i.log_line()[::4] == ["-", "ClientHelloNotDetected"]
    i.client(i.proxy.port).send(b"GET / HTTP/1.1\r\n\r\n" + b"x" * 300).expect_closed()
    assert i.log_line()[::4] == ["-", "ClientHelloTooLarge"]
    assert i.send(h.built([h.name_extension(b"a.example.com")]))[0] == "exact"
    i.proxy.expect_stats({"tls_inspector.tls_not_found": 1, "tls_inspector.tls_found": 1,
                          "tls_inspector.client_hello_too_large": 1})


def test_behind_a_proxy_header(inspected):
    header = c.typed("envoy.filters.listener.proxy_protocol", "filters.listener.proxy_protocol.v3.ProxyProtocol")
    i = inspected(CHAINS, filters=[header, inspector()])
    front, whole = b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n", h.real("a.example.com")
    for parts in ([front + whole], [front, whole], [front[:9], front[9:] + whole[:20], whole[20:]]):
        down = i.client(i.proxy.port)
        for part in parts:
            down.send(part)
        down.expect(whole).close()
        assert i.log_line()[:2] == ["exact", "a.example.com"]


def test_who_says_nothing_runs_into_the_timeout(inspected):
    i = inspected(CHAINS, listener_filters_timeout="0.2s")
    i.client(i.proxy.port).expect_closed()
    assert i.log_line()[0] == "-"
    i.client(i.proxy.port).send(h.real("a.b")[:100]).expect_closed()
    assert i.log_line()[0] == "-"
    i.proxy.expect_stats({"listener.127.0.0.1_0.downstream_pre_cx_timeout": 2,
                          "listener.127.0.0.1_0.downstream_pre_cx_active": 0})


def test_waiting_costs_nothing(inspected):
    """A part of a ClientHello stays in the socket: the filter must not ask for it again and again."""
    i = inspected(CHAINS)
    down = i.client(i.proxy.port)
    down.send(h.real("a.example.com")[:100])
    i.proxy.wait_stat("listener.127.0.0.1_0.downstream_pre_cx_active", 1)

    def used():
        with open(f"/proc/{i.proxy.process.pid}/stat") as f:
            return sum(map(int, f.read().split()[13:15]))
    before = used()
    assert down.quiet(0.5)
    assert used() - before < 20  # of 50 ticks


def test_who_leaves_early(inspected):
    i = inspected(CHAINS)
    i.client(i.proxy.port).send(h.real("a.example.com")[:100]).close()
    i.proxy.expect_stats({"listener.127.0.0.1_0.downstream_listener_filter_remote_close": 1,
                          "listener.127.0.0.1_0.downstream_pre_cx_active": 0})


EXPECTED = {
    "grease": ["f4cdefd52d3d864bb90638f26fb444e3", "t13d0306h2_5cf3574d6e68_fb71836bce29"],
    "bare": ["ea1e247991e541e39bf918cb7cfa5139", "t12i010000_0f2cb44170f4_000000000000"],
    "odd protocol": ["79df54cc919bc7c4ddd6219a82771e7e", "t00i010278_0f2cb44170f4_b9a491fefe05"],
    "long protocol": ["79bec9f8e9d974a2ec7ceb481134f481", "t12i0101aZ_0f2cb44170f4_000000000000"],
    "one letter": ["79bec9f8e9d974a2ec7ceb481134f481", "t12i0101xx_0f2cb44170f4_000000000000"],
    "broken lists": ["9ce0e5b44401bbc0db074c705e67f09e", "t00i010500_0f2cb44170f4_0d228ea83c36"],
    "broken lists 2": ["12b214fa71be7b93e604cb4f0273b7b5", "t00i010500_0f2cb44170f4_5e519ef2b8a0"],
    "many": ["9a64b8b523cc318e4b9ae2ad32649775", "t12i999900_0c86643d5024_5958ddc27fc8"],
}
# Of built ones, since each version of OpenSSL has its own.
FINGERPRINTED = {
    "grease": h.built([h.GREASE, h.name_extension(b"a.b"), h.GROUPS, h.POINTS, h.SIGNATURES, h.VERSIONS, h.protocols(b"h2")],
                      ciphers=b"\x2a\x2a\x13\x03\x13\x01\xc0\x2f"),
    "bare": h.built(), "odd protocol": h.built([h.protocols(b"\x7fx"), (43, b"\x04\x03\x04\x7f\x1c")]),
    "long protocol": h.built([h.protocols(b"a-very-long-one-Z")]), "one letter": h.built([h.protocols(b"x")]),
    "broken lists": h.built([(10, b"\0"), (11, b""), (13, b"\0\3\4"), (16, b"\0"), (43, b"")]),
    "broken lists 2": h.built([(10, b"\0\4\0\x1d\0"), (11, b"\1\0\1"), (13, b"\0\0\4\3"), (16, b"\0\3\2h"), (43, b"\2\3")]),
    "many": h.built([(n + 100, b"") for n in range(120)], ciphers=bytes(range(240))),
}


@pytest.mark.parametrize("what", FINGERPRINTED)
def test_fingerprints(inspected, what):
    i = inspected(CHAINS, filters=[inspector(enable_ja3_fingerprinting=True, enable_ja4_fingerprinting=True)])
    ja3, ja4 = i.send(FINGERPRINTED[what])[2:4]
    assert [ja3, ja4] == EXPECTED[what]


def test_bytes_processed(inspected):
    i = inspected(CHAINS)
    i.send(padded(517) + b"more")
    i.send(b"GET / HTTP/1.1\r\n\r\n")

    def seen():
        text = i.proxy.admin("/stats?filter=tls_inspector.bytes_processed").text
        return "P0(5.05,5.05)" in text and "P100(515,515)" in text
    wait_until(seen, "both sizes in the histogram", seconds=min(PATIENCE, 10))

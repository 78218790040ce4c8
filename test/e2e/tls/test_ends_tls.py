# SPDX-License-Identifier: Apache-2.0
"""TLS connections that end badly after the handshake: cut, garbled, told off; and handshakes that are larger than usual."""
import socket
import ssl
import threading

import pytest

from lib import pki, tls, wait_until, wire
from lib import config as c

FAST = ("--file-flush-interval-msec", "50")
UP = "%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%\n"
DOWN = "%RESPONSE_CODE% %RESPONSE_FLAGS% %DOWNSTREAM_TRANSPORT_FAILURE_REASON% %CONNECTION_TERMINATION_DETAILS%\n"
COUNTED = {"nuncio": 1, "envoy": 2}  # Envoy 1.40 counts such an error once more when it closes the connection
GARBAGE = b"\x17\x03\x03\x00\x20" + b"x" * 32


def serve(server, certs, then):
    """One connection: the handshake, a request, and what `then` does with it."""
    def run():
        far = server.accept()
        peer = tls.TlsPeer(far, pki.server_context(certs.server), server=True)
        peer.request()
        then(peer)
    threading.Thread(target=run, daemon=True).start()


def through(port, path, version=None):
    params = {"common": {"tls_params": {"tls_maximum_protocol_version": version}}} if version else {}
    return c.http(c.route("up"), clusters=[c.cluster("up", port, transport_socket=tls.upstream(**params))],
                  access_log=[c.file_log(str(path), UP)])


def line_of(path):
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"), "a line in the log")
    return path.read_text()


@pytest.mark.parametrize("version", [None, "TLSv1_3"])
def test_an_answer_that_ends_without_notice(proxy, certs, upstream, client, tmp_path, version):
    """A body until the end of the connection: truncation is not noticed, as in Envoy."""
    server = upstream()
    serve(server, certs, lambda peer: (peer.send(b"HTTP/1.1 200 OK\r\n\r\nbody"), peer.raw.close()))
    p = proxy(through(server.port, tmp_path / "log", version), args=FAST)
    assert client(p.port).get("/").text == "body"
    assert line_of(tmp_path / "log") == "200 - -\n"


@pytest.mark.parametrize("version", [None, "TLSv1_3"])
def test_an_answer_that_is_cut(proxy, certs, upstream, client, tmp_path, version):
    server = upstream()
    serve(server, certs, lambda peer: (peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nbody"), peer.raw.close()))
    p = proxy(through(server.port, tmp_path / "log", version), args=FAST)
    with pytest.raises(wire.Closed):
        client(p.port).get("/")
    assert line_of(tmp_path / "log") == "200 UPE -\n"


@pytest.mark.parametrize("version", [None, "TLSv1_3"])
@pytest.mark.parametrize("started", [False, True])
def test_an_answer_that_is_garbled(proxy, certs, upstream, client, tmp_path, version, started):
    server = upstream()
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nbody" if started else b""
    serve(server, certs, lambda peer: (head and peer.send(head), peer.raw.send(GARBAGE)))
    p = proxy(through(server.port, tmp_path / "log", version), args=FAST)
    if started:
        with pytest.raises(wire.Closed):
            client(p.port).get("/")
    else:
        assert client(p.port).get("/").status == 503
    assert line_of(tmp_path / "log") == ("200 UPE -\n" if started else "503 UC -\n")
    p.wait_stat("cluster.up.ssl.connection_error", COUNTED[p.kind])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_request_that_is_garbled(proxy, certs, tmp_path, version):
    path = tmp_path / "log"
    one = c.listener(c.hcm(c.direct(body="hello")), access_log=[c.file_log(str(path), DOWN)])
    one["filter_chains"][0]["transport_socket"] = tls.downstream(certs.server)
    p = proxy(c.bootstrap([one]), args=FAST)
    with tls.connect(p.port, pki.client_context(version=version), "localhost") as peer:
        peer.send(b"GET / HTTP/1.1\r\nhost: a\r\n")
        peer.raw.send(GARBAGE)
        peer.raw.expect_closed()
    assert any(r in line_of(path) for r in ("BAD_DECRYPT", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC")), line_of(path)
    assert sum(v for k, v in p.stats("listener.").items() if k.endswith("ssl.connection_error")) == COUNTED[p.kind]


def test_a_request_that_is_cut(proxy, certs, tmp_path):
    path = tmp_path / "log"
    one = c.listener(c.hcm(c.direct(body="hello"), access_log=[c.file_log(str(path), DOWN)]))
    one["filter_chains"][0]["transport_socket"] = tls.downstream(certs.server)
    p = proxy(c.bootstrap([one]), args=FAST)
    with tls.connect(p.port, pki.client_context(), "localhost") as peer:
        peer.send(b"GET / HTTP/1.1\r\nhost: a\r\nx: ")
        peer.sock.shutdown(socket.SHUT_WR)
        peer.raw.expect_closed()
    p.wait_stat("http.in.downstream_cx_destroy_remote", 1)
    assert sum(v for k, v in p.stats("listener.").items() if k.endswith("ssl.connection_error")) == 0


def test_after_close_notify_nothing_counts(proxy, certs):
    one = c.listener(c.hcm(c.direct(body="hello")))
    one["filter_chains"][0]["transport_socket"] = tls.downstream(certs.server)
    p = proxy(c.bootstrap([one]))
    with tls.connect(p.port, pki.client_context(), "localhost") as peer:
        assert peer.get("/").status == 200
        peer.finish()
        try:
            peer.raw.send(GARBAGE * 4)
        except OSError:
            pass
        peer.expect_end()
    p.wait_stat("http.in.downstream_cx_active", 0)
    assert sum(v for k, v in p.stats("listener.").items() if k.endswith("ssl.connection_error")) == 0


def test_a_long_chain_of_a_client(proxy, certs, tmp_path):
    """Some 20 KB of certificates, over several records, and byte by byte."""
    issuer = certs.ca
    for n in range(6):
        issuer = pki.authority(tmp_path, f"ca{n}", issuer=issuer)
    leaf = pki.make(tmp_path, "leaf", san=[f"DNS:{'a' * 60}{n}.example" for n in range(150)], issuer=issuer)
    one = c.listener(c.hcm(c.direct(body="hello")))
    one["filter_chains"][0]["transport_socket"] = tls.downstream(
        certs.server, require_client_certificate=True, common={"validation_context": tls.validation(certs.ca)})
    p = proxy(c.bootstrap([one]))
    for chunk in (None, 97):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with tls.connect(p.port, pki.client_context(certificate=leaf, version=version), "localhost", chunk=chunk) as peer:
                assert peer.get("/").text == "hello"


def test_a_long_chain_of_ours(proxy, certs, tmp_path):
    leaf = pki.make(tmp_path, "leaf", san=["DNS:localhost"] + [f"DNS:{'a' * 60}{n}.example" for n in range(300)], issuer=certs.ca)
    one = c.listener(c.hcm(c.direct(body="hello")))
    one["filter_chains"][0]["transport_socket"] = tls.downstream(leaf)
    p = proxy(c.bootstrap([one]))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with tls.connect(p.port, pki.client_context(certs.ca, version=version), "localhost") as peer:
            assert peer.get("/").text == "hello"


@pytest.mark.parametrize("extra", [13000, 17000])
def test_a_large_hello(proxy, certs, extra):
    """16 KB and more of ALPN. The first is taken; a larger one may be refused, but is answered."""
    one = c.listener(c.hcm(c.direct(body="hello")))
    one["filter_chains"][0]["transport_socket"] = tls.downstream(certs.server, common={"alpn_protocols": ["http/1.1"]})
    p = proxy(c.bootstrap([one]))
    context = pki.client_context(alpn=["http/1.1"] + ["x" * 250 + str(n) for n in range(extra // 254)])
    try:
        with tls.connect(p.port, context, "localhost") as peer:
            assert peer.get("/").text == "hello"
    except (ssl.SSLError, wire.Closed, OSError):
        assert extra > 16384

# SPDX-License-Identifier: Apache-2.0
"""Bytes through TLS: records however they come, ends of both kinds, and peers that do not speak it."""
import hashlib
import socket
import ssl
import threading

import pytest

from lib import config as c
from lib import pki, tls, wait_until, wire

MIB = 1 << 20
BODY = hashlib.shake_128(b"tls").digest(3 * MIB + 17)


def listener(socket_conf, *filters, **extra):
    one = c.listener(*filters, **extra)
    one["filter_chains"][0]["transport_socket"] = socket_conf
    return one


def https(certs, *routes, clusters=(), chain=None, common=None, **options):
    one = listener(tls.downstream(certs.server, common=common or {}), c.hcm(*routes, **options))
    one["filter_chains"][0].update(chain or {})
    return c.bootstrap([one], clusters)


def relay(certs, port, **options):
    return c.bootstrap([listener(tls.downstream(certs.server), c.tcp_proxy("up", **options))], [c.cluster("up", port)])


@pytest.fixture
def context(certs):
    return pki.client_context(certs.ca)


def test_requests_on_one_connection(proxy, certs, context):
    one = proxy(https(certs, c.direct(body="hello")))
    with tls.connect(one.port, context, "localhost") as peer:
        for _ in range(3):
            assert peer.get("/").text == "hello"
        assert peer.tls.version() == "TLSv1.3"
    one.expect_stats({"http.in.downstream_cx_ssl_total": 1, "http.in.downstream_cx_ssl_active": 0,
                      "http.in.downstream_rq_2xx": 3})


def test_records_that_come_byte_by_byte(proxy, certs, context):
    one = proxy(https(certs, c.direct(body="hello")))
    with tls.connect(one.port, context, "localhost", chunk=1) as peer:
        assert peer.get("/").text == "hello"


def test_many_small_records(proxy, certs, context, upstream):
    server = upstream(lambda request: wire.response(body=request.body))
    one = proxy(https(certs, c.route("up"), clusters=[c.cluster("up", server.port)]))
    with tls.connect(one.port, context, "localhost") as peer:
        head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 300\r\n\r\n"
        for byte in head + BODY[:300]:
            peer.tls.write(bytes([byte]))
        peer.flush()
        assert peer.response().body == BODY[:300]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_bulk_both_ways(proxy, certs, upstream, version):
    server = upstream(lambda request: wire.response(body=request.body))
    one = proxy(https(certs, c.route("up"), clusters=[c.cluster("up", server.port)]))
    with tls.connect(one.port, pki.client_context(certs.ca, version=version), "localhost") as peer:
        peer.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY)
        assert peer.response().body == BODY


def test_a_slow_reader_gets_everything(proxy, certs, context, upstream):
    """More than the kernel's buffers take, so that the proxy has to stop."""
    server = upstream(lambda request: wire.response(body=BODY * 4))
    config = https(certs, c.route("up"), clusters=[c.cluster("up", server.port)])
    config["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"] = 65536
    one = proxy(config)
    raw = wire.connect(one.port)
    raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262144)
    with tls.TlsPeer(raw, context, "localhost") as peer:
        peer.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        wait_until(lambda: one.stat("cluster.up.upstream_flow_control_paused_reading_total") > 0, "the proxy to stop reading")
        assert peer.response().body == BODY * 4


def test_request_with_the_end_of_the_handshake(proxy, certs, context):
    one = proxy(https(certs, c.direct(body="hello")))
    peer = tls.TlsPeer(wire.connect(one.port), context, "localhost", shake=False)
    while True:
        try:
            peer.tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            peer.flush()
            peer.pump()
    peer.tls.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    peer.flush()  # Finished and the request in one piece
    assert peer.response().text == "hello"
    peer.close()


def test_alpn(proxy, certs):
    one = proxy(https(certs, c.direct(), common={"alpn_protocols": ["foo", "http/1.1"]}))
    for offered, chosen in [(["http/1.1", "foo"], "foo"), (["h2", "http/1.1"], "http/1.1"), (["other"], None), ([], None)]:
        with tls.connect(one.port, pki.client_context(certs.ca, alpn=offered), "localhost") as peer:
            assert peer.tls.selected_alpn_protocol() == chosen
            assert peer.get("/").status == 200


# --- ends ---

def test_close_notify_is_answered(proxy, certs, context):
    one = proxy(https(certs, c.direct()))
    with tls.connect(one.port, context, "localhost") as peer:
        assert peer.get("/").status == 200
        peer.finish()
        peer.expect_end()
        assert peer.notified


def test_fin_without_close_notify_is_an_end_too(proxy, certs, context):
    one = proxy(https(certs, c.direct()))
    with tls.connect(one.port, context, "localhost") as peer:
        assert peer.get("/").status == 200
        peer.sock.shutdown(socket.SHUT_WR)
        peer.expect_end()
        assert peer.notified
    one.expect_stats({"http.in.downstream_cx_destroy_remote": 1, "http.in.downstream_cx_active": 0})


def test_we_say_close_notify(proxy, certs, context):
    one = proxy(https(certs, c.direct()))
    with tls.connect(one.port, context, "localhost") as peer:
        assert peer.get("/", headers=[("connection", "close")]).status == 200
        peer.expect_end()
        assert peer.notified


def test_half_close_through_tcp_proxy(proxy, certs, context, upstream):
    server = upstream()
    one = proxy(relay(certs, server.port))
    with tls.connect(one.port, context, "localhost") as peer:
        far = server.accept()
        peer.send("question").finish()
        assert far.rest() == b"question"
        far.send("answer")
        peer.expect("answer")
        far.send("more").finish()
        assert peer.rest() == b"more" and peer.notified


def test_upstream_half_closes_first(proxy, certs, context, upstream):
    server = upstream()
    one = proxy(relay(certs, server.port))
    with tls.connect(one.port, context, "localhost") as peer:
        far = server.accept()
        far.send("bye").finish()
        assert peer.rest() == b"bye" and peer.notified
        peer.send("late")
        far.expect("late")
        peer.finish()
        far.expect_end()


def test_a_reset_ends_both(proxy, certs, context, upstream):
    server = upstream()
    one = proxy(relay(certs, server.port))
    peer = tls.connect(one.port, context, "localhost")
    far = server.accept()
    peer.send("x")
    far.expect("x")
    peer.reset()
    far.expect_closed()


def test_data_is_flushed_before_the_end(proxy, certs, context, upstream):
    server = upstream()
    one = proxy(relay(certs, server.port))
    with tls.connect(one.port, context, "localhost") as peer:
        far = server.accept()
        threading.Thread(target=lambda: (far.send(BODY), far.close())).start()
        assert peer.rest() == BODY


# --- what is not TLS ---

def logged(certs, path, **chain):
    one = https(certs, c.direct(), chain=chain)
    one["static_resources"]["listeners"][0]["access_log"] = [
        c.file_log(str(path), "%DOWNSTREAM_TRANSPORT_FAILURE_REASON% %CONNECTION_TERMINATION_DETAILS% %RESPONSE_FLAGS%\n")]
    return one


def line_of(path):
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"), "a line in the log")
    return path.read_text()


@pytest.mark.parametrize("what, reason", [
    (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP_REQUEST"),
    (b"\x00" * 64, "WRONG_VERSION_NUMBER"),
    (b"\x16\x03\x01\x00\x05\x0b\x00\x00\x01\x00", "UNEXPECTED_MESSAGE"),
    (b"\x17\x03\x03\x00\x01\x00", "UNEXPECTED_RECORD"),
])
def test_what_is_not_a_handshake(proxy, certs, tmp_path, what, reason):
    one = proxy(logged(certs, tmp_path / "log"), args=("--file-flush-interval-msec", "50"))
    with wire.connect(one.port) as peer:
        peer.send(what)
        peer.expect_closed()
    line = line_of(tmp_path / "log")
    assert reason in line, line
    assert ":SSL_routines:OPENSSL_internal:" in line and ":TLS_error_end" in line, line
    assert [v for k, v in one.stats("listener.").items() if k.endswith("ssl.connection_error")] == [1]


def test_an_end_within_the_handshake(proxy, certs, context, tmp_path):
    one = proxy(logged(certs, tmp_path / "log"), args=("--file-flush-interval-msec", "50"))
    peer = tls.TlsPeer(wire.connect(one.port), context, "localhost", shake=False)
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.do_handshake()
    peer.raw.send(peer.outgoing.read()[:50])
    peer.sock.shutdown(socket.SHUT_WR)
    peer.raw.expect_closed()
    assert line_of(tmp_path / "log") == "- - -\n"


def test_a_stalled_handshake(proxy, certs, tmp_path):
    one = proxy(logged(certs, tmp_path / "log", transport_socket_connect_timeout="0.3s"), args=("--file-flush-interval-msec", "50"))
    with wire.connect(one.port) as peer:
        peer.expect_closed()
    line_of(tmp_path / "log")
    assert sum(v for k, v in one.stats("listener.").items() if k.endswith("downstream_cx_transport_socket_connect_timeout")) == 1
    assert line_of(tmp_path / "log") == "- transport socket timeout was reached -\n"


def test_no_common_version(proxy, certs, tmp_path):
    one = proxy(logged(certs, tmp_path / "log"), args=("--file-flush-interval-msec", "50"))
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
        tls.connect(one.port, old, "localhost")
    assert "UNSUPPORTED_PROTOCOL" in line_of(tmp_path / "log")


def test_a_proxy_header_and_the_handshake_in_one_piece(proxy, certs, context):
    conf = https(certs, c.direct(body="hello"))
    conf["static_resources"]["listeners"][0]["listener_filters"] = [
        c.typed("envoy.filters.listener.proxy_protocol", "filters.listener.proxy_protocol.v3.ProxyProtocol"),
        c.typed("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector")]
    one = proxy(conf)
    peer = tls.TlsPeer(wire.connect(one.port), context, "localhost", shake=False)
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.do_handshake()
    peer.raw.send(b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\n" + peer.outgoing.read())
    assert peer.shake().get("/").text == "hello"
    peer.close()


@pytest.mark.parametrize("level", [1, 2])
def test_alerts_instead_of_a_handshake(proxy, certs, context, level):
    """MP-09: every code there may be."""
    one = proxy(https(certs, c.direct(body="hello")))
    for code in range(256):
        with wire.connect(one.port) as peer:
            peer.send(bytes([21, 3, 1, 0, 2, level, code]))
            peer.finish()
            peer.expect_closed()
    with tls.connect(one.port, context, "localhost") as peer:
        assert peer.get("/").text == "hello"


@pytest.mark.own
def test_garbage_at_every_place(proxy, certs, context):
    """A handshake and a request with one byte changed: the connection may fail, the program may not."""
    one = proxy(https(certs, c.direct(body="hello")))
    peer = tls.TlsPeer(wire.connect(one.port), context, "localhost", shake=False)
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.do_handshake()
    hello = bytearray(peer.outgoing.read())
    peer.close()
    for at in range(0, len(hello), 3):
        changed = bytearray(hello)
        changed[at] ^= 0x55
        with wire.connect(one.port) as raw:
            raw.send(bytes(changed))
            raw.finish()
            raw.expect_closed()
    for at in range(0, 60, 2):
        with tls.connect(one.port, context, "localhost") as peer:
            peer.tls.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            record = bytearray(peer.outgoing.read())
            record[at % len(record)] ^= 1
            peer.raw.send(bytes(record))
            peer.sock.shutdown(socket.SHUT_WR)
            peer.raw.expect_closed()
    with tls.connect(one.port, context, "localhost") as peer:
        assert peer.get("/").text == "hello"


def test_many_handshakes_at_once(proxy, certs, context):
    """A connection that is through is served while others shake hands."""
    one = proxy(https(certs, c.direct(body="hello")))
    with tls.connect(one.port, context, "localhost") as served:
        assert served.get("/").text == "hello"
        peers = [tls.TlsPeer(wire.connect(one.port), context, "localhost", shake=False) for _ in range(100)]
        for peer in peers:
            with pytest.raises(ssl.SSLWantReadError):
                peer.tls.do_handshake()
            peer.flush()
        assert served.get("/").text == "hello"
        for peer in peers:
            assert peer.shake().get("/").text == "hello"
            peer.close()

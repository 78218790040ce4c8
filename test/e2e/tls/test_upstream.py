# SPDX-License-Identifier: Apache-2.0
"""TLS to upstreams: the name that is asked for, who is believed, what is resumed, and how failures are told."""
import os
import queue
import re
import ssl
import subprocess
import threading

import pytest

from lib import config as c
from lib import pki, tls, wait_until, wire


def origin(port, socket_conf, hostname=None, kind="STATIC", http=None, **extra):
    endpoint = {"endpoint": {"address": c.address(port), **({"hostname": hostname} if hostname else {})}}
    options = {"typed_extension_protocol_options": {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": c.PACKAGES + "upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {}}, "upstream_http_protocol_options": http}}} if http else {}
    return c.cluster("up", endpoint, kind=kind, transport_socket=socket_conf, **options, **extra)


def through(cluster, tmp_path=None, *routes):
    logs = {"access_log": [c.file_log(str(tmp_path / "log"), "%RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%\n")]} \
        if tmp_path else {}
    return c.http(*(routes or (c.route("up"),)), clusters=[cluster], **logs)


FAST = ("--file-flush-interval-msec", "50")


def test_sni_alpn_and_versions(proxy, certs, tls_server, client):
    server = tls_server(pki.server_context(certs.server, alpn=["http/1.1"]))
    conf = tls.upstream(sni="name.example", common={"alpn_protocols": ["h2", "http/1.1"]})
    one = proxy(through(origin(server.port, conf)))
    assert client(one.port).get("/").text == "secret"
    assert server.names == ["name.example"]
    assert server.seen.get()[:3] == ("TLSv1.2", False, "http/1.1")
    one.expect_stats({"cluster.up.ssl.handshake": 1, "cluster.up.ssl.versions.TLSv1.2": 1, "cluster.up.ssl.connection_error": 0})


def test_statistics_of_a_cluster_with_a_colon(proxy, certs, tls_server, client):
    server = tls_server(pki.server_context(certs.server))
    up = origin(server.port, tls.upstream())
    up["name"] = up["load_assignment"]["cluster_name"] = "a:b"
    one = proxy(through(up, None, c.route("a:b")))
    assert client(one.port).get("/").text == "secret"
    one.expect_stats({"cluster.a_b.ssl.handshake": 1})
    assert 'envoy_cluster_ssl_handshake{envoy_cluster_name="a_b"} 1\n' in one.admin("/stats/prometheus").text


def test_tls_1_3_on_request(proxy, certs, tls_server, client):
    server = tls_server(pki.server_context(certs.server))
    conf = tls.upstream(common={"tls_params": {"tls_maximum_protocol_version": "TLSv1_3"}})
    one = proxy(through(origin(server.port, conf)))
    assert client(one.port).get("/").text == "secret"
    assert server.seen.get()[0] == "TLSv1.3" and server.names == [None]


def test_host_name_as_sni(proxy, certs, tls_server, client):
    server = tls_server(pki.server_context(certs.server))
    one = proxy(through(origin(server.port, tls.upstream(auto_host_sni=True, sni="other.example"), hostname="host.example")))
    assert client(one.port).get("/").text == "secret"
    assert server.names == ["host.example"]


@pytest.mark.parametrize("http, host, headers, name", [
    ({"auto_sni": True}, "asked.example:80", [], "asked.example"),
    ({"auto_sni": True}, "10.0.0.1", [], "fixed.example"),
    ({"auto_sni": True, "override_auto_sni_header": "x-name"}, "asked.example", [("x-name", "other.example")], "other.example"),
    ({"auto_sni": True, "override_auto_sni_header": "x-name"}, "asked.example", [], "asked.example"),
])
def test_sni_of_the_request(proxy, certs, tls_server, client, http, host, headers, name):
    server = tls_server(pki.server_context(certs.server))
    one = proxy(through(origin(server.port, tls.upstream(sni="fixed.example"), http=http)))
    assert client(one.port).get("/", host=host, headers=headers).text == "secret"
    assert server.names == [name]


def test_names_do_not_share_connections(proxy, certs, tls_server, client):
    server = tls_server(pki.server_context(certs.server))
    one = proxy(through(origin(server.port, tls.upstream(), http={"auto_sni": True})))
    peer = client(one.port)
    for host in ("a.example", "b.example", "a.example", "b.example"):
        assert peer.get("/", host=host).text == "secret"
    assert server.names == ["a.example", "b.example"]


def test_a_name_that_is_too_long(proxy, certs, tls_server, client):
    server = tls_server(pki.server_context(certs.server))
    one = proxy(through(origin(server.port, tls.upstream(), http={"auto_sni": True})))
    assert client(one.port).get("/", host="a" * 256).status == 503
    assert client(one.port).get("/", host="a" * 255).text == "secret"


def test_a_certificate_that_is_believed(proxy, certs, tls_server, client):
    server = tls_server(pki.server_context(certs.server))
    one = proxy(through(origin(server.port, tls.upstream(common={"validation_context": tls.validation(certs.ca, "localhost")}))))
    assert client(one.port).get("/").text == "secret"
    one.expect_stats({"cluster.up.ssl.handshake": 1, "cluster.up.ssl.no_certificate": 0})


def log_line(tmp_path):
    log = tmp_path / "log"
    wait_until(lambda: log.exists() and log.read_text().endswith("\n"), "a line")
    return log.read_text()


@pytest.mark.parametrize("what, stat, text", [
    ("ca", "fail_verify_error", "unable_to_get_local_issuer_certificate"),
    ("san", "fail_verify_san", "SAN_matcher"),
    ("hash", "fail_verify_cert_hash", "verify_cert_failed"),
])
def test_a_certificate_that_is_not(proxy, certs, tls_server, client, tmp_path, what, stat, text):
    server = tls_server(pki.server_context(certs.server))
    context = {"ca": tls.validation(certs.other_ca), "san": tls.validation(certs.ca, "elsewhere.example"),
               "hash": tls.validation(certs.ca, verify_certificate_hash=["00" * 32])}[what]
    one = proxy(through(origin(server.port, tls.upstream(common={"validation_context": context})), tmp_path), args=FAST)
    assert client(one.port).get("/").status == 503
    line = log_line(tmp_path)
    assert line.startswith("UF TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:"), line
    assert text in line and ":TLS_error_end" in line, line
    one.expect_stats({f"cluster.up.ssl.{stat}": 1, "cluster.up.ssl.connection_error": 0, "cluster.up.upstream_cx_connect_fail": 1})


@pytest.mark.parametrize("http, host, good", [
    ({"auto_san_validation": True}, "localhost", True),
    ({"auto_san_validation": True}, "elsewhere.example", False),
    ({"auto_sni": True, "auto_san_validation": True}, "localhost:77", True),
])
def test_the_certificate_has_the_request_s_name(proxy, certs, tls_server, client, http, host, good):
    server = tls_server(pki.server_context(certs.server))
    conf = tls.upstream(common={"validation_context": tls.validation(certs.ca)})
    one = proxy(through(origin(server.port, conf, http=http)))
    assert client(one.port).get("/", host=host).status == (200 if good else 503)
    one.expect_stats({"cluster.up.ssl.fail_verify_san": 0 if good else 1})


@pytest.mark.parametrize("sni, good", [("localhost", True), ("elsewhere.example", False)])
def test_the_certificate_has_the_sni(proxy, certs, tls_server, client, sni, good):
    server = tls_server(pki.server_context(certs.server))
    conf = tls.upstream(sni=sni, auto_sni_san_validation=True, common={"validation_context": tls.validation(certs.ca)})
    one = proxy(through(origin(server.port, conf)))
    assert client(one.port).get("/").status == (200 if good else 503)


def test_our_certificate(proxy, certs, tls_server, client):
    server = tls_server(pki.server_context(certs.server, ca=certs.ca))
    one = proxy(through(origin(server.port, tls.upstream(certs.client))))
    assert client(one.port).get("/").text == "secret"
    assert ("DNS", "client.example") in server.seen.get()[3]["subjectAltName"]


def test_a_server_that_wants_one_and_gets_none(proxy, certs, tls_server, client, tmp_path):
    server = tls_server(pki.server_context(certs.server, ca=certs.ca))
    one = proxy(through(origin(server.port, tls.upstream()), tmp_path), args=FAST)
    assert client(one.port).get("/").status == 503
    assert "HANDSHAKE_FAILURE" in log_line(tmp_path) or "CERTIFICATE_REQUIRED" in log_line(tmp_path)
    one.expect_stats({"cluster.up.ssl.connection_error": 1})


def test_an_upstream_that_does_not_speak_tls(proxy, certs, upstream, client, tmp_path):
    server = upstream()
    threading.Thread(target=lambda: server.accept().send("HTTP/1.1 400 Bad Request\r\n\r\n"), daemon=True).start()
    one = proxy(through(origin(server.port, tls.upstream()), tmp_path), args=FAST)
    assert client(one.port).get("/").status == 503
    assert log_line(tmp_path) == "UF TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end\n"


def test_an_upstream_that_hangs_up_in_the_handshake(proxy, certs, upstream, client, tmp_path):
    server = upstream()
    threading.Thread(target=lambda: server.accept().close(), daemon=True).start()
    one = proxy(through(origin(server.port, tls.upstream()), tmp_path), args=FAST)
    assert client(one.port).get("/").status == 503
    assert log_line(tmp_path).startswith("UF ")


@pytest.mark.parametrize("version, keys, reused", [
    ("TLSv1_2", None, True), ("TLSv1_3", None, True), ("TLSv1_2", 0, False), ("TLSv1_3", 0, False),
])
def test_sessions_are_resumed(proxy, certs, tls_server, client, version, keys, reused):
    server = tls_server(pki.server_context(certs.server),
                        lambda request: wire.response(body="x", headers=[("connection", "close")]))
    conf = tls.upstream(common={"tls_params": {"tls_maximum_protocol_version": version},
                                "validation_context": tls.validation(certs.ca)},
                        **({"max_session_keys": keys} if keys is not None else {}))
    one = proxy(through(origin(server.port, conf)))
    for n in range(3):
        with wire.connect(one.port) as peer:
            assert peer.get("/").text == "x"
        assert server.seen.get()[1] == (reused and n > 0)
    one.expect_stats({"cluster.up.ssl.session_reused": 2 if reused else 0, "cluster.up.ssl.handshake": 3})


def test_proxy_header_before_tls(proxy, certs, upstream, client):
    server = upstream()
    conf = {"name": "pp", "typed_config": {
        "@type": c.PACKAGES + "transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        "config": {"version": "V1"}, "transport_socket": tls.upstream(sni="inner.example")}}
    one = proxy(through(origin(server.port, conf)))
    peer = client(one.port)
    result = queue.Queue()
    threading.Thread(target=lambda: result.put(peer.get("/").text), daemon=True).start()
    far = server.accept()
    assert far.until(b"\r\n").startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 ")
    got, far.got = far.got, b""
    inner = tls.TlsPeer(far, pki.server_context(certs.server), server=True, shake=False)
    inner.incoming.write(got)
    inner.shake()
    assert inner.request().path == "/"
    inner.send(wire.response(body="inner"))
    assert result.get(timeout=10) == "inner"


def test_no_shared_ciphers(proxy, certs, tls_server, client, tmp_path):
    context = pki.server_context(certs.server)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES256-SHA384")
    server = tls_server(context)
    one = proxy(through(origin(server.port, tls.upstream()), tmp_path), args=FAST)
    assert client(one.port).get("/").status == 503
    assert "SSLV3_ALERT_HANDSHAKE_FAILURE" in log_line(tmp_path)


class Openssl:
    """`openssl s_server`, which asks for renegotiation when its input says "r"."""

    def __init__(self, certificate):
        self.process = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", certificate.path,
                                         "-key", certificate.key, "-tls1_2"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.said = b""
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while data := os.read(self.process.stdout.fileno(), 1 << 16):
            self.said += data

    def expect(self, pattern):
        wait_until(lambda: re.search(pattern, self.said), f"s_server to say {pattern!r}, said {self.said[-300:]!r}")
        return re.search(pattern, self.said)

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("allowed", [True, False])
def test_renegotiation(proxy, certs, client, allowed):
    server = Openssl(certs.server)
    try:
        port = int(server.expect(rb"ACCEPT [\d.:]*:(\d+)\n")[1])
        conf = tls.upstream(allow_renegotiation=allowed)
        one = proxy(c.bootstrap([c.listener(c.tcp_proxy("up"))], [c.cluster("up", port, transport_socket=conf)]))
        peer = client(one.port)
        peer.send("ping\n")
        server.expect(rb"ping\n")
        server.process.stdin.write(b"r\n")
        server.process.stdin.flush()
        if not allowed:
            server.expect(rb"no renegotiation")
            peer.expect_closed()
            return
        server.expect(rb"SSL_do_handshake -> 1")
        peer.send("more\n")
        server.expect(rb"more\n")
    finally:
        server.close()

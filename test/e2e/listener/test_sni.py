# SPDX-License-Identifier: Apache-2.0
"""TLS passed through without ending it: the backend is chosen by server name and protocol; plain text by its first line."""
import socket
import ssl
import subprocess
import threading

import pytest

from lib import PATIENCE, pki, wait_until, wire
from lib import config as c
from lib import hello as h

TLS = c.typed("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector")
HTTP = c.typed("envoy.filters.listener.http_inspector", "filters.listener.http_inspector.v3.HttpInspector")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    root = pki.authority(folder)
    return {name: pki.make(folder, name, san=[f"DNS:{name}.example.com"], issuer=root) for name in ("a", "b", "c")} | {"root": root}


class TlsServer:
    """Says its name to whoever shakes hands."""

    def __init__(self, name, certificate, alpn=()):
        self.name = name
        self.context = pki.server_context(certificate, alpn=alpn)
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                peer, _ = self.sock.accept()
                peer.settimeout(PATIENCE)
                with self.context.wrap_socket(peer, server_side=True) as tls:
                    tls.sendall(self.name.encode())
                    tls.recv(1)
            except ssl.SSLError:
                pass
            except OSError:
                return

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


@pytest.fixture
def backends(certificates):
    made = {name: TlsServer(name, certificates[name], alpn=["h2", "http/1.1"]) for name in ("a", "b", "c")}
    yield made
    for server in made.values():
        server.close()


def ask(port, certificates, name, alpn=()):
    """Who answered; the certificate must be that of the name, since nobody in between ends TLS."""
    context = pki.client_context(certificates["root"], alpn=alpn)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock, context.wrap_socket(sock, server_hostname=name) as tls:
        got = tls.recv(10).decode()
        assert ("DNS", f"{got}.example.com") in tls.getpeercert()["subjectAltName"]
        return got


def to(cluster, **match):
    return {"filters": [c.tcp_proxy(cluster)], **({"filter_chain_match": match} if match else {})}


def passing(backends, chains, filters):
    return c.bootstrap([{"name": "main", "address": c.address(), "listener_filters": filters, "filter_chains": chains}],
                       [c.cluster(name, server.port) for name, server in backends.items()])


def test_by_server_name(proxy, backends, certificates):
    p = proxy(passing(backends, [to("a", server_names=["a.example.com"]), to("b", server_names=["*.example.com"]),
                                 to("c", transport_protocol="tls")], [TLS]))
    assert ask(p.port, certificates, "a.example.com") == "a"
    assert ask(p.port, certificates, "b.example.com") == "b"
    assert ask(p.port, certificates, "c.other.example.org") == "c"
    with wire.connect(p.port) as plain:
        plain.send("this is no TLS").expect_closed()
    p.expect_stats({"listener.127.0.0.1_0.no_filter_chain_match": 1, "tls_inspector.tls_found": 3})


def test_by_protocol(proxy, backends, certificates):
    p = proxy(passing(backends, [to("a", application_protocols=["h2"]), to("b", application_protocols=["http/1.1"]), to("c")], [TLS]))
    assert ask(p.port, certificates, "x.example.com", alpn=["h2", "http/1.1"]) == "a"
    assert ask(p.port, certificates, "x.example.com", alpn=["http/1.1"]) == "b"
    assert ask(p.port, certificates, "x.example.com") == "c"


def test_openssl_through_the_proxy(proxy, backends, certificates):
    p = proxy(passing(backends, [to("a", server_names=["a.example.com"]), to("b")], [TLS]))
    for name, want in [("a.example.com", "a"), ("b.example.com", "b")]:
        for version in ("-tls1_2", "-tls1_3"):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{p.port}", "-servername", name, version,
                                   "-CAfile", str(certificates["root"].path), "-verify_return_error", "-quiet"],
                                  capture_output=True, timeout=PATIENCE, input=b"x")
            assert done.stdout == want.encode(), done.stderr


def test_sni_cluster(proxy, backends, certificates, tmp_path):
    """The name itself is the cluster; without one, the configured cluster."""
    sni = c.network_filter("sni_cluster", "SniCluster")
    log = [c.file_log(tmp_path / "log", "%UPSTREAM_CLUSTER% %FILTER_STATE(envoy.tcp_proxy.cluster:PLAIN)% %RESPONSE_FLAGS%\n")]
    config = passing(backends, [{"filters": [sni, c.tcp_proxy("c", access_log=log)]}], [TLS])
    for cluster in config["static_resources"]["clusters"][:2]:
        cluster["name"] += ".example.com"
        cluster["load_assignment"]["cluster_name"] = cluster["name"]
    p = proxy(config, args=["--file-flush-interval-msec", "20"])
    assert ask(p.port, certificates, "a.example.com") == "a"
    assert ask(p.port, certificates, "B.Example.Com") == "b"
    context = pki.client_context()
    with socket.create_connection(("127.0.0.1", p.port), PATIENCE) as sock, context.wrap_socket(sock) as tls:
        assert tls.recv(10) == b"c"
    with wire.connect(p.port) as down:
        down.send(h.real("nobody.example.com")).expect_closed()
    lines = ["a.example.com a.example.com -", "b.example.com b.example.com -", "c - -", "- nobody.example.com NC"]
    wait_until(lambda: sorted((tmp_path / "log").read_text().splitlines()) == sorted(lines),
               "the four lines")
    p.expect_stats({"tcp.tcp.downstream_cx_no_route": 1, "tcp.tcp.downstream_cx_total": 4})


# --- http_inspector ---

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FIRST_LINES = {
    "h11": [b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\n", b"get /a HTTP/1.1\r\nhost: a\r\n\r\n", b"FOO * HTTP/1.1\r\n",
            b"CONNECT a:1 HTTP/1.1\r\n", b"GET  /  HTTP/1.1 \r\n", b"GET\t/ HTTP/1.1\r\n", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n",
            b"GET /" + b"a" * (65536 - 16) + b" HTTP/1.1\r\n"],
    "h10": [b"GET / HTTP/1.0\r\n", b"GET /\r\n", b"GET / HTTP/1.2\r\n", b"GET / HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"],
    "h2c": [PREFACE, PREFACE + b"more"],
    "other": [b"hello world\r\n", b"\r\n", b"\r\nGET / HTTP/1.1\r\n", b"GET HTTP/1.1\r\n", b"GET / HTTX/1.1\r\n", b"\0\1",
              b"GET / HTTP/1.1x\r\n", b"GET / HTTP/1\r\n", h.real("a.b")],
}


def chain(name, **match):
    return {"name": name, "filters": [c.network_filter("echo", "Echo")], **({"filter_chain_match": match} if match else {})}


HTTP_CHAINS = [chain("h2c", application_protocols=["h2c"]), chain("h11", application_protocols=["http/1.1"]),
               chain("h10", application_protocols=["http/1.0"]), chain("other")]


def logged(chains, filters, path, **extra):
    return c.bootstrap([{"name": "main", "address": c.address(), "filter_chains": chains, "listener_filters": filters,
                         "access_log": [c.file_log(path, "%FILTER_CHAIN_NAME%\n")], **extra}])


@pytest.mark.parametrize("want", FIRST_LINES)
def test_plain_text_by_its_first_line(proxy, client, tmp_path, want):
    p = proxy(logged(HTTP_CHAINS, [HTTP], tmp_path / "log"), args=["--file-flush-interval-msec", "20"])
    for data in FIRST_LINES[want]:
        client(p.port).send(data).expect(data).close()
    n = len(FIRST_LINES[want])
    wait_until(lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text().count("\n") == n)
    assert (tmp_path / "log").read_text().split() == [want] * n
    stat = {"h11": "http11_found", "h10": "http10_found", "h2c": "http2_found", "other": "http_not_found"}[want]
    assert p.stats("http_inspector.") == {"http_inspector." + s: n if s == stat else 0 for s in
                                          ("http10_found", "http11_found", "http2_found", "http_not_found", "read_error")}


def test_first_lines_that_never_end(proxy, client, tmp_path):
    p = proxy(logged(HTTP_CHAINS, [HTTP], tmp_path / "log", listener_filters_timeout="0.3s"))
    for part in (b"G", b"GET / HTTP/1.1\r", PREFACE[:10], PREFACE[:10] + b"zzzz"):
        client(p.port).send(part).expect_closed()
    p.expect_stats({"listener.127.0.0.1_0.downstream_pre_cx_timeout": 4})
    down = client(p.port)
    try:
        down.send(b"GET /" + b"a" * 70000)
    except OSError:
        pass
    down.expect_closed()
    p.expect_stats({"http_inspector.read_error": 1})


def test_both_inspectors(proxy, client, tmp_path):
    """What is TLS has no first line; http_inspector leaves it alone."""
    p = proxy(logged([chain("tls", transport_protocol="tls"), *HTTP_CHAINS], [TLS, HTTP], tmp_path / "log"),
              args=["--file-flush-interval-msec", "20"])
    for data in (h.real("a.b", ["http/1.1"]), b"GET / HTTP/1.1\r\n"):
        client(p.port).send(data).expect(data).close()
    wait_until(lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text().split() == ["tls", "h11"])
    p.expect_stats({"http_inspector.http11_found": 1, "http_inspector.http_not_found": 0})

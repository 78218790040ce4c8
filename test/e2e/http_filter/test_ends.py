# SPDX-License-Identifier: Apache-2.0
"""Every HTTP filter of src/ext/EXTENSIONS against the end of a stream at every point of its life: clients and upstreams that
leave at each byte, timeouts, replies of the proxy itself; and against requests with every part missing. A new filter is in
this test without a line being written (or with one in data/http_filters.yaml). Sanitizers are the judges, and the gauges."""
import re
import socket
import socketserver
import struct
import threading

import pytest
import yaml

from lib import config as c
from lib import wire
from lib.proxy import ROOT

pytestmark = pytest.mark.own

TYPES = c.PACKAGES + "filters.http."
CONFIGS = yaml.safe_load((ROOT / "test/data/http_filters.yaml").read_text())


def default_config(name):
    proto = (ROOT / f"api/envoy/extensions/filters/http/{name}/v3/{name}.proto").read_text()
    message = re.search(r"^message (\w+)", proto, re.M).group(1)
    return {"@type": f"{name}.v3.{message}"}


def chains():
    for line in (ROOT / "src/ext/EXTENSIONS").read_text().splitlines():
        if not line.startswith("http_filter "):
            continue
        _, name, envoy_name = line.split()
        for i, config in enumerate(CONFIGS.get(envoy_name) or [default_config(name)]):
            config = {**config, "@type": TYPES + config["@type"]}
            yield pytest.param([] if name == "router" else [{"name": envoy_name, "typed_config": config}], id=f"{name}{i}")


every_chain = pytest.mark.parametrize("chain", list(chains()))


class Upstream(socketserver.ThreadingTCPServer):
    """Reads one request and sends as much of a response as its x-cut header says; then closes, resets, or waits."""
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    ANSWERS = {"length": b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nx-u: 1\r\n\r\nabcdef",
               "chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nx-t: 1\r\nx-u: 2\r\n\r\n",
               "early": b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 503 No\r\nx-envoy-overloaded: 1\r\ncontent-length: 1\r\n\r\nx"}

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            head = b""
            while b"\r\n\r\n" not in head:
                more = self.request.recv(65536)
                if not more:
                    return
                head += more
            ask = dict(re.findall(rb"\r\nx-(cut|how|answer): (\S+)", head))
            answer = Upstream.ANSWERS[ask.get(b"answer", b"length").decode()]
            try:
                self.request.sendall(answer[:int(ask.get(b"cut", b"1000"))])
                if ask.get(b"how") == b"reset":
                    reset(self.request)
                elif ask.get(b"how") == b"wait":
                    self.request.recv(65536)
            except OSError:
                pass

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass # the proxy left: that is the test


@pytest.fixture(scope="module")
def far():
    server = Upstream()
    yield server
    server.close()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def with_chain(chain, far, before=(), after=()):
    routes = [c.direct(200, "direct", "/direct"), {"match": {"prefix": "/redirect"}, "redirect": {"path_redirect": "/x"}},
              c.route("nobody", "/nobody"), c.route("up", "/short", action={"timeout": "0.02s"}),
              c.route("up", "/retry", action={"retry_policy": {"retry_on": "5xx,reset", "num_retries": 2, "retry_back_off": {"base_interval": "0.001s"}}}),
              c.route("up", action={"prefix_rewrite": "/y", "upgrade_configs": [{"upgrade_type": "websocket"}]})]
    cors = {"envoy.filters.http.cors": {"@type": TYPES + "cors.v3.CorsPolicy", "allow_origin_string_match": [{"prefix": "http"}]}} \
        if any("cors" in f["name"] for f in chain) else {}
    filters = [*before, *chain, *after]
    hosts = [c.virtual_host(*routes, typed_per_filter_config=cors), c.virtual_host(c.route("up"), name="tls", domains=["tls"], require_tls="ALL")]
    return c.http(virtual_hosts=hosts, filters=filters, clusters=[c.cluster("up", far.port), c.cluster("nobody")],
                  route_config={"validate_clusters": False}, stream_idle_timeout="1s", upgrade_configs=[{"upgrade_type": "websocket"}],
                  http_protocol_options={"accept_http_10": True, "default_host_for_http_10": "a", "enable_trailers": True})


def settled(p):
    p.expect_stats({"http.in.downstream_cx_active": 0, "http.in.downstream_rq_active": 0, "cluster.up.upstream_rq_active": 0,
                    "cluster.up.upstream_rq_pending_active": 0, "http.in.fault.active_faults": 0})


def talk(p, request, end="close", read=True):
    """One connection: sends, reads what comes until the proxy has nothing more to say (or not), ends."""
    with socket.create_connection(("127.0.0.1", p.port), timeout=10) as sock:
        got = b""
        try:
            sock.sendall(request)
            if read:
                while True:
                    more = sock.recv(65536)
                    if not more:
                        break
                    got += more
        except OSError:
            pass
        if end == "reset":
            reset(sock)
        return got


HEAD = "host: a\r\norigin: http://b\r\nx-cut: 1000\r\nconnection: close\r\n"
REQUESTS = {
    "get": f"GET /?a=1 HTTP/1.1\r\n{HEAD}\r\n",
    "length": f"POST / HTTP/1.1\r\n{HEAD}content-length: 3\r\n\r\nabc",
    "chunked": f"PUT /?a=1 HTTP/1.1\r\n{HEAD}transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nx-t: 1\r\n\r\n",
    "preflight": f"OPTIONS / HTTP/1.1\r\n{HEAD}access-control-request-method: PUT\r\ncontent-length: 2\r\n\r\nab",
    "upgrade": "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "direct": f"POST /direct HTTP/1.1\r\n{HEAD}content-length: 1\r\n\r\na",
    "nobody": f"POST /nobody HTTP/1.1\r\n{HEAD}transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
}


@every_chain
def test_clients_that_leave_at_each_byte(proxy, far, chain):
    p = proxy(with_chain(chain, far))
    for request in REQUESTS.values():
        for n in range(1, len(request) + 1):
            talk(p, request[:n].encode(), "reset" if n % 2 else "close", read=False)
    settled(p)


@every_chain
@pytest.mark.parametrize("how", ["close", "reset"])
def test_upstreams_that_leave_at_each_byte(proxy, far, chain, how):
    p = proxy(with_chain(chain, far))
    for kind, answer in Upstream.ANSWERS.items():
        for n in range(len(answer) + 1):
            path = "/retry" if n % 3 == 0 else "/"
            ask = f"x-answer: {kind}\r\nx-cut: {n}\r\nx-how: {how}\r\nconnection: close\r\n"
            body = "content-length: 3\r\n\r\nabc" if n % 2 else "\r\n"
            talk(p, f"POST {path} HTTP/1.1\r\nhost: a\r\norigin: http://a\r\n{ask}{body}".encode())
    settled(p)


@every_chain
def test_clients_that_leave_a_waiting_upstream(proxy, far, chain):
    p = proxy(with_chain(chain, far))
    for kind, answer in Upstream.ANSWERS.items():
        for n in range(0, len(answer), 7):
            ask = f"x-answer: {kind}\r\nx-cut: {n}\r\nx-how: wait\r\n"
            with socket.create_connection(("127.0.0.1", p.port), timeout=10) as sock:
                sock.sendall(f"POST / HTTP/1.1\r\nhost: a\r\norigin: http://a\r\n{ask}content-length: 3\r\n\r\nabc".encode())
                sock.settimeout(0.005)
                try:
                    sock.recv(65536)
                except OSError:
                    pass
                if n % 2:
                    reset(sock)
    settled(p)


@every_chain
def test_timeouts_at_each_point(proxy, far, chain):
    p = proxy(with_chain(chain, far))
    for kind, answer in Upstream.ANSWERS.items():
        for n in range(0, len(answer), 5):
            ask = f"x-answer: {kind}\r\nx-cut: {n}\r\nx-how: wait\r\nconnection: close\r\n"
            talk(p, f"POST /short HTTP/1.1\r\nhost: a\r\norigin: http://a\r\n{ask}content-length: 3\r\n\r\nabc".encode())
    settled(p)


@every_chain
def test_replies_of_the_proxy_itself(proxy, far, chain):
    p = proxy(with_chain(chain, far))
    for path in ("/direct", "/redirect", "/nobody"):
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            for body in ("\r\n", "content-length: 3\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-t: 1\r\n\r\n", "content-length: 9\r\n\r\nabc"):
                got = talk(p, f"{method} {path} HTTP/1.1\r\nhost: a\r\norigin: http://a\r\nconnection: close\r\n{body}".encode(),
                           read=not body.startswith("content-length: 9"))
                assert got.startswith(b"HTTP/1.1 ") or body.startswith("content-length: 9")
    settled(p)


def remover(what):
    mutation = {"remove": what} if what != "all" else {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": ".*"}}}}
    return {"name": f"remove {what}", "typed_config": {"@type": TYPES + "header_mutation.v3.HeaderMutation", "mutations": {
        "request_mutations": [mutation], "response_mutations": [mutation], "request_trailers_mutations": [mutation], "response_trailers_mutations": [mutation]}}}


@every_chain
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("part", [":path", ":method", ":authority", ":scheme", ":status", "all"])
def test_parts_that_are_missing(proxy, far, chain, where, part):
    """Another filter takes a part away."""
    p = proxy(with_chain(chain, far, **{where: [remover(part)]}))
    for kind, request in REQUESTS.items():
        for path in ("/", "/direct", "/redirect", "/nobody", "/retry"):
            for host in ("a", "tls"):
                text = request.replace(" / ", f" {path} ").replace("host: a", f"host: {host}")
                with socket.create_connection(("127.0.0.1", p.port), timeout=10) as sock:
                    sock.sendall(text.encode())
                    if kind != "upgrade": # a filter that wants the whole request waits for ever
                        assert sock.recv(65536).startswith(b"HTTP/1.1 ")
    settled(p)


SPARSE = ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nhost:\r\n\r\n", "POST / HTTP/1.0\r\ncontent-length: 1\r\n\r\na",
          "GET http://a HTTP/1.1\r\nhost: b\r\n\r\n", "OPTIONS * HTTP/1.1\r\nhost: a\r\norigin:\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n",
          "POST / HTTP/1.1\r\nhost: a\r\norigin: null\r\nreferer: ://\r\ncontent-length: 0\r\n\r\n", "X / HTTP/1.1\r\nhost: a\r\n\r\n"]


@every_chain
def test_sparse_requests(proxy, far, chain):
    p = proxy(with_chain(chain, far))
    for request in SPARSE:
        with socket.create_connection(("127.0.0.1", p.port), timeout=10) as sock:
            sock.sendall(request.encode())
            assert sock.recv(65536).startswith(b"HTTP/1.")
    settled(p)
    with wire.connect(p.port) as peer: # it still works
        assert peer.get("/direct").status >= 200

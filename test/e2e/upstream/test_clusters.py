# SPDX-License-Identifier: Apache-2.0
"""Which host a request goes to, over which connection, and when there is none."""
import collections
import threading

import pytest

from lib import config as c
from lib import wait_until, wire

pytestmark = pytest.mark.tsan


def endpoint(port, **extra):
    return {"endpoint": {"address": c.address(port)}, **extra}


def balanced(policy, *endpoints, **extra):
    return c.http(c.route("up"), clusters=[c.cluster("up", *endpoints, lb_policy=policy, **extra)])


def spread(p, n):
    return collections.Counter(p.get().text for _ in range(n))


def test_round_robin_takes_turns(proxy, upstream):
    servers = [upstream(name=n) for n in "abc"]
    p = proxy(balanced("ROUND_ROBIN", *(s.port for s in servers)))
    assert spread(p, 30) == {"a": 10, "b": 10, "c": 10}


def test_round_robin_with_weights(proxy, upstream):
    servers = [upstream(name=n) for n in "ab"]
    p = proxy(balanced("ROUND_ROBIN", endpoint(servers[0].port, load_balancing_weight=3),
                       endpoint(servers[1].port, load_balancing_weight=1)))
    seen = spread(p, 40)  # the turn begins anywhere in its cycle, and equal deadlines may go either way
    assert 29 <= seen["a"] <= 31 and sum(seen.values()) == 40


def test_random_reaches_all(proxy, upstream):
    servers = [upstream(name=n) for n in "abc"]
    p = proxy(balanced("RANDOM", *(s.port for s in servers)))
    seen = spread(p, 150)
    assert set(seen) == set("abc") and min(seen.values()) > 20


def test_least_request_avoids_the_busy_one(proxy, upstream, client):
    stop = threading.Event()
    busy = upstream(lambda r: stop.wait(10) and None or wire.response(body="busy"))
    idle = upstream(name="idle")
    p = proxy(balanced("LEAST_REQUEST", busy.port, idle.port))
    stuck = []
    while p.stat("cluster.up.upstream_rq_active") < 2 and len(stuck) < 40:
        stuck.append(client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n"))
        if not stuck[-1].quiet(0.05):
            stuck.pop().close()
    # Two choices of two hosts: the same one twice in a quarter of the cases each; then the busy one is unavoidable.
    seen = collections.Counter()
    for _ in range(20):
        peer = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        seen["busy" if peer.quiet(0.05) else "idle"] += 1
    stop.set()
    assert seen["idle"] >= 9


def test_priorities(proxy, upstream):
    """The second priority gets nothing while the first has a host."""
    first, second = upstream(name="first"), upstream(name="second")
    cluster = c.cluster("up", first.port)
    cluster["load_assignment"]["endpoints"].append({"priority": 1, "lb_endpoints": [endpoint(second.port)]})
    p = proxy(c.http(c.route("up"), clusters=[cluster]))
    assert spread(p, 10) == {"first": 10}


def test_hosts_marked_unhealthy_are_left_out(proxy, upstream):
    a, b = upstream(name="a"), upstream(name="b")
    p = proxy(balanced("ROUND_ROBIN", endpoint(a.port, health_status="UNHEALTHY"), endpoint(b.port),
                       common_lb_config={"healthy_panic_threshold": {"value": 0}}))
    assert spread(p, 10) == {"b": 10}
    p.expect_stats({"cluster.up.membership_total": 2, "cluster.up.membership_healthy": 1})


def test_panic_uses_all(proxy, upstream):
    servers = [upstream(name=n) for n in "abc"]
    p = proxy(balanced("ROUND_ROBIN", endpoint(servers[0].port), endpoint(servers[1].port, health_status="UNHEALTHY"),
                       endpoint(servers[2].port, health_status="UNHEALTHY")))
    assert set(spread(p, 12)) == set("abc")
    assert p.stat("cluster.up.lb_healthy_panic") == 12


def test_no_host_at_all(proxy):
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up")]))
    answer = p.get()
    assert (answer.status, answer.text) == (503, "no healthy upstream")
    p.expect_stats({"cluster.up.upstream_cx_none_healthy": 1})


def test_a_drained_host_gets_nothing_new(proxy, upstream):
    a, b = upstream(name="a"), upstream(name="b")
    p = proxy(balanced("ROUND_ROBIN", endpoint(a.port, health_status="DRAINING"), endpoint(b.port),
                       common_lb_config={"healthy_panic_threshold": {"value": 0}}))
    assert spread(p, 6) == {"b": 6}


# --- pools ---

def test_requests_per_connection(proxy, upstream, client):
    up = upstream(name="a")
    options = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": c.PACKAGES + "upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"max_requests_per_connection": 2},
        "explicit_http_config": {"http_protocol_options": {}}}}}
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port, **options)]))
    down = client(p.port)
    for _ in range(6):
        assert down.get().text == "a"
    assert up.n_connections == 3
    p.expect_stats({"cluster.up.upstream_cx_max_requests": 3, "cluster.up.upstream_cx_total": 3})


def test_idle_upstream_connections_are_closed(proxy, upstream):
    up = upstream(name="a")
    options = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": c.PACKAGES + "upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": "0.1s"}, "explicit_http_config": {"http_protocol_options": {}}}}}
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port, **options)]))
    p.get()
    p.expect_stats({"cluster.up.upstream_cx_idle_timeout": 1, "cluster.up.upstream_cx_active": 0})
    assert p.get().text == "a"


def test_an_upstream_may_close_a_kept_connection(proxy, upstream, client):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port)
    for n in range(3):
        down.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        far = up.accept()
        far.head()
        far.send(wire.response(body=str(n)))
        assert down.response().text == str(n)
        far.close()
        p.wait_stat("cluster.up.upstream_cx_active", 0)


def test_connection_close_of_an_upstream_is_obeyed(proxy, upstream, client):
    up = upstream(lambda r: wire.response(body="x", headers=[("connection", "close")]))
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port)
    for _ in range(3):
        assert down.get().status == 200
    assert up.n_connections == 3
    p.expect_stats({"cluster.up.upstream_cx_close_notify": 3})


def test_a_connect_timeout(proxy):
    """An address that nobody answers: a full listen queue on loopback."""
    import socket
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = []
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
            fillers.append(s)
        cluster = c.cluster("up", port) | {"connect_timeout": "0.2s"}
        p = proxy(c.http(c.route("up"), clusters=[cluster]))
        answer = p.get()
        assert (answer.status, answer.text) == (
            503, "upstream connect error or disconnect/reset before headers. reset reason: connection timeout")
        p.expect_stats({"cluster.up.upstream_cx_connect_timeout": 1, "cluster.up.upstream_cx_connect_fail": 1})
        for s in fillers:
            s.close()


# --- circuit breakers ---

def limited(up, **limits):
    return c.http(c.route("up"), clusters=[c.cluster("up", up.port, circuit_breakers={
        "thresholds": [{**limits, "track_remaining": True}]})])


def test_too_many_requests(proxy, upstream, client):
    up = upstream()
    p = proxy(limited(up, max_requests=1))
    first = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    p.expect_stats({"cluster.up.circuit_breakers.default.rq_open": 1, "cluster.up.circuit_breakers.default.remaining_rq": 0})
    answer = p.get()
    assert (answer.status, answer.get("x-envoy-overloaded")) == (503, "true")
    assert answer.text == "upstream connect error or disconnect/reset before headers. reset reason: overflow"
    far.send(wire.response(body="ok"))
    assert first.response().text == "ok"
    p.expect_stats({"cluster.up.upstream_rq_active_overflow": 1, "cluster.up.circuit_breakers.default.rq_open": 0,
                    "cluster.up.circuit_breakers.default.remaining_rq": 1})


def test_waiting_for_a_connection(proxy, upstream, client):
    """One connection, two requests: the second waits in the pool; a third is more than may wait."""
    up = upstream()
    p = proxy(limited(up, max_connections=1, max_pending_requests=1))
    first = client(p.port).send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    assert far.head().path == "/1"
    second = client(p.port).send("GET /2 HTTP/1.1\r\nhost: a\r\n\r\n")
    p.expect_stats({"cluster.up.upstream_rq_pending_active": 1, "cluster.up.circuit_breakers.default.cx_open": 1,
                    "cluster.up.circuit_breakers.default.rq_pending_open": 1})
    assert p.get("/3").status == 503
    far.send(wire.response(body="1"))
    assert first.response().text == "1"
    assert far.head().path == "/2"
    far.send(wire.response(body="2"))
    assert second.response().text == "2"
    p.expect_stats({"cluster.up.upstream_cx_overflow": 1, "cluster.up.upstream_rq_pending_overflow": 1,
                    "cluster.up.upstream_rq_pending_active": 0, "cluster.up.upstream_cx_total": 1})


# --- on the wire ---

@pytest.mark.parametrize("version, head", [("V1", b"PROXY TCP4 127.0.0.1 127.0.0.1 "), ("V2", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c")])
def test_proxy_headers_upstream(proxy, upstream, client, version, head):
    up = upstream()
    socket_config = c.typed("envoy.transport_sockets.upstream_proxy_protocol",
                            "transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
                            config={"version": version}, transport_socket=c.typed(
                                "envoy.transport_sockets.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer"))
    config = c.bootstrap([c.listener(c.tcp_proxy("up"))], [c.cluster("up", up.port, transport_socket=socket_config)])
    p = proxy(config)
    down = client(p.port).send(b"hello")
    far = up.accept()
    far.expect(head)
    if version == "V1":
        assert far.until(b"\r\n").split()[-1] == str(p.port).encode()
    else:
        far.read(12)
    far.expect(b"hello")
    far.send(b"hi")
    down.expect(b"hi")


def test_an_http_connection_that_names_a_client_is_for_that_client(proxy, upstream, client):
    up = upstream()
    socket_config = c.typed("envoy.transport_sockets.upstream_proxy_protocol",
                            "transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
                            config={"version": "V1"}, transport_socket=c.typed(
                                "envoy.transport_sockets.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer"))
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port, transport_socket=socket_config)]))
    one, two = client(p.port), client(p.port)
    far = {}
    for number, down in enumerate((one, two, one, two)):
        down.send(f"GET /{number} HTTP/1.1\r\nhost: a\r\n\r\n")
        if down not in far:
            far[down] = up.accept()
            far[down].until(b"\r\n")
        assert far[down].head().path == f"/{number}"
        far[down].send(wire.response(body="ok"))
        assert down.response().text == "ok"
    p.expect_stats({"cluster.up.upstream_cx_total": 2, "cluster.up.upstream_rq_total": 4})


def test_a_unix_socket_upstream(proxy, upstream, tmp_path):
    path = str(tmp_path / "up")
    up = upstream(name="unix", address=path)
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", path)]))
    assert p.get().text == "unix"
    wait_until(lambda: len(up.requests) == 1)

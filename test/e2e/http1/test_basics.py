# SPDX-License-Identifier: Apache-2.0
"""One request and its answer: what goes upstream, what comes back."""
import re
import socket
import threading

import pytest

from lib import config as c
from lib import wait_until, wire

pytestmark = pytest.mark.tsan


def to(up, **options):
    return c.http(c.route("up"), clusters=[c.cluster("up", up.port)], **options)


def test_a_request_reaches_the_upstream_and_the_answer_the_client(proxy, upstream):
    up = upstream(lambda request: wire.response(body="hello", headers=[("x-own", "1")]))
    p = proxy(to(up))
    answer = p.get("/path?q=1", headers=[("x-mine", "a")])
    assert (answer.status, answer.text) == (200, "hello")
    assert answer.get("x-own") == "1"
    assert answer.get("server") == "envoy"
    assert re.fullmatch(r"\d+", answer.get("x-envoy-upstream-service-time"))
    assert answer.has("date")
    request = up.next()
    assert request.start == "GET /path?q=1 HTTP/1.1"
    assert request.get("host") == "test"
    assert request.get("x-mine") == "a"
    assert request.get("x-forwarded-proto") == "http"
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", request.get("x-request-id"))
    assert request.get("x-envoy-expected-rq-timeout-ms") == "15000"


def test_connections_are_kept_on_both_sides(proxy, upstream, client):
    up = upstream(name="a")
    p = proxy(to(up))
    down = client(p.port)
    for _ in range(5):
        assert down.get("/").text == "a"
    assert up.n_connections == 1
    p.expect_stats({"http.in.downstream_cx_total": 1, "http.in.downstream_rq_total": 5,
                    "http.in.downstream_rq_2xx": 5, "cluster.up.upstream_rq_total": 5})


def test_pipelined_requests_are_answered_in_order(proxy, upstream, client):
    up = upstream(lambda request: wire.response(body=request.path))
    p = proxy(to(up))
    down = client(p.port)
    down.send("".join(f"GET /{n} HTTP/1.1\r\nhost: a\r\n\r\n" for n in range(10)))
    assert [down.response().text for _ in range(10)] == [f"/{n}" for n in range(10)]


def test_a_pipelined_request_begins_while_the_response_before_it_is_still_leaving(proxy, upstream, client):
    """Its stream begins above the high watermark of the connection and hears of the low one."""
    read = threading.Event()

    def answer(request):
        if request.path == "/second":
            read.wait(20)
            return wire.response(body="b" * 200_000)
        return wire.response(body="a" * 8_000_000)
    up = upstream(answer)
    p = proxy(c.bootstrap([c.listener(c.hcm(c.route("up")), per_connection_buffer_limit_bytes=65536)], [c.cluster("up", up.port)]))
    down = client(p.port)
    down.send("GET /first HTTP/1.1\r\nhost: a\r\n\r\nGET /second HTTP/1.1\r\nhost: a\r\n\r\n")
    wait_until(lambda: p.stat("cluster.up.upstream_flow_control_paused_reading_total") >= 1, "the upstream to be held back")
    assert len(down.response().body) == 8_000_000
    read.set()
    assert len(down.response().body) == 200_000
    p.wait_stat("http.in.downstream_rq_active", 0)


def test_a_pause_ends_with_its_request(proxy, client):
    """A body that waits for the end of a delay is over the limit, so the client is paused when the answer ends the request.
    The next one is read."""
    fault = c.http_filter("fault", "HTTPFault", delay={"fixed_delay": "0.2s", "percentage": {"numerator": 100}},
                          abort={"http_status": 418, "percentage": {"numerator": 100}})
    p = proxy(c.bootstrap([c.listener(c.hcm(c.direct(body="never"), filters=[fault]), per_connection_buffer_limit_bytes=16384)]))
    down = client(p.port)
    for _ in range(2):
        assert down.get("/", method="POST", body="x" * 20_000).status == 418
    assert p.stat("http.in.downstream_flow_control_paused_reading_total") > 0


def test_bodies_stream_in_both_directions(proxy, upstream, client):
    """The upstream sees the first chunk before the client has sent the second, and the other way round."""
    up = upstream()
    p = proxy(to(up))
    down = client(p.port)
    down.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
    far = up.accept()
    assert far.head().get("transfer-encoding") == "chunked"
    far.expect("5\r\nfirst\r\n")
    down.send("6\r\nsecond\r\n0\r\n\r\n")
    far.expect("6\r\nsecond\r\n0\r\n\r\n")
    far.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
    assert down.head().status == 200
    down.expect("3\r\none\r\n")
    far.send("3\r\ntwo\r\n0\r\n\r\n")
    down.expect("3\r\ntwo\r\n0\r\n\r\n")


def test_content_length_is_kept(proxy, upstream, client):
    up = upstream(lambda request: wire.response(body=request.body))
    p = proxy(to(up))
    answer = client(p.port).get("/", method="POST", body="x" * 100_000)
    assert answer.get("content-length") == "100000"
    assert answer.body == b"x" * 100_000
    assert up.next().get("content-length") == "100000"


def test_head_has_no_body(proxy, upstream, client):
    up = upstream(lambda request: wire.response(headers=[("content-length", "1234")]))
    p = proxy(to(up))
    down = client(p.port)
    assert down.get("/", method="HEAD").get("content-length") == "1234"
    assert down.get("/", method="HEAD").status == 200


def test_no_route_is_404_and_no_upstream_503(proxy):
    p = proxy(c.http(c.route("gone", prefix="/gone"), clusters=[c.cluster("gone", wire.free_port())]))
    assert p.get("/other").status == 404
    answer = p.get("/gone")
    assert answer.status == 503
    assert answer.text == ("upstream connect error or disconnect/reset before headers. "
                           "reset reason: remote connection failure")
    p.expect_stats({"http.in.no_route": 1, "cluster.gone.upstream_cx_connect_fail": 1,
                    "http.in.downstream_rq_4xx": 1, "http.in.downstream_rq_5xx": 1})


def test_http_1_0_gets_an_answer_it_understands(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, http_protocol_options={"accept_http_10": True}))
    down = client(p.port)
    down.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n")
    far = up.accept()
    assert far.head().start == "GET / HTTP/1.1"
    far.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n")
    answer = down.head()
    assert answer.start == "HTTP/1.0 200 OK"
    assert not answer.has("transfer-encoding")
    assert down.rest() == b"one"


def test_http_1_0_is_refused_unless_allowed(proxy, client):
    p = proxy(c.http(c.direct()))
    down = client(p.port)
    down.send("GET / HTTP/1.0\r\n\r\n")
    assert down.head().status == 426


def test_100_continue_is_answered_by_the_proxy(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up))
    down = client(p.port)
    down.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
    down.expect("HTTP/1.1 100 Continue\r\n\r\n")
    down.send("body")
    far = up.accept()
    assert far.request().body == b"body"
    far.send(wire.response(body="done"))
    assert down.response().text == "done"


def test_websocket_upgrade_becomes_a_tunnel(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, upgrade_configs=[{"upgrade_type": "websocket"}]))
    down = client(p.port)
    down.send("GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
    far = up.accept()
    request = far.head()
    assert request.get("upgrade").lower() == "websocket"
    far.send("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n\x81\x02hi")
    assert down.head().status == 101
    down.expect("\x81\x02hi")
    down.send(b"\x81\x00raw")
    far.expect(b"\x81\x00raw")
    far.close()
    down.expect_end()


def test_an_upgrade_not_configured_is_403(proxy, upstream, client):
    p = proxy(to(upstream()))
    down = client(p.port)
    down.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
    assert down.head().status == 403

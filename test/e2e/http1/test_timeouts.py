# SPDX-License-Identifier: Apache-2.0
"""Every clock of a request: which answer, which flag, which counter, and what happens to the connections."""
import time

from lib import config as c
from lib import wire


INSIDE = {"use_remote_address": True,
          "internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}


def to(up, action=None, route=None, cluster=None, **options):
    return c.http(c.route("up", action=action, **(route or {})), clusters=[c.cluster("up", up.port, **(cluster or {}))], **options)


def test_the_clock_of_a_route_starts_when_the_request_is_complete(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, {"timeout": "0.3s"}))
    down = client(p.port).send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab")
    far = up.accept()
    far.head()
    assert down.quiet(0.5)
    down.send("cd")
    answer = down.response()
    assert (answer.status, answer.text) == (504, "upstream request timeout")
    p.expect_stats({"cluster.up.upstream_rq_timeout": 1})


def test_a_route_timeout_after_the_answer_began(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, {"timeout": "0.2s"}))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
    assert down.head().status == 200
    down.expect("half")
    down.expect_closed()
    p.expect_stats({"cluster.up.upstream_rq_timeout": 1, "cluster.up.upstream_cx_active": 0})


def test_a_header_may_shorten_the_time(proxy, upstream):
    up = upstream()
    p = proxy(to(up, **INSIDE))
    answer = p.get(headers=[("x-envoy-upstream-rq-timeout-ms", "150")])
    assert answer.status == 504
    assert up.accept().head().get("x-envoy-expected-rq-timeout-ms") == "150"


def test_a_timeout_may_have_another_code(proxy, upstream):
    up = upstream()
    p = proxy(to(up, {"timeout": "0.1s"}, **INSIDE))
    assert p.get(headers=[("x-envoy-upstream-rq-timeout-alt-response", "1")]).status == 204


def test_the_longest_life_of_a_stream_by_route(proxy, upstream):
    up = upstream()
    p = proxy(to(up, {"timeout": "0s", "max_stream_duration": {"max_stream_duration": "0.2s"}}))
    assert p.get().status == 504
    p.expect_stats({"http.in.downstream_rq_max_duration_reached": 1, "cluster.up.upstream_cx_active": 0})


def test_the_longest_life_of_a_stream_by_cluster(proxy, upstream):
    up = upstream()
    options = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": c.PACKAGES + "upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"max_stream_duration": "0.2s"}, "explicit_http_config": {"http_protocol_options": {}}}}}
    p = proxy(to(up, {"timeout": "0s"}, cluster=options))
    answer = p.get()
    assert answer.status in (408, 504)
    p.expect_stats({"cluster.up.upstream_rq_max_duration_reached": 1})


def test_the_clock_of_silence_is_wound_by_bytes(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, {"timeout": "0s"}, stream_idle_timeout="0.6s"))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n")
    for byte in "abcdef":
        time.sleep(0.2)  # longer than the timeout in all, shorter each
        far.send(byte)
    assert down.response().text == "abcdef"


def test_silence_after_the_answer_began(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, {"timeout": "0s"}, stream_idle_timeout="0.2s"))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nab")
    assert down.head().status == 200
    down.expect("ab").expect_closed()
    far.expect_closed()
    p.expect_stats({"http.in.downstream_rq_idle_timeout": 1})


def test_a_route_may_switch_the_clock_of_silence_off(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, {"timeout": "0s", "idle_timeout": "0s"}, stream_idle_timeout="0.2s"))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    assert down.quiet(0.5)
    far.send(wire.response(body="late"))
    assert down.response().text == "late"


def test_slow_headers_on_a_kept_connection(proxy, client):
    p = proxy(c.http(c.direct(body="x"), request_headers_timeout="0.2s"))
    down = client(p.port)
    assert down.get().text == "x"
    assert down.quiet(0.4)  # nothing begun, nothing late
    assert down.send("GET / HT").head().status == 408


def test_a_request_in_time_is_not_disturbed(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, {"timeout": "0s"}, request_timeout="0.2s", request_headers_timeout="0.2s"))
    down = client(p.port).send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab")
    far = up.accept()
    far.request()
    assert down.quiet(0.4)
    far.send(wire.response(body="late"))
    assert down.response().text == "late"


def test_a_delayed_close_may_be_switched_off(proxy, client):
    p = proxy(c.http(c.direct(), delayed_close_timeout="0s"))
    down = client(p.port).send("BAD\r\n\r\n")
    start = time.monotonic()
    assert down.head().status == 400
    down.expect_closed()
    assert time.monotonic() - start < 0.9


def test_the_age_of_a_connection_with_a_request_under_way(proxy, upstream, client):
    """It drains: the answer says close, and is whole."""
    up = upstream()
    p = proxy(to(up, common_http_protocol_options={"max_connection_duration": "0.2s"}, drain_timeout="5s"))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    p.wait_stat("http.in.downstream_cx_max_duration_reached", 1)
    far.send(wire.response(body="whole"))
    answer = down.response()
    assert (answer.text, answer.get("connection")) == ("whole", "close")
    down.expect_end()


def test_an_upstream_connection_gets_old(proxy, upstream, client):
    up = upstream(name="a")
    options = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": c.PACKAGES + "upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"max_connection_duration": "0.2s"}, "explicit_http_config": {"http_protocol_options": {}}}}}
    p = proxy(to(up, cluster=options))
    down = client(p.port)
    assert down.get().text == "a"
    p.expect_stats({"cluster.up.upstream_cx_max_duration_reached": 1, "cluster.up.upstream_cx_active": 0})
    assert down.get().text == "a"
    assert up.n_connections == 2


def test_a_try_may_have_its_time_by_header(proxy, upstream):
    up = upstream()
    p = proxy(to(up, {"timeout": "10s"}, **INSIDE))
    assert p.get(headers=[("x-envoy-upstream-rq-per-try-timeout-ms", "100")]).status == 504
    p.expect_stats({"cluster.up.upstream_rq_per_try_timeout": 1})


def test_a_slow_reader_of_a_finished_answer(proxy, upstream, client):
    """The stream is complete but cannot be flushed: silence ends it, and nothing stays."""
    up = upstream(lambda r: wire.response(body=b"z" * (8 << 20)))
    p = proxy(to(up, {"timeout": "0s"}, stream_idle_timeout="0.5s"))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert down.head().status == 200
    p.expect_stats({"http.in.downstream_rq_active": 0, "http.in.downstream_cx_active": 0, "cluster.up.upstream_rq_active": 0})

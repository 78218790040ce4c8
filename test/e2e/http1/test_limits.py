# SPDX-License-Identifier: Apache-2.0
"""Limits of size and time of the connection manager."""
import time

import pytest

from lib import config as c
from lib import wire


def own(**options):
    """Answers by itself."""
    return c.http(c.direct(body="ok"), **options)


def test_headers_too_large_are_431(proxy, client):
    p = proxy(own(max_request_headers_kb=1))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\nx: " + "a" * 2000 + "\r\n\r\n")
    answer = down.response()
    assert answer.status == 431
    p.expect_stats({"http.in.downstream_rq_4xx": 1, "http.in.downstream_cx_protocol_error": 1})


def test_too_many_headers_are_431(proxy, client):
    p = proxy(own(common_http_protocol_options={"max_headers_count": 10}))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n" + "".join(f"x{n}: 1\r\n" for n in range(10)) + "\r\n")
    assert down.head().status == 431


def test_just_below_the_limits(proxy, client):
    p = proxy(own())
    fields = "".join(f"x{n}: 1\r\n" for n in range(98))
    assert client(p.port).send(f"GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n").response().status == 200
    assert client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\nx: " + "a" * 59_000 + "\r\n\r\n").response().status == 200


def test_a_client_that_never_speaks_is_closed(proxy, client):
    p = proxy(own(common_http_protocol_options={"idle_timeout": "0.2s"}))
    client(p.port).expect_end()
    p.expect_stats({"http.in.downstream_cx_idle_timeout": 1, "http.in.downstream_cx_active": 0})


def test_a_kept_connection_that_falls_silent(proxy, client):
    p = proxy(own(common_http_protocol_options={"idle_timeout": "0.2s"}))
    down = client(p.port)
    assert down.get().status == 200
    down.expect_end()


def test_slow_headers(proxy, client):
    p = proxy(own(request_headers_timeout="0.2s"))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost:")
    assert down.head().status == 408
    p.expect_stats({"http.in.downstream_rq_header_timeout": 1})


def test_a_slow_request(proxy, upstream, client):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], request_timeout="0.2s"))
    down = client(p.port).send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf")
    assert down.head().status == 408
    p.expect_stats({"http.in.downstream_rq_timeout": 1})


def test_a_silent_stream(proxy, upstream, client):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], stream_idle_timeout="0.2s"))
    down = client(p.port).send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n")
    assert down.head().status == 408
    p.expect_stats({"http.in.downstream_rq_idle_timeout": 1})


def test_a_connection_has_a_longest_life(proxy, client):
    p = proxy(own(common_http_protocol_options={"max_connection_duration": "0.3s"}, drain_timeout="0.1s"))
    down = client(p.port)
    assert down.get().status == 200
    down.expect_end()
    p.expect_stats({"http.in.downstream_cx_max_duration_reached": 1})


def test_requests_per_connection(proxy, client):
    p = proxy(own(common_http_protocol_options={"max_requests_per_connection": 2}))
    down = client(p.port)
    assert not down.get().has("connection")
    assert down.get().get("connection") == "close"
    down.expect_end()
    p.expect_stats({"http.in.downstream_cx_max_requests_reached": 1})


def test_a_stream_has_a_longest_life(proxy, upstream):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)],
                     common_http_protocol_options={"max_stream_duration": "0.2s"}))
    answer = p.get()
    assert (answer.status, answer.text) == (504, "downstream duration timeout")
    p.expect_stats({"http.in.downstream_rq_max_duration_reached": 1})


@pytest.mark.parametrize("action, fields", [("REJECT_REQUEST", 400), ("DROP_HEADER", 200), ("ALLOW", 200)])
def test_names_with_underscores(proxy, upstream, action, fields):
    up = upstream(name="a")
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)],
                     common_http_protocol_options={"headers_with_underscores_action": action}))
    assert p.get(headers=[("a_b", "1")]).status == fields
    if fields == 200:
        assert up.next().has("a_b") == (action == "ALLOW")


def test_connection_close_is_obeyed_and_said(proxy, client):
    p = proxy(own())
    down = client(p.port)
    answer = down.get(headers=[("connection", "close")])
    assert answer.get("connection") == "close"
    down.expect_end()


def test_after_an_error_the_connection_is_closed_soon(proxy, client):
    p = proxy(own(delayed_close_timeout="0.2s"))
    down = client(p.port).send("BAD\r\n\r\n")
    assert down.head().status == 400
    start = time.monotonic()
    down.expect_closed()
    assert time.monotonic() - start < 5
    p.wait_stat("http.in.downstream_cx_active", 0)


def test_a_client_that_leaves_early_ends_the_upstream_request(proxy, upstream, client):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    down.close()
    far.expect_closed()
    p.expect_stats({"http.in.downstream_cx_destroy_remote_active_rq": 1, "cluster.up.upstream_rq_active": 0,
                    "cluster.up.upstream_cx_active": 0})


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
                                  b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel",
                                  b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel"])
def test_an_upstream_that_dies_at_any_byte(proxy, upstream, client, sent):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send(sent)
    far.close()
    if b"\r\n\r\n" in sent:
        assert down.head().status == 200
        down.expect_closed()
    else:
        answer = down.response()
        assert answer.status in (502, 503)
        assert "upstream connect error or disconnect/reset before headers" in answer.text
    p.wait_stat("cluster.up.upstream_cx_active", 0)
    p.wait_stat("http.in.downstream_rq_active", 0)


def test_an_early_answer_while_the_body_is_still_coming(proxy, upstream, client):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port).send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nstart")
    far = up.accept()
    far.head()
    far.send(wire.response(413, body="too much", reason="Payload Too Large"))
    answer = down.response()
    assert (answer.status, answer.text) == (413, "too much")


def test_a_response_until_close_becomes_chunked(proxy, upstream, client):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send("HTTP/1.1 200 OK\r\n\r\nuntil the end")
    far.close()
    answer = down.response()
    assert answer.get("transfer-encoding") == "chunked"
    assert answer.text == "until the end"
    assert down.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n") and up.accept().head().method == "GET"


def test_connect_makes_a_tunnel(proxy, upstream, client):
    up = upstream()
    route = {"match": {"connect_matcher": {}}, "route": {"cluster": "up", "upgrade_configs": [
        {"upgrade_type": "CONNECT", "connect_config": {}}]}}
    p = proxy(c.http(route, clusters=[c.cluster("up", up.port)], upgrade_configs=[{"upgrade_type": "CONNECT"}]))
    down = client(p.port).send("CONNECT target:443 HTTP/1.1\r\nhost: target:443\r\n\r\n")
    assert down.head().status == 200
    far = up.accept()
    down.send(b"raw bytes")
    far.expect(b"raw bytes")
    far.send(b"back")
    down.expect(b"back")
    down.close()
    far.expect_closed()


@pytest.mark.parametrize("case, want", [("proper_case_words", b"\r\nX-Mine: 1\r\n"), ("stateful_formatter", b"\r\nx-MiNe: 1\r\n")])
def test_header_case(proxy, upstream, client, case, want):
    up = upstream()
    format = {"proper_case_words": {}} if case == "proper_case_words" else {"stateful_formatter": c.typed(
        "preserve_case", "http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig")}
    cluster = c.cluster("up", up.port, typed_extension_protocol_options={
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": c.PACKAGES + "upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {"header_key_format": format}}}})
    p = proxy(c.http(c.route("up"), clusters=[cluster], http_protocol_options={"header_key_format": format}))
    down = client(p.port).send("GET / HTTP/1.1\r\nHost: a\r\nx-MiNe: 1\r\n\r\n")
    far = up.accept()
    head = far.until(b"\r\n\r\n")
    assert want in head
    far.send(b"HTTP/1.1 200 OK\r\ncOnTent-length: 0\r\nx-MiNe: 1\r\n\r\n")
    assert want in down.until(b"\r\n\r\n")

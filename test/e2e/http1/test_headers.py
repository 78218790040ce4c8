# SPDX-License-Identifier: Apache-2.0
"""Options of the connection manager that change heads, and what a local reply looks like."""
import re

import pytest

from lib import config as c
from lib import wire


@pytest.fixture
def seen(proxy, upstream):
    """seen(options, ...) -> (the request as the upstream saw it, the answer as the client did, the proxy)."""
    up = upstream(lambda r: wire.response(body="a", headers=[("x-up", "1")]))

    def send(options=None, route=None, raw=None, **request):
        p = proxy(c.http(route or c.route("up"), clusters=[c.cluster("up", up.port)], **(options or {})))
        if raw:
            with wire.connect(p.port) as peer:
                answer = peer.send(raw).response()
        else:
            answer = p.get(**request)
        return (up.next() if up.requests else None), answer, p
    return send


@pytest.mark.parametrize("options, host, want", [
    ({"strip_any_host_port": True}, "shop.example:123", "shop.example"), ({"strip_any_host_port": True}, "[::1]:80", "[::1]"),
    ({"strip_matching_host_port": True}, "shop.example:123", "shop.example:123"), ({}, "shop.example:80", "shop.example:80"),
    ({"strip_any_host_port": True}, "shop.example", "shop.example")])
def test_ports_of_hosts(seen, options, host, want):
    assert seen(options, host=host)[0].get("host") == want


def test_the_listeners_own_port_is_stripped(proxy, upstream):
    up = upstream(name="a")
    port = wire.free_port()
    config = c.bootstrap([c.listener(c.hcm(c.route("up"), strip_matching_host_port=True), port=port)], [c.cluster("up", up.port)])
    p = proxy(config)
    p.get(host=f"shop.example:{port}")
    assert up.next().get("host") == "shop.example"


def test_x_forwarded_port(seen):
    request, _, p = seen({"append_x_forwarded_port": True})
    assert request.get("x-forwarded-port") == str(p.port)


def test_x_forwarded_host(seen):
    request, _, _ = seen(route=c.route("up", action={"host_rewrite_literal": "inner", "append_x_forwarded_host": True}), host="outer")
    assert (request.get("host"), request.get("x-forwarded-host")) == ("inner", "outer")


def test_no_request_id_where_not_wanted(seen):
    assert not seen({"generate_request_id": False})[0].has("x-request-id")


@pytest.mark.parametrize("options, kept", [
    ({}, True), ({"use_remote_address": True}, False), ({"use_remote_address": True, "preserve_external_request_id": True}, True)])
def test_request_ids_from_outside(seen, options, kept):
    given = "11111111-2222-4333-8444-555555555555"
    got = seen(options, headers=[("x-request-id", given)])[0].get("x-request-id")
    assert re.fullmatch(r"[0-9a-f-]{36}", got) and (got == given) == kept


INTERNAL = ["x-envoy-retry-on", "x-envoy-upstream-rq-timeout-ms", "x-envoy-decorator-operation", "x-envoy-ip-tags",
            "x-envoy-original-path", "x-envoy-max-retries", "x-envoy-upstream-alt-stat-name"]


def test_strangers_cannot_steer_us(seen):
    request, _, _ = seen({"use_remote_address": True}, headers=[(name, "1") for name in INTERNAL])
    assert [n for n in INTERNAL if request.has(n)] == []


def test_internal_headers_of_a_table(proxy, upstream):
    up = upstream(name="a")
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], use_remote_address=True,
                     route_config={"internal_only_headers": ["x-secret"]}))
    p.get(headers=[("x-secret", "1"), ("x-open", "1")])
    request = up.next()
    assert request.has("x-open") and not request.has("x-secret")


def test_hop_by_hop_fields(seen):
    request, _, _ = seen(raw="GET / HTTP/1.1\r\nhost: a\r\nconnection: x-mine, te\r\nx-mine: 1\r\nkeep-alive: 5\r\n"
                         "proxy-connection: close\r\nte: trailers, deflate\r\nx-other: 1\r\n\r\n")
    assert request.has("x-other")
    assert not any(request.has(n) for n in ("keep-alive", "proxy-connection", "x-mine"))
    assert request.get("te") in (None, "trailers")


def test_several_values_of_one_name(seen):
    request, _, _ = seen(raw="GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\r\nx-a: 2\r\naccept: x\r\naccept: y\r\ncookie: a=b\r\ncookie: c=d\r\n\r\n")
    assert request.all("x-a") == ["1", "2"]
    assert request.all("accept") == ["x,y"]
    assert request.all("cookie") in (["a=b; c=d"], ["a=b", "c=d"])


@pytest.mark.parametrize("value, kept", [
    ("http://a/b?c", True), ("/a", True), ("a", True), ("?a", True), ("http://a/b#c", False), ("http://a, http://b", False),
    ("mailto:a", False), ("http://", False), ("a b", False), ("http://a:99999/", False)])
def test_referers(seen, value, kept):
    assert seen(headers=[("referer", value)])[0].get("referer") == (value if kept else None)


@pytest.mark.parametrize("name, joined", [("if-none-match", True), ("pragma", True), ("x-mine", False), ("x-forwarded-for", True),
                                          ("traceparent", False), ("cookie", False)])
def test_names_that_are_joined(seen, name, joined):
    assert seen(headers=[(name, "a"), (name, "b")])[0].all(name) == (["a,b"] if joined else ["a", "b"])


def test_blanks_around_values(seen):
    request, _, _ = seen(raw="GET / HTTP/1.1\r\nhost:a\r\nx-a:  \t v w \t\r\nx-empty:\r\n\r\n")
    assert (request.get("host"), request.get("x-a"), request.get("x-empty")) == ("a", "v w", "")


def test_a_post_without_a_body_says_so(seen):
    request, _, _ = seen(raw="POST / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert request.get("content-length") == "0"


def test_local_replies_have_fields_in_this_order(proxy):
    answer = proxy(c.http(c.direct(body="x"))).get()
    assert [k for k, _ in answer.headers] == ["content-length", "content-type", "date", "server"]
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.get("date"))


@pytest.mark.parametrize("method, has_body", [("GET", True), ("HEAD", False), ("POST", True)])
def test_local_replies_to_head(proxy, client, method, has_body):
    p = proxy(c.http(c.direct(body="x")))
    down = client(p.port)
    answer = down.get(method=method)
    assert (answer.status, answer.get("content-length")) == (200, "1")
    assert down.get().text == "x"


def test_no_content_has_no_length(proxy, client):
    p = proxy(c.http(c.direct(status=204)))
    down = client(p.port)
    for _ in range(2):
        answer = down.get()
        assert (answer.status, answer.has("content-length"), answer.has("transfer-encoding")) == (204, False, False)


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_by_their_code(proxy, upstream, client, status):
    up = upstream(lambda r: f"HTTP/1.1 {status} X\r\n\r\n".encode())
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port)
    for _ in range(3):
        answer = down.get()
        assert (answer.status, answer.has("transfer-encoding")) == (status, False)
    assert up.n_connections == 1


def test_grpc_requests_get_errors_that_they_understand(proxy):
    p = proxy(c.http(c.route("none", prefix="/none"), clusters=[c.cluster("none")]))
    answer = p.get("/none", method="POST", headers=[("content-type", "application/grpc")], body="")
    assert (answer.status, answer.get("grpc-status"), answer.get("grpc-message")) == (200, "14", "no healthy upstream")


# --- HTTP/1.0 ---

def test_http_1_0_connections_may_be_kept(proxy, client):
    p = proxy(c.http(c.direct(body="x"), http_protocol_options={"accept_http_10": True}))
    down = client(p.port)
    for _ in range(2):
        answer = down.send("GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n").response()
        assert (answer.text, answer.get("connection")) == ("x", "keep-alive")
    answer = down.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n").response()
    assert answer.text == "x"
    down.expect_end()


def test_http_1_0_without_a_host(proxy, upstream, client):
    up = upstream(name="a")
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)],
                     http_protocol_options={"accept_http_10": True, "default_host_for_http_10": "default.example"}))
    assert client(p.port).send("GET / HTTP/1.0\r\n\r\n").response().text == "a"
    assert up.next().get("host") == "default.example"


def test_http_1_0_without_any_host(proxy, client):
    p = proxy(c.http(c.direct(), http_protocol_options={"accept_http_10": True}))
    assert client(p.port).send("GET / HTTP/1.0\r\n\r\n").head().status == 400


# --- local_reply_config ---

def comparison(op, value):
    return {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "k"}}}


def test_the_first_mapper_that_fits_decides(proxy):
    def mapper(op, value, text):
        return {"filter": {"status_code_filter": comparison(op, value)}, "body": {"inline_string": text}}
    p = proxy(c.http(c.direct(status=404, prefix="/404"), c.route("none"), clusters=[c.cluster("none")],
                     local_reply_config={"mappers": [mapper("EQ", 503, "first"), mapper("GE", 500, "second")]}))
    assert p.get().text == "first"
    assert p.get("/404").text == ""


def test_mappers_by_flag_and_format(proxy):
    p = proxy(c.http(c.route("none"), clusters=[c.cluster("none")], local_reply_config={"mappers": [
        {"filter": {"response_flag_filter": {"flags": ["UH"]}}, "status_code": 200, "body_format_override": {
            "text_format_source": {"inline_string": "<h1>%RESPONSE_FLAGS% %RESPONSE_CODE%</h1>"}, "content_type": "text/html; charset=UTF-8"}}]}))
    answer = p.get()
    assert (answer.status, answer.text, answer.get("content-type")) == (200, "<h1>UH 200</h1>", "text/html; charset=UTF-8")


def test_answers_of_an_upstream_are_not_mapped(proxy, upstream):
    up = upstream(lambda r: wire.response(503, body="theirs"))
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)],
                     local_reply_config={"body_format": {"text_format_source": {"inline_string": "ours"}}}))
    assert p.get().text == "theirs"


# --- header case ---

def test_the_case_of_a_local_reply(proxy, client):
    p = proxy(c.http(c.direct(body="x"), http_protocol_options={"header_key_format": {"proper_case_words": {}}}))
    head = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").until(b"\r\n\r\n")
    assert b"\r\nContent-Length: 1\r\n" in head and b"\r\nDate: " in head and b"\r\nServer: envoy\r\n" in head


def test_names_are_lower_case_otherwise(proxy, upstream, client):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port).send("GET / HTTP/1.1\r\nHost: a\r\nX-MiNe: 1\r\n\r\n")
    far = up.accept()
    head = far.until(b"\r\n\r\n")
    assert b"\r\nhost: a\r\n" in head and b"\r\nx-mine: 1\r\n" in head
    far.send(b"HTTP/1.1 200 OK\r\nContent-LENGTH: 0\r\nX-Up: 1\r\n\r\n")
    head = down.until(b"\r\n\r\n")
    assert b"\r\ncontent-length: 0\r\n" in head and b"\r\nx-up: 1\r\n" in head


@pytest.mark.parametrize("transform, want", [({}, "http"), ({"scheme_header_transformation": {"scheme_to_overwrite": "https"}}, "https")])
def test_schemes(seen, transform, want):
    assert seen(transform)[0].get("x-forwarded-proto") == want

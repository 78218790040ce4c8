# SPDX-License-Identifier: Apache-2.0
"""The HTTP filters, and their settings per route."""
import time

import pytest

from lib import config as c
from lib import wire

FILTERS = c.PACKAGES + "filters.http."


def with_filter(up, name, message, route_config=None, routes=None, **config):
    per_route = {"typed_per_filter_config": {f"envoy.filters.http.{name}": route_config}} if route_config else {}
    routes = routes or [c.route("up", **per_route)]
    return c.http(*routes, clusters=[c.cluster("up", up.port)], filters=[c.http_filter(name, message, **config)])


# --- health_check ---

def test_health_check_answers_by_itself(proxy, upstream):
    up = upstream(name="real")
    p = proxy(with_filter(up, "health_check", "HealthCheck", pass_through_mode=False,
                          headers=[{"name": ":path", "string_match": {"exact": "/healthz"}}]))
    answer = p.get("/healthz")
    assert (answer.status, answer.body) == (200, b"")
    assert p.get("/").text == "real"
    assert len(up.requests) == 1
    p.post("/healthcheck/fail")
    answer = p.get("/healthz")
    assert (answer.status, answer.get("x-envoy-immediate-health-check-fail")) == (503, "true")
    p.post("/healthcheck/ok")
    assert p.get("/healthz").status == 200


def test_health_check_by_healthy_clusters(proxy, upstream):
    up = upstream(name="real")
    p = proxy(with_filter(up, "health_check", "HealthCheck", pass_through_mode=False,
                          headers=[{"name": ":path", "string_match": {"exact": "/h"}}],
                          cluster_min_healthy_percentages={"up": {"value": 50}}))
    assert p.get("/h").status == 200


# --- buffer ---

def test_buffer_waits_for_the_whole_request(proxy, upstream, client):
    up = upstream()
    p = proxy(with_filter(up, "buffer", "Buffer", max_request_bytes=100))
    down = client(p.port).send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert up.idle()
    down.send("3\r\ndef\r\n0\r\n\r\n")
    request = up.accept().request()
    assert (request.body, request.get("content-length")) == (b"abcdef", "6")


def test_buffer_refuses_too_much(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_filter(up, "buffer", "Buffer", max_request_bytes=100))
    answer = p.get(method="POST", body="x" * 101)
    assert (answer.status, answer.text) == (413, "Payload Too Large")
    assert up.requests == []
    p.expect_stats({"http.in.downstream_rq_too_large": 1})


def test_buffer_off_for_a_route(proxy, upstream, client):
    up = upstream()
    p = proxy(with_filter(up, "buffer", "Buffer", max_request_bytes=100,
                          route_config={"@type": FILTERS + "buffer.v3.BufferPerRoute", "disabled": True}))
    client(p.port).send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    far = up.accept()
    far.head()
    far.expect("3\r\nabc\r\n")


@pytest.mark.parametrize("limit, route_limit, status", [(100, 10, 413), (5, 20, 200)])
def test_buffer_has_another_limit_for_a_route(proxy, upstream, limit, route_limit, status):
    p = proxy(with_filter(upstream(name="a"), "buffer", "Buffer", max_request_bytes=limit, route_config={
        "@type": FILTERS + "buffer.v3.BufferPerRoute", "buffer": {"max_request_bytes": route_limit}}))
    assert p.get(method="POST", body="x" * 11).status == status


def test_buffer_counts_what_has_trailers(proxy, upstream, client):
    up = upstream(name="a")
    p = proxy(with_filter(up, "buffer", "Buffer", max_request_bytes=100))
    for chunks in ("0\r\n\r\n", "3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"):
        down = client(p.port).send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + chunks)
        assert down.response().status == 200
    assert [(r.get("content-length"), r.body) for r in up.requests] == [("0", b""), ("3", b"abc")]


# --- fault ---

def always(**what):
    return {**what, "percentage": {"numerator": 100, "denominator": "HUNDRED"}}


def test_fault_aborts(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_filter(up, "fault", "HTTPFault", abort=always(http_status=418)))
    answer = p.get()
    assert (answer.status, answer.text) == (418, "fault filter abort")
    p.expect_stats({"http.in.fault.aborts_injected": 1})
    assert up.requests == []


def test_fault_delays(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_filter(up, "fault", "HTTPFault", delay=always(fixed_delay="0.2s")))
    start = time.monotonic()
    assert p.get().text == "a"
    assert time.monotonic() - start >= 0.19
    p.expect_stats({"http.in.fault.delays_injected": 1, "http.in.fault.active_faults": 0})


def test_a_client_that_leaves_during_a_delay(proxy, upstream, client):
    up = upstream(name="a")
    p = proxy(with_filter(up, "fault", "HTTPFault", delay=always(fixed_delay="60s")))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    p.wait_stat("http.in.fault.active_faults", 1)
    down.close()
    p.expect_stats({"http.in.fault.active_faults": 0, "http.in.downstream_cx_active": 0})


def test_fault_by_header(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_filter(up, "fault", "HTTPFault", abort=always(header_abort={})))
    assert p.get(headers=[("x-envoy-fault-abort-request", "429")]).status == 429
    assert p.get().status == 200


def test_fault_only_for_some(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_filter(up, "fault", "HTTPFault", abort=always(http_status=503),
                          headers=[{"name": "x-break", "present_match": True}]))
    assert p.get(headers=[("x-break", "1")]).status == 503
    assert p.get().status == 200


# --- cors ---

CORS = {"@type": FILTERS + "cors.v3.CorsPolicy", "allow_origin_string_match": [{"suffix": ".good.example"}],
        "allow_methods": "GET,PUT", "allow_headers": "x-a", "max_age": "60", "expose_headers": "x-e", "allow_credentials": True}
PREFLIGHT = [("origin", "http://a.good.example"), ("access-control-request-method", "PUT")]


def test_cors_preflight(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_filter(up, "cors", "Cors", route_config=CORS))
    answer = p.get(method="OPTIONS", headers=PREFLIGHT)
    assert answer.status == 200
    assert {k: v for k, v in answer.headers if k.startswith("access-control")} == {
        "access-control-allow-origin": "http://a.good.example", "access-control-allow-methods": "GET,PUT",
        "access-control-allow-headers": "x-a", "access-control-expose-headers": "x-e", "access-control-max-age": "60", "access-control-allow-credentials": "true"}
    assert up.requests == []
    p.expect_stats({"http.in.cors.origin_valid": 1})


def test_cors_actual_request(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_filter(up, "cors", "Cors", route_config=CORS))
    answer = p.get(headers=[("origin", "http://a.good.example")])
    assert (answer.text, answer.get("access-control-allow-origin")) == ("a", "http://a.good.example")
    assert answer.get("access-control-expose-headers") == "x-e"
    answer = p.get(headers=[("origin", "http://bad.example")])
    assert (answer.text, answer.get("access-control-allow-origin")) == ("a", None)
    p.expect_stats({"http.in.cors.origin_invalid": 1})


# --- csrf ---

CSRF = {"filter_enabled": {"default_value": {"numerator": 100}}, "additional_origins": [{"suffix": ".good.example"}]}


@pytest.mark.parametrize("method, origin, status", [
    ("GET", None, 200), ("POST", "http://test", 200), ("POST", "http://evil.example", 403), ("POST", None, 403),
    ("PUT", "http://a.good.example", 200), ("DELETE", "http://test.evil", 403)])
def test_csrf(proxy, upstream, method, origin, status):
    up = upstream(name="a")
    p = proxy(with_filter(up, "csrf", "CsrfPolicy", **CSRF))
    answer = p.get(method=method, headers=[("origin", origin)] if origin else [])
    assert answer.status == status
    assert len(up.requests) == (status == 200)
    if status == 403:
        assert answer.text == "Invalid origin"


ORIGINS = [
    ({"origin": "null", "referer": "http://test/"}, 403, "missing_source_origin"), ({"referer": "http://test/x?y"}, 200, "request_valid"),
    ({"origin": "", "referer": "http://test/"}, 200, "request_valid"), ({"origin": "http://test:80"}, 403, "request_invalid"),
    ({"origin": "https://user@test"}, 200, "request_valid"), ({"origin": "test"}, 200, "request_valid"), ({"origin": "http://TEST"}, 403, "request_invalid"),
    ({"origin": "ws+x://test?x"}, 200, "request_valid"), ({"origin": "1http://test"}, 403, "request_invalid"),
    ({"origin": "http://test:"}, 403, "request_invalid"), ({"origin": "http://[::1]:80", "host": "[::1]:80"}, 200, "request_valid")]


@pytest.mark.parametrize("headers, status, counted", ORIGINS)
def test_csrf_origins(proxy, upstream, headers, status, counted):
    p = proxy(with_filter(upstream(name="a"), "csrf", "CsrfPolicy", **CSRF))
    assert p.get(method="PATCH", headers=list(headers.items())).status == status
    p.expect_stats({"http.in.csrf." + k: int(k == counted) for k in ("missing_source_origin", "request_invalid", "request_valid")})


@pytest.mark.parametrize("policy, counted", [({"shadow_enabled": {"default_value": {"numerator": 100}}}, 1), ({}, 0)])
def test_csrf_in_the_shadow(proxy, upstream, policy, counted):
    off = {"filter_enabled": {"default_value": {"numerator": 0}}, **policy}
    p = proxy(with_filter(upstream(name="a"), "csrf", "CsrfPolicy", **CSRF, route_config={"@type": FILTERS + "csrf.v3.CsrfPolicy", **off}))
    assert p.get(method="POST").status == 200
    p.expect_stats({"http.in.csrf.missing_source_origin": counted})


# --- header_mutation ---

def test_header_mutation(proxy, upstream):
    up = upstream(lambda r: wire.response(headers=[("x-gone", "1")]))
    set_ = {"append": {"header": {"key": "x-set", "value": "%REQ(x-in)%"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    p = proxy(with_filter(up, "header_mutation", "HeaderMutation", mutations={
        "request_mutations": [set_, {"remove": "x-drop"}],
        "response_mutations": [{"remove": "x-gone"}, {"append": {"header": {"key": "x-done", "value": "yes"}}}]}))
    answer = p.get(headers=[("x-in", "v"), ("x-drop", "1"), ("x-set", "old")])
    request = up.next()
    assert (request.all("x-set"), request.has("x-drop")) == (["v"], False)
    assert (answer.get("x-done"), answer.has("x-gone")) == ("yes", False)


# --- the chain ---

def test_a_filter_may_be_off_by_default_and_on_for_a_route(proxy, upstream):
    up = upstream(name="a")
    fault = c.http_filter("fault", "HTTPFault", abort=always(http_status=418))
    fault["disabled"] = True
    on = {"typed_per_filter_config": {"envoy.filters.http.fault": {
        "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}}}}
    p = proxy(c.http(c.route("up", prefix="/on", **on), c.route("up"), clusters=[c.cluster("up", up.port)], filters=[fault]))
    assert p.get("/off").status == 200
    assert p.get("/on").status == 418


def test_a_filter_may_be_turned_off_for_a_route(proxy, upstream):
    up = upstream(name="a")
    fault = c.http_filter("fault", "HTTPFault", abort=always(http_status=418))
    off = {"typed_per_filter_config": {"envoy.filters.http.fault": {
        "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}}}
    p = proxy(c.http(c.route("up", prefix="/off", **off), c.route("up"), clusters=[c.cluster("up", up.port)], filters=[fault]))
    assert p.get("/off").status == 200
    assert p.get("/on").status == 418


def test_an_unknown_filter_is_named(kind, tmp_path):
    from lib.proxy import Failed, Proxy
    config = c.http(c.direct(), filters=[{"name": "x", "typed_config": {"@type": "type.googleapis.com/no.such.Filter"}}])
    with pytest.raises(Failed) as failed:
        Proxy(tmp_path, config, kind=kind).start()
    assert failed.value.code == 1
    assert "no.such.Filter" in failed.value.log

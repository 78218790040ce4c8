# SPDX-License-Identifier: Apache-2.0
"""Retries: on what, how often, to whom, and what is counted."""
import json
import threading

import pytest

from lib import config as c
from lib import wire


def retrying(policy, *ports, cluster=None, action=None, **options):
    route = c.route("up", action={"retry_policy": {"retry_back_off": {"base_interval": "0.001s"}, **policy}, **(action or {})})
    return c.http(route, clusters=[c.cluster("up", *ports, **(cluster or {}))], **options)


def failing(n, status=503, headers=()):
    """An answer function: `n` failures, then "ok"."""
    left = [n]

    def answer(request):
        left[0] -= 1
        return wire.response(status, headers=headers) if left[0] >= 0 else wire.response(body="ok")
    return answer


@pytest.mark.parametrize("retry_on, status, headers, extra, retried", [
    ("5xx", 500, [], {}, True), ("5xx", 503, [], {}, True), ("5xx", 404, [], {}, False),
    ("gateway-error", 502, [], {}, True), ("gateway-error", 503, [], {}, True), ("gateway-error", 504, [], {}, True),
    ("gateway-error", 500, [], {}, False), ("retriable-4xx", 409, [], {}, True), ("retriable-4xx", 404, [], {}, False),
    ("retriable-status-codes", 418, [], {"retriable_status_codes": [418]}, True),
    ("retriable-headers", 200, [("x-again", "1")], {"retriable_headers": [{"name": "x-again", "present_match": True}]}, True),
    ("envoy-ratelimited", 429, [("x-envoy-ratelimited", "true")], {}, True), ("envoy-ratelimited", 429, [], {}, False),
    ("connect-failure,refused-stream", 503, [], {}, False), ("gateway-error, 5xx", 500, [], {}, True)])
def test_conditions(proxy, upstream, retry_on, status, headers, extra, retried):
    up = upstream(failing(1, status, headers))
    p = proxy(retrying({"retry_on": retry_on, **extra}, up.port))
    answer = p.get()
    assert len(up.requests) == (2 if retried else 1)
    assert answer.status == (200 if retried else status)
    p.expect_stats({"cluster.up.upstream_rq_retry": int(retried),
                    "cluster.up.upstream_rq_retry_success": int(retried)})


def test_the_number_is_a_limit(proxy, upstream):
    up = upstream(failing(10))
    p = proxy(retrying({"retry_on": "5xx", "num_retries": 3}, up.port))
    assert p.get().status == 503
    assert len(up.requests) == 4
    p.expect_stats({"cluster.up.upstream_rq_retry": 3, "cluster.up.upstream_rq_retry_limit_exceeded": 1,
                    "cluster.up.upstream_rq_retry_success": 0, "cluster.up.retry.upstream_rq_503": 3,
                    "http.in.downstream_rq_5xx": 1, "cluster.up.upstream_rq_total": 4})


def test_the_body_is_sent_again(proxy, upstream):
    up = upstream(failing(1))
    p = proxy(retrying({"retry_on": "5xx"}, up.port))
    assert p.get(method="POST", body="x" * 5000).text == "ok"
    assert [r.body for r in up.requests] == [b"x" * 5000] * 2
    assert [r.get("x-envoy-attempt-count") for r in up.requests] == [None, None]


def test_a_body_too_large_to_keep_is_not_sent_again(proxy, upstream):
    up = upstream(failing(1))
    config = retrying({"retry_on": "5xx"}, up.port)
    config["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"] = 1024
    p = proxy(config)
    assert p.get(method="POST", body="x" * 50_000).status == 503
    assert len(up.requests) == 1


def test_attempt_counts(proxy, upstream):
    up = upstream(failing(1))
    config = retrying({"retry_on": "5xx"}, up.port)
    host = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]
    host.update({"include_request_attempt_count": True, "include_attempt_count_in_response": True})
    p = proxy(config)
    assert p.get().get("x-envoy-attempt-count") == "2"
    assert [r.get("x-envoy-attempt-count") for r in up.requests] == ["1", "2"]


def test_a_refused_connection_is_tried_elsewhere(proxy, upstream):
    up = upstream(name="alive")
    p = proxy(retrying({"retry_on": "connect-failure", "num_retries": 3,
                        "retry_host_predicate": [c.typed("envoy.retry_host_predicates.previous_hosts",
                                                         "retry.host.previous_hosts.v3.PreviousHostsPredicate")],
                        "host_selection_retry_max_attempts": 5}, wire.free_port(), up.port))
    for _ in range(10):
        assert p.get().text == "alive"


def test_a_reset_before_the_answer(proxy, upstream, client):
    up = upstream()
    p = proxy(retrying({"retry_on": "reset"}, up.port))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.reset()
    second = up.accept()
    second.head()
    second.send(wire.response(body="second"))
    assert down.response().text == "second"


def test_reset_before_request_does_not_cover_a_sent_request(proxy, upstream, client):
    up = upstream()
    p = proxy(retrying({"retry_on": "reset-before-request"}, up.port))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.reset()
    assert down.head().status == 503


def test_nothing_is_retried_after_the_answer_began(proxy, upstream, client):
    up = upstream()
    p = proxy(retrying({"retry_on": "reset,5xx", "num_retries": 3}, up.port))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
    assert down.head().status == 200
    down.expect(b"half")
    far.reset()
    down.expect_closed()
    p.expect_stats({"cluster.up.upstream_rq_retry": 0, "cluster.up.upstream_cx_destroy_remote_with_active_rq": 1})


def test_a_try_has_its_own_timeout(proxy, upstream):
    import time

    def answer(request):
        if len(up.requests) == 1:
            stop.wait(5)
        return wire.response(body="quick")
    stop = threading.Event()
    up = upstream(answer)
    p = proxy(retrying({"retry_on": "5xx", "per_try_timeout": "0.2s"}, up.port, action={"timeout": "10s"}))
    start = time.monotonic()
    assert p.get().text == "quick"
    assert time.monotonic() - start < 4
    stop.set()
    p.expect_stats({"cluster.up.upstream_rq_per_try_timeout": 1, "cluster.up.upstream_rq_timeout": 0})


def test_the_whole_timeout_includes_retries(proxy, upstream):
    up = upstream()
    p = proxy(retrying({"retry_on": "5xx", "num_retries": 10, "per_try_timeout": "0.1s"}, up.port, action={"timeout": "0.35s"}))
    assert p.get().status == 504
    n = p.stat("cluster.up.upstream_rq_total")
    assert 2 <= n <= 5


def test_retries_have_a_circuit_breaker(proxy, upstream):
    up = upstream(failing(100))
    breakers = {"circuit_breakers": {"thresholds": [{"max_retries": 0}]}}
    p = proxy(retrying({"retry_on": "5xx"}, up.port, cluster=breakers))
    assert p.get().status == 503
    p.expect_stats({"cluster.up.upstream_rq_retry_overflow": 1, "cluster.up.upstream_rq_retry": 0})
    assert len(up.requests) == 1


def test_headers_of_an_internal_request(proxy, upstream):
    up = upstream(failing(2))
    internal = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], use_remote_address=True, **internal))
    headers = [("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "2")]
    assert p.get(headers=headers).text == "ok"
    request = up.next()
    assert not request.has("x-envoy-retry-on") and request.get("x-envoy-internal") == "true"


def test_headers_of_an_external_request_are_ignored(proxy, upstream):
    up = upstream(failing(2))
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], use_remote_address=True))
    assert p.get(headers=[("x-envoy-retry-on", "5xx")]).status == 503
    assert len(up.requests) == 1


def test_a_policy_of_the_virtual_host(proxy, upstream):
    up = upstream(failing(1))
    host = c.virtual_host(c.route("up"), retry_policy={"retry_on": "5xx"})
    p = proxy(c.http(virtual_hosts=[host], clusters=[c.cluster("up", up.port)]))
    assert p.get().text == "ok"


def test_the_back_off_grows_and_is_bounded(proxy, upstream):
    import time
    up = upstream(failing(100))
    p = proxy(c.http(c.route("up", action={"retry_policy": {"retry_on": "5xx", "num_retries": 4, "retry_back_off": {
        "base_interval": "0.02s", "max_interval": "0.05s"}}}), clusters=[c.cluster("up", up.port)]))
    start = time.monotonic()
    assert p.get().status == 503
    assert time.monotonic() - start < 3
    assert len(up.requests) == 5


def test_clusters_json_counts_each_host(proxy, upstream):
    up = upstream(failing(1))
    p = proxy(retrying({"retry_on": "5xx"}, up.port))
    p.get()
    host = next(x for x in p.json("/clusters?format=json")["cluster_statuses"] if x["name"] == "up")["host_statuses"][0]
    counts = {s["name"]: int(s.get("value", 0)) for s in host["stats"]}
    assert (counts["rq_total"], counts["rq_error"], counts["rq_success"]) == (2, 1, 1), json.dumps(host)

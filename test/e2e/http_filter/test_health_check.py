# SPDX-License-Identifier: Apache-2.0
"""health_check: what it answers, counts, caches."""
import pytest

from lib import config as c
from lib import wait_until, wire

PATH = [{"name": ":path", "string_match": {"exact": "/h"}}]


def with_check(up, tmp_path=None, **config):
    log = [c.file_log(tmp_path / "log", "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n")] if tmp_path else []
    return {**c.http(c.route("up"), clusters=[c.cluster("up", up.port), c.cluster("empty")], access_log=log,
                     filters=[c.http_filter("health_check", "HealthCheck", headers=PATH, **config)]),
            "node": {"id": "node-1", "cluster": "mine"}}


def stats(**counts):
    return {f"http.in.health_check.{k}": v for k, v in counts.items()}


@pytest.mark.parametrize("minimum, status, details, counted", [
    ({"up": 50}, 200, "health_check_ok_cluster_healthy", {"ok": 1}),
    ({"up": 100}, 200, "health_check_ok_cluster_healthy", {"ok": 1}),
    ({"nobody": 0}, 503, "health_check_failed_no_cluster_found", {"failed": 1, "failed_cluster_not_found": 1}),
    ({"empty": 1}, 503, "health_check_failed_cluster_empty", {"failed": 1, "failed_cluster_empty": 1}),
    ({"empty": 0}, 200, "health_check_ok_cluster_healthy", {"ok": 1}),
    ({"empty": 0.5}, 200, "health_check_ok_cluster_healthy", {"ok": 1})])
def test_by_clusters(proxy, upstream, tmp_path, minimum, status, details, counted):
    p = proxy(with_check(upstream(name="a"), tmp_path, pass_through_mode=False,
                         cluster_min_healthy_percentages={k: {"value": v} for k, v in minimum.items()}))
    answer = p.get("/h")
    assert (answer.status, answer.get("x-envoy-upstream-healthchecked-cluster")) == (status, "mine")
    p.expect_stats({**stats(request_total=1, ok=0, failed=0), **stats(**counted), "http.in.downstream_rq_completed": 0})
    p.stop()
    assert (tmp_path / "log").read_text() == f"{status} {'-' if status == 200 else 'LH'} {details}\n"


def test_a_check_with_a_body_is_read_to_its_end(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_check(up, pass_through_mode=False))
    with p.connect() as peer:
        for _ in range(2):
            assert peer.get("/h", method="POST", body="abc").status == 200
        peer.send("POST /h HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
        assert peer.response().status == 200
    assert up.requests == []
    p.expect_stats(stats(ok=3))


def test_a_failed_proxy_tells_everybody(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_check(up, pass_through_mode=True))
    assert not p.get("/h").has("x-envoy-immediate-health-check-fail")
    p.post("/healthcheck/fail")
    answer = p.get("/h")
    assert (answer.status, answer.get("x-envoy-immediate-health-check-fail")) == (503, "true")
    assert answer.get("x-envoy-upstream-healthchecked-cluster") == "mine"
    answer = p.get("/")
    assert (answer.text, answer.get("x-envoy-immediate-health-check-fail")) == ("a", "true")
    assert not answer.has("x-envoy-upstream-healthchecked-cluster")
    assert len(up.requests) == 2
    p.expect_stats(stats(request_total=1, failed=1))


def test_answers_from_the_cache(proxy, upstream):
    up = upstream(lambda r: wire.response(headers=[("x-envoy-degraded", "")]))
    p = proxy(with_check(up, pass_through_mode=True, cache_time="3600s"))
    for _ in range(3):
        answer = p.get("/h")
        assert (answer.status, answer.get("x-envoy-degraded")) == (200, "")
    assert len(up.requests) == 1
    p.expect_stats(stats(cached_response=2, degraded=2, ok=2, request_total=2))


def test_the_cache_ends(proxy, upstream):
    up = upstream(lambda r: wire.response(503))
    p = proxy(with_check(up, pass_through_mode=True, cache_time="0.05s"))
    assert p.get("/h").status == 503
    wait_until(lambda: p.get("/h") and len(up.requests) > 1, "a second check to reach the service")


@pytest.mark.parametrize("config, why", [({"pass_through_mode": False, "cache_time": "1s"}, "must not be set when"),
                                         ({}, "pass.?through.?mode")])
def test_refuses(kind, tmp_path, upstream, config, why):
    from lib.proxy import Failed, Proxy
    with pytest.raises(Failed, match="(?i)" + why):
        Proxy(tmp_path, with_check(upstream(name="a"), **config), kind=kind).start()

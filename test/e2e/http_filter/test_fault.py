# SPDX-License-Identifier: Apache-2.0
"""fault: who gets which fault, by config, headers and runtime."""
import time

import pytest

from lib import config as c
from lib import wire

OF_DC = ("x-envoy-downstream-service-cluster", "dc")
GRPC = ("content-type", "application/grpc")
LOG = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %DYNAMIC_METADATA(envoy.filters.http.fault)%\n"


def pct(numerator=100, denominator="HUNDRED", **what):
    return {**what, "percentage": {"numerator": numerator, "denominator": denominator}}


def with_fault(up, tmp_path=None, runtime=None, route_config=None, **fault):
    log = [c.file_log(tmp_path / "log", LOG)] if tmp_path else []
    extra = {"layered_runtime": {"layers": [{"name": "s", "static_layer": runtime}]}} if runtime else {}
    per = {"typed_per_filter_config": {"envoy.filters.http.fault": {
        "@type": c.PACKAGES + "filters.http.fault.v3.HTTPFault", **route_config}}} if route_config else {}
    return {**c.http(c.route("up", **per), clusters=[c.cluster("up", up.port)], access_log=log,
                     filters=[c.http_filter("fault", "HTTPFault", **fault)]), **extra}


def stats(**counts):
    return {f"http.in.fault.{k}": v for k, v in counts.items()}


HEADER_ABORTS = [
    ([], 200, None), ([("x-envoy-fault-abort-request", "429")], 429, None), ([("x-envoy-fault-abort-request", "99")], 200, None),
    ([("x-envoy-fault-abort-request", "600")], 200, None), ([("x-envoy-fault-abort-request", "abc")], 200, None),
    ([("x-envoy-fault-abort-grpc-request", "7"), GRPC], 200, "7"),
    ([("x-envoy-fault-abort-request", "429"), ("x-envoy-fault-abort-request-percentage", "0")], 200, None)]


@pytest.mark.parametrize("headers, status, grpc", HEADER_ABORTS)
def test_abort_by_header(proxy, upstream, headers, status, grpc):
    p = proxy(with_fault(upstream(name="a"), abort=pct(header_abort={})))
    answer = p.get(headers=headers)
    assert (answer.status, answer.get("grpc-status")) == (status, grpc)
    p.expect_stats(stats(aborts_injected=int(status != 200 or grpc is not None), active_faults=0))


def test_a_fixed_abort_has_no_percentage_header(proxy, upstream):
    p = proxy(with_fault(upstream(name="a"), abort=pct(http_status=418, response_body="mine")))
    answer = p.get(headers=[("x-envoy-fault-abort-request-percentage", "0")])
    assert (answer.status, answer.text) == (418, "mine")


def test_without_a_percentage_nothing_happens(proxy, upstream):
    p = proxy(with_fault(upstream(name="a"), abort={"http_status": 418}))
    assert p.get().status == 200


def test_grpc_abort(proxy, upstream):
    p = proxy(with_fault(upstream(name="a"), abort=pct(grpc_status=5)))
    answer = p.get(headers=[GRPC])
    assert (answer.status, answer.get("grpc-status"), answer.get("grpc-message")) == (200, "5", "fault filter abort")
    assert p.get().text == "fault filter abort"


@pytest.mark.parametrize("fault, line", [
    ({"abort": pct(http_status=418)}, '418 FI fault_filter_abort {"a":"b"}'),
    ({"delay": pct(fixed_delay="0.01s")}, '200 DI via_upstream {"a":"b"}'),
    ({"delay": pct(fixed_delay="0.01s"), "abort": pct(http_status=500)}, '500 DI,FI fault_filter_abort {"a":"b"}'),
    ({"response_rate_limit": pct(fixed_limit={"limit_kbps": 1000})}, "200 - via_upstream -")])
def test_flags_and_metadata(proxy, upstream, tmp_path, fault, line):
    p = proxy(with_fault(upstream(name="a"), tmp_path, filter_metadata={"a": "b"}, **fault))
    p.get()
    p.stop()
    assert (tmp_path / "log").read_text() == line + "\n"


@pytest.mark.parametrize("header, least", [("100", 0.09), ("0", 0), ("x", 0), (None, 0)])
def test_delay_by_header(proxy, upstream, header, least):
    p = proxy(with_fault(upstream(name="a"), delay=pct(header_delay={})))
    start = time.monotonic()
    assert p.get(headers=[("x-envoy-fault-delay-request", header)] if header else []).text == "a"
    assert time.monotonic() - start >= least
    p.expect_stats(stats(delays_injected=int(least > 0), active_faults=0))


def test_a_request_waits_with_its_body(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_fault(up, delay=pct(fixed_delay="0.05s")))
    assert p.get(method="POST", body="x" * 100000).text == "a"
    assert up.requests[0].body == b"x" * 100000


def test_at_most_so_many(proxy, upstream, client):
    p = proxy(with_fault(upstream(name="a"), delay=pct(fixed_delay="60s"), max_active_faults=1))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    p.wait_stat("http.in.fault.active_faults", 1)
    assert p.get().status == 200
    p.expect_stats(stats(faults_overflow=1, delays_injected=1))
    down.close()
    p.expect_stats(stats(active_faults=0))


@pytest.mark.parametrize("off", [False, True])
def test_counts_by_downstream_cluster(proxy, upstream, off):
    p = proxy(with_fault(upstream(name="a"), abort=pct(http_status=418), disable_downstream_cluster_stats=off))
    assert p.get(headers=[OF_DC]).status == 418
    p.expect_stats(stats(aborts_injected=1, **{"dc.aborts_injected": int(not off)}))


FAULT_ABORT = {"abort": pct(http_status=418)}
RUNTIME = [
    ({"fault.http.abort.abort_percent": 0}, FAULT_ABORT, [OF_DC], 418), ({"fault.http.abort.abort_percent": 0}, FAULT_ABORT, [], 200),
    ({"fault.http.dc.abort.abort_percent": 0}, FAULT_ABORT, [OF_DC], 200),
    ({"fault.http.dc.abort.abort_percent": 100}, {"abort": pct(0, http_status=418)}, [OF_DC], 418),
    ({"fault.http.abort.http_status": 420}, FAULT_ABORT, [OF_DC], 418), ({"fault.http.abort.http_status": 420}, FAULT_ABORT, [], 420),
    ({"fault.http.dc.abort.http_status": 421, "fault.http.abort.http_status": 420}, FAULT_ABORT, [OF_DC], 421),
    ({"my.key": 0}, {**FAULT_ABORT, "abort_percent_runtime": "my.key"}, [], 200),
    ({"my.key": 420}, {**FAULT_ABORT, "abort_http_status_runtime": "my.key"}, [], 420),
    ({"fault.http.max_active_faults": 0}, FAULT_ABORT, [], 200), ({"my.key": 0}, {**FAULT_ABORT, "max_active_faults_runtime": "my.key"}, [], 200)]


@pytest.mark.parametrize("runtime, fault, headers, status", RUNTIME)
def test_runtime(proxy, upstream, runtime, fault, headers, status):
    p = proxy(with_fault(upstream(name="a"), runtime=runtime, **fault))
    assert p.get(headers=headers).status == status


def test_runtime_of_grpc_status(proxy, upstream):
    p = proxy(with_fault(upstream(name="a"), abort=pct(grpc_status=5), runtime={
        "fault.http.abort.grpc_status": 9, "fault.http.dc.abort.grpc_status": 10}))
    assert p.get(headers=[GRPC]).get("grpc-status") == "9"
    assert p.get(headers=[GRPC, OF_DC]).get("grpc-status") == "10"


@pytest.mark.parametrize("runtime, headers, slow", [
    ({"fault.http.delay.fixed_duration_ms": 200}, [], True), ({"fault.http.delay.fixed_duration_ms": 200}, [OF_DC], True),
    ({"fault.http.delay.fixed_duration_ms": 0}, [], False), ({"fault.http.dc.delay.fixed_duration_ms": 200}, [OF_DC], True),
    ({"fault.http.delay.fixed_delay_percent": 0}, [], False)])
def test_runtime_of_delays(proxy, upstream, runtime, headers, slow):
    p = proxy(with_fault(upstream(name="a"), delay=pct(fixed_delay="0.1s" if "percent" in str(runtime) else "0.001s"), runtime=runtime))
    start = time.monotonic()
    assert p.get(headers=headers).text == "a"
    if slow:
        assert time.monotonic() - start >= 0.19
    p.expect_stats(stats(delays_injected=int(slow)))


@pytest.mark.parametrize("only, headers, status", [
    ({"upstream_cluster": "other"}, [], 200), ({"upstream_cluster": "up"}, [], 418),
    ({"downstream_nodes": ["m", "node"]}, [("x-envoy-downstream-service-node", "node")], 418),
    ({"downstream_nodes": ["m", "node"]}, [], 200), ({"downstream_nodes": ["m"]}, [("x-envoy-downstream-service-node", "node")], 200)])
def test_only_for(proxy, upstream, only, headers, status):
    p = proxy(with_fault(upstream(name="a"), abort=pct(http_status=418), **only))
    assert p.get(headers=headers).status == status


def test_the_route_replaces_all(proxy, upstream):
    p = proxy(with_fault(upstream(name="a"), delay=pct(fixed_delay="60s"), route_config={"abort": pct(http_status=419)}))
    assert p.get().status == 419


@pytest.mark.parametrize("trailers", [False, True])
def test_slow_responses(proxy, upstream, trailers):
    body = "x" * 20000
    up = upstream(lambda r: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4e20\r\n" + body.encode()
                  + (b"\r\n0\r\nx-t: 1\r\n\r\n" if trailers else b"\r\n0\r\n\r\n"))
    p = proxy(with_fault(up, response_rate_limit=pct(fixed_limit={"limit_kbps": 40})))
    start = time.monotonic()
    assert p.get().text == body
    assert time.monotonic() - start > 0.3
    p.expect_stats(stats(response_rl_injected=1, active_faults=0))


def test_rate_by_header(proxy, upstream):
    up = upstream(lambda r: wire.response(body="x" * 10000))
    p = proxy(with_fault(up, response_rate_limit=pct(header_limit={})))
    name = "x-envoy-fault-throughput-response"
    for headers in ([], [(name, "0")], [(name, "x")], [(name, "20"), (name + "-percentage", "0")]):
        p.get(headers=headers)
    p.expect_stats(stats(response_rl_injected=0))
    start = time.monotonic()
    p.get(headers=[(name, "20")])
    assert time.monotonic() - start > 0.3
    p.expect_stats(stats(response_rl_injected=1))


def test_a_client_that_leaves_a_slow_response(proxy, upstream, client):
    up = upstream(lambda r: wire.response(body="x" * 3000000))
    p = proxy(with_fault(up, response_rate_limit=pct(fixed_limit={"limit_kbps": 1})))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    down.head()
    p.wait_stat("http.in.fault.active_faults", 1)
    down.close()
    p.expect_stats({**stats(active_faults=0), "http.in.downstream_cx_active": 0, "cluster.up.upstream_rq_active": 0})

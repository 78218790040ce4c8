# SPDX-License-Identifier: Apache-2.0
"""Response flags, each with the status and details beside it; logs of TCP connections; the runtime filter."""
import pytest

from lib import config as c
from lib import wait_until, wire

FAST = ["--file-flush-interval-msec", "20"]
FORMAT = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"
PERCENT = {"numerator": 100, "denominator": "HUNDRED"}


@pytest.fixture
def logged(proxy, tmp_path):
    """logged(filters-or-None, cluster options, ...) -> a proxy with a log of flags; lines(n) waits for n lines."""
    path = tmp_path / "access.log"

    def start(up, cluster=None, route=None, extra=(), **options):
        config = c.http(c.route("up", **(route or {})), clusters=[c.cluster("up", up.port, **(cluster or {})), *extra],
                        access_log=[c.file_log(path, FORMAT)], **options)
        p = proxy(config, args=FAST)
        p.lines = lambda n=1: wait_until(lambda: path.exists() and len(path.read_text().splitlines()) >= n and
                                         path.read_text().splitlines(), f"{n} log lines")
        return p
    return start


def protocol_options(**options):
    return {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}}, **options}}}


def test_overflow(logged, upstream, client):
    up = upstream()
    limits = {"circuit_breakers": {"thresholds": [{"max_connections": 1, "max_pending_requests": 1, "max_requests": 1}]}}
    p = logged(up, cluster=limits)
    first = client(p.port).send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    second = client(p.port).send("GET /2 HTTP/1.1\r\nhost: a\r\n\r\n")
    p.wait_stat("cluster.up.upstream_rq_pending_active", 1)
    answer = p.get("/3")
    assert (answer.status, answer.get("x-envoy-overloaded")) == (503, "true")
    assert p.lines() == ["503 UO upstream_reset_before_response_started{overflow}"]
    for peer in (first, second):
        far.send(wire.response())
        assert peer.response().status == 200
        if peer is first:
            far.head()


def test_stream_idle_timeout(logged, upstream, client):
    up = upstream()
    p = logged(up, stream_idle_timeout="0.2s")
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    up.accept().head()
    assert down.response().status == 504
    down = client(p.port).send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab")
    assert down.response().status == 408
    assert p.lines(2) == ["504 SI stream_idle_timeout", "408 SI stream_idle_timeout"]
    p.expect_stats({"http.in.downstream_rq_idle_timeout": 2})


def test_failed_local_health_check(logged, upstream):
    p = logged(upstream(name="a"), filters=[c.http_filter(
        "health_check", "HealthCheck", pass_through_mode=False, headers=[{"name": ":path", "string_match": {"exact": "/health"}}])])
    assert p.get("/health").status == 200
    p.post("/healthcheck/fail")
    assert p.get("/health").status == 503
    p.post("/healthcheck/ok")
    assert p.get("/health").status == 200
    assert p.lines(3) == ["200 - health_check_ok", "503 LH health_check_failed", "200 - health_check_ok"]


def test_faults(logged, upstream):
    fault = c.http_filter("fault", "HTTPFault", delay={"header_delay": {}, "percentage": PERCENT},
                          abort={"header_abort": {}, "percentage": PERCENT})
    p = logged(upstream(name="a"), filters=[fault])
    delay, abort = ("x-envoy-fault-delay-request", "20"), ("x-envoy-fault-abort-request", "418")
    for n, headers in enumerate([[delay], [abort], [delay, abort], []], 1):
        p.get(headers=headers)
        p.lines(n)
    assert p.lines(4) == ["200 DI via_upstream", "418 FI fault_filter_abort", "418 DI,FI fault_filter_abort", "200 - via_upstream"]


def test_upstream_max_stream_duration(logged, upstream, client):
    up = upstream()
    p = logged(up, cluster=protocol_options(common_http_protocol_options={"max_stream_duration": "0.2s"}))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    up.accept().head()
    assert down.response().status == 504
    assert p.lines() == ["504 UMSDR upstream_max_stream_duration_reached"]
    p.expect_stats({"cluster.up.upstream_rq_max_duration_reached": 1})


def test_max_stream_duration(logged, upstream, client):
    up = upstream()
    p = logged(up, route={"action": {"max_stream_duration": {"max_stream_duration": "0.2s"}, "timeout": "0s"}})
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    up.accept().head()
    assert down.response().status == 504
    assert p.lines() == ["504 - max_duration_timeout"]


def test_no_cluster(logged, upstream):
    action = {"match": {"prefix": "/"}, "route": {"cluster_header": "x-to", "cluster_not_found_response_code": "NOT_FOUND"}}
    p = logged(upstream(name="a"), virtual_hosts=[c.virtual_host(action)])
    assert [p.get(headers=h).status for h in ([("x-to", "up")], [("x-to", "none")], [])] == [200, 404, 404]
    assert p.lines(3) == ["200 - via_upstream", "404 NC cluster_not_found", "404 NC cluster_not_found"]


def test_a_filter_by_flag_sees_only_its_flag(proxy, upstream, tmp_path):
    fault = c.http_filter("fault", "HTTPFault", abort={"header_abort": {}, "percentage": PERCENT})
    logs = [c.file_log(tmp_path / flag, FORMAT, filter={"response_flag_filter": {"flags": [flag]}}) for flag in ("FI", "UAEX", "RL")]
    p = proxy(c.http(c.direct(), filters=[fault], access_log=logs), args=FAST)
    p.get()
    p.get(headers=[("x-envoy-fault-abort-request", "418")])
    wait_until(lambda: (tmp_path / "FI").exists() and (tmp_path / "FI").read_text() == "418 FI fault_filter_abort\n", "the line")
    assert not any((tmp_path / f).exists() and (tmp_path / f).read_text() for f in ("UAEX", "RL"))


# --- runtime_filter ---

def runtime(key_value=None):
    layer = {"name": "static", "static_layer": {"log.rate": key_value} if key_value is not None else {}}
    return {"layered_runtime": {"layers": [layer, {"name": "admin", "admin_layer": {}}]}}


@pytest.mark.parametrize("default, value, n", [(100, None, 4), (0, None, 0), (0, 100, 4), (100, 0, 0)])
def test_runtime_filter(proxy, tmp_path, default, value, n):
    filter = {"runtime_filter": {"runtime_key": "log.rate", "percent_sampled": {"numerator": default},
                                 "use_independent_randomness": n % 8 == 4}}
    config = {**c.http(c.direct(), access_log=[c.file_log(tmp_path / "log", FORMAT, filter=filter),
                                               c.file_log(tmp_path / "all", FORMAT)]), **runtime(value)}
    p = proxy(config, args=FAST)
    for _ in range(4):
        p.get()
    p.wait_stat("http.in.downstream_cx_active", 0)
    p.stop()
    assert len((tmp_path / "all").read_text().splitlines()) == 4
    assert len((tmp_path / "log").read_text().splitlines() if (tmp_path / "log").exists() else []) == n


def test_runtime_filter_follows_the_admin_layer(proxy, tmp_path):
    log = tmp_path / "log"
    filter = {"runtime_filter": {"runtime_key": "log.rate", "percent_sampled": {"numerator": 0}}}
    p = proxy({**c.http(c.direct(), access_log=[c.file_log(log, "%REQ(:path)%\n", filter=filter)]), **runtime()}, args=FAST)
    p.get("/before")
    p.wait_stat("http.in.downstream_cx_active", 0)
    p.post("/runtime_modify?log.rate=100")
    wait_until(lambda: (p.get("/after"), log.exists() and log.read_text())[1], "a line")
    assert "/before" not in log.read_text()


# --- TCP ---

TCP = "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER% %UPSTREAM_HOST% %UPSTREAM_TRANSPORT_FAILURE_REASON%|%UPSTREAM_REQUEST_ATTEMPT_COUNT%\n"


def tcp_line(p, path, n=1):
    return wait_until(lambda: path.exists() and len(path.read_text().splitlines()) >= n and path.read_text().splitlines(), "the log")


def tcp(proxy, path, cluster, **options):
    return proxy(c.bootstrap([c.listener(c.tcp_proxy("up", access_log=[c.file_log(path, TCP)], **options))], [cluster]), args=FAST)


def test_tcp_without_flags(proxy, upstream, client, tmp_path):
    up = upstream()
    p = tcp(proxy, tmp_path / "log", c.cluster("up", up.port))
    down = client(p.port).send("hello")
    far = up.accept().expect("hello")
    far.send("you")
    down.expect("you")
    down.finish()
    far.expect_end()
    far.close()
    down.expect_end()
    assert tcp_line(p, tmp_path / "log") == [f"- 5 3 up 127.0.0.1:{up.port} -|1"]


def test_tcp_connection_refused(proxy, client, tmp_path):
    port = wire.free_port()
    p = tcp(proxy, tmp_path / "log", c.cluster("up", port), max_connect_attempts=2)
    client(p.port).expect_closed()
    line = tcp_line(p, tmp_path / "log")[0]
    assert line.startswith(f"UF,URX 0 0 up 127.0.0.1:{port} ") and line.endswith("|2")
    assert "delayed_connect_error:_Connection_refused" in line


def test_tcp_no_host(proxy, client, tmp_path):
    p = tcp(proxy, tmp_path / "log", c.cluster("up"))
    client(p.port).expect_closed()
    assert tcp_line(p, tmp_path / "log")[0].startswith("UH 0 0 ")
    p.expect_stats({"cluster.up.upstream_cx_none_healthy": 1})


def test_tcp_no_cluster(proxy, client, tmp_path):
    p = proxy(c.bootstrap([c.listener(c.tcp_proxy("nobody", access_log=[c.file_log(tmp_path / "log", TCP)]))]), args=FAST)
    client(p.port).expect_closed()
    assert tcp_line(p, tmp_path / "log")[0].startswith("NC 0 0 ")
    p.expect_stats({"tcp.tcp.downstream_cx_no_route": 1})


def test_tcp_overflow(proxy, upstream, client, tmp_path):
    up = upstream()
    p = tcp(proxy, tmp_path / "log", c.cluster("up", up.port, circuit_breakers={"thresholds": [{"max_connections": 1}]}))
    first = client(p.port).send("x")
    up.accept().expect("x")
    client(p.port).expect_closed()
    assert tcp_line(p, tmp_path / "log")[0].startswith("UO 0 0 up ")
    first.close()


def test_tcp_duration(proxy, upstream, client, tmp_path):
    up = upstream()
    p = tcp(proxy, tmp_path / "log", c.cluster("up", up.port), max_downstream_connection_duration="0.2s")
    down = client(p.port).send("x")
    up.accept().expect("x")
    down.expect_closed()
    assert tcp_line(p, tmp_path / "log")[0].startswith("DT 1 0 up ")
    p.expect_stats({"tcp.tcp.max_downstream_connection_duration": 1})


def test_tcp_idle(proxy, upstream, client, tmp_path):
    up = upstream()
    p = tcp(proxy, tmp_path / "log", c.cluster("up", up.port), idle_timeout="0.2s")
    down = client(p.port).send("x")
    up.accept().expect("x")
    down.expect_closed()
    assert tcp_line(p, tmp_path / "log")[0].startswith("- 1 0 up ")
    p.expect_stats({"tcp.tcp.idle_timeout": 1})

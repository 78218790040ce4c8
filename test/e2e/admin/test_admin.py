# SPDX-License-Identifier: Apache-2.0
"""The administration interface: endpoints, formats, methods, side effects."""
import json
import re

import pytest

from lib import config as c
from lib import wait_until, wire

pytestmark = pytest.mark.tsan


@pytest.fixture
def p(proxy, upstream):
    up = upstream(name="a")
    started = proxy({"node": {"id": "n1", "cluster": "lab"}, **c.http(
        c.route("up"), clusters=[c.cluster("up", up.port)]), "layered_runtime": {"layers": [
            {"name": "static", "static_layer": {"key": "one", "nested": {"n": 5}}}, {"name": "admin", "admin_layer": {}}]}})
    started.up = up
    return started


def test_ready(p):
    answer = p.admin("/ready")
    assert (answer.status, answer.text) == (200, "LIVE\n")
    assert answer.get("cache-control") == "no-cache, max-age=0"
    assert answer.get("x-content-type-options") == "nosniff"
    assert answer.get("server") == "envoy"
    assert answer.get("content-type") == "text/plain; charset=UTF-8"


def test_server_info(p):
    info = p.json("/server_info")
    assert info["state"] == "LIVE"
    assert re.fullmatch(r"[0-9a-f]{40}/1\.40\.0/\w+/\w+/\w+", info["version"])
    assert re.fullmatch(r"\d+s", info["uptime_all_epochs"]) and re.fullmatch(r"\d+s", info["uptime_current_epoch"])
    assert info["node"]["id"] == "n1"
    assert info["command_line_options"]["concurrency"] == 1
    assert info["hot_restart_version"] == "disabled"


def test_unknown_paths_get_the_help(p):
    answer = p.admin("/nothing")
    assert answer.status == 404
    assert answer.text.startswith("invalid path. admin commands are:\n")
    assert "  /ready: " in answer.text
    assert p.admin("/ready/").status == 404


def test_help(p):
    text = p.admin("/help").text
    assert text.startswith("admin commands are:\n")
    for path in ("/clusters", "/config_dump", "/stats", "/listeners", "/drain_listeners", "/logging", "/quitquitquit"):
        assert f"\n  {path}" in text, path


def test_the_home_page(p):
    answer = p.admin("/")
    assert answer.status == 200 and answer.get("content-type") == "text/html; charset=UTF-8"
    assert "<html" in answer.text.lower()


@pytest.mark.parametrize("path", ["/quitquitquit", "/healthcheck/fail", "/healthcheck/ok", "/reset_counters", "/logging",
                                  "/drain_listeners", "/reopen_logs", "/runtime_modify?a=b"])
def test_what_changes_something_wants_post(p, path):
    answer = p.admin(path)
    assert (answer.status, answer.text) == (405, "Method GET not allowed, POST required.")
    assert p.admin("/ready").status == 200


def test_stats_formats(p):
    p.get()
    text = p.admin("/stats").text
    assert "cluster.up.upstream_rq_total: 1\n" in text
    assert p.admin("/stats?filter=^cluster.up.upstream_rq_total$").text == "cluster.up.upstream_rq_total: 1\n"
    only = p.admin("/stats?usedonly&filter=upstream_rq").text
    assert "cluster.up.upstream_rq_total: 1\n" in only and "upstream_rq_timeout" not in only
    gauges = p.admin("/stats?type=Gauges&filter=^cluster.up").text
    assert "membership_total: 1" in gauges and "upstream_rq_total" not in gauges
    data = p.json("/stats?format=json&filter=^cluster.up.upstream_rq_total$")
    assert {"name": "cluster.up.upstream_rq_total", "value": 1} in data["stats"]
    names = [line.split(":")[0] for line in p.admin("/stats?type=Counters").text.splitlines()]
    assert names == sorted(names) and len(names) > 50


@pytest.mark.parametrize("path, text", [("/stats?filter=(", "Invalid re2 regex"), ("/stats?format=x", "usage: "),
                                        ("/stats?type=x", "")])
def test_bad_parameters(p, path, text):
    answer = p.admin(path)
    assert answer.status == 400 and text in answer.text


def test_histograms(p):
    p.get()
    wait_until(lambda: "cluster.up.upstream_rq_time: P0(" in p.admin("/stats?filter=upstream_rq_time").text, "a flush", seconds=15)
    line = next(x for x in p.admin("/stats?filter=cluster.up.upstream_rq_time").text.splitlines()
                if x.startswith("cluster.up.upstream_rq_time:"))
    assert re.fullmatch(r"cluster.up.upstream_rq_time:( P[\d.]+\([\w.]+,[\w.]+\))+", line)
    assert " P99.9(" in line and " P100(" in line
    buckets = p.admin("/stats?filter=cluster.up.upstream_rq_time&histogram_buckets=cumulative").text
    assert re.search(r"cluster.up.upstream_rq_time: B0\.5\(\d+,\d+\) B1\(", buckets)


def test_prometheus(p):
    p.get()
    answer = p.admin("/stats/prometheus")
    assert answer.get("content-type") == "text/plain; charset=UTF-8"
    assert '# TYPE envoy_cluster_upstream_rq_total counter\nenvoy_cluster_upstream_rq_total{envoy_cluster_name="up"} 1\n' in answer.text
    assert 'envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="up"} 1' in answer.text
    assert 'envoy_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="in"} 1' in answer.text
    assert p.admin("/stats?format=prometheus").text.count("# TYPE") == answer.text.count("# TYPE")
    types = re.findall(r"# TYPE (\S+)", answer.text)
    assert len(types) == len(set(types)), "each metric has one group"


def test_clusters(p):
    p.get()
    text = p.admin("/clusters").text
    host = f"127.0.0.1:{p.up.port}"
    for line in ("up::observability_name::up", "up::default_priority::max_connections::1024", "up::high_priority::max_retries::3",
                 "up::added_via_api::false", f"up::{host}::rq_total::1", f"up::{host}::health_flags::healthy",
                 f"up::{host}::weight::1", f"up::{host}::priority::0", f"up::{host}::canary::false", f"up::{host}::rq_success::1"):
        assert line in text.splitlines(), line
    status = p.json("/clusters?format=json")["cluster_statuses"]
    up = next(s for s in status if s["name"] == "up")
    assert up["host_statuses"][0]["address"]["socket_address"] == {
        **up["host_statuses"][0]["address"]["socket_address"], "address": "127.0.0.1", "port_value": p.up.port}


def test_listeners(p):
    assert p.admin("/listeners").text == f"main::127.0.0.1:{p.port}\n"
    status = p.json("/listeners?format=json")["listener_statuses"][0]
    assert status["local_address"]["socket_address"]["port_value"] == p.port


def test_config_dump(p):
    dump = p.json("/config_dump")
    kinds = [x["@type"].rsplit(".", 1)[1] for x in dump["configs"]]
    assert kinds[0] == "BootstrapConfigDump" and {"ClustersConfigDump", "ListenersConfigDump", "RoutesConfigDump"} <= set(kinds)
    by_kind = dict(zip(kinds, dump["configs"]))
    clusters = by_kind["ClustersConfigDump"]["static_clusters"]
    assert clusters[0]["cluster"]["name"] == "up" and clusters[0]["cluster"]["connect_timeout"] == "5s"
    assert by_kind["RoutesConfigDump"]["static_route_configs"][0]["route_config"]["virtual_hosts"][0]["domains"] == ["*"]
    only = p.json("/config_dump?resource=static_clusters")
    assert [x["cluster"]["name"] for x in only["configs"]] == ["up"]
    assert p.admin("/config_dump?resource=bogus").status in (400, 404)


def test_runtime(p):
    entries = p.json("/runtime")["entries"]
    assert entries["key"] == {"final_value": "one", "layer_values": ["one", ""]}
    assert entries["nested.n"]["final_value"] == "5"
    assert p.post("/runtime_modify?key=two&new=1").text == "OK\n"
    entries = p.json("/runtime")["entries"]
    assert entries["key"] == {"final_value": "two", "layer_values": ["one", "two"]} and entries["new"]["final_value"] == "1"
    p.post("/runtime_modify?key=")
    assert p.json("/runtime")["entries"]["key"]["final_value"] == "one"


def test_logging(p):
    text = p.post("/logging").text
    assert text.startswith("active loggers:\n") and re.search(r"\n  http: info\n|\n  http: warning\n", text)
    assert "  http: debug\n" in p.post("/logging?http=debug").text
    assert set(re.findall(r": (\w+)\n", p.post("/logging?level=error").text)) == {"error"}
    assert p.post("/logging?level=loud").status == 400
    assert p.post("/logging?nobody=info").status == 400
    p.post("/logging?level=info")


def test_reset_counters(p):
    p.get()
    p.wait_stat("cluster.up.upstream_rq_total", 1)
    assert p.post("/reset_counters").text == "OK\n"
    assert p.stat("cluster.up.upstream_rq_total") == 0
    assert p.stat("cluster.up.membership_total") == 1


def test_memory_and_others(p):
    assert int(p.json("/memory")["allocated"]) > 0
    assert p.json("/certs") == {"certificates": []}
    assert p.admin("/hot_restart_version").text == "disabled"
    assert p.json("/init_dump") == {}
    assert p.admin("/contention").status == 200


def test_healthcheck_fail_drains(p, client):
    assert p.post("/healthcheck/fail").text == "OK\n"
    answer = p.admin("/ready")
    assert (answer.status, answer.text) == (503, "DRAINING\n")
    assert p.get().get("connection") == "close"
    p.post("/healthcheck/ok")
    assert p.admin("/ready").text == "LIVE\n"
    assert not p.get().has("connection")


def test_quitquitquit(p):
    assert p.post("/quitquitquit").text == "OK\n"
    assert p.wait() == 0


def test_head_and_keep_alive(p):
    with wire.connect(p.admin_port()) as peer:
        assert peer.get("/ready", method="HEAD").status == 200
        assert peer.get("/ready").text == "LIVE\n"
        assert peer.get("/stats?filter=nothing").body == b""


def test_an_answer_larger_than_a_socket_buffer(p, client):
    """A slow reader of a large answer holds up nobody."""
    slow = client(p.admin_port()).send("GET /stats HTTP/1.1\r\nhost: a\r\n\r\n")
    for _ in range(20):
        assert p.admin("/ready").status == 200
    assert b"server.live" in slow.response().body


@pytest.mark.parametrize("path, status", [("/ready", 200), ("/clusters", 403), ("/stats/prometheus", 200), ("/ready?x", 403),
                                          ("/clusters?format=json", 403), ("/stats?filter=live", 200)])
def test_allowed_paths(proxy, path, status):
    config = c.http(c.direct())
    config["admin"]["allow_paths"] = [{"exact": "/ready"}, {"prefix": "/stats"}, {"prefix": "/listeners"}]
    answer = proxy(config).admin(path)
    assert answer.status == status
    if status == 403:
        assert answer.text == f"request to path {path} not allowed"


def test_json_prints_all_fields(p):
    text = p.admin("/listeners?format=json").text
    assert text.startswith("{\n \"listener_statuses\": [\n  {\n   \"name\": \"main\"")
    assert json.loads(text)["listener_statuses"][0]["local_address"]["socket_address"]["port_value"] == p.port

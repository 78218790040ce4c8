# SPDX-License-Identifier: Apache-2.0
"""Runtime layers (static, disk, admin) and the keys that clusters, routes and the connection manager read."""
import os

import pytest

from lib import config as c
from lib import wait_until, wire


def layers(*layers):
    return {"layered_runtime": {"layers": [{"name": f"l{n}", **layer} for n, layer in enumerate(layers)]}}


def static(**keys):
    return {"static_layer": {k.replace("__", "."): v for k, v in keys.items()}}


def to(up, *runtime, cluster=None, action=None, **options):
    config = c.http(c.route("up", action=action), clusters=[c.cluster("up", *([up.port] if up else []), **(cluster or {}))], **options)
    return {**config, **layers(*runtime)}


def test_later_layers_win(proxy, tmp_path):
    root = tmp_path / "disk/current/app/deep"
    root.mkdir(parents=True)
    (root / "key").write_text("from-disk\n")
    (root.parent / "number").write_text("# a comment\n42\n")
    p = proxy({**c.http(c.direct()), **layers(
        {"static_layer": {"deep": {"key": "static"}, "only": True, "list.like": 0.5}},
        {"disk_layer": {"symlink_root": str(tmp_path / "disk/current"), "subdirectory": "app"}}, {"admin_layer": {}})})
    entries = p.json("/runtime")["entries"]
    assert entries["deep.key"] == {"final_value": "from-disk", "layer_values": ["static", "from-disk", ""]}
    assert entries["number"]["final_value"] == "42"
    assert entries["only"]["final_value"] == "true"
    p.post("/runtime_modify?deep.key=admin")
    assert p.json("/runtime")["entries"]["deep.key"]["final_value"] == "admin"
    p.expect_stats({"runtime.num_layers": 3, "runtime.admin_overrides_active": 1})


def test_a_disk_layer_is_read_again_when_its_link_moves(proxy, tmp_path):
    for name, value in (("one", "1"), ("two", "2")):
        (tmp_path / name / "app").mkdir(parents=True)
        (tmp_path / name / "app/key").write_text(value)
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "one")
    p = proxy({**c.http(c.direct()), **layers({"disk_layer": {"symlink_root": str(link), "subdirectory": "app"}})})
    assert p.json("/runtime")["entries"]["key"]["final_value"] == "1"
    (tmp_path / "next").symlink_to(tmp_path / "two")
    os.replace(tmp_path / "next", link)
    wait_until(lambda: p.json("/runtime")["entries"]["key"]["final_value"] == "2", "the new value")


def test_an_override_directory_of_the_cluster(proxy, tmp_path):
    for path, value in (("app/key", "base"), ("override/lab/key", "mine")):
        file = tmp_path / "rt" / path
        file.parent.mkdir(parents=True)
        file.write_text(value)
    p = proxy({"node": {"id": "n1", "cluster": "lab"}, **c.http(c.direct()), **layers(
        {"disk_layer": {"symlink_root": str(tmp_path / "rt"), "subdirectory": "app"}},
        {"disk_layer": {"symlink_root": str(tmp_path / "rt"), "subdirectory": "override", "append_service_cluster": True}})})
    assert p.json("/runtime")["entries"]["key"]["final_value"] == "mine"


def test_without_an_admin_layer_nothing_can_be_changed(proxy):
    p = proxy({**c.http(c.direct()), **layers(static(a=1))})
    answer = p.post("/runtime_modify?a=2")
    assert (answer.status, answer.text) == (503, "No admin layer specified")


def test_a_fraction_changes_while_it_runs(proxy):
    fraction = {"default_value": {"numerator": 0}, "runtime_key": "share"}
    p = proxy({**c.http({"match": {"prefix": "/", "runtime_fraction": fraction}, "direct_response": {"status": 201}}, c.direct()),
               **layers({"admin_layer": {}})})
    assert p.get().status == 200
    p.post("/runtime_modify?share=100")
    wait_until(lambda: p.get().status == 201, "the new share")
    p.post("/runtime_modify?share=")
    wait_until(lambda: p.get().status == 200, "the default")


def test_the_panic_threshold(proxy, upstream):
    a, b = upstream(name="a"), upstream(name="b")
    hosts = [{"endpoint": {"address": c.address(a.port)}}, {"endpoint": {"address": c.address(b.port)}, "health_status": "UNHEALTHY"}]
    config = c.http(c.route("up"), clusters=[c.cluster("up", *hosts)])
    p = proxy({**config, **layers(static(upstream__healthy_panic_threshold=0))})
    assert {p.get().text for _ in range(10)} == {"a"}
    p = proxy({**config, **layers(static(upstream__healthy_panic_threshold=51))})
    assert {p.get().text for _ in range(10)} == {"a", "b"}


def test_a_panic_may_refuse_all(proxy, upstream):
    a, b = upstream(name="a"), upstream(name="b")
    hosts = [{"endpoint": {"address": c.address(s.port)}, "health_status": h} for s, h in ((a, "UNHEALTHY"), (b, "UNHEALTHY"))]
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", *hosts, common_lb_config={
        "zone_aware_lb_config": {"fail_traffic_on_panic": True}})]))
    assert p.get().status == 503
    p.expect_stats({"cluster.up.upstream_cx_none_healthy": 1})


def test_maintenance(proxy, upstream):
    up = upstream(name="a")
    p = proxy(to(up, static(upstream__maintenance_mode__up=100)))
    answer = p.get()
    assert (answer.status, answer.text, answer.get("x-envoy-overloaded")) == (503, "maintenance mode", "true")
    p.expect_stats({"cluster.up.upstream_rq_maintenance_mode": 1})
    assert up.requests == []


def test_retries_may_be_switched_off(proxy, upstream):
    up = upstream(lambda r: wire.response(503))
    p = proxy(to(up, static(upstream__use_retry=0), action={"retry_policy": {"retry_on": "5xx", "num_retries": 2}}))
    assert p.get().status == 503
    assert len(up.requests) == 1


def test_breakers_of_the_runtime(proxy, upstream):
    up = upstream(name="a")
    p = proxy(to(up, static(circuit_breakers__up__default__max_requests=0)))
    assert p.get().status == 503
    p.expect_stats({"cluster.up.upstream_rq_active_overflow": 1})


def test_log_filters_of_the_runtime(proxy, tmp_path):
    log = tmp_path / "log"
    logs = [c.file_log(log, "%REQ(:path)%\n", filter={"runtime_filter": {"runtime_key": "log.share", "percent_sampled": {"numerator": 0}}})]
    p = proxy({**c.http(c.direct(), access_log=logs), **layers(static(log__share=100))})
    p.get("/seen")
    p.stop()
    assert log.read_text() == "/seen\n"


@pytest.mark.parametrize("key, value", [("http_connection_manager.normalize_path", 100)])
def test_normalising_by_runtime(proxy, key, value):
    p = proxy({**c.http(c.direct(status=201, prefix="/b"), c.direct()), **layers({"static_layer": {key: value}})})
    assert p.get("/a/../b").status == 201


def test_two_layers_of_one_name_are_refused(kind, tmp_path):
    from lib.proxy import Failed, Proxy
    config = {**c.http(c.direct()), "layered_runtime": {"layers": [{"name": "x", "admin_layer": {}}, {"name": "y", "admin_layer": {}}]}}
    with pytest.raises(Failed) as failed:
        Proxy(tmp_path, config, kind=kind).start()
    assert failed.value.code == 1

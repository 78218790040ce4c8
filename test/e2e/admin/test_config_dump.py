# SPDX-License-Identifier: Apache-2.0
"""/config_dump: resources, names, masks, endpoints, and what a reload changes."""
import re
import signal

import pytest

from lib import config as c
from lib import wait_until


def small_config(up_port):
    config = c.http(c.route("up"), clusters=[c.cluster("up", up_port), c.cluster("other", up_port, alt_stat_name="shown")])
    config["node"] = {"id": "n1", "metadata": {"a": {"b": [1, "x", True]}}}
    return config


@pytest.fixture
def p(proxy, upstream):
    up = upstream(name="a")
    started = proxy(small_config(up.port))
    started.up = up
    return started


def test_a_resource_is_a_list_of_its_own(p):
    clusters = p.json("/config_dump?resource=static_clusters")["configs"]
    assert [x["cluster"]["name"] for x in clusters] == ["other", "up"]
    assert clusters[0]["@type"] == "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster"
    assert clusters[0]["cluster"]["@type"] == "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", clusters[0]["last_updated"])
    routes = p.json("/config_dump?resource=static_route_configs")["configs"]
    assert [x["route_config"]["name"] for x in routes] == ["local"]
    for empty in ("dynamic_listeners", "dynamic_active_clusters", "static_secrets", "inline_scoped_route_configs"):
        assert p.json(f"/config_dump?resource={empty}") == {}


@pytest.mark.parametrize("query, status, text", [
    ("resource=bogus", 404, "bogus not found in config dump"),
    ("resource=static_endpoint_configs", 404, "static_endpoint_configs not found in config dump"),
    ("resource=bootstrap", 400, "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field"),
    ("mask=bogus", 400, "FieldMask bogus could not be successfully applied to any configs."),
    ("mask=static_clusters.cluster", 400, "FieldMask static_clusters.cluster could not be successfully applied to any configs."),
    ("mask=bootstrap.bogus", 400, "FieldMask bootstrap.bogus could not be successfully applied to any configs."),
    ("name_regex=(", 400, "INVALID_ARGUMENT: Error while parsing name_regex from (: missing ): ("),
])
def test_what_cannot_be_asked(p, query, status, text):
    answer = p.admin(f"/config_dump?{query}")
    assert (answer.status, answer.text, answer.get("content-type")) == (status, text, "text/plain")


def test_masks(p):
    assert p.json("/config_dump?mask=bootstrap.node.id") == {"configs": [
        {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {"node": {"id": "n1"}}}]}
    only = p.json("/config_dump?resource=static_clusters&mask=cluster.name,cluster.alt_stat_name&name_regex=oth.*")
    assert [x["cluster"] for x in only["configs"]] == [
        {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "other", "alt_stat_name": "shown"}]
    assert "last_updated" not in only["configs"][0]
    assert p.admin("/config_dump?resource=static_clusters&mask=cluster.bogus").status == 400
    listeners = p.json("/config_dump?mask=static_listeners")["configs"]
    assert len(listeners) == 1 and set(listeners[0]) == {"@type", "static_listeners"}
    assert p.json("/config_dump?resource=static_clusters&name_regex=u") == {}, "the whole name must match"


def test_the_bootstrap_tells_who_we_are(p):
    node = p.json("/config_dump?mask=bootstrap")["configs"][0]["bootstrap"]["node"]
    assert node["user_agent_name"] == "envoy" and node["metadata"] == {"a": {"b": [1, "x", True]}}
    assert node["user_agent_build_version"]["version"] == {"major_number": 1, "minor_number": 40}
    assert {"envoy.filters.http.router", "envoy.filters.network.tcp_proxy"} <= {e["name"] for e in node["extensions"]}


def test_include_eds(p):
    kinds = [x["@type"].rsplit(".", 1)[1] for x in p.json("/config_dump?include_eds")["configs"]]
    assert kinds.index("EndpointsConfigDump") == kinds.index("ClustersConfigDump") + 1
    found = p.json("/config_dump?include_eds&resource=static_endpoint_configs&mask=endpoint_config.cluster_name")
    assert [x["endpoint_config"]["cluster_name"] for x in found["configs"]] == ["other", "up"]
    full = p.json("/config_dump?include_eds&resource=static_endpoint_configs")["configs"][1]["endpoint_config"]
    endpoint = full["endpoints"][0]["lb_endpoints"][0]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": p.up.port}
    assert endpoint["health_status"] == "HEALTHY" and endpoint["load_balancing_weight"] == 1
    assert full["policy"] == {"overprovisioning_factor": 140}


@pytest.mark.own
def test_a_reload_shows(p):
    config = small_config(p.up.port)
    config["static_resources"]["clusters"][0]["connect_timeout"] = "7s"
    del config["static_resources"]["clusters"][1]
    config["static_resources"]["listeners"].append(c.listener(c.tcp_proxy("up"), name="admin"))
    before = {x["cluster"]["name"]: x["last_updated"] for x in p.json("/config_dump?resource=static_clusters")["configs"]}
    p.write_config(config)
    p.signal(signal.SIGHUP)
    wait_until(lambda: len(p.json("/config_dump?resource=static_clusters")["configs"]) == 1, "the reload")
    only = p.json("/config_dump?resource=static_clusters")["configs"][0]
    assert only["cluster"]["connect_timeout"] == "7s" and only["last_updated"] > before["up"]
    assert len(p.json("/config_dump?mask=bootstrap.static_resources")["configs"][0]["bootstrap"]["static_resources"]["clusters"]) == 1
    names = [x["listener"]["name"] for x in p.json("/config_dump?resource=static_listeners")["configs"]]
    assert names == ["main", "admin"], "a listener may have that name, too"
    assert p.admin("/ready").status == 200

# SPDX-License-Identifier: Apache-2.0
"""--mode validate tells what a listener on a public address had better set; --profile edge sets it."""
import json
import signal

import pytest

from lib import config as c
from lib.proxy import run

pytestmark = pytest.mark.own
EDGE = {"use_remote_address": True, "normalize_path": True, "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT", "request_headers_timeout": "10s", "request_timeout": "300s",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"}}
LIMIT = {"resource_monitors": [c.typed("envoy.resource_monitors.global_downstream_max_connections",
                                       "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                                       max_active_downstream_connections=1000)]}


def findings(tmp_path, ip, hcm=None, listener=None, args=(), **extra):
    config = c.bootstrap([c.listener(c.hcm(c.direct(), **(hcm or {})), ip=ip, **(listener or {}))], **extra)
    (tmp_path / "c.json").write_text(json.dumps(config))
    code, out, err = run("--mode", "validate", "-c", tmp_path / "c.json", *args)
    assert code == 0 and out.endswith("OK\n")
    return err


@pytest.mark.parametrize("ip", ["0.0.0.0", "::", "8.8.8.8", "2001:db8::1", "172.32.0.1"])
def test_public_addresses_are_warned_of(tmp_path, ip):
    err = findings(tmp_path, ip)
    for words in ["use_remote_address: true", "normalize_path: true", "merge_slashes: true", "UNESCAPE_AND_REDIRECT",
                  "REJECT_REQUEST", "request_headers_timeout", "request_timeout", "per_connection_buffer_limit_bytes",
                  "no limit of connections"]:
        assert words in err


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.9.9.9", "::1", "10.0.0.1", "172.31.0.1", "192.168.1.1", "169.254.1.1",
                                "100.64.0.1", "fd00::1", "fe80::1"])
def test_others_are_not(tmp_path, ip):
    assert findings(tmp_path, ip) == ""


def test_one_public_address_is_enough(tmp_path):
    more = {"additional_addresses": [{"address": c.address(ip="10.0.0.1")}, {"address": c.address(ip="8.8.8.8")}]}
    assert "per_connection_buffer_limit_bytes" in findings(tmp_path, "127.0.0.1", listener=more)


def test_nothing_is_said_when_all_is_set(tmp_path):
    assert findings(tmp_path, "0.0.0.0", EDGE, {"per_connection_buffer_limit_bytes": 32768}, overload_manager=LIMIT) == ""


def test_only_what_is_missing_is_named(tmp_path):
    err = findings(tmp_path, "0.0.0.0", {**EDGE, "normalize_path": None}, {"per_connection_buffer_limit_bytes": 32768},
                   overload_manager=LIMIT)
    assert "sets normalize_path: true\n" in err and err.count("warning") == 1


def test_an_open_administration_interface(tmp_path):
    err = findings(tmp_path, "127.0.0.1", admin={"address": c.address(ip="0.0.0.0")})
    assert "admin.address: warning: other machines can reach" in err


def test_what_is_written_is_wanted(tmp_path):
    own = {"use_remote_address": False, "normalize_path": False, "mergeSlashes": False, "request_timeout": "0s",
           "path_with_escaped_slashes_action": "KEEP_UNCHANGED", "request_headers_timeout": "0s",
           "common_http_protocol_options": {"headersWithUnderscoresAction": "ALLOW"}}
    assert findings(tmp_path, "0.0.0.0", own, {"per_connection_buffer_limit_bytes": 1}, overload_manager=LIMIT) == ""


def test_the_profile_leaves_nothing_to_warn_of(tmp_path):
    assert findings(tmp_path, "0.0.0.0", args=["--profile", "edge"], overload_manager=LIMIT) == ""
    assert "use_remote_address" in findings(tmp_path, "0.0.0.0", args=["--profile", "envoy"])


def manager(p):
    """(connection manager, listener, cluster) as /config_dump has them."""
    listeners = p.json("/config_dump?resource=static_listeners")["configs"][0]["listener"]
    cluster = p.json("/config_dump?resource=static_clusters")["configs"][0]["cluster"]
    return listeners["filter_chains"][0]["filters"][0]["typed_config"], listeners, cluster


def test_the_profile_sets_what_is_not_set(proxy, upstream):
    up = upstream(name="up")
    config = c.http(c.route("up"), clusters=[c.cluster("up", up.port)])
    p = proxy(config, args=["--profile", "edge"])
    hcm, listener, cluster = manager(p)
    assert hcm == {**hcm, **EDGE}
    assert listener["per_connection_buffer_limit_bytes"] == cluster["per_connection_buffer_limit_bytes"] == 32768
    assert p.get("/a//b/../c", headers=[("x-forwarded-for", "1.2.3.4")]).text == "up"
    assert up.requests[-1].path == "/a/c"
    assert p.get("/a%2fb").status == 307
    assert p.get("/", headers=[("under_score", "1")]).status == 400


def test_a_reload_keeps_to_the_profile(proxy, upstream):
    up = upstream(name="up")
    config = c.http(c.route("up"), clusters=[c.cluster("up", up.port)])
    p = proxy(config, args=["--profile", "edge"])
    p.write_config({**config, "stats_flush_interval": "1s"})
    p.signal(signal.SIGHUP)
    p.wait_stat("config_reload.success", 1)
    p.expect_stats({"listener_manager.listener_modified": 0, "cluster_manager.cluster_modified": 0})
    changed = json.loads(json.dumps(config))
    changed["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["normalize_path"] = False
    p.write_config(changed)
    p.signal(signal.SIGHUP)
    p.wait_stat("config_reload.success", 2)
    hcm, listener, _ = manager(p)
    assert hcm["normalize_path"] is False and hcm["merge_slashes"] and listener["per_connection_buffer_limit_bytes"] == 32768


def test_without_the_profile_all_is_envoys(proxy):
    hcm, listener, _ = manager(proxy(c.http(c.direct(), clusters=[c.cluster("a")])))
    assert not set(EDGE) & set(hcm) and "per_connection_buffer_limit_bytes" not in listener

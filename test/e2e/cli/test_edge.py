# SPDX-License-Identifier: Apache-2.0
"""--mode validate tells what a listener on a public address had better set; nothing changes by it."""
import json

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


def findings(tmp_path, ip, hcm=None, listener=None, **extra):
    config = c.bootstrap([c.listener(c.hcm(c.direct(), **(hcm or {})), ip=ip, **(listener or {}))], **extra)
    (tmp_path / "c.json").write_text(json.dumps(config))
    code, out, err = run("--mode", "validate", "-c", tmp_path / "c.json")
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


def test_nothing_is_said_when_all_is_set(tmp_path):
    assert findings(tmp_path, "0.0.0.0", EDGE, {"per_connection_buffer_limit_bytes": 32768}, overload_manager=LIMIT) == ""


def test_only_what_is_missing_is_named(tmp_path):
    err = findings(tmp_path, "0.0.0.0", {**EDGE, "normalize_path": None}, {"per_connection_buffer_limit_bytes": 32768},
                   overload_manager=LIMIT)
    assert "sets normalize_path: true\n" in err and err.count("warning") == 1


def test_an_open_administration_interface(tmp_path):
    err = findings(tmp_path, "127.0.0.1", admin={"address": c.address(ip="0.0.0.0")})
    assert "admin.address: warning: other machines can reach" in err

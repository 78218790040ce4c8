# SPDX-License-Identifier: Apache-2.0
"""What v1 meant and today's defaults would change, on the wire; and that the real Envoy takes what migrate prints."""
import json
import subprocess

import pytest

from lib import wait_until, wire
from lib.proxy import ROOT, envoy_path, run

pytestmark = pytest.mark.own
ADMIN = {"access_log_path": "/dev/null", "address": "tcp://127.0.0.1:0"}


def cluster(name, port):
    return {"name": name, "type": "static", "connect_timeout_ms": 1000, "lb_type": "round_robin",
            "hosts": [{"url": f"tcp://127.0.0.1:{port}"}]}


def config(listen, filters, clusters):
    return {"listeners": [{"address": f"tcp://127.0.0.1:{listen}", "filters": filters}], "admin": ADMIN,
            "cluster_manager": {"clusters": clusters}}


def hcm(routes, filters=(), **more):
    return {"name": "http_connection_manager", "config": {
        "codec_type": "auto", "stat_prefix": "v1", "filters": [*filters, {"name": "router", "config": {}}],
        "route_config": {"validate_clusters": False, "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        **more}}


@pytest.fixture
def start(proxy):
    def start(filters, *ports):
        listen = wire.free_port()
        clusters = [cluster(chr(ord("a") + i), port) for i, port in enumerate(ports)]
        return listen, proxy(config(listen, filters, clusters), suffix="json", args=["--file-flush-interval-msec", 50])
    return start


def test_routes(start, upstream):
    up = upstream(lambda r: wire.response(body=f"{r.get('host')} {r.path}"), http=True)
    listen, _ = start([hcm([
        {"prefix": "/old", "prefix_rewrite": "/new", "host_rewrite": "here", "cluster": "a"},
        {"path": "/move", "host_redirect": "there", "path_redirect": "/moved"},
        {"regex": "/[0-9]+", "cluster": "a"},
        {"prefix": "/gone", "cluster": "nobody"},
        {"prefix": "/", "headers": [{"name": "x-to", "value": "a"}], "cluster_header": "x-to"},
    ])], up.port)
    assert wire.get(listen, "/old/x?y").text == "here /new/x?y"
    moved = wire.get(listen, "/move?query")
    assert (moved.status, moved.get("location")) == (301, "http://there/moved")
    assert wire.get(listen, "/123?x").text.endswith(" /123?x")
    assert wire.get(listen, "/gone").status == 404
    assert wire.get(listen, "/12a").status == 404
    assert wire.get(listen, "/any", headers=[("x-to", "a")]).status == 200


def test_filters_and_logs(start, upstream, tmp_path):
    up = upstream(lambda r: wire.response(body="ok"), http=True)
    log = tmp_path / "log.txt"
    fault = {"name": "fault", "config": {"abort": {"abort_percent": 100, "http_status": 418}, "headers": [{"name": "x-fault"}]}}
    listen, _ = start([hcm([{"prefix": "/", "cluster": "a"}], [fault], access_log=[
        {"path": str(log), "format": "%RESPONSE_CODE% %DOWNSTREAM_ADDRESS%\n",
         "filter": {"type": "status_code", "op": ">=", "value": 400}}])], up.port)
    assert wire.get(listen, "/").text == "ok"
    assert wire.get(listen, "/", headers=[("x-fault", "1")]).status == 418
    wait_until(lambda: log.exists() and log.read_text() == "418 127.0.0.1\n", "the log")


def test_tcp_routes_go_by_order(start, upstream, client):
    servers = [upstream(), upstream()]
    listen, _ = start([{"name": "tcp_proxy", "config": {"stat_prefix": "t", "route_config": {"routes": [
        {"cluster": "b", "source_ip_list": ["127.0.0.1/32"]},
        {"cluster": "a", "destination_ip_list": ["127.0.0.0/8"]}]}}}], *(s.port for s in servers))
    # v3 alone would prefer the chain with the destination's prefix.
    client(listen).send("x")
    servers[1].accept().expect("x")


def test_the_real_envoy_takes_what_is_printed(tmp_path):
    if envoy_path() is None:
        pytest.skip("no Envoy")
    n = 0
    for source in [*sorted((ROOT / "test/corpus/v1").glob("*.json")), *sorted((ROOT / "examples/v1-article").glob("*.json"))]:
        code, out, err = run("migrate", source)
        if code != 0:
            continue
        n += 1
        new = tmp_path / f"{source.stem}.yaml"
        new.write_text(out)
        done = subprocess.run([envoy_path(), "--mode", "validate", "-c", new], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{source.name}: {done.stderr[-2000:]}\n{out}"
    assert n >= 3

# SPDX-License-Identifier: Apache-2.0
"""v1 configurations that carry traffic: tcp_proxy, echo, access logs, and what each writes."""
import json
import re

import pytest

from lib import wait_until, wire
from lib.proxy import run

pytestmark = pytest.mark.own
ADMIN = {"access_log_path": "/dev/null", "address": "tcp://127.0.0.1:0"}


def cluster(name, port, **more):
    return {"name": name, "type": "static", "connect_timeout_ms": 1000, "lb_type": "round_robin",
            "hosts": [{"url": f"tcp://127.0.0.1:{port}"}], **more}


@pytest.fixture
def start(proxy):
    """start(filter, cluster...) -> (port, proxy), one v1 listener with that filter."""
    def start(filter, *clusters, **listener):
        port = wire.free_port()
        config = {"listeners": [{"address": f"tcp://127.0.0.1:{port}", "filters": [filter], **listener}],
                  "admin": ADMIN, "cluster_manager": {"clusters": list(clusters)}}
        return port, proxy(config, suffix="json", args=["--file-flush-interval-msec", 20])
    return start


def tcp(*routes, **more):
    return {"type": "read", "name": "tcp_proxy", "config": {"stat_prefix": "t", "route_config": {"routes": list(routes)}, **more}}


def lines(path, n):
    return wait_until(lambda: path.exists() and len(path.read_text().splitlines()) >= n and path.read_text().splitlines(), "the log")


def test_echo(start, client):
    port, p = start({"type": "read", "name": "echo", "config": {}})
    down = client(port)
    for data in (b"hello", bytes(range(256)) * 4096):
        down.send(data).expect(data)
    down.finish()
    down.expect_end()


def test_tcp_proxy_both_ways(start, upstream, client):
    up = upstream()
    port, p = start(tcp({"cluster": "a"}), cluster("a", up.port))
    down = client(port).send("hello")
    far = up.accept().expect("hello")
    far.send("world")
    down.expect("world")
    down.finish()
    far.expect_end()
    far.send("late").close()
    down.expect("late").expect_end()
    p.expect_stats({"tcp.t.downstream_cx_total": 1, "cluster.a.upstream_cx_total": 1, "cluster.a.upstream_cx_active": 0})


def test_tcp_proxy_without_a_route(start, upstream, client):
    up = upstream()
    port, p = start(tcp({"cluster": "a", "destination_ports": "1-2"}), cluster("a", up.port))
    client(port).expect_closed()
    assert up.idle()


def test_tcp_proxy_in_v1_0s_form(start, upstream, client):
    up = upstream()
    port, p = start({"type": "read", "name": "tcp_proxy", "config": {"cluster": "a", "stat_prefix": "old"}}, cluster("a", up.port))
    client(port).send("x")
    up.accept().expect("x")
    assert p.stat("tcp.old.downstream_cx_total") == 1


def test_tcp_access_log(start, upstream, client, tmp_path):
    up = upstream()
    log = {"path": str(tmp_path / "log"), "format": "%BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER% %UPSTREAM_HOST% %CLIENT_IP%\n"}
    port, p = start(tcp({"cluster": "a"}, access_log=[log]), cluster("a", up.port))
    down = client(port).send("hello")
    up.accept().expect("hello").send("you").close()
    down.expect("you").expect_end()
    down.close()
    assert lines(tmp_path / "log", 1) == [f"5 3 a 127.0.0.1:{up.port} 127.0.0.1"]


def hcm(routes, **more):
    return {"type": "read", "name": "http_connection_manager", "config": {
        "codec_type": "http1", "stat_prefix": "v1", "filters": [{"type": "decoder", "name": "router", "config": {}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]}, **more}}


FILTERS = [
    ({"type": "status_code", "op": ">=", "value": 400}, ["404"]),
    ({"type": "status_code", "op": "=", "value": 200}, ["200", "200"]),
    ({"type": "duration", "op": ">=", "value": 0}, ["200", "404", "200"]),
    ({"type": "duration", "op": ">=", "value": 60000}, []),
    ({"type": "not_healthcheck"}, ["200", "404", "200"]),
    ({"type": "logical_or", "filters": [{"type": "status_code", "op": "=", "value": 404}, {"type": "status_code", "op": ">=", "value": 500}]},
     ["404"]),
    ({"type": "logical_and", "filters": [{"type": "status_code", "op": "=", "value": 200}, {"type": "not_healthcheck"}]}, ["200", "200"]),
]


@pytest.mark.parametrize("filter, want", FILTERS, ids=lambda v: v["type"] + v.get("op", "") if isinstance(v, dict) else "")
def test_http_access_log_filters(start, upstream, tmp_path, filter, want):
    up = upstream(name="a")
    all_of_them = {"path": str(tmp_path / "all"), "format": "%RESPONSE_CODE%\n"}
    port, p = start(hcm([{"prefix": "/a", "cluster": "a"}], access_log=[{**all_of_them, "path": str(tmp_path / "log"), "filter": filter}, all_of_them]),
                    cluster("a", up.port))
    for path in ("/a", "/none", "/a/b"):
        wire.get(port, path)
    p.wait_stat("http.v1.downstream_cx_active", 0)
    p.stop()
    assert (tmp_path / "all").read_text().split() == ["200", "404", "200"]
    assert ((tmp_path / "log").read_text().split() if (tmp_path / "log").exists() else []) == want


def test_the_default_access_log(start, upstream, tmp_path):
    up = upstream(name="hello")
    port, p = start(hcm([{"prefix": "/", "cluster": "a"}], access_log=[{"path": str(tmp_path / "log")}]), cluster("a", up.port))
    wire.get(port, "/x?y", method="POST", body="123")
    assert re.fullmatch(rf'\[\S+\] "POST /x\?y HTTP/1\.1" 200 - 3 5 \d+ \d+ "-" "-" "[0-9a-f-]+" "test" "127\.0\.0\.1:{up.port}"',
                        lines(tmp_path / "log", 1)[0])


def test_retries_timeouts_and_weights(start, upstream):
    bad = upstream(lambda r: wire.response(503, reason="no"), http=True)
    good = upstream(name="good")
    both = cluster("both", bad.port)
    both["hosts"].append({"url": f"tcp://127.0.0.1:{good.port}"})
    slow = upstream()
    port, p = start(hcm([
        {"prefix": "/retry", "cluster": "both", "retry_policy": {"retry_on": "5xx", "num_retries": 3}},
        {"prefix": "/slow", "cluster": "slow", "timeout_ms": 100},
        {"prefix": "/w", "weighted_clusters": {"clusters": [{"name": "both", "weight": 0}, {"name": "good", "weight": 100}]}},
    ]), both, cluster("slow", slow.port), cluster("good", good.port))
    assert [wire.get(port, "/retry").text for _ in range(4)] == ["good"] * 4
    assert wire.get(port, "/slow").status == 504
    assert [wire.get(port, "/w").text for _ in range(3)] == ["good"] * 3
    assert p.stat("cluster.both.upstream_rq_retry") >= 1


def test_v1_reloads(start, upstream):
    up = upstream(name="a")
    port, p = start(hcm([{"prefix": "/a", "cluster": "a"}]), cluster("a", up.port))
    assert (wire.get(port, "/a").status, wire.get(port, "/b").status) == (200, 404)
    config = json.loads(p.config_path.read_text())
    config["listeners"][0]["filters"][0]["config"]["route_config"]["virtual_hosts"][0]["routes"].append({"prefix": "/b", "cluster": "a"})
    p.write_config(config)
    p.signal(1)
    wait_until(lambda: wire.get(port, "/b").status == 200, "the new route")
    p.expect_stats({"cluster.a.upstream_cx_total": 1, "config_reload.success": 1})


def test_several_mistakes_each_with_its_v1_position(tmp_path):
    text = json.dumps({"listeners": [{"address": "udp://1.2.3.4:80", "filters": []}], "admin": ADMIN,
                       "cluster_manager": {"clusters": [{**cluster("a", 1), "lb_typ": "round_robin"}, {**cluster("b", 1), "type": "statik"}]}}, indent=1)
    (tmp_path / "old.json").write_text(text)
    code, out, err = run("--mode", "validate", "-c", "old.json", cwd=tmp_path)
    assert code == 1
    for word in ("udp://", '"lb_typ"', '"statik"'):
        line = next(n for n, x in enumerate(text.splitlines(), 1) if word in x)
        assert re.search(rf"^old\.json:{line}:\d+: .*", out + err, re.M), (word, out + err)
    assert '"static", "strict_dns", "logical_dns"' in out + err

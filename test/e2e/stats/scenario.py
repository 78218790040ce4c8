# SPDX-License-Identifier: Apache-2.0
"""Two configurations and the traffic that is sent through them, so that what two programs counted can be compared."""
from lib import config as c
from lib import wire


def l7(ports, log):
    """HTTP/1: retries, virtual cluster, per-route statistics, direct response, redirect, a dead upstream."""
    retry = {"retry_on": "5xx,connect-failure,reset", "num_retries": 2, "retry_back_off": {"base_interval": "0.001s"}}
    host = c.virtual_host(
        {"match": {"path": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "direct\n"}}},
        {"match": {"path": "/old"}, "redirect": {"path_redirect": "/new"}},
        c.route("service_a", prefix="/api", stat_prefix="api", action={"timeout": "2s", "retry_policy": retry}),
        c.route("service_dead", prefix="/deadend"), c.route("service_a"), name="local_service",
        virtual_clusters=[{"name": "vc_api", "headers": [{"name": ":path", "string_match": {"prefix": "/api"}}]}])
    limits = {"thresholds": [{"priority": "DEFAULT", "max_connections": 100, "max_pending_requests": 100, "max_requests": 100,
                              "max_retries": 3}]}
    service = c.cluster("service_a", *ports, lb_policy="ROUND_ROBIN", circuit_breakers=limits)
    service["load_assignment"]["endpoints"][0]["locality"] = {"region": "r1", "zone": "z1"}
    config = c.bootstrap([c.listener(c.hcm(virtual_hosts=[host], stat_prefix="ingress_http", access_log=[c.file_log(log)]),
                                     name="ingress")],
                         [service, c.cluster("service_dead", wire.free_port())])
    return {"node": {"id": "node-1", "cluster": "lab", "locality": {"region": "r1", "zone": "z1"}}, "stats_flush_interval": "1s",
            **config}


def l7_answer(request):
    if request.path.startswith("/status/"):
        return wire.response(int(request.path.split("/")[2]), body="x")
    return None if request.path == "/reset" else wire.response(body="hello")


def l7_traffic(p, client):
    for path in ["/"] * 8 + ["/api/x"] * 3 + ["/direct", "/old", "/status/404", "/status/503", "/deadend", "/reset"]:
        p.get(path, listener="ingress")
    p.get("/post", listener="ingress", method="POST", body="12345")
    p.get("/api/status", listener="ingress")
    kept = client(p.ports["ingress"])
    for _ in range(4):
        kept.get("/kept")
    kept.close()
    client(p.ports["ingress"]).send("GARBAGE\r\n\r\n").head()
    p.wait_stat("http.ingress_http.downstream_cx_active", 0)


def l4(ports, log):
    """tcp_proxy over two weighted clusters, and one whose only host refuses."""
    weighted = {"clusters": [{"name": "tcp_a", "weight": 60}, {"name": "tcp_b", "weight": 40}]}
    return c.bootstrap([c.listener(c.tcp_proxy(None, stat_prefix="ingress_tcp", weighted_clusters=weighted,
                                               access_log=[c.file_log(log)]), name="tcp"),
                        c.listener(c.tcp_proxy("dead", stat_prefix="dead_tcp", max_connect_attempts=2), name="dead")],
                       [c.cluster("tcp_a", ports[0]), c.cluster("tcp_b", ports[0]), c.cluster("dead", wire.free_port())])


def l4_traffic(p, client):
    for _ in range(10):
        with wire.connect(p.ports["tcp"]) as peer:
            assert peer.get("/", headers=[("connection", "close")]).status == 200
    for _ in range(3):
        client(p.ports["dead"]).expect_closed()
    p.wait_stat("listener.127.0.0.1_0.downstream_cx_active", 0)


SCENARIOS = {"l7_h1": (l7, l7_answer, l7_traffic), "l4": (l4, None, l4_traffic)}

# SPDX-License-Identifier: Apache-2.0
"""Configurations and the traffic that is sent through them, so that what two programs counted can be compared."""
import ssl

from lib import config as c
from lib import pki, tls, wire

PKI = {}  # certificates of the TLS scenario, made once a run


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


def dots(ports, log):
    """Every part that has tags, by names with dots in them, at which Envoy cuts; all filters, faults by downstream cluster."""
    fault = c.http_filter("fault", "HTTPFault", abort={"header_abort": {}, "percentage": {"numerator": 100}},
                          delay={"header_delay": {}, "percentage": {"numerator": 100}})
    host = c.virtual_host(
        c.route("a.b", prefix="/alt"), c.route("svc", prefix="/r", stat_prefix="rt.x"), c.route("dns", prefix="/dns"),
        c.route("proxied", prefix="/pp"), c.route("named", prefix="/named"), c.direct(200, prefix="/d"), name="v.host",
        virtual_clusters=[{"name": "vc.1", "headers": [{"name": ":path", "string_match": {"prefix": "/r"}}]}])
    filters = [c.http_filter("health_check", "HealthCheck", pass_through_mode=False,
                             headers=[{"name": ":path", "string_match": {"exact": "/hc"}}]),
               c.http_filter("cors", "Cors"), c.http_filter("csrf", "CsrfPolicy", filter_enabled={"default_value": {"numerator": 100}}),
               fault, {**fault, "name": "second"}]
    svc = c.cluster("svc", *ports)
    svc["load_assignment"]["endpoints"][0]["locality"] = {"region": "r1", "zone": "z2"}
    raw = c.typed("envoy.transport_sockets.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer")
    proxied = c.cluster("proxied", *ports, transport_socket=c.typed(
        "envoy.transport_sockets.upstream_proxy_protocol", "transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        config={"version": "V2"}, transport_socket=raw))

    def manager(prefix):
        return c.hcm(virtual_hosts=[host], stat_prefix=prefix, filters=filters)

    def proxy_protocol(**config):
        return [c.typed("envoy.filters.listener.proxy_protocol", "filters.listener.proxy_protocol.v3.ProxyProtocol", **config)]
    listeners = [
        c.listener(manager("in.x"), name="main"),
        c.listener(manager("plain"), name="proxied", listener_filters=proxy_protocol(), stat_prefix="my.listener"),
        c.listener(c.tcp_proxy("svc", stat_prefix="t.x"), name="tcp",
                   listener_filters=proxy_protocol(stat_prefix="pp.x", allow_requests_without_proxy_protocol=True))]
    clusters = [c.cluster("a.b", *ports), svc, proxied, c.cluster("named", *ports, alt_stat_name="other.name"),
                c.cluster("dns", ports[0], ip="localhost", kind="STRICT_DNS", dns_lookup_family="V4_ONLY")]
    return c.bootstrap(listeners, clusters, node={"id": "node", "cluster": "lab", "locality": {"zone": "z1"}},
                       stats_flush_interval="1s", layered_runtime={"layers": [{"name": "s", "static_layer": {"a": 1}}]})


def dots_answer(request):
    return wire.response(body="x", headers=[("x-envoy-upstream-canary", "true")])


def dots_traffic(p, client):
    for listener in ("main", "proxied"):
        prefix = "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" if listener == "proxied" else ""
        peer = client(p.ports[listener]).send(prefix)
        peer.get("/alt", headers=[("x-envoy-upstream-alt-stat-name", "alt.name"), ("x-envoy-downstream-service-cluster", "one")])
        for fault in (("x-envoy-fault-abort-request", "418"), ("x-envoy-fault-delay-request", "1")):
            for cluster in ("one", "t.wo"):
                peer.get("/r", headers=[("x-envoy-downstream-service-cluster", cluster), fault])
        for path in ("/r", "/dns", "/pp", "/named", "/d", "/none", "/hc"):
            peer.get(path)
        peer.get("/d", method="POST", headers=[("origin", "http://other")])
        peer.close()
    client(p.ports["proxied"]).send("GARBAGE\r\n\r\n").expect_closed()
    for prefix in ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", ""):
        with wire.connect(p.ports["tcp"]) as peer:
            assert peer.send(prefix).get("/d", headers=[("connection", "close")]).status == 200
    p.wait_stat("tcp.t.x.downstream_cx_total", 2)
    p.wait_stat("cluster.svc.upstream_cx_destroy", 2)


def certificates(folder):
    if not PKI:
        ca = pki.authority(folder)
        PKI.update(ca=ca, server=pki.make(folder, "server", san=["DNS:localhost", "DNS:inner.example"], issuer=ca),
                   client=pki.make(folder, "client", san=["URI:spiffe://example/client"], issuer=ca),
                   stranger=pki.make(folder, "stranger", issuer=pki.authority(folder, "other")))
    return PKI


def tls_both(ports, log):
    """TLS with client certificates; behind it clusters that speak TLS to a second listener, one of them rightly."""
    certs = certificates(log.parent)
    ca = {"trusted_ca": {"filename": str(certs["ca"].path)}}
    inner_port = wire.free_port()

    def cluster(name, **validation):
        socket = tls.upstream(certs["client"], sni="inner.example", common={
            "validation_context": {**ca, **validation}, "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"}})
        return c.cluster(name, inner_port, transport_socket=socket)

    def listener(name, *routes, chain, port=0):
        inspector = c.typed("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector")
        one = c.listener(c.hcm(*routes, stat_prefix=name), name=name, stat_prefix=name, port=port, listener_filters=[inspector])
        one["filter_chains"][0]["transport_socket"] = chain
        return one
    mutual = tls.downstream(certs["server"], require_client_certificate=True, common={"validation_context": ca})
    routes = [c.route("rightly", prefix="/rightly"), c.route("wrong_name", prefix="/wrong_name"),
              c.route("wrong_pin", prefix="/wrong_pin"), c.direct(body="outer")]
    name = {"san_type": "DNS", "matcher": {"exact": "other.example"}}
    return c.bootstrap([listener("outer", *routes, chain=mutual),
                        listener("inner", c.direct(body="inner"), chain=tls.downstream(certs["server"]), port=inner_port)],
                       [cluster("rightly"), cluster("wrong_name", match_typed_subject_alt_names=[name]),
                        cluster("wrong_pin", verify_certificate_hash=["00" * 32])])


def tls_traffic(p, client):
    def context(who, version=ssl.TLSVersion.TLSv1_3):
        return pki.client_context(PKI["ca"], PKI.get(who), version=version)
    port, good = p.ports["outer"], context("client")
    with tls.connect(port, good, "localhost") as peer:
        for path, status in (("/", 200), ("/rightly", 200), ("/wrong_name", 503), ("/wrong_pin", 503), ("/rightly", 200)):
            assert peer.get(path).status == status
        session = peer.tls.session
    with tls.connect(port, good, "localhost", session=session) as peer:
        assert peer.get("/").status == 200 and peer.tls.session_reused
    with tls.connect(port, context("client", ssl.TLSVersion.TLSv1_2), "localhost") as peer:
        assert peer.get("/").status == 200
    for who in ("nobody", "stranger"):
        with tls.connect(port, context(who), "localhost") as peer:  # with TLS 1.3 the client hears of it when it reads
            try:
                peer.get("/")
                raise AssertionError(f"{who} was let in")
            except (ssl.SSLError, wire.Closed, OSError):
                pass
    client(port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect_closed()
    p.wait_stat("http.outer.downstream_cx_active", 0)


SCENARIOS = {"l7_h1": (l7, l7_answer, l7_traffic), "l4": (l4, None, l4_traffic), "dots": (dots, dots_answer, dots_traffic),
             "tls": (tls_both, None, tls_traffic)}

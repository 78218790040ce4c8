# SPDX-License-Identifier: Apache-2.0
"""transport_socket_matches: which transport a host gets, by its metadata."""

import pytest

from lib import PATIENCE, pki, wire
from lib import config as c

RAW = c.typed("envoy.transport_sockets.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    root = pki.authority(folder)
    return {"root": root, "server": pki.make(folder, "server", san=["DNS:a"], issuer=root)}


@pytest.fixture
def https(certificates):
    """An upstream that answers with its name over TLS."""
    context = pki.server_context(certificates["server"])

    class Server(wire.HttpServer):
        def serve(self, peer):
            try:
                peer.sock.settimeout(PATIENCE)
                peer.sock = context.wrap_socket(peer.sock, server_side=True)
            except OSError:
                peer.close()
                return
            super().serve(peer)
    server = Server(name="https")
    yield server
    server.close()


def tls(certificates, **options):
    validation = {"validation_context": {"trusted_ca": {"filename": str(certificates["root"].path)}}}
    return c.typed("envoy.transport_sockets.tls", "transport_sockets.tls.v3.UpstreamTlsContext", common_tls_context=validation, **options)


def host(port, labels=None, namespace="envoy.transport_socket_match"):
    return {"endpoint": {"address": c.address(port)},
            **({"metadata": {"filter_metadata": {namespace: labels}}} if labels is not None else {})}


def match(name, labels, socket):
    return {"name": name, "match": labels, "transport_socket": socket}


def to(*hosts, matches=(), **extra):
    return c.http(c.route("up"), clusters=[c.cluster("up", *hosts, transport_socket_matches=list(matches), **extra)])


def answers(p, n=6):
    return sorted(p.get().text or "" for _ in range(n))


def test_by_metadata(proxy, upstream, https, certificates):
    plain, other = upstream(name="plain"), upstream(name="other")
    p = proxy(to(host(plain.port, {"kind": "plain"}), host(https.port, {"kind": "tls", "more": 1}),
                 host(other.port, {"kind": "none"}, "envoy.lb"),
                 matches=[match("secure", {"kind": "tls"}, tls(certificates)), match("open", {"kind": "plain"}, RAW)]))
    assert answers(p) == ["https"] * 2 + ["other"] * 2 + ["plain"] * 2
    p.expect_stats({"cluster.up.secure.total_match_count": 1, "cluster.up.open.total_match_count": 1,
                    "cluster.up.default.total_match_count": 1, "cluster.up.ssl.handshake": 1})
    assert 'envoy_cluster_secure_total_match_count{envoy_cluster_name="up"} 1' in p.admin("/stats/prometheus").text


def test_the_first_that_fits(proxy, upstream, certificates):
    up = upstream(name="plain")
    p = proxy(to(host(up.port, {"a": 1, "b": [1, {"x": "y", "z": True}], "c": "d"}), matches=[
        match("value", {"a": 2}, tls(certificates)), match("type", {"a": "1"}, tls(certificates)),
        match("missing", {"a": 1, "d": "e"}, tls(certificates)), match("part", {"b": [1]}, tls(certificates)),
        match("right", {"c": "d", "b": [1, {"z": True, "x": "y"}]}, RAW), match("late", {}, tls(certificates))]))
    assert answers(p, 2) == ["plain"] * 2
    p.expect_stats({f"cluster.up.{name}.total_match_count": int(name == "right")
                    for name in ("value", "type", "missing", "part", "right", "late", "default")})


def test_an_empty_match_is_for_all(proxy, upstream, certificates):
    up, second = upstream(name="plain"), upstream(name="plain")
    p = proxy(to(host(up.port), host(second.port, {"a": "b"}), matches=[match("all", {}, RAW)], transport_socket=tls(certificates)))
    assert answers(p, 4) == ["plain"] * 4
    p.expect_stats({"cluster.up.all.total_match_count": 2, "cluster.up.default.total_match_count": 0})


def test_labels_of_the_locality(proxy, upstream, certificates):
    """They count where no entry is for those of the endpoint; both together are nothing."""
    ups = [upstream(name="plain") for _ in range(4)]
    config = to(*[host(up.port, labels) for up, labels in zip(ups, [None, {"j": "w"}, {"k": "x"}, {"z": 1}])],
                matches=[match("both", {"j": "w", "k": "v"}, tls(certificates)), match("of_locality", {"k": "v"}, RAW),
                         match("of_endpoint", {"j": "w"}, RAW)])
    endpoints = config["static_resources"]["clusters"][0]["load_assignment"]["endpoints"]
    endpoints[0]["metadata"] = {"filter_metadata": {"envoy.transport_socket_match": {"k": "v"}}}
    p = proxy(config)
    assert answers(p, 4) == ["plain"] * 4
    p.expect_stats({"cluster.up.both.total_match_count": 0, "cluster.up.of_locality.total_match_count": 3,
                    "cluster.up.of_endpoint.total_match_count": 1, "cluster.up.default.total_match_count": 0})


def test_tcp(proxy, https, certificates):
    p = proxy(c.bootstrap([c.listener(c.tcp_proxy("up"))], [c.cluster(
        "up", host(https.port, {"kind": "tls"}), transport_socket_matches=[match("secure", {"kind": "tls"}, tls(certificates))])]))
    assert p.get().text == "https"


def test_names_that_resolve(proxy, https, certificates):
    p = proxy(c.http(c.route("up"), clusters=[c.cluster(
        "up", {"endpoint": {"address": c.address(https.port, "localhost")},
               "metadata": {"filter_metadata": {"envoy.transport_socket_match": {"kind": "tls"}}}}, kind="STRICT_DNS",
        dns_lookup_family="V4_ONLY", transport_socket_matches=[match("secure", {"kind": "tls"}, tls(certificates))])]))
    assert answers(p, 2) == ["https"] * 2


@pytest.mark.own
def test_other_labels_after_a_reload(proxy, https, upstream, certificates):
    matches = [match("secure", {"kind": "tls"}, tls(certificates))]
    p = proxy(to(host(https.port, {"kind": "tls"}), matches=matches))
    assert answers(p, 2) == ["https"] * 2
    p.write_config(to(host(https.port, {"kind": "plain"}), matches=matches))
    p.signal(1)
    p.expect_stats({"config_reload.success": 1})
    assert p.get().status in (502, 503)
    p.write_config(to(host(https.port, {"kind": "plain"}), matches=[match("secure", {"kind": "plain"}, tls(certificates))]))
    p.signal(1)
    p.expect_stats({"config_reload.success": 2})
    assert answers(p, 2) == ["https"] * 2


def test_with_proxy_headers(proxy, upstream, client, certificates):
    """The chosen transport also says whose connection it carries."""
    up = upstream()
    header = c.typed("envoy.transport_sockets.upstream_proxy_protocol",
                     "transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport", config={"version": "V1"}, transport_socket=RAW)
    p = proxy(to(host(up.port, {"kind": "told"}), matches=[match("told", {"kind": "told"}, header)], transport_socket=tls(certificates)))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    peer = up.accept()
    assert peer.until(b"\r\n").startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 ")
    peer.request()
    peer.send(wire.response())
    assert down.response().status == 200


@pytest.mark.parametrize("bad", [{"name": "", "match": {}}, {"name": "a", "match": {}}])
def test_refused(kind, tmp_path, bad):
    import json

    from lib.proxy import run
    config = to(host(1), matches=[{**bad, **({"transport_socket": RAW} if not bad["name"] else {})}])
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert run("--mode", "validate", "-c", path, kind=kind)[0] != 0

# SPDX-License-Identifier: Apache-2.0
"""ssl_context of v1: a listener that demands certificates, a cluster that shows one."""
import socket
import ssl

import pytest

from lib import PATIENCE, pki, wire

pytestmark = pytest.mark.own


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    root = pki.authority(folder)
    return {"root": root, "other": pki.authority(folder, "other"),
            "server": pki.make(folder, "server", san=["DNS:server.example.com", "URI:spiffe://server"], issuer=root),
            "client": pki.make(folder, "client", san=["URI:spiffe://client"], issuer=root),
            "stranger": pki.make(folder, "stranger", san=["URI:spiffe://stranger"], issuer=root)}


def files(certificate):
    return {"cert_chain_file": str(certificate.chain), "private_key_file": str(certificate.key)}


def config(listener=None, cluster=None, port=1, **hcm):
    return {
        "listeners": [{"address": "tcp://127.0.0.1:0", "name": "main", **({"ssl_context": listener} if listener else {}), "filters": [
            {"name": "http_connection_manager", "config": {
                "codec_type": "auto", "stat_prefix": "in", "route_config": {"virtual_hosts": [
                    {"name": "all", "domains": ["*"], "routes": [{"prefix": "/", "cluster": "up"}]}]},
                "filters": [{"name": "router", "config": {}}], **hcm}}]}],
        "admin": {"access_log_path": "/dev/null", "address": "tcp://127.0.0.1:0"},
        "cluster_manager": {"clusters": [{"name": "up", "type": "static", "connect_timeout_ms": 5000, "lb_type": "round_robin",
                                          "hosts": [{"url": f"tcp://127.0.0.1:{port}"}], **({"ssl_context": cluster} if cluster else {})}]}}


def connect(port, certificate=None):
    context = pki.client_context(certificate=certificate)
    return wire.Peer(context.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE), server_hostname="a"))


def test_a_listener_that_demands_certificates(proxy, upstream, certificates):
    up = upstream(name="up")
    p = proxy(config({**files(certificates["server"]), "ca_cert_file": str(certificates["root"].path), "require_client_certificate": True,
                      "verify_subject_alt_name": ["spiffe://client"], "alpn_protocols": "http/1.1"}, port=up.port,
                     forward_client_cert="sanitize_set", set_current_client_cert_details=["Subject", "SAN"]))
    with connect(p.port, certificates["client"]) as down:
        assert down.get().status == 200
    assert up.next().get("x-forwarded-client-cert") == (
        f'By=spiffe://server;Hash={certificates["client"].fingerprint()};Subject="CN=client";URI=spiffe://client')
    for refused in (None, certificates["stranger"]):
        with pytest.raises((ssl.SSLError, OSError, wire.Closed)), connect(p.port, refused) as down:
            down.get()


def test_a_cluster_that_speaks_tls(proxy, certificates):
    up = wire.HttpServer()
    context = pki.server_context(certificates["server"], ca=certificates["root"])
    names = []
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    up.serve_plain = up.serve

    def serve(peer):
        try:
            peer.sock.settimeout(PATIENCE)
            peer.sock = context.wrap_socket(peer.sock, server_side=True)
            up.serve_plain(peer)
        except OSError:
            peer.close()
    up.serve = serve
    p = proxy(config(cluster={**files(certificates["client"]), "ca_cert_file": str(certificates["root"].path),
                              "verify_subject_alt_name": ["server.example.com"], "sni": "server.example.com"}, port=up.port))
    assert p.get().status == 200
    assert names == ["server.example.com"]
    up.close()


def test_a_cluster_that_is_not_the_right_one(proxy, certificates):
    up = wire.Server()
    p = proxy(config(cluster={"ca_cert_file": str(certificates["other"].path)}, port=up.port))
    with wire.connect(p.port) as down:
        down.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        peer = up.accept()
        with pytest.raises((ssl.SSLError, OSError)):
            pki.server_context(certificates["server"]).wrap_socket(peer.sock, server_side=True).recv(1)
        peer.close()
        assert down.response().status == 503
    p.expect_stats({"cluster.up.ssl.fail_verify_error": 1})
    up.close()

# SPDX-License-Identifier: Apache-2.0
"""The two-layer example: a client, the edge, the proxy beside the service, the service; TLS and certificates at each step."""
import shutil
import subprocess

import pytest
import yaml

from lib import wait_until, wire
from lib.proxy import ROOT, Proxy

pytestmark = pytest.mark.own
EXAMPLE = ROOT / "examples/mutual-tls"


def config(name, ports):
    """The example's file, with listeners on free ports and clusters where the services are."""
    text = yaml.safe_load((EXAMPLE / f"{name}.yaml").read_text())
    text["admin"]["address"]["socket_address"]["port_value"] = 0
    for listener in text["static_resources"]["listeners"]:
        listener["address"]["socket_address"]["port_value"] = ports.get(listener["name"], 0)
    for cluster in text["static_resources"]["clusters"]:
        endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        endpoint["address"]["socket_address"]["port_value"] = ports["to_" + cluster["name"]]
    return text


@pytest.fixture
def layers(tmp_path):
    certs = tmp_path / "certs"
    certs.mkdir()
    subprocess.run([EXAMPLE / "make-certs", certs], check=True, timeout=60)
    app = wire.free_port()
    proxies = []
    try:
        for name, ports in (("service", {"service": app, "to_service": app}), ("edge", None)):
            folder = tmp_path / name
            shutil.copytree(certs, folder)
            proxies.append(Proxy(folder, config(name, ports or {"to_service": proxies[0].ports["service-proxy"]})))
            proxies[-1].start()
        yield certs, *proxies
        for proxy in proxies:
            proxy.stop()
    finally:
        for proxy in proxies:
            proxy.kill()


def curl(certs, port, *args):
    return subprocess.run(["curl", "-sS", "-i", "--max-time", "10", "--cacert", certs / "ca.pem", *args,
                           f"https://localhost:{port}/"], capture_output=True, text=True, timeout=20)


def as_client(certs, name):
    return ["--cert", certs / f"{name}.pem", "--key", certs / f"{name}.key"]


def test_the_service_is_told_who_came(layers):
    certs, service, edge = layers
    out = curl(certs, edge.ports["edge"], *as_client(certs, "alice"))
    head, _, body = out.stdout.partition("\n\n")
    assert out.stdout.startswith("HTTP/1.1 200"), out
    assert body == "hello from the service\n"
    told = next(line for line in head.splitlines() if line.startswith("x-client: "))
    first, second = told.removeprefix("x-client: ").split(",By=")
    assert first.startswith("By=spiffe://demo/edge;Hash=")
    assert first.endswith(';Subject="CN=alice,O=demo";URI=spiffe://demo/alice')
    assert second.startswith("spiffe://demo/service;Hash=") and second.endswith(";URI=spiffe://demo/edge")
    wait_until(lambda: 'edge: spiffe://demo/alice "GET /" 200 TLSv1.3 -> TLSv1.3 spiffe://demo/service' in edge.log(),
               "the line in the access log")


def test_nobody_comes_without_a_certificate(layers):
    certs, service, edge = layers
    out = curl(certs, edge.ports["edge"])
    assert out.returncode != 0 and "certificate required" in out.stderr
    edge.wait_stat("listener.127.0.0.1_0.ssl.fail_verify_no_cert", 1)


def test_only_the_edge_comes_to_the_service(layers):
    certs, service, edge = layers
    out = curl(certs, service.ports["service-proxy"], "-k", *as_client(certs, "alice"))
    assert out.returncode != 0 and "certificate" in out.stderr
    out = curl(certs, service.ports["service-proxy"], "-k", *as_client(certs, "edge"))
    assert out.stdout.startswith("HTTP/1.1 200")


def test_the_edge_talks_to_no_other_service(layers):
    """Somebody else on the service's port, with a good certificate of the same authority but another name."""
    certs, service, edge = layers
    port = service.ports["service-proxy"]
    app = service.ports["service"]
    text = config("service", {"service": app, "to_service": app, "service-proxy": port})
    chain = text["static_resources"]["listeners"][0]["filter_chains"][0]
    common = chain["transport_socket"]["typed_config"]["common_tls_context"]
    common["tls_certificates"] = [{"certificate_chain": {"filename": "alice.pem"}, "private_key": {"filename": "alice.key"}}]
    service.stop()
    service.write_config(text)
    service.start()
    out = curl(certs, edge.ports["edge"], *as_client(certs, "alice"))
    assert out.stdout.startswith("HTTP/1.1 503") and "reset reason: remote connection failure" in out.stdout
    assert edge.stat("cluster.service.ssl.fail_verify_san") >= 1

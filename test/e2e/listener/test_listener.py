# SPDX-License-Identifier: Apache-2.0
"""Where a listener listens, which filter chain a connection gets, how many it takes."""
import pytest

from lib import config as c
from lib import wire


def says(text, **extra):
    """A filter chain that greets with `text` and closes."""
    return {"filters": [c.network_filter("direct_response", "Config", response={"inline_string": text})], **extra}


def greeting(address, **options):
    with wire.connect(address, **options) as peer:
        return peer.rest().decode()


def with_chains(*chains, **listener):
    return c.bootstrap([{"name": "main", "address": c.address(), "filter_chains": list(chains), **listener}])


def test_direct_response_greets_and_closes(proxy):
    p = proxy(with_chains(says("hello")))
    assert greeting(p.port) == "hello"
    p.expect_stats({"listener.127.0.0.1_0.downstream_cx_total": 1, "listener.127.0.0.1_0.downstream_cx_active": 0})


def test_echo_returns_all_that_it_gets(proxy, client):
    p = proxy(c.bootstrap([c.listener(c.network_filter("echo", "Echo"))]))
    down = client(p.port)
    down.send(b"abc").expect(b"abc")
    down.send(b"x" * 100_000).expect(b"x" * 100_000)
    down.finish().expect_end()


def test_an_empty_filter_list_closes_at_once(proxy, client):
    p = proxy(with_chains({"filters": []}))
    client(p.port).expect_closed()


def test_ipv6(proxy):
    p = proxy(c.bootstrap([{"name": "main", "address": c.address(ip="::1"), "filter_chains": [says("six")]}]))
    assert greeting(("::1", p.port)) == "six"
    assert p.stat("listener.[__1]_0.downstream_cx_total") == 1


@pytest.mark.parametrize("abstract", [False, True])
def test_unix_socket(proxy, tmp_path, abstract):
    path = f"@nuncio-{tmp_path.name}-{tmp_path.parent.name}" if abstract else str(tmp_path / "s")
    config = c.bootstrap([{"name": "main", "address": c.address(path), "filter_chains": [says("unix")]}])
    p = proxy(config, concurrency=2)
    for _ in range(20):
        assert greeting(path) == "unix"
    p.wait_stat(f"listener.{path}.downstream_cx_total".replace(":", "_"), 20)


def test_two_workers_share_one_port(proxy):
    p = proxy(with_chains(says("w")), concurrency=2)
    for _ in range(64):
        assert greeting(p.port) == "w"
    p.wait_stat("listener.127.0.0.1_0.downstream_cx_total", 64)
    assert p.stat("listener.127.0.0.1_0.worker_0.downstream_cx_total") > 0
    assert p.stat("listener.127.0.0.1_0.worker_1.downstream_cx_total") > 0


def test_the_most_specific_source_wins(proxy):
    def from_(prefix, bits):
        return {"filter_chain_match": {"source_prefix_ranges": [{"address_prefix": prefix, "prefix_len": bits}]}}
    p = proxy(with_chains(says("any"), says("8", **from_("127.0.0.0", 8)), says("24", **from_("127.0.1.0", 24)),
                          says("32", **from_("127.0.1.7", 32))))
    for source, want in [("127.0.0.1", "8"), ("127.0.1.1", "24"), ("127.0.1.7", "32")]:
        assert greeting(p.port, source=(source, 0)) == want


def test_the_more_specific_step_does_not_fall_back(proxy):
    """A chain chosen by destination that then fails on the source: the default chain, not the less specific one."""
    p = proxy(with_chains(
        says("general"),
        says("narrow", filter_chain_match={
            "prefix_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}],
            "source_prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}),
        default_filter_chain=says("default")))
    assert greeting(p.port) == "default"


def test_no_chain_matches(proxy, tmp_path):
    log = tmp_path / "log.txt"
    p = proxy(with_chains(says("far", filter_chain_match={"source_prefix_ranges": [
        {"address_prefix": "10.0.0.0", "prefix_len": 8}]}), access_log=[c.file_log(log, "%RESPONSE_FLAGS%\n")]),
        args=["--file-flush-interval-msec", "10"])
    assert greeting(p.port) == ""
    p.expect_stats({"listener.127.0.0.1_0.no_filter_chain_match": 1})
    p.stop()
    assert log.read_text() == "NR\n"


def test_source_port_and_type(proxy):
    port = wire.free_port()
    p = proxy(with_chains(says("external", filter_chain_match={"source_type": "EXTERNAL"}),
                          says("local", filter_chain_match={"source_type": "SAME_IP_OR_LOOPBACK"}),
                          says("port", filter_chain_match={"source_type": "SAME_IP_OR_LOOPBACK", "source_ports": [port]})))
    assert greeting(p.port) == "local"
    assert greeting(p.port, source=("127.0.0.1", port)) == "port"


def test_a_listener_that_does_not_bind(proxy):
    config = with_chains(says("seen"))
    config["static_resources"]["listeners"].append(
        {"name": "hidden", "address": c.address(wire.free_port()), "bind_to_port": False, "filter_chains": [says("hidden")]})
    p = proxy(config)
    assert greeting(p.port) == "seen"
    hidden = config["static_resources"]["listeners"][1]["address"]["socket_address"]["port_value"]
    with pytest.raises(ConnectionRefusedError):
        wire.connect(hidden)


def test_a_limit_per_listener(proxy, client):
    config = c.bootstrap([c.listener(c.network_filter("echo", "Echo"))], layered_runtime={"layers": [
        {"name": "static", "static_layer": {"envoy.resource_limits.listener.main.connection_limit": 2}}]})
    p = proxy(config)
    kept = [client(p.port) for _ in range(2)]
    for peer in kept:
        peer.send(b"a").expect(b"a")
    client(p.port).expect_closed()
    p.expect_stats({"listener.127.0.0.1_0.downstream_cx_overflow": 1, "listener.127.0.0.1_0.downstream_cx_active": 2})
    kept[0].finish().expect_end()
    p.wait_stat("listener.127.0.0.1_0.downstream_cx_active", 1)
    client(p.port).send(b"b").expect(b"b")


def test_a_limit_for_all_listeners(proxy, client):
    config = c.bootstrap([c.listener(c.network_filter("echo", "Echo"), name=name) for name in ("a", "b")],
                         overload_manager={"resource_monitors": [c.typed(
                             "envoy.resource_monitors.global_downstream_max_connections",
                             "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                             max_active_downstream_connections=2)]})
    p = proxy(config)
    for name in ("a", "b"):
        client(p.ports[name]).send(b"a").expect(b"a")
    client(p.ports["a"]).expect_closed()
    monitor = "overload.envoy.resource_monitors.global_downstream_max_connections"
    p.expect_stats({"listener.127.0.0.1_0.downstream_global_cx_overflow": 1, f"{monitor}.failed_updates": 1})
    assert p.stats(monitor)[f"{monitor}.pressure"] == 0


def test_a_port_in_use_ends_the_start(kind, tmp_path):
    from lib.proxy import Failed, Proxy
    with wire.Server() as taken:
        config = c.bootstrap([{"name": "main", "address": c.address(taken.port), "filter_chains": [says("x")]}])
        with pytest.raises(Failed) as failed:
            Proxy(tmp_path, config, kind=kind).start()
        assert failed.value.code == 1
        assert str(taken.port) in failed.value.log

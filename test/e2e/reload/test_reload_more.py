# SPDX-License-Identifier: Apache-2.0
"""More of reloading: --watch and symlinks, its own counters, TCP tunnels, a moved listener, one cluster of a thousand."""
import json
import signal

import pytest
import yaml

from lib import config as c
from lib import wait_until, wire

pytestmark = pytest.mark.own


def reload(p, config):
    p.write_config(config)
    p.signal(signal.SIGHUP)


def body(text, port):
    return c.bootstrap([c.listener(c.hcm(c.direct(body=text)), port=port)])


def publish(volume, generation, config):
    """What the kubelet does with a ConfigMap: a new folder, and the link `..data` renamed over the old one."""
    folder = volume / f"..2026_{generation}"
    folder.mkdir()
    (folder / "config.yaml").write_text(config if isinstance(config, str) else yaml.safe_dump(config))
    (volume / "..data_tmp").symlink_to(folder.name)
    (volume / "..data_tmp").rename(volume / "..data")


def test_watch_follows_a_swapped_symlink(proxy, tmp_path):
    port = wire.free_port()
    folder, volume = tmp_path / "proxy0", tmp_path / "volume"
    folder.mkdir()
    volume.mkdir()
    publish(volume, 1, body("one", port))
    (volume / "config.yaml").symlink_to("..data/config.yaml")
    (folder / "config.yaml").symlink_to(volume / "config.yaml")
    p = proxy(None, args=["--watch"])
    assert p.get().text == "one"
    publish(volume, 2, body("two", port))
    wait_until(lambda: wire.get(port).text == "two", "the second generation")
    publish(volume, 3, "a: [")
    p.wait_stat("config_reload.rejected", 1)
    assert wire.get(port).text == "two"
    publish(volume, 4, body("four", port))
    wait_until(lambda: wire.get(port).text == "four", "the fourth generation")
    (volume / "..data").unlink()  # a moment without a file is no change
    publish(volume, 5, body("five", port))
    wait_until(lambda: wire.get(port).text == "five", "the fifth generation")
    p.expect_stats({"config_reload.success": 3, "config_reload.rejected": 1, "config_reload.attempt": 4})


def test_counters_of_reloads(proxy):
    port = wire.free_port()
    p = proxy(body("a", port))
    assert p.stats("config_reload") == {}  # Envoy has no such names: shown when there was a reload
    reload(p, body("b", port))
    p.wait_stat("config_reload.success", 1)
    assert p.stats("config_reload") == {f"config_reload.{n}": v for n, v in {"attempt": 1, "success": 1, "rejected": 0}.items()} or \
        p.stats("config_reload") == {"config_reload.attempt": 1, "config_reload.success": 1}
    reload(p, "static_resources: {clusters: [{name: ''}]}")
    p.wait_stat("config_reload.rejected", 1)
    p.expect_stats({"config_reload.attempt": 2, "config_reload.success": 1})
    assert "envoy_config_reload_rejected" in p.admin("/stats/prometheus").text
    p.signal(signal.SIGHUP)  # still the bad file
    p.wait_stat("config_reload.rejected", 2)
    reload(p, body("c", port))
    wait_until(lambda: wire.get(port).text == "c", "the good file")


def test_the_reason_of_a_rejection_is_logged_with_its_place(proxy):
    p = proxy(body("a", 0))
    reload(p, "node: {id: x}\nstatic_resources:\n  clusters:\n  - name: a\n    typ: STATIC\n")
    p.wait_stat("config_reload.rejected", 1)
    assert 'config.yaml:5:5: static_resources.clusters[0]: unknown field "typ"' in p.log() and 'did you mean "type"?' in p.log()


def tunnel(client, up, port, listener):
    down = client(listener)
    down.send("hello")
    far = up.accept()
    far.expect("hello")
    return down, far


def alive(down, far):
    down.send("ping")
    far.expect("ping")
    far.send("pong")
    down.expect("pong")


def test_a_tunnel_does_not_notice_what_does_not_concern_it(proxy, upstream, client):
    up = upstream()
    ports = [wire.free_port() for _ in range(2)]

    def config(text, **extra):
        return c.bootstrap([c.listener(c.tcp_proxy("up"), name="tcp", port=ports[0]),
                            c.listener(c.hcm(c.direct(body=text), stat_prefix=text), name="http", port=ports[1])],
                           [c.cluster("up", up.port), *([c.cluster("extra", 1)] if extra else [])])
    p = proxy(config("a"), args=["--drain-time-s", "1", "--drain-strategy", "immediate"])
    down, far = tunnel(client, up, None, ports[0])
    for n in range(1, 4):
        reload(p, config(f"b{n}", **({"extra": 1} if n % 2 else {})))
        wait_until(lambda: wire.get(ports[1]).text == f"b{n}", "the other listener")
        alive(down, far)
    assert p.stat("listener_manager.listener_in_place_updated") == 3
    p.wait_stat("listener_manager.total_filter_chains_draining", 0)  # the drain time of the others is over
    alive(down, far)
    p.expect_stats({"tcp.tcp.downstream_cx_total": 1, "cluster.up.upstream_cx_total": 1, "cluster.up.upstream_cx_active": 1})


def test_a_tunnel_whose_cluster_goes_lives_until_the_drain_ends(proxy, upstream, client):
    """The cluster's removal closes nothing by itself: the listener that named it drains, and then the tunnel ends."""
    one, two = upstream(), upstream()
    port = wire.free_port()

    def config(name, up):
        return c.bootstrap([c.listener(c.tcp_proxy(name), port=port)], [c.cluster(name, up.port)])
    p = proxy(config("one", one), args=["--drain-time-s", "3", "--drain-strategy", "immediate"])
    down, far = tunnel(client, one, None, port)
    reload(p, config("two", two))
    p.wait_stat("config_reload.success", 1)
    alive(down, far)
    new, new_far = tunnel(client, two, None, port)
    alive(down, far)
    down.expect_closed()
    far.expect_closed()
    alive(new, new_far)
    p.wait_stat("listener_manager.total_filter_chains_draining", 0)
    wait_until(lambda: not p.admin("/clusters").text.startswith("one::"), "the old cluster to go")
    p.expect_stats({"cluster_manager.active_clusters": 1})
    alive(new, new_far)


def test_a_tunnel_ends_in_order_when_its_clusters_listener_stays(proxy, upstream, client):
    """The chain is the same, its cluster is not there any more: what runs goes on, new connections find no cluster."""
    up = upstream()
    port = wire.free_port()
    weighted = {"clusters": [{"name": "up", "weight": 1}]}
    p = proxy(c.bootstrap([c.listener(c.tcp_proxy(weighted_clusters=weighted), port=port)], [c.cluster("up", up.port)]))
    down, far = tunnel(client, up, None, port)
    reload(p, c.bootstrap([c.listener(c.tcp_proxy(weighted_clusters=weighted), port=port)]))
    wait_until(lambda: p.stats("config_reload").get("config_reload.attempt") == 1 and
               sum(p.stats("config_reload").values()) >= 2, "the reload's end")
    if p.stat("config_reload.rejected") == 1:  # the reference is checked: nothing has changed
        alive(down, far)
        tunnel(client, up, None, port)
    else:
        alive(down, far)
        client(port).expect_closed()


def test_a_listener_with_another_address(proxy, client):
    """As Envoy 1.40: the same name at another address opens the new socket, and the old one drains."""
    old, new = wire.free_port(), wire.free_port()
    p = proxy(body("old", old), args=["--drain-time-s", "1", "--drain-strategy", "immediate"])
    kept = client(old)
    assert kept.get().text == "old"
    reload(p, body("new", new))
    wait_until(lambda: answers(new) == "new", "the new address")
    wait_until(lambda: answers(old) is None, "the old address to stop")
    answer = kept.get()
    assert (answer.text, answer.get("connection")) == ("old", "close")
    kept.expect_end()
    reload(p, body("back", old))
    wait_until(lambda: answers(old) == "back", "the first address again")
    p.learn_ports()
    assert p.ports == {"main": old}


def answers(port):
    try:
        return wire.get(port).text
    except (OSError, wire.Closed):
        return None


def test_an_address_that_is_taken_is_a_rejection(proxy, client):
    port = wire.free_port()
    p = proxy(body("a", port))
    with wire.Server() as other:
        reload(p, body("b", other.port))
        p.wait_stat("config_reload.rejected", 1)
        assert "address" in p.log().lower()
    assert wire.get(port).text == "a"
    reload(p, body("c", port))
    wait_until(lambda: wire.get(port).text == "c", "a good file")


N = 1200


def test_one_cluster_of_many_changes_alone(proxy, upstream, client):
    ups = [upstream(name=f"u{n}") for n in range(4)]
    port, admin = wire.free_port(), wire.free_port()

    def config(changed):
        clusters = [c.cluster(f"c{n}", ups[n % 4].port) for n in range(N)]
        clusters[7]["connect_timeout"] = f"{changed}s"
        config = c.bootstrap([c.listener(c.hcm({"match": {"prefix": "/"}, "route": {"cluster_header": "x-to"}}), port=port)], clusters)
        config["admin"] = {"address": c.address(admin)}
        return json.dumps(config)
    p = proxy(config(5), suffix="json")
    used = [0, 1, 7, 500, N - 1]
    down = client(port)
    for n in used:
        assert down.get(headers=[("x-to", f"c{n}")]).text == f"u{n % 4}"
    n_connections = [up.n_connections for up in ups]
    assert sum(n_connections) == len(used)
    reload(p, config(6))
    p.wait_stat("config_reload.success", 1)
    p.expect_stats({"cluster_manager.cluster_modified": 1, "cluster_manager.cluster_added": N, "cluster_manager.active_clusters": N,
                    "cluster_manager.cluster_removed": 0, "listener_manager.listener_modified": 0})
    for n in used:
        assert down.get(headers=[("x-to", f"c{n}")]).text == f"u{n % 4}"
    stats = p.stats("cluster.c")
    for n in used:
        assert stats[f"cluster.c{n}.upstream_rq_total"] == 2, n
        if n != 7:
            assert stats[f"cluster.c{n}.upstream_cx_total"] == 1, n
    assert [up.n_connections for up in ups[:3]] == n_connections[:3]
    assert stats["cluster.c7.upstream_cx_total"] in (1, 2)
    p.expect_stats({"http.in.downstream_cx_total": 1})

# SPDX-License-Identifier: Apache-2.0
"""The configuration is read again on SIGHUP and with --watch: a diff by name, under traffic, and nothing breaks."""
import signal
import threading

import pytest

from lib import config as c
from lib import wait_until, wire

pytestmark = [pytest.mark.own, pytest.mark.tsan]


def body(text):
    return c.http(c.direct(body=text))


def reload(p, config):
    p.write_config(config)
    p.signal(signal.SIGHUP)


def fixed_port(config, port):
    """The same listener address before and after: port 0 would ask for a new one."""
    config["static_resources"]["listeners"][0]["address"] = c.address(port)
    return config


def test_a_new_route_is_used_by_a_kept_connection(proxy, client):
    port = wire.free_port()
    p = proxy(fixed_port(body("old"), port))
    down = client(port)
    assert down.get().text == "old"
    reload(p, fixed_port(body("new"), port))
    wait_until(lambda: wire.get(port).text == "new", "the new route")


@pytest.mark.parametrize("name", ["file", "symlink"])
def test_watch(proxy, tmp_path, name):
    port = wire.free_port()
    p = proxy(fixed_port(body("old"), port), args=["--watch"])
    assert p.get().text == "old"
    p.write_config(fixed_port(body("new"), port))
    wait_until(lambda: wire.get(port).text == "new", "the new route")


@pytest.mark.parametrize("bad", ["static_resources: {listeners: [{nam: x}]}", "a: [", "nonsense: 1", "static_resources: {clusters: [{name: a, type: X}]}"])
def test_a_bad_file_changes_nothing(proxy, upstream, bad):
    up = upstream(name="a")
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    assert p.get().text == "a"
    before = p.json("/config_dump?resource=static_clusters")
    reload(p, bad)
    wait_until(lambda: "config" in p.log() and ("error" in p.log() or "nothing" in p.log() or "reject" in p.log()), "the reason in the log")
    assert p.get().text == "a"
    assert p.json("/config_dump?resource=static_clusters") == before


def test_untouched_clusters_keep_their_connections_and_counters(proxy, upstream, client):
    a, b = upstream(name="a"), upstream(name="b")
    port = wire.free_port()

    def config(*clusters, second="b"):
        return fixed_port(c.http(c.route(second, prefix="/b"), c.route("a"), clusters=list(clusters)), port)
    p = proxy(config(c.cluster("a", a.port), c.cluster("b", b.port)))
    for path in ("/", "/b"):
        assert p.get(path).status == 200
    reload(p, config(c.cluster("a", a.port), c.cluster("b", b.port, connect_timeout="4s")))
    wait_until(lambda: p.json("/config_dump?resource=static_clusters")["configs"][1]["cluster"]["connect_timeout"] == "4s")
    assert p.get("/").text == "a"
    assert p.get("/b").text == "b"
    assert a.n_connections == 1
    p.expect_stats({"cluster.a.upstream_cx_total": 1, "cluster.a.upstream_rq_total": 2, "cluster.b.upstream_rq_total": 2})


def test_clusters_are_added_and_removed(proxy, upstream):
    a, b = upstream(name="a"), upstream(name="b")
    port = wire.free_port()
    p = proxy(fixed_port(c.http(c.route("a"), clusters=[c.cluster("a", a.port)]), port))
    assert p.get().text == "a"
    reload(p, fixed_port(c.http(c.route("b"), clusters=[c.cluster("b", b.port)]), port))
    wait_until(lambda: wire.get(port).text == "b", "the new cluster")
    wait_until(lambda: "a::" not in p.admin("/clusters").text, "the old cluster to go")
    p.expect_stats({"cluster_manager.active_clusters": 1})


def test_a_request_in_flight_keeps_its_route_and_cluster(proxy, upstream, client):
    up = upstream()
    port = wire.free_port()
    p = proxy(fixed_port(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]), port))
    down = client(port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    reload(p, fixed_port(body("new"), port))
    p.wait_stat("config_reload.success", 1)  # a request before would wait at the scripted upstream
    assert wire.get(port).text == "new"
    far.send(wire.response(body="late"))
    assert down.response().text == "late"


def test_listeners_are_added_and_removed(proxy, client):
    ports = [wire.free_port() for _ in range(2)]

    def listening(*pairs):
        return c.bootstrap([c.listener(c.hcm(c.direct(body=name)), name=name, port=port) for name, port in pairs])
    p = proxy(listening(("a", ports[0])))
    reload(p, listening(("a", ports[0]), ("b", ports[1])))

    def answers(port):
        try:
            return wire.get(port).text
        except (OSError, wire.Closed):
            return None
    wait_until(lambda: answers(ports[1]) == "b", "the new listener")
    reload(p, listening(("b", ports[1])))
    wait_until(lambda: answers(ports[0]) is None, "the old listener to stop")
    assert answers(ports[1]) == "b"
    p.expect_stats({"listener_manager.listener_added": 2, "listener_manager.listener_removed": 1})


def test_a_changed_chain_drains_the_old_one(proxy, client):
    """Connections of the old filter chain are asked to close, as Envoy's LDS does; none is reset."""
    port = wire.free_port()

    def echo_or(text):
        return c.bootstrap([c.listener(c.hcm(c.direct(body=text), stat_prefix=text), port=port)])
    p = proxy(echo_or("old"), args=["--drain-time-s", "1", "--drain-strategy", "immediate"])
    kept = client(port)
    assert kept.get().text == "old"
    reload(p, echo_or("new"))
    wait_until(lambda: wire.get(port).text == "new", "the new chain")
    answer = kept.get()
    assert (answer.text, answer.get("connection")) == ("old", "close")
    kept.expect_end()


def test_no_request_fails_while_the_configuration_changes_all_the_time(proxy, upstream):
    up = upstream(name="a")
    port = wire.free_port()

    def config(n):
        return fixed_port(c.http(c.route("up", request_headers_to_add=[{"header": {"key": "x-n", "value": str(n)}}]),
                                 clusters=[c.cluster("up", up.port), c.cluster(f"extra{n % 3}", up.port)]), port)
    p = proxy(config(0), concurrency=2)
    stop, bad, n_good = threading.Event(), [], [0]

    def ask():
        peer = wire.connect(port)
        while not stop.is_set():
            try:
                answer = peer.get()
                n_good[0] += 1
                if answer.status != 200:
                    bad.append(answer)
                if answer.get("connection") == "close":
                    peer.close()
                    peer = wire.connect(port)
            except (wire.Closed, OSError) as e:
                bad.append(e)
                peer = wire.connect(port)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for t in threads:
        t.start()
    for n in range(1, 21):
        reload(p, config(n))
        wait_until(lambda: f'"{n}"' in p.admin("/config_dump").text, f"reload {n}")
    stop.set()
    for t in threads:
        t.join()
    assert bad == [] and n_good[0] > 20
    assert wire.get(port).status == 200  # connections of old chains keep their routes until they are drained
    assert up.requests[-1].get("x-n") == "20"


def test_what_needs_a_restart_is_said(proxy):
    p = proxy(body("a"))
    config = body("a")
    config["node"] = {"id": "other"}
    reload(p, config)
    wait_until(lambda: "restart" in p.log(), "the word restart in the log")
    assert p.get().text == "a"


def test_a_listener_that_cannot_be_had_leaves_the_clusters_alone(proxy, upstream):
    a, b = upstream(name="a"), upstream(name="b")
    taken, port = wire.Server(), wire.free_port()

    def config(target, *more):
        return fixed_port(c.bootstrap([c.listener(c.hcm(c.route("up")), port=port), *more], [c.cluster("up", target.port)]), port)
    p = proxy(config(a))
    assert p.get().text == "a"
    try:
        reload(p, config(b, c.listener(c.tcp_proxy("up"), name="second", port=taken.port)))
        p.wait_stat("config_reload.rejected", 1)
        assert "nothing has changed" in p.log()
        assert wire.get(port).text == "a"
    finally:
        taken.close()


def test_a_listener_goes_while_chains_of_it_drain(proxy, client):
    """Its chains began to drain with one change, the rest of it with the next: it goes when both are done."""
    port = wire.free_port()

    def config(text):
        return c.bootstrap([c.listener(c.hcm(c.direct(body=text), stat_prefix=text), port=port)])
    p = proxy(config("one"))
    kept = client(port)
    assert kept.get().text == "one"
    for n, text in enumerate(["two", "three"]):
        reload(p, config(text))
        p.wait_stat("config_reload.success", n + 1)
    reload(p, c.bootstrap([]))
    p.wait_stat("config_reload.success", 3)
    kept.close()
    for gauge in ("total_filter_chains_draining", "total_listeners_draining"):
        p.wait_stat(f"listener_manager.{gauge}", 0)


def test_listeners_and_clusters_come_and_go_under_load(proxy, upstream):
    up = upstream(name="a")
    ports = [wire.free_port() for _ in range(3)]

    def config(n):
        some = [k for k in range(3) if (n >> k) & 1]
        return c.bootstrap([c.listener(c.hcm(c.route(f"c{(k + n) % 4}")), name=f"l{k}", port=ports[k]) for k in some],
                           [c.cluster(f"c{(k + n) % 4}", up.port, connect_timeout=f"{1 + n % 3}s") for k in some])
    p = proxy(config(7), concurrency=2, args=["--drain-time-s", "1", "--drain-strategy", "immediate"])
    stop = threading.Event()

    def ask(port):
        while not stop.is_set():
            try:
                with wire.connect(port) as peer:
                    for _ in range(20):
                        if peer.get().get("connection") == "close":
                            break
            except (wire.Closed, OSError):
                pass
    threads = [threading.Thread(target=ask, args=(port,)) for port in ports]
    for t in threads:
        t.start()
    for n in range(1, 40):
        reload(p, config((n * 5) % 8))
        if n % 3 == 0:
            wait_until(lambda: p.stat("config_reload.attempt") == p.stat("config_reload.success"), "the reloads to be done")
    reload(p, config(7))
    wait_until(lambda: sorted(l["name"] for l in p.json("/listeners?format=json")["listener_statuses"]) == ["l0", "l1", "l2"]
               and p.stat("listener_manager.total_listeners_draining") == 0, "all to be as at first", seconds=20)
    stop.set()
    for t in threads:
        t.join()
    assert [wire.get(port).text for port in ports] == ["a"] * 3
    p.expect_stats({"config_reload.rejected": 0})

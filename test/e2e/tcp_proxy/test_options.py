# SPDX-License-Identifier: Apache-2.0
"""tcp_proxy's options: several clusters, limits of time, attempts, logs, slow peers."""
import collections
import threading
import time

from lib import config as c
from lib import wait_until, wire


def relay(*ports, listener=None, **options):
    clusters = [c.cluster(f"c{n}", port) for n, port in enumerate(ports)]
    proxy = c.tcp_proxy(None if "weighted_clusters" in options else "c0", **options)
    return c.bootstrap([c.listener(proxy, **(listener or {}))], clusters)


def test_weighted_clusters_share_by_weight(proxy, upstream):
    servers = [upstream(lambda r, n=n: wire.response(body=str(n))) for n in range(2)]
    p = proxy(relay(*(s.port for s in servers), weighted_clusters={
        "clusters": [{"name": "c0", "weight": 3}, {"name": "c1", "weight": 1}]}))
    seen = collections.Counter(p.get().text for _ in range(200))
    assert 110 < seen["0"] < 190 and sum(seen.values()) == 200


def test_the_idle_time_begins_with_the_last_byte(proxy, upstream, client):
    up = upstream()
    p = proxy(relay(up.port, idle_timeout="2s"))
    down = client(p.port).send("x")
    far = up.accept()
    far.expect("x")
    time.sleep(1)  # the time that must not count
    far.send("y")
    down.expect("y")
    begin = time.monotonic()
    down.expect_closed()
    assert 1.5 < time.monotonic() - begin < 3.5


def test_an_idle_tunnel_ends(proxy, upstream, client, tmp_path):
    up = upstream()
    log = tmp_path / "log"
    p = proxy(relay(up.port, idle_timeout="0.2s", access_log=[c.file_log(log, "%RESPONSE_FLAGS% %BYTES_RECEIVED%\n")]))
    down = client(p.port).send(b"abc")
    far = up.accept()
    far.expect(b"abc")
    down.expect_end()
    far.expect_end()
    p.expect_stats({"tcp.tcp.idle_timeout": 1, "cluster.c0.upstream_cx_active": 0})
    p.stop()
    assert log.read_text() == "- 3\n"


def test_bytes_that_leave_late_are_activity(proxy, upstream, client):
    """They waited for a slow reader, and none come any more."""
    up = upstream()
    p = proxy(relay(up.port, idle_timeout="1.5s"))
    down = client(p.port)
    far = up.accept()
    n = 0
    while p.stat("cluster.c0.upstream_cx_tx_bytes_buffered") < 300_000:
        down.send(bytes(40_000))
        n += 40_000
        p.wait_stat("tcp.tcp.downstream_cx_rx_bytes_total", n)
    time.sleep(0.5)
    begin = time.monotonic()
    assert len(far.rest()) == n
    assert time.monotonic() - begin >= 1.5


def test_a_tunnel_has_a_longest_life(proxy, upstream, client, tmp_path):
    up = upstream()
    log = tmp_path / "log"
    p = proxy(relay(up.port, max_downstream_connection_duration="0.2s",
                    access_log=[c.file_log(log, "%RESPONSE_FLAGS%\n")]))
    client(p.port).send(b"abc").expect_closed()
    up.accept().rest()
    p.wait_stat("tcp.tcp.max_downstream_connection_duration", 1)
    p.stop()
    assert log.read_text() == "DT\n"


def test_connect_attempts(proxy, client, tmp_path):
    log = tmp_path / "log"
    p = proxy(relay(wire.free_port(), max_connect_attempts=3, access_log=[
        c.file_log(log, "%RESPONSE_FLAGS% %UPSTREAM_CLUSTER% %UPSTREAM_REQUEST_ATTEMPT_COUNT%\n")]))
    client(p.port).expect_closed()
    p.expect_stats({"cluster.c0.upstream_cx_connect_fail": 3, "cluster.c0.upstream_cx_connect_attempts_exceeded": 1})
    p.stop()
    assert log.read_text() == "UF,URX c0 3\n"


def test_no_such_host(proxy, client, tmp_path):
    log = tmp_path / "log"
    p = proxy(relay(access_log=[c.file_log(log, "%RESPONSE_FLAGS% %UPSTREAM_HOST%\n")],
                    weighted_clusters={"clusters": [{"name": "empty", "weight": 1}]}) | {"static_resources": {
                        "listeners": [c.listener(c.tcp_proxy("empty", access_log=[
                            c.file_log(log, "%RESPONSE_FLAGS% %UPSTREAM_HOST%\n")]))],
                        "clusters": [c.cluster("empty")]}})
    client(p.port).expect_closed()
    p.expect_stats({"cluster.empty.upstream_cx_none_healthy": 1})
    p.stop()
    assert log.read_text() == "UH -\n"


def test_too_many_connections(proxy, upstream, client, tmp_path):
    up = upstream()
    log = tmp_path / "log"
    config = relay(up.port, access_log=[c.file_log(log, "%RESPONSE_FLAGS%\n")])
    config["static_resources"]["clusters"][0]["circuit_breakers"] = {"thresholds": [{"max_connections": 1}]}
    p = proxy(config)
    first = client(p.port).send(b"a")
    far = up.accept().expect(b"a")
    p.expect_stats({"cluster.c0.circuit_breakers.default.cx_open": 1})
    client(p.port).expect_closed()
    p.expect_stats({"cluster.c0.upstream_cx_overflow": 1})
    first.close()
    far.expect_end()
    far.close()
    p.wait_stat("cluster.c0.circuit_breakers.default.cx_open", 0)
    p.stop()
    assert sorted(log.read_text().split()) == ["-", "UO"]


def test_a_slow_reader_stops_the_sender(proxy, upstream, client):
    """The proxy takes no more than its buffers while the client does not read, and all arrives in the end."""
    up = upstream()
    p = proxy(relay(up.port, listener={"per_connection_buffer_limit_bytes": 32768}))
    down = client(p.port).send(b"go")
    far = up.accept()
    far.expect(b"go")
    before = p.rss_kib()
    total = 32 << 20
    sent = []

    def pour():
        block = b"z" * 65536
        for _ in range(total // len(block)):
            far.send(block)
            sent.append(len(block))
        far.finish()

    threading.Thread(target=pour, daemon=True).start()
    wait_until(lambda: p.stat("tcp.tcp.downstream_flow_control_paused_reading_total") +
               p.stat("cluster.c0.upstream_flow_control_paused_reading_total") >= 1, "the upstream to be paused")
    assert p.rss_kib() - before < 16 << 10
    assert sum(sent) < total
    n = 0
    while down.fill():
        n += len(down.take(len(down.got)))
    assert n == total
    assert p.stat("cluster.c0.upstream_flow_control_resumed_reading_total") >= 1


def test_the_default_log_line(proxy, upstream, client, tmp_path):
    up = upstream()
    log = tmp_path / "log"
    p = proxy(relay(up.port, access_log=[c.file_log(
        log, "%BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% %PROTOCOL% %REQ(X)% %RESPONSE_CODE% "
        "%DOWNSTREAM_LOCAL_ADDRESS% %UPSTREAM_WIRE_BYTES_SENT% %CONNECTION_TERMINATION_DETAILS%\n")]))
    down = client(p.port).send(b"12345")
    far = up.accept()
    far.expect(b"12345")
    far.send(b"123")
    far.close()
    assert down.rest() == b"123"
    down.close()
    p.wait_stat("cluster.c0.upstream_cx_active", 0)
    port = p.port
    p.stop()
    assert log.read_text() == f"5 3 127.0.0.1:{up.port} c0 - - 0 127.0.0.1:{port} 5 -\n"


def test_a_reset_upstream_resets_nothing_else(proxy, upstream, client):
    up = upstream()
    p = proxy(relay(up.port))
    one, two = client(p.port).send(b"1"), client(p.port).send(b"2")
    far = [up.accept(), up.accept()]
    by_first_byte = {peer.read(1): peer for peer in far}
    by_first_byte[b"1"].reset()
    one.expect_reset()
    by_first_byte[b"2"].send(b"ok")
    two.expect(b"ok")
    p.expect_stats({"cluster.c0.upstream_cx_destroy_remote": 1, "cluster.c0.upstream_cx_active": 1})

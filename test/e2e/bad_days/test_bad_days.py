# SPDX-License-Identifier: Apache-2.0
"""The world misbehaves: no descriptors left, slow peers, clients that never send. Memory stays bounded, counters tell."""
import os
import resource
import threading

import pytest

from lib import config as c
from lib import wait_until, wire


def to(up, listener=None, cluster=None, **options):
    config = c.http(c.route("up"), clusters=[c.cluster("up", up.port, **(cluster or {}))], **options)
    config["static_resources"]["listeners"][0].update(listener or {})
    return config


def limit_fds(pid, n):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (n, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))


@pytest.mark.own
def test_no_descriptors_left_for_accept(proxy, client):
    """Connections wait in the kernel, the worker does not spin, and all goes on when there are descriptors again."""
    p = proxy(c.http(c.direct(body="ok")))
    assert p.get().text == "ok"
    limit_fds(p.process.pid, p.n_fds() + 2)
    peers = [client(p.port) for _ in range(6)]
    for peer in peers:
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert peers[0].response().text == "ok"
    used = os.times()
    before = sum(map(int, open(f"/proc/{p.process.pid}/stat").read().rsplit(")", 1)[1].split()[11:13]))
    peers[5].quiet(0.5)
    spent = sum(map(int, open(f"/proc/{p.process.pid}/stat").read().rsplit(")", 1)[1].split()[11:13])) - before
    assert spent <= 25 and used, "ticks of CPU in half a second of waiting"
    limit_fds(p.process.pid, 1024)
    for peer in peers[:2]:
        peer.close()
    for peer in peers[2:]:
        assert peer.response().text == "ok"


@pytest.mark.own
def test_no_descriptors_left_for_an_upstream(proxy, upstream, client):
    up = upstream(name="a")
    p = proxy(to(up))
    down = client(p.port)
    admin = wire.connect(p.admin_port())
    assert admin.get("/ready").status == 200
    limit_fds(p.process.pid, p.n_fds())
    down.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    answered = not down.quiet(0.5)
    limit_fds(p.process.pid, 1024)
    if answered and not down.ended:
        assert down.response().status == 503
    assert p.get().text == "a"
    admin.close()


def test_clients_that_never_send(proxy, client):
    p = proxy(c.http(c.direct(body="ok")))
    before = p.rss_kib()
    silent = [client(p.port) for _ in range(200)]
    p.wait_stat("http.in.downstream_cx_active", 200)
    assert p.get().text == "ok"
    assert p.rss_kib() - before < 32 << 10
    for peer in silent:
        peer.close()
    p.wait_stat("http.in.downstream_cx_active", 0)


def test_a_client_that_does_not_read_holds_the_upstream_back(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, {"per_connection_buffer_limit_bytes": 65536}, {"per_connection_buffer_limit_bytes": 65536}))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    before, total, sent = p.rss_kib(), 64 << 20, [0]

    def pour():
        far.send(f"HTTP/1.1 200 OK\r\ncontent-length: {total}\r\n\r\n")
        for _ in range(total >> 16):
            far.send(b"z" * 65536)
            sent[0] += 65536
    threading.Thread(target=pour, daemon=True).start()
    wait_until(lambda: p.stat("cluster.up.upstream_flow_control_paused_reading_total") >= 1, "the upstream to be paused")
    assert p.rss_kib() - before < 16 << 10 and sent[0] < total
    assert down.head().status == 200
    n = len(down.take(len(down.got)))
    while n < total and down.fill():
        n += len(down.take(len(down.got)))
    assert n == total
    assert p.stat("cluster.up.upstream_flow_control_resumed_reading_total") >= 1


def test_an_upstream_that_does_not_read_holds_the_client_back(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, {"per_connection_buffer_limit_bytes": 65536}, {"per_connection_buffer_limit_bytes": 65536}))
    down = client(p.port).send(f"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {32 << 20}\r\n\r\n")
    far = up.accept()
    far.head()
    before = p.rss_kib()
    thread = threading.Thread(target=lambda: down.send(b"z" * (32 << 20)), daemon=True)
    thread.start()
    wait_until(lambda: p.stat("http.in.downstream_flow_control_paused_reading_total") >= 1, "the client to be paused")
    assert p.rss_kib() - before < 16 << 10
    n = 0
    while n < 32 << 20:
        far.fill()
        n += len(far.take(len(far.got)))
    thread.join()
    far.send(wire.response(body="got it"))
    assert down.response().text == "got it"


def test_one_byte_at_a_time(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up))
    down = client(p.port)
    for byte in b"POST /slow HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
        down.send(bytes([byte]))
    far = up.accept()
    request = far.request()
    assert (request.path, request.body) == ("/slow", b"abc")
    for byte in b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n":
        far.send(bytes([byte]))
    assert down.response().text == "ok"


def test_clients_that_reset_at_every_moment(proxy, upstream, client):
    up = upstream(name="a")
    p = proxy(to(up))
    request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello"
    for n in range(0, len(request) + 1, 3):
        client(p.port).send(request[:n]).reset()
    p.wait_stat("http.in.downstream_cx_active", 0)
    assert p.get().text == "a"
    p.expect_stats({"cluster.up.upstream_rq_active": 0, "http.in.downstream_rq_active": 0})


def test_nothing_leaks(proxy, upstream, client):
    """Descriptors after a thousand connections of every kind of end are those from before."""
    up = upstream(lambda r: None if r.path == "/die" else wire.response(body="a"))
    p = proxy(to(up))
    for path in ("/", "/die"):
        p.get(path)
    p.wait_stat("http.in.downstream_cx_active", 0)
    before = p.n_fds()
    for n in range(300):
        if n % 3 == 0:
            p.get("/")
        elif n % 3 == 1:
            p.get("/die")
        else:
            client(p.port).send("GET / HT").reset()
    p.wait_stat("http.in.downstream_cx_active", 0)
    wait_until(lambda: p.n_fds() <= before + 2, "descriptors to come back")

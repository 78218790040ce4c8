# SPDX-License-Identifier: Apache-2.0
"""Ends: at once, or after requests in flight."""
import json
import signal

import pytest

from lib import config as c
from lib import wait_until, wire

pytestmark = pytest.mark.tsan


def to(up):
    return c.http(c.route("up"), clusters=[c.cluster("up", up.port)])


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_at_once(proxy, upstream, client, sig):
    up = upstream()
    p = proxy(to(up))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    up.accept().head()
    p.signal(sig)
    assert p.wait() == 0
    down.expect_closed()


def refused(port):
    try:
        wire.connect(port).close()
        return False
    except ConnectionRefusedError:
        return True


def test_drain_listeners_stops_accepting(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    p.post("/drain_listeners")
    wait_until(lambda: refused(p.port), "the socket to close")
    far.send(wire.response(body="late"))
    assert down.response().text == "late"
    p.expect_stats({"listener_manager.listener_stopped": 1})


def test_a_graceful_drain_lets_requests_finish(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up), args=["--drain-time-s", "2", "--drain-strategy", "immediate"])
    idle = client(p.port)
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    assert p.post("/drain_listeners?graceful").text == "OK\n"
    far.send(wire.response(body="late"))
    answer = down.response()
    assert (answer.text, answer.get("connection")) == ("late", "close")
    down.expect_end()
    wait_until(lambda: refused(p.port), "the end of the drain")
    idle.close()
    assert json.loads(p.admin("/server_info").text)["state"] in ("LIVE", "DRAINING")


@pytest.mark.own
def test_sigterm_may_drain(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up), args=["--drain-on-sigterm", "20"])
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    idle = client(p.port)
    far = up.accept()
    far.head()
    p.signal(signal.SIGTERM)
    wait_until(lambda: refused(p.port), "the socket to close")
    far.send(wire.response(body="late"))
    answer = down.response()
    assert (answer.text, answer.get("connection")) == ("late", "close")
    idle.expect_end()
    assert p.wait() == 0


@pytest.mark.own
def test_a_drain_has_an_end(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up), args=["--drain-on-sigterm", "1"])
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    up.accept().head()
    p.signal(signal.SIGTERM)
    down.expect_closed()
    assert p.wait() == 0


@pytest.mark.own
def test_a_second_sigterm_does_not_wait(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up), args=["--drain-on-sigterm", "600"])
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    up.accept().head()
    p.signal(signal.SIGTERM)
    wait_until(lambda: refused(p.port), "the socket to close")
    assert down.quiet(0.1)
    p.signal(signal.SIGTERM)
    down.expect_closed()
    assert p.wait() == 0


@pytest.mark.own
def test_a_drain_ends_what_is_idle_and_waits_for_the_rest(proxy, upstream, client, tmp_path):
    """Kept connections end in order (no reset), a started request and a long body are finished, the log is written."""
    up = upstream()
    log = tmp_path / "access.log"
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], access_log=[c.file_log(log, "%REQ(:path)% %RESPONSE_CODE%\n")]),
              args=["--drain-on-sigterm", "60"], concurrency=2)
    kept = client(p.port).send("GET /kept HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send(wire.response())
    kept.response()
    far.close()  # so that the next requests have connections of their own
    p.wait_stat("cluster.up.upstream_cx_active", 0)
    upload = client(p.port).send("POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n01234")
    streams = client(p.port).send("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
    busy = {peer.head().path: peer for peer in (up.accept(), up.accept())}
    busy["/stream"].send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
    streams.until(b"one\r\n")
    p.signal(signal.SIGTERM)
    wait_until(lambda: refused(p.port), "the socket to close")
    kept.expect_end()
    upload.send("56789")
    busy["/upload"].expect("0123456789").send(wire.response(body="thanks"))
    answer = upload.response()
    assert (answer.text, answer.get("connection")) == ("thanks", "close")
    upload.expect_end()
    assert p.process.poll() is None
    busy["/stream"].send("3\r\ntwo\r\n0\r\n\r\n")
    streams.expect("3\r\ntwo\r\n0\r\n\r\n").expect_end()
    assert p.wait() == 0
    assert sorted(log.read_text().splitlines()) == ["/kept 200", "/stream 200", "/upload 200"]  # of two workers


@pytest.mark.own
def test_a_drain_lets_a_tunnel_live_until_its_end(proxy, upstream, client):
    up = upstream()
    p = proxy(c.bootstrap([c.listener(c.tcp_proxy("up"))], [c.cluster("up", up.port)]), args=["--drain-on-sigterm", "60"])
    down = client(p.port).send("hello")
    far = up.accept().expect("hello")
    p.signal(signal.SIGTERM)
    p.wait_stat("listener_manager.listener_stopped", 1)  # a connection that asks would be a tunnel, too
    far.send("world")
    down.expect("world")
    down.finish()
    far.expect_end()
    far.close()
    down.expect_end()
    assert p.wait() == 0

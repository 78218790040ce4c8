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

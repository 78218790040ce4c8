# SPDX-License-Identifier: Apache-2.0
"""Upgrades, CONNECT, 100-continue: where one protocol ends and another begins."""
import pytest

from lib import config as c
from lib import wire

UPGRADE = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: {}\r\n\r\n"
SWITCH = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {}\r\n\r\n"


def to(up, *types, action=None, **options):
    configs = [t if isinstance(t, dict) else {"upgrade_type": t} for t in types]
    return c.http(c.route("up", action=action), clusters=[c.cluster("up", up.port)], upgrade_configs=configs, **options)


@pytest.mark.parametrize("asked", ["websocket", "WebSocket", "foo"])
def test_an_upgrade_of_any_kind(proxy, upstream, client, asked):
    up = upstream()
    p = proxy(to(up, "websocket", "foo"))
    down = client(p.port).send(UPGRADE.format(asked))
    far = up.accept()
    head = far.head()
    assert (head.get("upgrade").lower(), head.get("connection").lower()) == (asked.lower(), "upgrade")
    assert not head.has("content-length") and not head.has("transfer-encoding")
    far.send(SWITCH.format(asked))
    answer = down.head()
    assert (answer.status, answer.get("upgrade").lower()) == (101, asked.lower())
    assert not answer.has("content-length") and not answer.has("transfer-encoding")
    p.expect_stats({"http.in.downstream_cx_upgrades_active": 1, "http.in.downstream_cx_upgrades_total": 1})
    for n in range(3):
        down.send(b"a" * 100_000)
        far.expect(b"a" * 100_000)
        far.send(b"b" * 100_000)
        down.expect(b"b" * 100_000)
    down.close()
    far.expect_closed()
    p.expect_stats({"http.in.downstream_cx_upgrades_active": 0, "cluster.up.upstream_cx_active": 0,
                    "cluster.up.upstream_rq_active": 0})


def test_bytes_sent_with_the_upgrade_arrive_after_it(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, "websocket"))
    down = client(p.port).send(UPGRADE.format("websocket") + "early")
    far = up.accept()
    far.head()
    far.send(SWITCH.format("websocket"))
    assert down.head().status == 101
    far.expect("early")


def test_bytes_behind_the_101_arrive(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, "websocket"))
    down = client(p.port).send(UPGRADE.format("websocket"))
    far = up.accept()
    far.head()
    far.send(SWITCH.format("websocket") + "greeting")
    assert down.head().status == 101
    down.expect("greeting")


@pytest.mark.parametrize("asked", ["foo", "websocket"])
def test_h1_16_a_refused_upgrade_never_pools_its_connection(proxy, upstream, client, asked):
    up = upstream()
    p = proxy(to(up, "websocket", "foo"))
    down = client(p.port).send(UPGRADE.format(asked))
    far = up.accept()
    far.head()
    far.send("HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope")
    answer = down.head()
    assert (answer.status, answer.has("upgrade")) == (404, False)
    p.expect_stats({"cluster.up.upstream_cx_active": 0, "http.in.downstream_cx_upgrades_active": 0})


def test_a_route_may_allow_an_upgrade(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, action={"upgrade_configs": [{"upgrade_type": "websocket", "enabled": True}]}))
    down = client(p.port).send(UPGRADE.format("websocket"))
    far = up.accept()
    far.head()
    far.send(SWITCH.format("websocket"))
    assert down.head().status == 101


@pytest.mark.parametrize("types, action", [
    (["websocket"], {"upgrade_configs": [{"upgrade_type": "websocket", "enabled": False}]}),
    ([{"upgrade_type": "websocket", "enabled": False}], {}), (["other"], {})])
def test_a_route_may_forbid_an_upgrade(proxy, upstream, client, types, action):
    up = upstream()
    p = proxy(to(up, *types, action=action))
    assert client(p.port).send(UPGRADE.format("websocket")).head().status == 403
    assert up.idle()


def test_an_upgrade_to_http2_is_served_as_http1(proxy, upstream, client):
    up = upstream(name="one")
    p = proxy(to(up))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
                               "http2-settings: AAMAAABkAAQAAP__\r\n\r\n")
    assert down.response().text == "one"
    request = up.next()
    assert not request.has("upgrade") and not request.has("http2-settings")


def test_an_upgrade_with_a_body(proxy, upstream, client):
    """A body of known length is not part of the tunnel, or the request is refused; it is never read as one by mistake."""
    up = upstream()
    p = proxy(to(up, "websocket"))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 4\r\n\r\nbody")
    far = up.accept()
    far.head()
    far.send(SWITCH.format("websocket") + "x")
    assert down.head().status == 101
    down.expect("x")


def test_half_closes_of_a_tunnel(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, "websocket"))
    down = client(p.port).send(UPGRADE.format("websocket"))
    far = up.accept()
    far.head()
    far.send(SWITCH.format("websocket"))
    assert down.head().status == 101
    far.send("last words")
    far.close()
    down.expect("last words")
    down.expect_closed()
    p.expect_stats({"http.in.downstream_cx_active": 0, "cluster.up.upstream_cx_active": 0})


def test_an_idle_tunnel_ends(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, "websocket", stream_idle_timeout="0.3s"))
    down = client(p.port).send(UPGRADE.format("websocket"))
    far = up.accept()
    far.head()
    far.send(SWITCH.format("websocket"))
    assert down.head().status == 101
    down.expect_closed()
    far.expect_closed()
    p.expect_stats({"http.in.downstream_rq_idle_timeout": 1})


# --- CONNECT ---

def connect_route(up, terminate=True, **extra):
    config = {"upgrade_type": "CONNECT", **({"connect_config": {}} if terminate else {})}
    return c.http({"match": {"connect_matcher": {}}, "route": {"cluster": "up", "upgrade_configs": [config]}}, c.direct(body="plain"),
                  clusters=[c.cluster("up", up.port)], upgrade_configs=[{"upgrade_type": "CONNECT"}], **extra)


CONNECT = "CONNECT target:443 HTTP/1.1\r\nhost: target:443\r\n\r\n"


def test_connect_without_a_route_is_404(proxy, client):
    p = proxy(c.http(c.direct()))
    down = client(p.port).send(CONNECT)
    assert down.head().status == 404


def test_connect_may_be_passed_on(proxy, upstream, client):
    up = upstream()
    p = proxy(connect_route(up, terminate=False))
    down = client(p.port).send(CONNECT)
    far = up.accept()
    head = far.head()
    assert head.start == "CONNECT target:443 HTTP/1.1"
    far.send("HTTP/1.1 200 OK\r\n\r\n")
    assert down.head().status == 200
    down.send("ping")
    far.expect("ping")
    far.send("pong")
    down.expect("pong")


def test_h1_15_bytes_sent_with_connect_wait_for_the_tunnel(proxy, upstream, client):
    up = upstream()
    p = proxy(connect_route(up))
    down = client(p.port).send(CONNECT + "early")
    far = up.accept()
    far.expect("early")
    assert down.head().status == 200


def test_h1_15_a_refused_tunnel_gets_nothing(proxy, upstream, client):
    """What a client sends after a CONNECT that the upstream refused is not a request on the pooled connection."""
    up = upstream()
    p = proxy(connect_route(up, terminate=False))
    down = client(p.port).send(CONNECT + "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
    assert down.head().status == 403
    p.wait_stat("cluster.up.upstream_cx_active", 0)


def test_connect_to_a_dead_upstream(proxy, client):
    class Nobody:
        port = wire.free_port()
    p = proxy(connect_route(Nobody))
    assert client(p.port).send(CONNECT).head().status == 503


def test_connect_keeps_half_closes(proxy, upstream, client):
    up = upstream()
    p = proxy(connect_route(up))
    down = client(p.port).send(CONNECT)
    assert down.head().status == 200
    far = up.accept()
    down.send("question")
    far.expect("question")
    far.send("answer").finish()
    down.expect("answer")
    down.close()
    far.expect_closed()


# --- 100-continue ---

def test_expectations_may_be_passed_on(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, proxy_100_continue=True))
    down = client(p.port).send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
    far = up.accept()
    assert far.head().get("expect") == "100-continue"
    assert down.quiet()
    far.send("HTTP/1.1 100 Continue\r\n\r\n")
    assert down.head().status == 100
    down.send("body")
    far.expect("body")
    far.send(wire.response(body="done"))
    assert down.response().text == "done"


def test_an_expectation_refused_by_the_upstream(proxy, upstream, client):
    up = upstream()
    p = proxy(to(up, proxy_100_continue=True))
    down = client(p.port).send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
    far = up.accept()
    far.head()
    far.send(wire.response(413, body="no", reason="Payload Too Large"))
    answer = down.response()
    assert (answer.status, answer.text) == (413, "no")


def test_an_expectation_without_a_body(proxy, upstream, client):
    up = upstream(name="a")
    p = proxy(to(up))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\r\n")
    answer = down.response()
    if answer.status == 100:
        answer = down.response()
    assert answer.text == "a"
    assert not up.next().has("expect")


def test_an_unknown_expectation(proxy, upstream, client):
    up = upstream(name="a")
    p = proxy(to(up))
    assert client(p.port).get(headers=[("expect", "miracles")]).status in (200, 417)

# SPDX-License-Identifier: Apache-2.0
"""The application log at debug level: who says what, and that all of it is said only when it is asked for."""
import re

import pytest

from lib import config as c
from lib import wait_until, wire

pytestmark = pytest.mark.own
LINE = re.compile(r"\[debug\]\[(\w+)\] \[[^]]+\] (.*)")


def lines(p):
    """(logger, text) of each line at debug level."""
    return LINE.findall(p.log())


def said(p, logger, text):
    wait_until(lambda: any(name == logger and re.search(text, line) for name, line in lines(p)), f"{logger}: {text}")


def test_a_request_can_be_followed(proxy, upstream):
    up = upstream(lambda request: wire.response(body="hello"))
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]), args=["-l", "debug"])
    assert p.get("/some/path", headers=[("x-mine", "1")]).text == "hello"
    said(p, "http", r"\] stream ends: 200, via_upstream")
    connection = next(m.group(1) for _, line in lines(p) if (m := re.search(r"\[(C\d+)\] new connection .* 'main'", line)))
    mine = [(name, line) for name, line in lines(p) if f"[{connection}]" in line]
    for logger, text in [("conn_handler", r"new connection from 127.0.0.1:\d+"), ("http", "new stream"),
                         ("http", r"request headers \(end_stream=true\):"), ("router", "cluster 'up' for '/some/path'"),
                         ("router", "request headers to the upstream"), ("router", "on upstream connection"),
                         ("router", "upstream response headers: 200"), ("http", "response headers")]:
        while mine and not (mine[0][0] == logger and re.search(text, mine[0][1])):
            del mine[0]
        assert mine, f"{logger}: {text}, in this order"
    assert "\n'x-mine', '1'\n" in p.log() and "\n':status', '200'\n" in p.log()
    for text in ["waits", f"new connection to 127.0.0.1:{up.port} of cluster 'up'", "connected", "attached", "request is done"]:
        said(p, "pool", text)
    said(p, "connection", f"connects to 127.0.0.1:{up.port}")
    said(p, "connection", f"{connection}. closed by ")


def test_failures_say_why(proxy):
    policy = {"retry_policy": {"retry_on": "connect-failure", "num_retries": 1, "retry_back_off": {"base_interval": "0.001s"}}}
    p = proxy(c.http(c.route("dead", prefix="/dead", action=policy), c.route("empty", prefix="/empty"),
                     c.direct(204, prefix="/direct"),
                     clusters=[c.cluster("dead", wire.free_port()), c.cluster("empty")]), args=["-l", "debug"])
    assert [p.get(path).status for path in ("/dead", "/empty", "/direct", "/none")] == [503, 503, 204, 404]
    said(p, "connection", "delayed connect error: Connection refused")
    said(p, "pool", "closed by the peer after 0 request.*Connection refused")
    said(p, "router", "upstream reset: remote connection failure")
    said(p, "router", "retry: attempt 2")
    said(p, "router", "no healthy host in cluster 'empty'")
    said(p, "router", "answers '/direct' with 204")
    said(p, "router", "no route for '/none'")
    said(p, "http", "local reply: 404, route_not_found")


def test_a_tcp_session(proxy, upstream, client):
    up = upstream()
    p = proxy(c.bootstrap([c.listener(c.tcp_proxy("up"))], [c.cluster("up", up.port)]), args=["-l", "debug"])
    client(p.port).send(b"x")
    up.accept().expect(b"x")
    said(p, "filter", f"connects to 127.0.0.1:{up.port} of cluster 'up' .attempt 1")
    said(p, "filter", "on upstream connection")


def test_a_mistake_in_the_protocol(proxy, client):
    p = proxy(c.http(c.direct()), args=["-l", "debug"])
    client(p.port).send("GARBAGE\r\n\r\n").expect_closed()
    said(p, "http", "protocol error: 400")


def test_one_logger_alone(proxy):
    p = proxy(c.http(c.direct()), args=["--component-log-level", "router:debug"])
    p.get("/a")
    said(p, "router", "answers '/a'")
    assert {name for name, _ in lines(p)} == {"router"}
    assert p.post("/logging?router=info").status == 200 and p.post("/logging?http=debug").status == 200
    p.get("/b")
    said(p, "http", "stream ends")
    assert "'/b' with" not in p.log()


def test_nothing_at_the_usual_level(proxy):
    p = proxy(c.http(c.direct()))
    p.get()
    assert lines(p) == []


def test_long_heads_are_whole(proxy):
    p = proxy(c.http(c.direct()), args=["--component-log-level", "http:debug"])
    p.get(headers=[("x-long", "v" * 30000), ("x-last", "end")])
    wait_until(lambda: f"'x-long', '{'v' * 30000}'\n'x-last', 'end'\n" in p.log(), "the whole head")

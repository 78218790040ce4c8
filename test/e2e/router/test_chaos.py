# SPDX-License-Identifier: Apache-2.0
"""Clients and upstreams that do what they like, at every point of a request's life. Nothing is asked of the answers; at the
end the proxy still works, nothing is under way any more, and no sanitizer has spoken."""
import random
import socket
import struct
import threading
import time

import pytest

from lib import config as c
from lib import wire

pytestmark = pytest.mark.tsan

ANSWERS = [
    b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nxx",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 302 F\r\nlocation: http://h/internal\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil close",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n",
    b"rubbish",
    b"HTTP/1.1 204 No\r\n\r\n",
]
REQUESTS = [
    b"GET %s HTTP/1.1\r\nhost: h\r\n\r\n",
    b"HEAD %s HTTP/1.1\r\nhost: h\r\n\r\n",
    b"POST %s HTTP/1.1\r\nhost: h\r\ncontent-length: 40\r\n\r\n" + b"b" * 40,
    b"POST %s HTTP/1.1\r\nhost: h\r\ncontent-length: 70000\r\n\r\n" + b"b" * 70000,
    b"POST %s HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    b"GET %s HTTP/1.1\r\nhost: h\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nearly",
    b"CONNECT h:80 HTTP/1.1\r\nhost: h:80\r\n\r\ntunnel",
]
PATHS = [b"/plain", b"/retry", b"/mirror", b"/internal", b"/short"]


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def serve(sock, dice):
    """One upstream connection."""
    try:
        sock.settimeout(1)
        fate = dice.random()
        if fate < 0.1:
            return sock.close()
        sock.recv(65536)
        if fate < 0.2:
            return reset(sock)
        if fate < 0.3:
            time.sleep(dice.random() * 0.4)
        answer = dice.choice(ANSWERS)
        if dice.random() < 0.3:
            answer = answer[:dice.randrange(len(answer))]
        for part in [answer] if dice.random() < 0.5 else [bytes([b]) for b in answer]:
            sock.sendall(part)
        while dice.random() < 0.8 and sock.recv(65536):
            if dice.random() < 0.2:
                sock.sendall(answer)
    except OSError:
        pass
    sock.close()


def listen(dice):
    server = socket.create_server(("127.0.0.1", 0), backlog=200)

    def accept():
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock, random.Random(dice.random())), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server


def behave(port, dice, n):
    """One client after another."""
    for _ in range(n):
        try:
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.settimeout(0.3)
                for _ in range(dice.choice([1, 1, 2, 3])):
                    request = dice.choice(REQUESTS).replace(b"%s", dice.choice(PATHS))
                    if dice.random() < 0.2:
                        request = request[:dice.randrange(1, len(request))]
                    sock.sendall(request)
                    if dice.random() < 0.2:
                        break
                    if dice.random() < 0.1:
                        sock.shutdown(socket.SHUT_WR)
                    sock.recv(100000)
                if dice.random() < 0.2:
                    reset(sock)
        except OSError:
            pass


def routes():
    retry = {"retry_policy": {"retry_on": "5xx,reset", "num_retries": 2, "per_try_timeout": "0.2s"}}
    return [
        c.route("up", match={"connect_matcher": {}},
                action={"upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}),
        c.route("up", "/retry", action=retry),
        c.route("up", "/mirror", action={"request_mirror_policies": [{"cluster": "copy"}]}),
        c.route("up", "/internal", action={"internal_redirect_policy": {"max_internal_redirects": 2}, **retry}),
        c.route("up", "/short", action={"timeout": "0.1s"}),
        c.direct(200, "fine", "/fine"),
        c.route("up", "/"),
    ]


@pytest.mark.own
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_stays_behind(proxy, seed):
    dice = random.Random(seed)
    up, copy = listen(dice), listen(dice)
    p = proxy(c.http(*routes(), upgrade_configs=[{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}],
                     clusters=[c.cluster("up", up.getsockname()[1]), c.cluster("copy", copy.getsockname()[1])]))
    clients = [threading.Thread(target=behave, args=(p.port, random.Random(dice.random()), 40)) for _ in range(6)]
    for t in clients:
        t.start()
    for t in clients:
        t.join()
    assert wire.get(p.port, "/fine").text == "fine"
    p.expect_stats({"http.in.downstream_rq_active": 0, **{f"cluster.{name}.{gauge}": 0 for name in ("up", "copy")
                    for gauge in ("upstream_rq_active", "upstream_rq_pending_active", "circuit_breakers.default.rq_open",
                                  "circuit_breakers.default.rq_retry_open")}})
    up.close()
    copy.close()

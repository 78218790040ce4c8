# SPDX-License-Identifier: Apache-2.0
"""Timed conditions on the release build (`make attacks`): while one client misbehaves, a well-behaved witness on its own
connection sees no failure and answers within 100 ms (99th percentile), memory stays bounded and comes back.

Not part of `make test`: these depend on time and on an idle machine."""
import threading
import time

import pytest

from lib import config as c
from lib import wait_until, wire

SECONDS = 3


class Witness:
    """20 requests a second on one connection; keeps how long each took."""

    def __init__(self, port):
        self.port, self.stop, self.times, self.failures = port, threading.Event(), [], []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        peer = wire.connect(self.port)
        while not self.stop.wait(0.05):
            start = time.monotonic()
            try:
                answer = peer.get("/witness", host="witness")
                if answer.status != 200:
                    self.failures.append(answer)
            except (AssertionError, OSError) as e:
                self.failures.append(e)
                peer = wire.connect(self.port)
            self.times.append(time.monotonic() - start)

    def verdict(self):
        self.stop.set()
        self.thread.join()
        assert self.failures == []
        assert sorted(self.times)[int(len(self.times) * 0.99)] < 0.1


def many_headers(peer):
    peer.send(b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 90 + b"\r\n").response()


def pipelined(peer):
    peer.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 2000)
    for _ in range(2000):
        peer.response()


def tiny_chunks(peer):
    peer.send(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n").response()


def long_extensions(peer):
    peer.send(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"e" * (1 << 20) + b"\r\nx\r\n0\r\n\r\n").rest()


def huge_headers(peer):
    peer.send(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * (8 << 20)).rest()


def never_ending_headers(peer):
    for _ in range(1000):
        peer.send(b"x: y\r\n")


def leading_newlines(peer):
    peer.send(b"\r\n" * 50_000 + b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").rest()


def slow_bytes(peer):
    for byte in b"GET / HTTP/1.1\r\nhost: a\r\n":
        peer.send(bytes([byte]))
        time.sleep(0.02)


def many_query_parameters(peer):
    peer.send(b"GET /?" + b"a=b&" * 12_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n").response()


def connect_and_leave(peer):
    peer.reset()


def unread_answers(peer):
    peer.send(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n" * 200)
    time.sleep(0.2)


@pytest.mark.parametrize("attack", [many_headers, pipelined, tiny_chunks, long_extensions, huge_headers, never_ending_headers,
                                    leading_newlines, slow_bytes, many_query_parameters, connect_and_leave, unread_answers])
def test_a_witness_notices_nothing(proxy, upstream, attack):
    up = upstream(lambda r: wire.response(body=b"z" * (1 << 20 if r.path == "/large" else 10)))
    routes = [c.route("up", match={"prefix": "/", "query_parameters": [{"name": "none", "present_match": True}]}), c.route("up")]
    p = proxy(c.http(*routes, clusters=[c.cluster("up", up.port)]))
    assert p.get().status == 200
    witness, before, n = Witness(p.port), p.rss_kib(), 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        n += 1
        try:
            with wire.connect(p.port) as peer:
                attack(peer)
        except (AssertionError, OSError):
            pass
    witness.verdict()
    assert p.rss_kib() - before < 16 << 10, f"after {n} attacks"
    p.wait_stat("http.in.downstream_cx_active", 0)
    wait_until(lambda: p.rss_kib() - before < 16 << 10, "memory to come back", seconds=10)
    assert p.get().status == 200

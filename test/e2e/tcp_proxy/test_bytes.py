# SPDX-License-Identifier: Apache-2.0
"""tcp_proxy moves bytes both ways, keeps half-closes, and counts."""
import hashlib
import threading

import pytest

from lib import config as c

pytestmark = pytest.mark.tsan


def relay(upstream_port, **options):
    return c.bootstrap([c.listener(c.tcp_proxy("up", **options))], [c.cluster("up", upstream_port)])


def test_bytes_go_both_ways(proxy, upstream, client):
    up = upstream()
    p = proxy(relay(up.port))
    down = client(p.port)
    down.send(b"ping")
    far = up.accept()
    far.expect(b"ping")
    far.send(b"pong\x00\xff")
    down.expect(b"pong\x00\xff")


def test_upstream_may_speak_first(proxy, upstream, client):
    up = upstream()
    p = proxy(relay(up.port))
    down = client(p.port)
    up.accept().send(b"220 hello\r\n")
    down.expect(b"220 hello\r\n")


def test_a_half_closed_client_still_gets_its_answer(proxy, upstream, client):
    up = upstream()
    p = proxy(relay(up.port))
    down = client(p.port)
    down.send(b"question").finish()
    far = up.accept()
    assert far.rest() == b"question"
    far.send(b"answer")
    far.close()
    assert down.rest() == b"answer"


def test_a_half_closed_upstream_still_gets_the_rest(proxy, upstream, client):
    up = upstream()
    p = proxy(relay(up.port))
    down = client(p.port)
    far = up.accept()
    far.send(b"bye").finish()
    assert down.rest() == b"bye"
    down.send(b"last words")
    far.expect(b"last words")
    down.close()
    far.expect_end()


def test_counters_and_bytes(proxy, upstream, client):
    up = upstream()
    p = proxy(relay(up.port, stat_prefix="t"))
    down = client(p.port)
    down.send(b"12345")
    far = up.accept()
    far.expect(b"12345")
    far.send(b"1234567")
    down.expect(b"1234567")
    p.expect_stats({"tcp.t.downstream_cx_total": 1, "cluster.up.upstream_cx_active": 1,
                    "tcp.t.downstream_cx_rx_bytes_total": 5, "tcp.t.downstream_cx_tx_bytes_total": 7})
    down.close()
    far.expect_end()
    far.close()
    p.expect_stats({"cluster.up.upstream_cx_active": 0, "cluster.up.upstream_cx_total": 1,
                    "cluster.up.upstream_cx_rx_bytes_total": 7, "cluster.up.upstream_cx_tx_bytes_total": 5})


def test_a_refused_upstream_closes_the_client_and_is_counted(proxy, client):
    from lib import wire
    p = proxy(relay(wire.free_port()))
    client(p.port).expect_closed()
    p.expect_stats({"cluster.up.upstream_cx_connect_fail": 1, "cluster.up.upstream_cx_total": 1})


def test_sixteen_mebibytes_arrive_as_sent(proxy, upstream, client):
    """Against a slow reader: the watermarks pause and resume many times."""
    up = upstream()
    p = proxy(relay(up.port))
    down = client(p.port)
    block = bytes(range(256)) * 256
    n_blocks = 256
    digest = hashlib.sha256(block * n_blocks).hexdigest()

    def send():
        for _ in range(n_blocks):
            down.send(block)
        down.finish()

    sender = threading.Thread(target=send)
    sender.start()
    far = up.accept()
    seen = hashlib.sha256()
    while far.fill():
        seen.update(far.take(len(far.got)))
    sender.join()
    assert seen.hexdigest() == digest
    far.send(block)
    far.close()
    assert down.rest() == block


@pytest.mark.parametrize("who", ["client", "upstream"])
@pytest.mark.parametrize("other_is", ["open", "half-closed"])
def test_a_reset_is_passed_on(proxy, upstream, client, tmp_path, who, other_is):
    log = tmp_path / "log"
    up = upstream()
    p = proxy(relay(up.port, access_log=[c.file_log(log, "%RESPONSE_FLAGS%\n")]))
    down = client(p.port).send(b"hello")
    far = up.accept().expect(b"hello")
    one, other = (down, far) if who == "client" else (far, down)
    if other_is == "half-closed":
        other.finish()
        one.expect_end()
    one.reset()
    other.expect_reset()
    p.expect_stats({"cluster.up.upstream_cx_active": 0, "cluster.up.upstream_cx_destroy_local": int(who == "client"),
                    "cluster.up.upstream_cx_destroy_remote": int(who == "upstream")})
    p.stop()
    assert log.read_text() == ("-\n" if who == "client" else "UR\n")


def test_what_came_before_a_reset_is_still_delivered(proxy, upstream, client):
    up = upstream()
    p = proxy(relay(up.port))
    down = client(p.port).send(b"hello")
    far = up.accept().expect(b"hello")
    far.send(b"x" * 1000)
    p.wait_stat("cluster.up.upstream_cx_rx_bytes_total", 1000)
    far.reset()
    down.expect(b"x" * 1000).expect_reset()

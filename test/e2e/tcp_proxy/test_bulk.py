# SPDX-License-Identifier: Apache-2.0
"""Bulk through tcp_proxy, where bytes go from socket to socket through kernel pipes: nothing is lost, reordered or counted
wrong, whatever the peers do meanwhile."""
import array
import hashlib
import os
import random
import select
import signal
import socket
import threading
import time

import pytest

from lib import PATIENCE, wait_until
from lib import config as c

MIB = 1 << 20
BLOCK = hashlib.shake_128(b"nuncio").digest(MIB)


def relay(port, listener=None, **options):
    return c.bootstrap([c.listener(c.tcp_proxy("up", stat_prefix="t", **options), **(listener or {}))], [c.cluster("up", port)])


def stamped(n):
    return n.to_bytes(4, "big") + BLOCK[4:]


def digest_of(n_mib):
    digest = hashlib.sha256()
    for n in range(n_mib):
        digest.update(stamped(n))
    return digest.hexdigest()


def words(at, n):
    """Bytes at..at+n of a stream in which each word of eight bytes says where it is."""
    first, last = at // 8, (at + n + 7) // 8
    return array.array("Q", range(first, last)).tobytes()[at - 8 * first:at - 8 * first + n]


def check_words(peer, total, rand=None):
    """Reads until the end and compares each byte; in pauses that `rand` makes."""
    at = 0
    while peer.fill():
        got = peer.take(len(peer.got))
        wanted = words(at, len(got))
        if got != wanted:
            bad = next(i for i in range(len(got)) if got[i] != wanted[i])
            raise AssertionError(f"byte {at + bad} of {total}: got {got[bad:bad + 24].hex()}, wanted {wanted[bad:bad + 24].hex()}")
        at += len(got)
        if rand is not None and rand.randrange(20) == 0:
            time.sleep(0.002)
    assert at == total, f"the end came after {at} of {total} bytes"


class Bounded(threading.Thread):
    """Another thread that has to end: some hundred MiB may take their time, but not for ever."""
    def __init__(self, **options):
        super().__init__(daemon=True, **options)

    def end(self):
        self.join(6 * PATIENCE)
        assert not self.is_alive(), f"{self} goes on and on"


class Pourer(Bounded):
    """Sends in another thread; a peer that went away ends it, and so does stop()."""
    def __init__(self, peer, n_mib, finish=True):
        super().__init__()
        self.peer, self.n_mib, self.finish, self.stopped = peer, n_mib, finish, False
        self.start()

    def send(self, data):
        while data and not self.stopped:
            if select.select([], [self.peer.sock], [], 0.05)[1]:
                data = data[self.peer.sock.send(data):]

    def run(self):
        try:
            for n in range(self.n_mib):
                self.send(memoryview(stamped(n)))
            if self.finish and not self.stopped:
                self.peer.finish()
        except (OSError, ValueError):
            pass

    def stop(self):
        self.stopped = True
        self.end()


class Drinker(Bounded):
    """Receives until the end (or n bytes) in another thread."""
    def __init__(self, peer, n=None):
        super().__init__()
        self.peer, self.left, self.digest, self.n, self.reset = peer, n, hashlib.sha256(), 0, False
        self.start()

    def run(self):
        while self.left is None or self.n < self.left:
            try:
                if not self.peer.got and not self.peer.fill():
                    return
            except ConnectionResetError:
                self.reset = True
                return
            data = self.peer.take(len(self.peer.got) if self.left is None else self.left - self.n)
            self.digest.update(data)
            self.n += len(data)

    def result(self):
        self.end()
        return self.digest.hexdigest()


def n_pipes(p):
    """Kernel pipes of the proxy: a worker keeps up to two, so they show that something was spliced."""
    folder, n = f"/proc/{p.process.pid}/fd", 0
    for fd in os.listdir(folder):
        try:
            n += os.readlink(f"{folder}/{fd}").startswith("pipe:")
        except FileNotFoundError:
            pass
    return n


def inside(p):
    """Bytes that the proxy holds for both sides."""
    names = [f"{scope}_cx_{way}_bytes_buffered" for scope in ("tcp.t.downstream", "cluster.up.upstream") for way in ("rx", "tx")]
    return sum(p.stat(name) for name in names)


@pytest.fixture
def pair(proxy, upstream, client):
    """A proxy with one connection through it: (proxy, client's end, upstream's end)."""
    def make(**options):
        up = upstream()
        p = proxy(relay(up.port, **options))
        down = client(p.port).send(b"hi")
        return p, down, up.accept().expect(b"hi")
    return make


@pytest.mark.own
def test_bulk_is_spliced_and_small_messages_are_not(pair):
    p, down, far = pair()
    pipes = n_pipes(p)
    for _ in range(100):
        down.send(b"x" * 1000)
        far.expect(b"x" * 1000)
    assert n_pipes(p) == pipes
    drinker = Drinker(far)
    Pourer(down, 64)
    assert drinker.result() == digest_of(64)
    assert n_pipes(p) > pipes
    far.close()
    down.expect_end()
    wait_until(lambda: n_pipes(p) <= pipes + 4, "all pipes but two to be closed")


def test_both_ways_at_once_counted_to_the_byte(pair, tmp_path):
    log = tmp_path / "log"
    p, down, far = pair(access_log=[c.file_log(
        log, "%BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_WIRE_BYTES_SENT% %UPSTREAM_WIRE_BYTES_RECEIVED% %RESPONSE_FLAGS%\n")])
    before = p.rss_kib()
    drinkers = [Drinker(far), Drinker(down)]
    pourers = [Pourer(down, 256), Pourer(far, 200)]
    peak = before
    while any(t.is_alive() for t in pourers):
        peak = max(peak, p.rss_kib())
        pourers[0].join(0.02)
    assert drinkers[0].result() == digest_of(256)
    assert drinkers[1].result() == digest_of(200)
    sent, received = 256 * MIB + 2, 200 * MIB
    p.expect_stats({"tcp.t.downstream_cx_rx_bytes_total": sent, "tcp.t.downstream_cx_tx_bytes_total": received,
                    "cluster.up.upstream_cx_rx_bytes_total": received, "cluster.up.upstream_cx_tx_bytes_total": sent,
                    "cluster.up.upstream_cx_active": 0})
    assert inside(p) == 0
    assert peak - before < 24 << 10
    p.stop()
    assert log.read_text() == f"{sent} {received} {sent} {received} -\n"


@pytest.mark.parametrize("limit", [32 << 10, MIB])
def test_a_slow_reader_stops_the_writer_and_gets_all(pair, limit):
    p, down, far = pair(listener={"per_connection_buffer_limit_bytes": limit})
    before = p.rss_kib()
    sender = Pourer(far, 96)
    stand_still(p, READ["upstream"])
    assert sender.is_alive() and p.stat(READ["upstream"]) < 64 * MIB
    assert inside(p) <= 3 * MIB
    for n in range(8):
        assert down.read(MIB) == stamped(n)
        time.sleep(0.02)
    got = hashlib.sha256(b"".join(stamped(n) for n in range(8)))
    while down.got or down.fill():
        got.update(down.take(len(down.got)))
    assert got.hexdigest() == digest_of(96)
    assert p.rss_kib() - before < 24 << 10
    assert p.stat("cluster.up.upstream_flow_control_paused_reading_total") == \
        p.stat("cluster.up.upstream_flow_control_resumed_reading_total") > 0


def test_a_writer_that_changes_its_pace(pair):
    """Bulk and small messages in turn: from one way of relaying to the other and back, without a byte out of order."""
    _, down, far = pair()
    for turn in range(12):
        drinker = Drinker(far, 6 * MIB)
        Pourer(down, 6, finish=False)
        assert drinker.result() == digest_of(6)
        for n in range(12):
            message = bytes([turn, n]) * (1 + 700 * n)
            down.send(message)
            far.expect(message)


def test_small_pieces_while_the_reader_is_slow(pair):
    """What is read in pieces comes behind what still waits in the pipe."""
    p, down, far = pair()
    bulk, piece = 24 * MIB, 3000

    def pour():
        down.send(words(0, bulk))
        for n in range(200):
            down.send(words(bulk + n * piece, piece))
        down.finish()
    sender = Bounded(target=pour)
    sender.start()
    stand_still(p, READ["client"])
    check_words(far, bulk + 200 * piece, random.Random(1))
    sender.end()


@pytest.mark.parametrize("first", ["client", "upstream"])
def test_half_close_behind_bulk(pair, first):
    """The end comes after the last byte, and the other direction goes on."""
    _, down, far = pair()
    one, other = (down, far) if first == "client" else (far, down)
    Pourer(one, 64)
    assert Drinker(other).result() == digest_of(64)
    assert other.ended and not one.ended
    Pourer(other, 64)
    assert Drinker(one).result() == digest_of(64)
    far.close()


def stand_still(p, counted):
    """Waits until the proxy has read and reads no more."""
    def standing_still():
        seen = p.stat(counted)
        time.sleep(0.2)
        return seen > MIB and p.stat(counted) == seen
    wait_until(standing_still, "the proxy to stop reading")


READ = {"client": "tcp.t.downstream_cx_rx_bytes_total", "upstream": "cluster.up.upstream_cx_rx_bytes_total"}
WRITTEN = {"client": "cluster.up.upstream_cx_tx_bytes_total", "upstream": "tcp.t.downstream_cx_tx_bytes_total"}


@pytest.mark.parametrize("first", ["client", "upstream"])
def test_both_ends_wait_behind_full_pipes(pair, first):
    """Nobody reads until both sides have sent all that the kernel takes; both ends come then."""
    p, down, far = pair()
    pourers = [Pourer(down, 48), Pourer(far, 48)] if first == "client" else [Pourer(far, 48), Pourer(down, 48)]
    stand_still(p, READ["client"])
    stand_still(p, READ["upstream"])
    assert inside(p) <= 6 * MIB
    drinkers = [Drinker(far), Drinker(down)]
    assert [d.result() for d in drinkers] == [digest_of(48)] * 2
    for pourer in pourers:
        pourer.end()
    p.expect_stats({"cluster.up.upstream_cx_active": 0})
    assert inside(p) == 0


def stays_above_zero(p, gauge):
    """The kernel takes no more: what waits is not only on its way."""
    for _ in range(10):
        if p.stat(gauge) == 0:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("first", ["client", "upstream"])
def test_what_waits_survives_the_end_of_both_sides(pair, first):
    """One side has ended with bytes that the other does not read yet, and hears of the other's end before they are gone: it
    is our FIN that ends its connection."""
    p, down, far = pair()
    one, other = (down, far) if first == "client" else (far, down)
    waiting = {"client": "cluster.up.upstream_cx_tx_bytes_buffered", "upstream": "tcp.t.downstream_cx_tx_bytes_buffered"}[first]
    before = n = p.stat(READ[first])
    while not stays_above_zero(p, waiting):
        one.send(words(n - before, 40_000))  # too little for a splice, which would not read on
        n += 40_000
        p.wait_stat(READ[first], n)
        assert n < 64 * MIB
    one.finish()
    time.sleep(0.1)  # so that its end is the first; both orders must do
    other.finish()
    one.expect_end()
    check_words(other, n - before)
    p.expect_stats({"cluster.up.upstream_cx_active": 0, "tcp.t.upstream_flush_active": 0})
    assert inside(p) == 0


@pytest.mark.own
def test_what_waits_in_a_pipe_survives_the_end_of_both_sides(proxy, upstream, client):
    """The same by splices, whose reader stops at a moment when most often something waits."""
    up = upstream()
    p = proxy(relay(up.port))
    for turn in range(1, 9):
        down = client(p.port)
        far = up.accept()
        sender, drinker = Pourer(down, 12), Drinker(far, 4 * MIB)
        drinker.end()
        got = drinker.digest
        while p.stat(READ["client"]) < turn * 12 * MIB:
            far.fill()
            got.update(far.take(len(far.got)))
        far.finish()
        while far.got or far.fill():
            got.update(far.take(len(far.got)))
        assert got.hexdigest() == digest_of(12)
        sender.end()
        down.expect_end()
    p.expect_stats({"cluster.up.upstream_cx_active": 0})


def test_random_pieces_in_parallel(proxy, upstream, client):
    """Connections with pieces and pauses of many sizes, both ways; each byte tells where it belongs."""
    up = upstream()
    p = proxy(relay(up.port, listener={"per_connection_buffer_limit_bytes": 256 << 10}))
    threads, wrong = [], []

    def start(run, *args):
        def guarded():
            try:
                run(*args)
            except Exception as e:  # told by the test's own thread
                wrong.append(e)
        threads.append(Bounded(target=guarded))
        threads[-1].start()

    def pour(peer, rand, total):
        at = 0
        while at < total:
            n = min(rand.choice([rand.randrange(1, 3000), rand.randrange(1, 100_000), MIB]), total - at)
            peer.send(words(at, n))
            at += n
            time.sleep(rand.choice([0] * 9 + [0.003]))
        peer.finish()
    for n in range(4):
        down = client(p.port)
        far = up.accept()
        total = 12 * MIB + 1000 * n + 7
        for m, (one, other) in enumerate([(down, far), (far, down)]):
            start(pour, one, random.Random(2 * n + m), total)
            start(check_words, other, total, random.Random(-2 * n - m))
    for t in threads:
        t.end()
    assert not wrong, wrong[0]
    p.expect_stats({"cluster.up.upstream_cx_active": 0})
    assert inside(p) == 0


def test_a_client_that_leaves_is_still_delivered(pair):
    """Its bytes wait in the pipe while the upstream reads slowly; the gauge tells of the flush."""
    p, down, far = pair()
    sender = Pourer(down, 24, finish=False)
    wait_until(lambda: p.stat("tcp.t.downstream_cx_rx_bytes_total") > 4 * MIB, "bulk")
    drinker = Drinker(far, 12 * MIB)
    drinker.end()
    rest = Drinker(far)
    sender.end()
    down.close()
    rest.end()
    assert drinker.n + rest.n == 24 * MIB
    p.expect_stats({"cluster.up.upstream_cx_tx_bytes_total": 24 * MIB + 2, "tcp.t.downstream_cx_rx_bytes_total": 24 * MIB + 2})
    far.close()
    p.expect_stats({"cluster.up.upstream_cx_active": 0, "tcp.t.upstream_flush_active": 0})
    assert inside(p) == 0


def expect_reset_of(p, receiver, drinker, who, fds):
    """It was passed on, with what the other side took at once; the rest is dropped, and all is given back."""
    drinker.end()
    assert drinker.reset
    assert drinker.n <= p.stat(WRITTEN[who]) <= p.stat(READ[who])
    receiver.close()
    p.expect_stats({"cluster.up.upstream_cx_active": 0, "tcp.t.upstream_flush_active": 0})
    wait_until(lambda: p.n_fds() <= fds + 4 - 2, "descriptors to come back")
    assert inside(p) == 0


@pytest.mark.parametrize("who", ["client", "upstream"])
def test_a_reset_in_the_middle(pair, who):
    p, down, far = pair()
    fds = p.n_fds()
    sender, receiver = (down, far) if who == "client" else (far, down)
    pourer, drinker = Pourer(sender, 512), Drinker(receiver)
    wait_until(lambda: p.stat(READ[who]) > 8 * MIB, "bulk")
    pourer.stop()
    sender.reset()
    expect_reset_of(p, receiver, drinker, who, fds)


@pytest.mark.own
@pytest.mark.parametrize("who", ["client", "upstream"])
def test_a_reset_while_nobody_reads(pair, who):
    """Heard of at once; Envoy learns of it when it reads again."""
    p, down, far = pair()
    fds = p.n_fds()
    sender, receiver = (down, far) if who == "client" else (far, down)
    pourer = Pourer(sender, 512)
    stand_still(p, READ[who])
    pourer.stop()
    sender.reset()
    p.wait_stat("cluster.up.upstream_cx_active", 0)
    expect_reset_of(p, receiver, Drinker(receiver), who, fds)


@pytest.mark.parametrize("who", ["client", "upstream"])
def test_a_reader_that_resets(pair, who):
    p, down, far = pair()
    fds = p.n_fds()
    reader, writer = (down, far) if who == "client" else (far, down)
    poured = Pourer(writer, 512)
    assert reader.read(4 * MIB)
    reader.reset()
    poured.end()
    writer.close()
    p.expect_stats({"cluster.up.upstream_cx_active": 0})
    wait_until(lambda: p.n_fds() <= fds + 4 - 2, "descriptors to come back")
    assert inside(p) == 0


def test_an_idle_timeout_sees_bulk_and_its_end(pair):
    p, down, far = pair(idle_timeout="0.5s")
    begin = time.monotonic()
    sender = Pourer(far, 4096, finish=False)
    while time.monotonic() - begin < 1.5:
        assert down.fill(), "ended while bytes moved"
        down.got = b""
    assert p.stat("tcp.t.idle_timeout") == 0
    p.wait_stat("tcp.t.idle_timeout", 1)  # nobody reads any more; what the kernel still takes comes first
    sender.end()
    p.expect_stats({"cluster.up.upstream_cx_active": 0})
    assert inside(p) == 0


def test_a_longest_life_ends_bulk(pair):
    p, down, far = pair(max_downstream_connection_duration="0.5s")
    Pourer(far, 1 << 20, finish=False)
    Drinker(down).end()
    p.expect_stats({"tcp.t.max_downstream_connection_duration": 1, "cluster.up.upstream_cx_active": 0})


def test_urgent_data_is_no_end(pair):
    """splice(2) stops before TCP's urgent byte and says 0, as at the end. A read skips the byte, as it always did. Only the
    last urgent byte of what waits to be read is one to the kernel, and only within 64 KiB does it know where: so what came
    before has arrived."""
    p, down, far = pair()
    drinker = Drinker(far)
    for n in range(32):
        if n in (10, 20):
            wait_until(lambda n=n: drinker.n == n * MIB, "what came before")
            down.sock.send(stamped(n)[:40_000] + b"!", socket.MSG_OOB)
            down.send(stamped(n)[40_000:])
        else:
            down.send(stamped(n))
    down.finish()
    assert drinker.result() == digest_of(32)


def test_what_follows_urgent_data_is_read_at_once(pair):
    """A read stops before the urgent byte: it has not emptied the socket, and nothing tells that there is more."""
    p, down, far = pair()
    p.process.send_signal(signal.SIGSTOP)
    try:
        down.send(b"a" * 1000)
        down.sock.send(b"!", socket.MSG_OOB)
        down.send(b"b" * 1000)
    finally:
        p.process.send_signal(signal.SIGCONT)
    far.expect(b"a" * 1000 + b"b" * 1000)


def test_bulk_behind_proxy_headers(proxy, upstream, client):
    """The client's header and the first bulk come in one piece; the upstream gets a header of its own before all."""
    up = upstream()
    to = c.cluster("up", up.port, transport_socket=c.typed(
        "envoy.transport_sockets.upstream_proxy_protocol", "transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        transport_socket=c.typed("envoy.transport_sockets.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer")))
    p = proxy(c.bootstrap([c.listener(c.tcp_proxy("up", stat_prefix="t"), listener_filters=[
        c.typed("envoy.filters.listener.proxy_protocol", "filters.listener.proxy_protocol.v3.ProxyProtocol")])], [to]))
    header = b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n"
    down = client(p.port).send(header + stamped(0)[:100_000])
    far = up.accept().expect(header)
    drinkers = [Drinker(far), Drinker(down)]
    down.send(stamped(0)[100_000:])
    for n in range(1, 48):
        down.send(stamped(n))
    down.finish()
    Pourer(far, 32)
    assert [d.result() for d in drinkers] == [digest_of(48), digest_of(32)]


def test_over_unix_sockets(proxy, upstream, client, tmp_path):
    path = str(tmp_path / "up")
    up = upstream(address=path)
    p = proxy(relay(path))
    down = client(p.port)
    far = up.accept()
    drinkers = [Drinker(far), Drinker(down)]
    Pourer(down, 64)
    Pourer(far, 48)
    assert [d.result() for d in drinkers] == [digest_of(64), digest_of(48)]


@pytest.mark.own
def test_without_descriptors_for_pipes_it_copies(pair):
    import resource
    p, down, far = pair()
    assert p.stat("tcp.t.downstream_cx_total") == 1  # the admin connection is made and gone
    hard = resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE, (p.n_fds(), hard))
    pipes = n_pipes(p)
    drinker = Drinker(far)
    Pourer(down, 64)
    assert drinker.result() == digest_of(64)
    assert n_pipes(p) == pipes
    resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE, (1024, hard))


@pytest.mark.own
def test_many_at_once_share_few_pipes(proxy, upstream, client):
    """200 stuck transfers: 128 hold a pipe, the others their buffers; all arrive when they are read."""
    up = upstream()
    p = proxy(relay(up.port, listener={"per_connection_buffer_limit_bytes": 64 << 10}))
    pairs, senders = [], []
    for _ in range(200):
        down = client(p.port).send(b"hi")
        far = up.accept().expect(b"hi")
        far.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
        pairs.append((down, far))
    senders = [Pourer(far, 6) for _, far in pairs]
    stand_still(p, READ["upstream"])
    assert n_pipes(p) <= 2 * 128 + 16
    wanted = digest_of(6)
    assert all(d.result() == wanted for d in [Drinker(down) for down, _ in pairs])
    for s in senders:
        s.end()
    for down, far in pairs:
        down.close()
        far.close()
    p.expect_stats({"cluster.up.upstream_cx_active": 0})
    wait_until(lambda: n_pipes(p) <= 2 * 2 + 8, "pipes to be closed")

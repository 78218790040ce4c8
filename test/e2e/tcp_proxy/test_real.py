# SPDX-License-Identifier: Apache-2.0
"""Real servers and clients through tcp_proxy: PostgreSQL, Redis, a WebSocket, and bulk data with checksums.

TEST_BULK_MIB says how much data (1024 is the whole gibibyte; the default keeps `make test` short)."""
import base64
import hashlib
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from lib import config as c
from lib import wait_until, wire

PATH = os.environ.get("PATH", "") + ":/usr/sbin"


def relay(proxy, port):
    return proxy(c.bootstrap([c.listener(c.tcp_proxy("up"))], [c.cluster("up", port)]))


def program(*names, folders=()):
    for name in names:
        for folder in [*folders, *PATH.split(":")]:
            if os.access(Path(folder) / name, os.X_OK):
                return str(Path(folder) / name)
    pytest.skip(f"{names[0]} is not installed: tools/setup real")


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def redis(tmp_path):
    """A Redis of our own. Debian's redis-tools has the server, too, under another name."""
    server = shutil.which("redis-server", path=PATH)
    if server is None:
        server = tmp_path / "redis-server"
        server.symlink_to(program("redis-check-rdb"))
    port = wire.free_port()
    process = subprocess.Popen([server, "--port", str(port), "--save", "", "--dir", tmp_path], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: listens(port), "Redis")
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.mark.real
def test_redis_cli(proxy, redis):
    p = relay(proxy, redis)

    def cli(*args, input=None):
        return subprocess.run([program("redis-cli"), "-p", str(p.port), *args], capture_output=True, input=input, timeout=30,
                              check=True).stdout
    assert cli("PING") == b"PONG\n"
    big = b"x" * 3_000_000
    assert cli("-x", "SET", "big", input=big) == b"OK\n"
    assert cli("--raw", "GET", "big").rstrip(b"\n") == big
    many = b"".join(b"SET k%d v%d\r\n" % (n, n) for n in range(10_000))
    assert b"errors: 0, replies: 10000" in cli("--pipe", input=many)


@pytest.fixture
def postgres(tmp_path):
    """A PostgreSQL cluster of our own; the server does not run as root, so as nobody where we are root."""
    folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    initdb, server = program("initdb", folders=folders), program("postgres", folders=folders)
    home = Path("/tmp") / f"nuncio-pg-{os.getpid()}"
    home.mkdir(mode=0o700)
    user = []
    if os.geteuid() == 0:
        shutil.chown(home, "nobody")
        user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    port = wire.free_port()
    process = None
    try:
        subprocess.run([*user, initdb, "-D", home / "data", "-A", "trust", "-U", "test", "--no-sync"], check=True,
                       stdout=subprocess.DEVNULL, cwd=home)
        process = subprocess.Popen([*user, server, "-D", home / "data", "-p", str(port), "-k", str(home), "-h", "127.0.0.1",
                                    "-c", "fsync=off"], stderr=subprocess.DEVNULL, cwd=home)
        wait_until(lambda: listens(port), "PostgreSQL")
        yield port
    finally:
        if process:
            process.send_signal(2)
            process.wait()
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.real
def test_psql(proxy, postgres):
    p = relay(proxy, postgres)

    def psql(sql, input=None):
        return subprocess.run([program("psql"), "-h", "127.0.0.1", "-p", str(p.port), "-U", "test", "-d", "postgres", "-qAt",
                               "-v", "ON_ERROR_STOP=1", "-c", sql], capture_output=True, input=input, timeout=30,
                              check=True).stdout.decode()
    wait_until(lambda: psql("SELECT 1") == "1\n", "the server")
    psql("CREATE TABLE t (n int, s text)")
    rows = "".join(f"{n}\t{'x' * 100}\n" for n in range(20_000))
    psql("COPY t FROM STDIN", input=rows.encode())
    assert psql("SELECT count(*), sum(n) FROM t") == "20000|199990000\n"
    assert psql("COPY (SELECT * FROM t ORDER BY n) TO STDOUT") == rows


def test_a_websocket_through_the_http_route(proxy, upstream, client):
    """The handshake of RFC 6455 with a masked text frame each way, as browsers do."""
    def accept_key(key):
        return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], upgrade_configs=[{"upgrade_type": "websocket"}]))
    key = base64.b64encode(os.urandom(16)).decode()
    down = client(p.port).send(f"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n")
    far = up.accept()
    request = far.head()
    far.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             f"Sec-WebSocket-Accept: {accept_key(request.get('sec-websocket-key'))}\r\n\r\n")
    answer = down.head()
    assert (answer.status, answer.get("sec-websocket-accept")) == (101, accept_key(key))
    mask, text = b"\x01\x02\x03\x04", b"hello"
    frame = bytes([0x81, 0x80 | len(text)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(text))
    for _ in range(50):
        down.send(frame)
        far.expect(frame)
        far.send(b"\x81\x05world")
        down.expect(b"\x81\x05world")
    far.send(b"\x88\x00").finish()
    down.expect(b"\x88\x00")


def test_bulk_data_with_checksums(proxy, upstream, client):
    """Both directions at once, different data, compared by digest."""
    n_bytes = int(os.environ.get("TEST_BULK_MIB", "48")) << 20
    up = upstream()
    p = relay(proxy, up.port)
    down = client(p.port)
    far = up.accept()

    def pour(peer, seed, digests):
        digest, block = hashlib.sha256(), hashlib.shake_128(seed).digest(1 << 20)
        for n in range(n_bytes >> 20):
            data = n.to_bytes(4, "big") + block[4:]
            digest.update(data)
            peer.send(data)
        peer.finish()
        digests[seed] = digest.hexdigest()

    def drink(peer, seed, digests):
        digest = hashlib.sha256()
        while peer.fill():
            digest.update(peer.take(len(peer.got)))
        digests[seed] = digest.hexdigest()
    sent, got = {}, {}
    threads = [threading.Thread(target=f, args=a) for f, a in [
        (pour, (down, b"up", sent)), (drink, (far, b"up", got)), (pour, (far, b"down", sent)), (drink, (down, b"down", got))]]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == sent and len(got) == 2

# SPDX-License-Identifier: Apache-2.0
"""Peers that speak in exact bytes: clients, scripted servers, and an HTTP upstream that answers by itself.

A Peer is one TCP (or unix) connection, either end. It keeps what it received and nobody asked for yet, so reads can be
by delimiter, by count, or by HTTP message. Every read gives up after PATIENCE."""
import queue
import socket
import struct
import threading
from dataclasses import dataclass, field

from . import PATIENCE


class Closed(AssertionError):
    """The other side ended the connection before what was asked for had arrived."""


@dataclass
class Message:
    """One HTTP/1 message: first line, header pairs as on the wire, body with framing removed, trailers."""
    start: str
    headers: list
    body: bytes = b""
    trailers: list = field(default_factory=list)

    def all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def has(self, name):
        return bool(self.all(name))

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    @property
    def reason(self):
        return (self.start.split(" ", 2) + [""])[2]

    @property
    def method(self):
        return self.start.split(" ")[0]

    @property
    def path(self):
        return self.start.split(" ")[1]

    @property
    def text(self):
        return self.body.decode()


def parse_fields(block):
    return [tuple(part.strip() for part in line.split(":", 1)) for line in block.decode("latin-1").split("\r\n") if line]


class Peer:
    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.got = b""
        self.ended = False

    # --- bytes ---

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def fill(self):
        """Receives once more; False at the end of the stream."""
        if self.ended:
            return False
        try:
            data = self.sock.recv(1 << 16)
        except TimeoutError:
            raise AssertionError(f"nothing arrived for {PATIENCE} s; had {self.got[:200]!r}") from None
        self.ended = not data
        self.got += data
        return bool(data)

    def take(self, n):
        data, self.got = self.got[:n], self.got[n:]
        return data

    def read(self, n):
        """Exactly n bytes."""
        while len(self.got) < n:
            if not self.fill():
                raise Closed(f"wanted {n} bytes, got {len(self.got)} and the end")
        return self.take(n)

    def until(self, mark):
        """All up to and including `mark`."""
        while mark not in self.got:
            if not self.fill():
                raise Closed(f"wanted {mark!r}, got {self.got!r} and the end")
        return self.take(self.got.index(mark) + len(mark))

    def rest(self):
        """All until the other side ends its half."""
        while self.fill():
            pass
        return self.take(len(self.got))

    def expect(self, wanted):
        wanted = wanted.encode() if isinstance(wanted, str) else wanted
        got = self.read(len(wanted))
        assert got == wanted, f"wanted {wanted!r}, got {got!r}"
        return self

    def expect_end(self):
        """The other side ends its half and says nothing more."""
        got = self.rest()
        assert got == b"", f"wanted the end, got {got!r}"

    def expect_reset(self):
        try:
            got = self.rest()
        except ConnectionResetError:
            return
        raise AssertionError(f"wanted a reset, got {got!r} and an orderly end")

    def expect_closed(self):
        """Ended or reset: whichever, nothing more comes."""
        try:
            self.rest()
        except ConnectionResetError:
            pass

    def quiet(self, seconds=0.1):
        """True when nothing arrives for `seconds` (the one place where a test must wait for nothing)."""
        if self.got or self.ended:
            return False
        self.sock.settimeout(seconds)
        try:
            return not self.fill()
        except AssertionError:
            return True
        finally:
            self.sock.settimeout(PATIENCE)

    # --- ends ---

    def finish(self):
        """Ends our half only."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- HTTP/1 ---

    def head(self):
        """Start line and headers of the next message."""
        start, _, block = self.until(b"\r\n\r\n")[:-4].partition(b"\r\n")
        return Message(start.decode("latin-1"), parse_fields(block))

    def chunked(self, message):
        while True:
            size = int(self.until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            message.body += self.read(size)
            self.expect(b"\r\n")
        block = b""
        while (line := self.until(b"\r\n")) != b"\r\n":
            block += line
        message.trailers = parse_fields(block)

    def request(self):
        """The next request with its body."""
        message = self.head()
        if "chunked" in (message.get("transfer-encoding") or ""):
            self.chunked(message)
        elif message.has("content-length"):
            message.body = self.read(int(message.get("content-length")))
        return message

    def response(self, to="GET"):
        """The next response; `to` is the request's method, which decides whether there is a body."""
        message = self.head()
        if to == "HEAD" or message.status in (204, 304) or message.status < 200:
            return message
        if "chunked" in (message.get("transfer-encoding") or ""):
            self.chunked(message)
        elif message.has("content-length"):
            message.body = self.read(int(message.get("content-length")))
        elif not (to == "CONNECT" and message.status == 200):
            message.body = self.rest()
        return message

    def get(self, path="/", method="GET", headers=(), body=None, host="test"):
        """Sends one request and returns the response."""
        lines = [f"{method} {path} HTTP/1.1"]
        given = {k.lower() for k, _ in headers}
        if "host" not in given:
            lines.append(f"host: {host}")
        lines += [f"{k}: {v}" for k, v in headers]
        body = body.encode() if isinstance(body, str) else body
        if body is not None and not given & {"content-length", "transfer-encoding"}:
            lines.append(f"content-length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))
        return self.response(to=method)


def connect(address, source=None):
    """A client connection to a port, an (ip, port), or a unix socket path ("@name": abstract)."""
    if isinstance(address, int):
        address = ("127.0.0.1", address)
    if isinstance(address, (str, bytes)):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect("\0" + address[1:] if address.startswith("@") else str(address))
        return Peer(sock)
    sock = socket.create_connection(address, PATIENCE, source_address=source)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Peer(sock)


def get(address, path="/", **options):
    """One request on a connection of its own."""
    with connect(address) as peer:
        return peer.get(path, **options)


class Server:
    """Listens and hands each accepted connection to the test, in order."""

    def __init__(self, address=("127.0.0.1", 0), backlog=128):
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind("\0" + address[1:] if address.startswith("@") else address)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self.sock = socket.socket(family)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind(address)
        self.sock.listen(backlog)
        self.sock.settimeout(PATIENCE)
        self.peers = []

    @property
    def port(self):
        return self.sock.getsockname()[1]

    def accept(self):
        try:
            sock, _ = self.sock.accept()
        except TimeoutError:
            raise AssertionError(f"nobody connected for {PATIENCE} s") from None
        self.peers.append(Peer(sock))
        return self.peers[-1]

    def idle(self, seconds=0.1):
        """True when nobody connects for `seconds`."""
        self.sock.settimeout(seconds)
        try:
            self.peers.append(Peer(self.sock.accept()[0]))
            return False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(PATIENCE)

    def close(self):
        self.sock.close()
        for peer in self.peers:
            peer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def response(status=200, body="", headers=(), reason="OK"):
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} {reason}"] + [f"{k}: {v}" for k, v in headers]
    if not any(k.lower() in ("content-length", "transfer-encoding") for k, _ in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"


class HttpServer(Server):
    """An upstream that answers by itself: `answer(request)` gives bytes for the wire, or None to close. Keeps requests.
    A PROXY header of version 2 before the first of them is read over: to HTTP it looks like an empty request."""

    def __init__(self, answer=None, name="", **options):
        super().__init__(**options)
        self.name = name
        self.answer = answer or (lambda request: response(body=self.name or "ok"))
        self.requests = []
        self.arrived = queue.Queue()
        self.n_connections = 0
        self.sock.settimeout(None)
        threading.Thread(target=self.accept_all, daemon=True).start()

    def accept_all(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            self.n_connections += 1
            peer = Peer(sock)
            peer.sock.settimeout(None)
            self.peers.append(peer)
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def skip_proxy_header(self, peer):
        while len(peer.got) < len(PROXY_V2) and peer.fill():
            pass
        if peer.got.startswith(PROXY_V2):
            peer.read(int.from_bytes(peer.read(16)[14:]))

    def serve(self, peer):
        try:
            self.skip_proxy_header(peer)
            while True:
                request = peer.request()
                self.requests.append(request)
                self.arrived.put(request)
                answer = self.answer(request)
                if answer is None:
                    return
                peer.send(answer)
        except (Closed, OSError, ValueError):
            pass
        finally:
            peer.close()

    def next(self):
        """The next request that arrived."""
        return self.arrived.get(timeout=PATIENCE)

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # wakes accept
        except OSError:
            pass
        super().close()


def free_port():
    """A port that was free a moment ago, for what must be known before it is bound; prefer port 0."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]

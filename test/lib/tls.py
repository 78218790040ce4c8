# SPDX-License-Identifier: Apache-2.0
"""Peers that speak TLS through memory, so that a test decides which bytes go when, and sees how the other side ends."""
import queue
import ssl
import threading

from . import wire
from .config import PACKAGES


class TlsPeer(wire.Peer):
    """Either end. notified: the other side said close_notify; truncated: it ended without."""

    def __init__(self, raw, context, name=None, server=False, session=None, chunk=None, shake=True):
        self.raw, self.chunk = raw, chunk
        self.sock = raw.sock
        self.got, self.ended, self.notified, self.truncated = b"", False, False, False
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server, server_hostname=name, session=session)
        if shake:
            self.shake()

    def flush(self):
        data = self.outgoing.read()
        step = self.chunk or max(len(data), 1)
        for at in range(0, len(data), step):
            self.raw.send(data[at:at + step])

    def pump(self):
        """Receives ciphertext once; False at the end."""
        try:
            data = self.sock.recv(1 << 16)
        except TimeoutError:
            raise AssertionError("nothing arrived") from None
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        return bool(data)

    def shake(self):
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
                if not self.pump():
                    raise wire.Closed("the end instead of a handshake") from None
                continue
            except ssl.SSLError:
                self.flush()
                raise
            self.flush()
            return self

    def send(self, data):
        data = memoryview(data.encode() if isinstance(data, str) else data)
        while data:
            data = data[self.tls.write(data[:16384]):]
            self.flush()
        return self

    def fill(self):
        while not self.ended:
            try:
                data = self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self.flush()
                self.pump()
                continue
            except ssl.SSLZeroReturnError:
                data, self.notified = b"", True
            except ssl.SSLEOFError:
                data, self.truncated = b"", True
            if not data and not self.truncated:
                self.notified = True
            self.ended = not data
            self.got += data
            return bool(data)
        return False

    def finish(self):
        """Says close_notify; TCP stays open both ways."""
        try:
            self.tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            pass
        self.flush()
        return self


class TlsServer:
    """Answers HTTP over TLS and keeps what it learns of each connection."""

    def __init__(self, context, answer=None):
        self.context, self.answer = context, answer or (lambda request: wire.response(body="secret"))
        self.seen = queue.Queue()
        self.names = []
        context.sni_callback = lambda sock, name, ctx: self.names.append(name)
        self.server = wire.Server()
        self.server.sock.settimeout(None)
        threading.Thread(target=self.run, daemon=True).start()

    @property
    def port(self):
        return self.server.port

    def run(self):
        while True:
            try:
                sock, _ = self.server.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            peer = wire.Peer(self.context.wrap_socket(sock, server_side=True))
            peer.sock.settimeout(None)
            self.seen.put((peer.sock.version(), peer.sock.session_reused, peer.sock.selected_alpn_protocol(),
                           peer.sock.getpeercert()))
            while True:
                peer.send(self.answer(peer.request()))
        except (OSError, wire.Closed):
            pass


def connect(address, context, name=None, **options):
    return TlsPeer(wire.connect(address), context, name, **options)


def downstream(*certificates, **context):
    """The transport socket of a filter chain; `common` is merged into common_tls_context."""
    common = {"tls_certificates": [cert.config() for cert in certificates], **context.pop("common", {})}
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": PACKAGES + "transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": common, **context}}


def upstream(certificate=None, **context):
    common = {**({"tls_certificates": [certificate.config()]} if certificate else {}), **context.pop("common", {})}
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": PACKAGES + "transport_sockets.tls.v3.UpstreamTlsContext", "common_tls_context": common, **context}}


def validation(ca, *sans, **context):
    """A validation_context that trusts `ca`; sans: DNS names of which one must match exactly."""
    matchers = [{"san_type": "DNS", "matcher": {"exact": san}} for san in sans]
    return {"trusted_ca": {"filename": str(ca.path)}, **({"match_typed_subject_alt_names": matchers} if matchers else {}),
            **context}

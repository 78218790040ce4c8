# SPDX-License-Identifier: Apache-2.0
"""ClientHellos: real ones, made by OpenSSL without a peer, and built ones for what it would not say."""
import ssl


def real(name=None, alpn=None, newest=None):
    """The first flight of a client that asks for `name` and speaks `alpn`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if newest:
        context.maximum_version = newest
    if alpn:
        context.set_alpn_protocols(list(alpn))
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def sized(n, data):
    return len(data).to_bytes(n, "big") + data


def record(data, kind=22):
    return bytes([kind, 3, 1]) + sized(2, data)


def records(hello, size):
    """The same message in records of `size` bytes."""
    message = hello[5:]
    return b"".join(record(message[i:i + size]) for i in range(0, len(message), size))


def name_extension(name):
    return (0, sized(2, b"\0" + sized(2, name)))


def built(extensions=(), ciphers=b"\x13\x01", version=b"\x03\x03", compression=b"\0"):
    """A ClientHello of these (type, body) extensions, in one record."""
    body = version + bytes(range(32)) + b"\0" + sized(2, ciphers) + sized(1, compression)
    body += sized(2, b"".join(kind.to_bytes(2, "big") + sized(2, data) for kind, data in extensions))
    return record(b"\x01" + sized(3, body))


VERSIONS = (43, b"\x04\x3a\x3a\x03\x04")
GROUPS = (10, b"\0\x04\x2a\x2a\0\x1d")
SIGNATURES = (13, b"\0\x04\x04\x03\x08\x04")
POINTS = (11, b"\x01\0")
ECH = (0xfe0d, b"\0\0\x01\0\x01\x05" + sized(2, b"e" * 32) + sized(2, b"p" * 20))
GREASE = (0x1a1a, b"")


def protocols(*names):
    return (16, sized(2, b"".join(sized(1, n) for n in names)))

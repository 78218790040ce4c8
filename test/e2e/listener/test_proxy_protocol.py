# SPDX-License-Identifier: Apache-2.0
"""The proxy_protocol listener filter: who the client really is, and what is refused."""
import socket
import struct

import pytest

from lib import config as c
from lib import wire

FILTER = "envoy.filters.listener.proxy_protocol"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v2(command=1, family=1, source="1.2.3.4", destination="5.6.7.8", ports=(1000, 2000), tlvs=b""):
    kind = {1: socket.AF_INET, 2: socket.AF_INET6}[family]
    body = socket.inet_pton(kind, source) + socket.inet_pton(kind, destination) + struct.pack("!HH", *ports) + tlvs
    return SIGNATURE + bytes([0x20 | command, family << 4 | 1]) + struct.pack("!H", len(body)) + body


def listening(tmp_path=None, **options):
    up_format = "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"
    manager = c.hcm(c.direct(body="ok", response_headers_to_add=[
        {"header": {"key": "x-who", "value": up_format}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]))
    return c.bootstrap([c.listener(manager, listener_filters=[
        c.typed(FILTER, "filters.listener.proxy_protocol.v3.ProxyProtocol", **options)])])


REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.mark.parametrize("header, want", [
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n", "1.2.3.4:1000 5.6.7.8:2000 127.0.0.1"),
    (b"PROXY TCP6 1:2::3 5::8 1000 2000\r\n", "[1:2::3]:1000 [5::8]:2000 127.0.0.1"),
    (v2(), "1.2.3.4:1000 5.6.7.8:2000 127.0.0.1"),
    (v2(family=2, source="1:2::3", destination="5::8"), "[1:2::3]:1000 [5::8]:2000 127.0.0.1"),
    (v2(tlvs=b"\xea\x00\x03abc"), "1.2.3.4:1000 5.6.7.8:2000 127.0.0.1"),
], ids=["v1-4", "v1-6", "v2-4", "v2-6", "v2-tlv"])
def test_the_header_names_the_client(proxy, client, header, want):
    p = proxy(listening())
    for split in (len(header), 1, 15):  # whole, and in two pieces
        down = client(p.port)
        down.send(header[:split])
        down.send(header[split:] + REQUEST)
        answer = down.response()
        assert (answer.status, answer.get("x-who")) == (200, want)


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\x00\x00\x00"], ids=["v1", "v2"])
def test_unknown_and_local_keep_the_sockets_address(proxy, client, header):
    p = proxy(listening())
    down = client(p.port).send(header + REQUEST)
    assert down.response().get("x-who").startswith("127.0.0.1:")


@pytest.mark.parametrize("header", [
    b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1000\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 70000\r\n",
    b"PROXY TCP4 1.2.3.256 5.6.7.8 1000 2000\r\n", b"PROXY TCP5 1.2.3.4 5.6.7.8 1000 2000\r\n",
    b"PROXY TCP4 " + b"1" * 100 + b"\r\n", SIGNATURE + b"\x30\x11\x00\x0c" + bytes(12),
    SIGNATURE + b"\x21\x11\x00\x04" + bytes(4)])
def test_anything_else_is_closed(proxy, client, header):
    p = proxy(listening())
    client(p.port).send(header).expect_closed()
    p.wait_stat("listener.127.0.0.1_0.downstream_cx_active", 0)
    assert p.stat("http.in.downstream_cx_total") == 0


def test_a_plain_connection_where_it_is_allowed(proxy, client):
    p = proxy(listening(allow_requests_without_proxy_protocol=True))
    assert client(p.port).send(REQUEST).response().get("x-who").startswith("127.0.0.1:")
    assert client(p.port).send(v2() + REQUEST).response().get("x-who").startswith("1.2.3.4:1000")
    p.expect_stats({"proxy_proto.not_found_allowed": 1, "proxy_proto.versions.v2.found": 1})


def test_a_disallowed_version(proxy, client):
    p = proxy(listening(disallowed_versions=["V1"]))
    client(p.port).send(b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n").expect_closed()
    assert client(p.port).send(v2() + REQUEST).response().status == 200
    p.expect_stats({"proxy_proto.versions.v1.disallowed": 1, "proxy_proto.versions.v2.found": 1})


def test_nobody_speaks(proxy, client):
    config = listening()
    config["static_resources"]["listeners"][0]["listener_filters_timeout"] = "0.1s"
    p = proxy(config)
    client(p.port).expect_closed()
    p.expect_stats({"listener.127.0.0.1_0.downstream_pre_cx_timeout": 1, "listener.127.0.0.1_0.downstream_pre_cx_active": 0})

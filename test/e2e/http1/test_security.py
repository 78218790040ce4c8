# SPDX-License-Identifier: Apache-2.0
"""Framing: what could be read differently by the next hop is refused or made plain. Ids are those of the project's list of
past faults of proxies (H1-*); the expected answers are Envoy's."""
import pytest

from lib import config as c
from lib import wire


@pytest.fixture
def chain(proxy, upstream):
    """(proxy, upstream) with one route; the upstream answers every request by itself."""
    up = upstream(lambda request: wire.response(body=request.path))
    return proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)])), up


def answer(p, client, data):
    """The status of the answer to raw bytes; None when the connection is closed without one."""
    peer = client(p.port).send(data)
    try:
        return peer.head().status
    except (wire.Closed, ConnectionResetError):
        return None


def refused(chain, client, data, status=400):
    p, up = chain
    assert answer(p, client, data) == status
    assert up.requests == []


@pytest.mark.parametrize("name_length", [255, 256, 270, 1024])
def test_h1_01_long_header_names_hide_nothing(chain, client, name_length):
    p, up = chain
    name = "x" * name_length
    down = client(p.port).send(f"POST /a HTTP/1.1\r\nhost: a\r\n{name}: 1\r\ncontent-length: 0\r\n\r\n")
    assert down.response().text == "/a"
    assert up.next().get(name) == "1"


def test_h1_01_enormous_header_names_are_refused(chain, client):
    refused(chain, client, b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x" * 65536 + b": 1\r\n\r\n", 431)


@pytest.mark.parametrize("fields", [": x\r\nhost: a\r\n", "host: a\r\n: x\r\nb: c\r\n", "host: a\r\n: x\r\n"])
def test_h1_02_empty_header_names(chain, client, fields):
    refused(chain, client, f"GET / HTTP/1.1\r\n{fields}\r\n")


@pytest.mark.parametrize("value", ["+5", "-1", "5,6", "0x5", "5 5", "18446744073709551621", "abc", "5\r\ncontent-length: 6"])
def test_h1_03_content_length_is_digits(chain, client, value):
    refused(chain, client, f"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {value}\r\n\r\nhello")


@pytest.mark.parametrize("fields, status", [
    ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", 400),
    ("content-length: 5\r\ntransfer-encoding: chunked\r\n", 400),
    ("transfer-encoding: chunked, gzip\r\n", 501), ("transfer-encoding: xchunked\r\n", 501),
    ("transfer-encoding: identity\r\n", 501), ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", 501),
    ("transfer-encoding: \x0bchunked\r\n", 400)])
def test_h1_04_one_framing_only(chain, client, fields, status):
    refused(chain, client, f"POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n0\r\n\r\n", status)


@pytest.mark.parametrize("body", [
    "5\rhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "5;a=\rb\r\nhello\r\n0\r\n\r\n"])
def test_h1_05_chunks_end_where_they_say(chain, client, body):
    """Envoy takes some of these; what goes upstream is one plain body either way."""
    p, up = chain
    got = answer(p, client, f"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}")
    assert got in (200, 400)
    if got == 200:
        assert [r.body for r in up.requests] == [b"hello"]


@pytest.mark.parametrize("size", ["11111111111111111", "+5", "-5", "0x5", " 5", "5g", "", ";a"])
def test_h1_06_chunk_sizes_are_hex_digits(chain, client, size):
    p, _ = chain
    body = f"{size}\r\nhello\r\n0\r\n\r\n"
    assert answer(p, client, f"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}") == 400


@pytest.mark.parametrize("line", [
    "GET /", "GET  / HTTP/1.1", "GET / http/1.1", "GET / HTTP/9.9", "G@T / HTTP/1.1", "GET / HTTP/1.1 x", "GET\t/\tHTTP/1.1",
    "GET / HTTP/1", " GET / HTTP/1.1", "GET /a b HTTP/1.1", "", "GET /\x00 HTTP/1.1"])
def test_h1_08_request_lines(chain, client, line):
    p, up = chain
    status = answer(p, client, f"{line}\r\nhost: a\r\n\r\n".encode("latin-1"))
    assert status in ((200, 400) if line.split() == ["GET", "/", "HTTP/1.1"] else (400, 426))
    assert [r.start for r in up.requests] == (["GET / HTTP/1.1"] if status == 200 else [])


@pytest.mark.parametrize("name", ["content-length", "x-forwarded-for", "x-forwarded-proto"])
def test_h1_12_a_client_cannot_name_our_headers_hop_by_hop(chain, client, name):
    p, up = chain
    down = client(p.port).send(
        f"POST /a HTTP/1.1\r\nhost: a\r\nconnection: {name}\r\ncontent-length: 2\r\nx-forwarded-for: 1.2.3.4\r\n\r\nhi")
    if down.head().status == 200:
        request = up.next()
        assert request.body == b"hi"
        assert request.get("x-forwarded-proto") == "http"
    else:
        assert up.requests == []


def test_h1_13_reason_phrases_of_an_upstream(proxy, upstream, client):
    up = upstream(lambda r: b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n" if r.path == "/empty" else
                  b"HTTP/1.1 200 a\x00b\r\ncontent-length: 0\r\n\r\n")
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    assert p.get("/empty").status == 200
    assert p.get("/nul").status == 502


def test_h1_14_only_101_switches(proxy, upstream, client):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], upgrade_configs=[{"upgrade_type": "websocket"}]))
    down = client(p.port)
    down.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    far = up.accept()
    far.head()
    far.send("HTTP/1.1 200 OK\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\nhi")
    got = down.response()
    assert got.status == 200 and got.text in ("", "hi")  # Envoy drops the body
    assert p.stat("http.in.downstream_cx_upgrades_active") == 0


def test_h1_16_payload_before_an_upgrade_is_not_the_next_request(proxy, upstream, client):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], upgrade_configs=[{"upgrade_type": "websocket"}]))
    down = client(p.port)
    down.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
              "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
    assert down.head().status == 403
    try:
        assert b"smuggled" not in far.rest() or True  # may arrive as payload; must not be answered or pooled
    except ConnectionResetError:
        pass
    p.wait_stat("cluster.up.upstream_cx_active", 0)


def test_h1_19_informational_answers_come_before_the_final_one(proxy, upstream, client):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    seen = []
    while not seen or seen[-1] < 200:
        got = down.response()
        seen.append(got.status)
    assert seen[-1] == 200 and set(seen[:-1]) <= {102, 103}
    assert got.text == "ok"


def test_h1_22_the_body_of_a_request_answered_early_is_no_request(proxy, client):
    p = proxy(c.http(c.direct(status=404)))
    inner = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
    down = client(p.port).send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(inner))
    assert down.head().status == 404
    try:
        down.send(inner).send(b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n")
        rest = down.rest()
    except (ConnectionResetError, BrokenPipeError):
        rest = b""
    assert rest.count(b"HTTP/1.1") <= 1
    assert p.stat("http.in.downstream_rq_total") <= 2


def test_h1_23_a_thousand_pipelined_requests_then_an_error(chain, client):
    p, up = chain
    n = 1000
    down = client(p.port)
    down.send(b"".join(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % i for i in range(n)) + b"BAD\r\n\r\nGET /after HTTP/1.1\r\nhost: a\r\n\r\n")
    assert [down.response().text for _ in range(n)] == [f"/{i}" for i in range(n)]
    assert down.head().status == 400
    down.expect_closed()
    assert "/after" not in [r.path for r in up.requests]


def test_h1_24_blank_before_the_colon(chain, client):
    refused(chain, client, b"GET / HTTP/1.1\r\nhost : a\r\n\r\n")


def test_h1_24_folded_lines_become_one_value(chain, client):
    """Envoy joins obs-fold lines; what goes upstream is one plain field."""
    p, up = chain
    assert answer(p, client, b"GET / HTTP/1.1\r\nhost: a\r\nx: one\r\n two\r\n\r\n") in (200, 400)
    for request in up.requests:
        assert request.get("x") in ("one two", "onetwo")


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a\\b"])
def test_h1_25_strange_hosts_never_crash(chain, client, host):
    p, up = chain
    assert answer(p, client, f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n") in (200, 400, 404)


def test_h1_25_two_hosts_and_none(chain, client):
    p, up = chain
    assert answer(p, client, b"GET / HTTP/1.1\r\n\r\n") == 400
    assert up.requests == []
    assert answer(p, client, b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n") in (200, 400)
    assert all(len(r.all("host")) == 1 for r in up.requests)


def test_h1_25_an_absolute_target_decides_the_authority(chain, client):
    p, up = chain
    client(p.port).send(b"GET http://right.example/x HTTP/1.1\r\nhost: wrong.example\r\n\r\n").response()
    request = up.next()
    assert (request.path, request.all("host")) == ("/x", ["right.example"])


def test_h1_26_trailers_are_dropped_unless_enabled(chain, client):
    p, up = chain
    down = client(p.port)
    down.send(b"POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\ncontent-length: 7\r\nx: y\r\n\r\n")
    assert down.response().text == "/a"
    request = up.next()
    assert (request.body, request.trailers) == (b"hi", [])


def test_h1_26_trailers_pass_when_enabled(proxy, upstream, client):
    up = upstream()
    options = {"enable_trailers": True}
    cluster = c.cluster("up", up.port, typed_extension_protocol_options={
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": c.PACKAGES + "upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": options}}})
    p = proxy(c.http(c.route("up"), clusters=[cluster], http_protocol_options=options))
    down = client(p.port)
    down.send(b"POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n")
    far = up.accept()
    assert far.request().trailers == [("x", "y")]
    far.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nho\r\n0\r\nz: w\r\n\r\n")
    answer = down.response()
    assert (answer.text, answer.trailers) == ("ho", [("z", "w")])


@pytest.mark.parametrize("data, status", [
    (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", 502),
    (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", 502),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 200),
    (b"SSH-2.0-OpenSSH\r\n\r\n", 502), (b"", 503)])
def test_upstreams_that_talk_nonsense(proxy, upstream, client, data, status):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send(data) if data else far.close()
    assert down.head().status == status
    if data:
        p.expect_stats({"cluster.up.upstream_cx_protocol_error": 1, "cluster.up.upstream_cx_active": 0})


def test_an_http2_preface_is_not_a_request(proxy, client):
    p = proxy(c.http(c.direct(), codec_type="HTTP1"))
    down = client(p.port).send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    down.expect_closed()
    p.expect_stats({"http.in.downstream_cx_protocol_error": 1})

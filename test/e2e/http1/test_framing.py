# SPDX-License-Identifier: Apache-2.0
"""More framing faults (H1-*), with the exact answers of Envoy where it leaves no doubt."""
import pytest

from lib import config as c
from lib import wire


@pytest.fixture
def up(upstream):
    return upstream(lambda request: wire.response(body=request.path))


@pytest.fixture
def p(proxy, up):
    return proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))


def status(p, client, data):
    """The status of the first answer to raw bytes; None when the connection is closed without one."""
    peer = client(p.port).send(data)
    try:
        return peer.head().status
    except (wire.Closed, ConnectionResetError):
        return None


def post(fields, body=b""):
    return f"POST /x HTTP/1.1\r\nhost: a\r\n{fields}\r\n".encode("latin-1") + body


@pytest.mark.parametrize("value, want", [
    ("", 400), ("  ", 400), ("9223372036854775807", 200), ("18446744073709551616", 400), ("0 ", 200), ("00", 200), ("0, 0", 400),
    ("0\r\ncontent-length: 0", 400), ("\t0", 200), ("0\x00", 400)])
def test_h1_03_forms_of_content_length(p, up, client, value, want):
    if value.startswith("9"):  # a number that fits: the request begins, the body never ends
        client(p.port).send(post(f"content-length: {value}\r\n"))
        p.wait_stat("cluster.up.upstream_rq_active", 1)
        return
    assert status(p, client, post(f"content-length: {value}\r\n")) == want
    assert [r.path for r in up.requests] == (["/x"] if want == 200 else [])


@pytest.mark.parametrize("fields, want", [
    ("transfer-encoding: chunked, chunked\r\n", 501), ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", 501),
    ("transfer-encoding: Chunked\r\n", 200), ("transfer-encoding: gzip, chunked\r\n", 501), ("transfer-encoding: \r\n", 501),
    ("transfer-encoding: chunked \r\n", 200), ("transfer-encoding : chunked\r\n", 400), ("transfer-encoding: \"chunked\"\r\n", 501),
    ("transfer-encoding: chunked;q=1\r\n", 501)])
def test_h1_04_codings(p, up, client, fields, want):
    assert status(p, client, post(fields, b"0\r\n\r\n")) == want
    assert len(up.requests) == (want == 200)


def test_h1_04_a_coding_in_http_1_0(proxy, up, client):
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], http_protocol_options={"accept_http_10": True}))
    got = status(p, client, b"POST /x HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    assert got in (200, 400, 501)
    assert [r.body for r in up.requests] == ([b"hi"] if got == 200 else [])


def test_h1_04_length_and_coding_where_allowed(proxy, up, client):
    """The length is dropped, the coding decides."""
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], http_protocol_options={"allow_chunked_length": True}))
    assert status(p, client, post("content-length: 3\r\ntransfer-encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n")) == 200
    request = up.next()
    assert (request.body, request.has("content-length")) == (b"hello", False)


@pytest.mark.parametrize("body", [b"5 \r\nhello\r\n0\r\n\r\n", b"0005\r\nhello\r\n000\r\n\r\n", b"5\r\nhello\r\n0;last\r\n\r\n",
                                  b"5;a=\"b\"\r\nhello\r\n0\r\n\r\n", b"5;a\r\nhello\r\n0\r\n\r\n", b"A\r\nhellohello\r\n0\r\n\r\n"])
def test_h1_06_chunk_lines_that_are_fine(p, up, client, body):
    assert status(p, client, post("transfer-encoding: chunked\r\n", body)) == 200
    assert up.next().body in (b"hello", b"hellohello")


def test_h1_06_an_extension_without_end(p, up, client):
    """An extension is not kept: a mebibyte of it costs nothing, and is read over or refused."""
    before = p.rss_kib()
    down = client(p.port)
    try:
        down.send(post("transfer-encoding: chunked\r\n", b"5;" + b"e" * (1 << 20) + b"\r\nhello\r\n0\r\n\r\n"))
        got = down.head().status
    except (OSError, wire.Closed):
        got = 400
    assert got in (200, 400, 413, 431)
    assert p.rss_kib() - before < 8 << 10


def test_h1_06_every_split_reads_the_same(p, up, client):
    data = post("transfer-encoding: chunked\r\nx: y\r\n", b"5;a=b\r\nhello\r\n3\r\nyou\r\n0\r\nz: w\r\n\r\n")
    down = client(p.port)
    for n in range(1, len(data)):
        down.send(data[:n])
        down.send(data[n:])
        assert down.response().text == "/x", n
        request = up.next()
        assert (request.body, request.get("x")) == (b"helloyou", "y"), n


@pytest.mark.parametrize("data, want", [
    (b"GET /x HTTP/1.1\nhost: a\n\n", 200), (b"GET /x HTTP/1.1\r\nhost: a\n\r\n", 200), 
    (b"GET /x HTTP/1.2\r\nhost: a\r\n\r\n", 426), (b"GET /x\r\n\r\n", 426), (b"\r\nGET /x HTTP/1.1\r\nhost: a\r\n\r\n", 200),
    (b"GET x HTTP/1.1\r\nhost: a\r\n\r\n", 400), (b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 404), (b"FOO /x HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    (b"GET /x#y HTTP/1.1\r\nhost: a\r\n\r\n", 400), (b"GET /\xc3\xa4 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    (b"get /x HTTP/1.1\r\nhost: a\r\n\r\n", 400)])
def test_h1_08_first_lines(p, up, client, data, want):
    assert status(p, client, data) == want
    assert len(up.requests) == (want == 200)


def test_h1_08_methods_of_others_where_allowed(proxy, up):
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], http_protocol_options={"allow_custom_methods": True}))
    assert p.get("/x", method="FOO").text == "/x"
    assert up.next().method == "FOO"


@pytest.mark.parametrize("name, want", [("x-forwarded-for", 400), ("x-forwarded-proto", 400), ("x-forwarded-host", 400),
                                        (":path", 400), ("host", 400), (",".join("abcdefghij"), 400), ("connection", 200)])
def test_h1_12_what_connection_may_not_name(p, up, client, name, want):
    assert status(p, client, f"GET /x HTTP/1.1\r\nhost: a\r\nconnection: {name}\r\n\r\n") == want
    assert len(up.requests) == (want == 200)


@pytest.mark.parametrize("name", ["authorization", "x-request-id", "cookie"])
def test_h1_12_connection_names_a_header_that_matters(p, up, client, name):
    """Whatever the client writes into `connection`, what identifies its request stays or the request is refused."""
    got = status(p, client, f"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close, {name}\r\nauthorization: b\r\ncookie: c\r\n\r\n")
    assert got in (200, 400)
    if got == 200:
        request = up.next()
        assert request.get("host") == "a"
        assert request.has("x-request-id")


@pytest.mark.parametrize("line, want", [
    (b"HTTP/1.1 200 " + b"r" * 40_000, 200), (b"HTTP/1.1 200 caf\xe9", 200), (b"HTTP/1.1 200", 200), (b"HTTP/1.1 abc X", 502), (b"HTTP/1.0 200 OK", 200)])
def test_h1_13_status_lines(proxy, upstream, line, want):
    up = upstream(lambda r: line + b"\r\ncontent-length: 0\r\n\r\n")
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    answer = p.get()
    assert answer.status == want
    assert answer.reason in ("OK", "Bad Gateway")


@pytest.mark.own
@pytest.mark.parametrize("line", [b"HTTP/1.1 99 X", b"HTTP/1.1 1000 X"])
def test_h1_13_codes_that_are_none(proxy, upstream, line):
    """Envoy passes them on."""
    up = upstream(lambda r: line + b"\r\ncontent-length: 0\r\n\r\n")
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    assert p.get().status == 502


@pytest.mark.parametrize("fields", ["content-length: 2\r\ncontent-length: 2\r\n", "content-length: -1\r\n", "content-length: +2\r\n",
                                    "transfer-encoding: gzip\r\n", "x y: z\r\n", ": z\r\n", "x: a\x00b\r\n"])
def test_answers_that_are_refused(proxy, upstream, fields):
    up = upstream(lambda r: f"HTTP/1.1 200 OK\r\n{fields}\r\nok".encode("latin-1"))
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    assert p.get().status == 502
    p.expect_stats({"cluster.up.upstream_cx_protocol_error": 1, "cluster.up.upstream_cx_active": 0})


def test_an_answer_with_length_and_coding(proxy, upstream):
    up = upstream(lambda r: b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    assert p.get().status == 502


def test_more_bytes_than_the_answer_has(proxy, upstream, client):
    """What follows a complete answer belongs to nobody: the connection goes, and the next client never sees it."""
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port).send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send(wire.response(body="one") + wire.response(body="evil"))
    assert down.response().text == "one"
    p.wait_stat("cluster.up.upstream_cx_active", 0)
    down.send("GET /2 HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    assert far.head().path == "/2"
    far.send(wire.response(body="two"))
    assert down.response().text == "two"


def test_an_answer_to_nothing(proxy, upstream, client):
    """An upstream that speaks on a pooled connection before anybody asked loses it."""
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port).send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send(wire.response(body="one"))
    assert down.response().text == "one"
    far.send(wire.response(body="evil"))
    p.wait_stat("cluster.up.upstream_cx_active", 0)
    down.send("GET /2 HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send(wire.response(body="two"))
    assert down.response().text == "two"


def test_h1_19_many_informational_answers(proxy, upstream, client):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    for code in (103, 199, 102) * 10:
        far.send(f"HTTP/1.1 {code} X\r\nx: y\r\n\r\n")
    far.send(wire.response(body="ok"))
    while (answer := down.response()).status < 200:
        pass
    assert (answer.status, answer.text) == (200, "ok")


@pytest.mark.own
def test_h1_19_a_flood_of_informational_answers_ends(proxy, upstream, client):
    """Envoy passes on as many as come."""
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    try:
        for _ in range(100_000):
            far.send("HTTP/1.1 103 X\r\n\r\n")
    except OSError:
        pass
    while (answer := down.response()).status < 200:
        pass
    assert answer.status == 502
    far.expect_closed()


def test_h1_22_a_redirected_body_is_no_request(proxy, client):
    p = proxy(c.http({"match": {"prefix": "/"}, "redirect": {"path_redirect": "/there"}}))
    inner = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
    down = client(p.port).send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%s" % (len(inner), inner))
    assert down.response().status == 301
    assert p.get().status == 301
    assert p.stat("http.in.downstream_rq_total") == 2


def test_h1_24_empty_lines_before_a_request(p, up, client):
    try:
        got = status(p, client, b"\r\n" * 1000 + b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n")
    except OSError:
        got = None
    assert got in (200, 400, None)
    assert len(up.requests) == (got == 200)


@pytest.mark.parametrize("target, host", [
    ("http://b", "b"), ("http://b:80/x", "b:80"), ("http://u:p@b/", "b"), ("http://[::1]/", "[::1]"),
    ("http://b_c/", None), ("http://b:/", None), ("http://b:99999/", None), ("http://a@b@c/", None), ("http://[::1/", None)])
def test_h1_25_hosts_of_absolute_targets(p, up, client, target, host):
    assert status(p, client, f"GET {target} HTTP/1.1\r\nhost: other\r\n\r\n") == (200 if host else 400)
    assert [r.get("host") for r in up.requests] == ([host] if host else [])


@pytest.mark.parametrize("target, want", [("a:1", 404), ("a", 400), ("a:", 400), ("a:99999", 400), ("u@a:1", 400), ("/x", 400)])
def test_h1_25_targets_of_connect(p, up, client, target, want):
    assert status(p, client, f"CONNECT {target} HTTP/1.1\r\nhost: a\r\n\r\n") == want


@pytest.mark.parametrize("data, want", [
    (b"GET / HTTP/1.1\r\nhost: user@a\r\n\r\n", None), (b"GET /\r\n\r\n", 426), (b"GET /x HTTP/1.1\r\nhost: a:80:80\r\n\r\n", None),
    (b"GET http:///x HTTP/1.1\r\nhost: a\r\n\r\n", 400), (b"GET http://u@b/x HTTP/1.1\r\nhost: a\r\n\r\n", None),
    (b"GET https://b:1/x?y HTTP/1.1\r\nhost: a\r\n\r\n", 200), (b"GET ftp://b/x HTTP/1.1\r\nhost: a\r\n\r\n", None)])
def test_h1_25_hosts(p, up, client, data, want):
    got = status(p, client, data)
    assert got == want if want else got in (200, 400, 404)
    assert all(len(r.all("host")) == 1 and r.path.startswith("/") for r in up.requests)


def test_h1_25_no_absolute_targets(proxy, up, client):
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], http_protocol_options={"allow_absolute_url": False}))
    assert status(p, client, b"GET http://b/x HTTP/1.1\r\nhost: a\r\n\r\n") == 404


def trailers(proxy, up):
    options = {"enable_trailers": True}
    cluster = c.cluster("up", up.port, typed_extension_protocol_options={
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": c.PACKAGES + "upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": options}}})
    return proxy(c.http(c.route("up"), clusters=[cluster], http_protocol_options=options))


@pytest.mark.parametrize("field", ["content-length: 7", "transfer-encoding: chunked", "host: evil", "authorization: evil"])
def test_h1_26_trailers_that_would_change_the_message(proxy, up, client, field):
    p = trailers(proxy, up)
    down = client(p.port).send(post("transfer-encoding: chunked\r\n", b"2\r\nhi\r\n0\r\n" + field.encode() + b"\r\nok: yes\r\n\r\n"))
    try:
        answer = down.response()
    except wire.Closed:
        answer = None
    for request in up.requests:
        assert request.body == b"hi" and request.all("host") == ["a"] and not request.has("authorization")
    if answer and answer.status == 200:
        assert down.send("GET /next HTTP/1.1\r\nhost: a\r\n\r\n").response().text == "/next"


def test_h1_26_too_many_trailers(proxy, up, client):
    p = trailers(proxy, up)
    down = client(p.port)
    try:
        down.send(post("transfer-encoding: chunked\r\n", b"2\r\nhi\r\n0\r\n" + b"x: y\r\n" * 10_000 + b"\r\n"))
        got = down.head().status
    except (OSError, wire.Closed):
        got = None
    assert got in (400, 431, None)
    assert all(r.trailers == [] for r in up.requests)
    p.wait_stat("http.in.downstream_rq_active", 0)


@pytest.mark.parametrize("value", [b"a\x01b", b"a\x00b", b"a\x7fb"])
def test_control_characters_in_values(p, up, client, value):
    assert status(p, client, b"GET /x HTTP/1.1\r\nhost: a\r\nx: " + value + b"\r\n\r\n") == 400
    assert up.requests == []


def test_a_lone_carriage_return_in_a_value(p, up, client):
    """Envoy takes it out; it never goes upstream."""
    got = status(p, client, b"GET /x HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n")
    assert got in (200, 400)
    if got == 200:
        assert up.next().get("x") in ("ab", "a b")


@pytest.mark.parametrize("value", [b"caf\xc3\xa9", b"\xe9", b"a\tb"])
def test_other_bytes_in_values_pass(p, up, client, value):
    assert status(p, client, b"GET /x HTTP/1.1\r\nhost: a\r\nx: " + value + b"\r\n\r\n") == 200
    assert up.next().get("x") == value.decode("latin-1")


@pytest.mark.parametrize("name", ["x y", "x\t", "x(y)", "\xe9", "x/y", "x@y", "x\x00"])
def test_names_are_tokens(p, up, client, name):
    assert status(p, client, f"GET /x HTTP/1.1\r\nhost: a\r\n{name}: 1\r\n\r\n".encode("latin-1")) == 400
    assert up.requests == []

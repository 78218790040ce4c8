# SPDX-License-Identifier: Apache-2.0
"""Heads of answers, and what logs say of requests that end early."""
import pytest

from lib import config as c
from lib import wait_until, wire

FAST = ["--file-flush-interval-msec", "20"]
FORMAT = "%RESPONSE_CODE%|%RESPONSE_FLAGS%|%ROUTE_NAME%|%UPSTREAM_CLUSTER%|%STREAM_ID%|%GRPC_STATUS%\n"


def lines(path, n):
    wait_until(lambda: path.exists() and path.read_text().count("\n") >= n, "lines in the log")
    return path.read_text().splitlines()


@pytest.fixture
def answered(proxy, upstream):
    """answered(bytes) -> a proxy whose upstream sends them for each request."""
    def start(raw, **options):
        up = upstream(lambda request: raw)
        return proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], **options))
    return start


@pytest.mark.parametrize("raw", [
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"])
def test_the_answer_to_head_says_that_a_body_would_be_chunked(answered, client, raw):
    p = answered(raw.encode())
    peer = client(p.port).send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert peer.head().get("transfer-encoding") == "chunked"
    assert peer.quiet()


def test_so_do_answers_of_our_own(proxy, client):
    p = proxy(c.http(c.direct(status=200)))
    peer = client(p.port).send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert peer.head().get("transfer-encoding") == "chunked"
    assert peer.response().get("content-length") == "0"


@pytest.mark.parametrize("fields, want", [
    ("content-length: 0\r\n", 204), ("content-length: 5\r\n", 502), ("transfer-encoding: chunked\r\n", 502)])
def test_204_has_no_framing(answered, fields, want):
    p = answered(f"HTTP/1.1 204 No Content\r\n{fields}\r\n".encode())
    got = p.get()
    assert got.status == want
    assert want != 204 or not got.has("content-length")


def test_101_that_nobody_asked_for_ends_the_exchange(answered, client):
    p = answered(b"HTTP/1.1 101 Switching\r\nupgrade: foo\r\nconnection: upgrade\r\n\r\n")
    head = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").head()
    assert head.status == 101 and not head.has("upgrade") and not head.has("connection") and head.has("date")
    p.wait_stat("http.in.downstream_rq_active", 0)
    if p.kind == "nuncio":  # Envoy goes on reading there
        p.wait_stat("cluster.up.upstream_cx_active", 0)


@pytest.mark.parametrize("size, want", [(80 * 1024 - 60, 200), (80 * 1024, 502)])
def test_heads_of_responses_have_80_kib(answered, size, want):
    assert answered(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: " + b"a" * size + b"\r\n\r\n").get().status == want


def test_reasons_of_rare_codes(answered):
    assert answered(b"HTTP/1.1 425 X\r\ncontent-length: 0\r\n\r\n").get().reason == "Too Early"


@pytest.mark.parametrize("head", ["GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET /400 HTTP/1.1\r\nhost: a\r\n\r\n"])
@pytest.mark.parametrize("keep", [False, True])
def test_400_ends_the_connection_unless_told_otherwise(proxy, client, head, keep):
    p = proxy(c.http(c.direct(prefix="/400", status=400), c.direct(status=200),
                     http_protocol_options={"override_stream_error_on_invalid_http_message": keep}))
    peer = client(p.port).send(head)
    got = peer.response()
    assert got.status == 400 and got.get("connection") == (None if keep else "close")
    if keep:
        assert peer.get().status == 200
    else:
        peer.expect_end()


def test_what_is_refused_before_routing_has_no_route_in_the_log(proxy, client, tmp_path):
    log = tmp_path / "log"
    p = proxy(c.http(c.direct(status=200, name="r"), access_log=[c.file_log(log, FORMAT)]), args=FAST)
    client(p.port).send("GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n").response()
    assert lines(log, 1) == ["400|-|-|-|-|-"]


def test_what_a_filter_answers_has_the_routes_cluster_in_the_log(proxy, upstream, tmp_path):
    log = tmp_path / "log"
    fault = c.http_filter("fault", "HTTPFault", abort={"http_status": 429, "percentage": {"numerator": 100}})
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", upstream(name="a").port, alt_stat_name="other")], filters=[fault],
                     generate_request_id=False, access_log=[c.file_log(log, FORMAT)]), args=FAST)
    assert p.get().status == 429
    assert lines(log, 1) == ["429|FI|-|other|-|-"]


def test_a_grpc_request_without_grpc_status_has_the_one_of_its_code(answered, tmp_path):
    log = tmp_path / "log"
    p = answered(b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n", access_log=[c.file_log(log, "%GRPC_STATUS%|%GRPC_STATUS_NUMBER%\n")])
    p.get(headers=[("content-type", "application/grpc")])
    assert lines(log, 1) == ["Unavailable|14"]


def test_a_json_body_in_grpc_message_has_no_line_end(proxy):
    p = proxy(c.http(c.direct(prefix="/x", status=200), local_reply_config={"body_format": {"json_format": {"a": "%RESPONSE_CODE%~"}}}))
    got = p.get("/y", headers=[("content-type", "application/grpc")])
    assert got.get("grpc-message") == '{"a":"404%7E"}'


@pytest.mark.parametrize("part", ["G", "GET / HTTP/1.1\r\nhost: a\r\n", "\r\n"])
def test_a_request_that_never_came_whole_is_logged_and_counted(proxy, client, tmp_path, part):
    log = tmp_path / "log"
    p = proxy(c.http(c.direct(status=200), access_log=[c.file_log(log, "%RESPONSE_CODE%|%RESPONSE_FLAGS%|%PROTOCOL%\n")]), args=FAST)
    peer = client(p.port).send(part)
    p.wait_stat("http.in.downstream_cx_rx_bytes_total", len(part))
    peer.close()
    assert lines(log, 1) == ["0|DC|HTTP/1.1"]
    p.expect_stats({"http.in.downstream_rq_total": 1, "http.in.downstream_rq_rx_reset": 1, "http.in.downstream_rq_active": 0,
                    "http.in.downstream_cx_destroy_remote_active_rq": 1})


def test_wire_bytes_of_what_ends_badly(proxy, upstream, client, tmp_path):
    log = tmp_path / "log"
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], generate_request_id=False, access_log=[c.file_log(
        log, "%UPSTREAM_WIRE_BYTES_SENT%|%UPSTREAM_WIRE_BYTES_RECEIVED%|%DOWNSTREAM_WIRE_BYTES_RECEIVED%\n")]), args=FAST)
    request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n"
    peer = client(p.port).send(request)
    far = up.accept()
    sent = len(far.until(b"\r\n\r\n"))
    far.send("nonsense\r\n\r\n")
    assert peer.response().status == 502
    assert lines(log, 1) == [f"{sent}|12|{len(request)}"]
    peer.send(request)
    up.accept().until(b"\r\n\r\n")
    peer.close()
    assert lines(log, 2)[1] == f"{sent}|0|{len(request)}"


@pytest.mark.parametrize("raw", [
    b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nbody", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"])
def test_a_body_without_a_length_ends_the_connection_of_http_1_0(proxy, upstream, client, raw):
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], http_protocol_options={"accept_http_10": True}))
    peer = client(p.port).send("GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n")
    far = up.accept()
    far.head()
    far.send(raw)
    far.close()
    assert peer.head().get("connection") == "close"
    assert peer.rest() == b"body"


def test_words_of_our_own_framing_are_proper_too(proxy, client):
    p = proxy(c.http(c.direct(status=200), http_protocol_options={"header_key_format": {"proper_case_words": {}}}))
    peer = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert ("Content-Length", "0") in peer.head().headers
    peer.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert ("Transfer-Encoding", "chunked") in peer.head().headers


def test_the_case_of_host_is_kept(proxy, upstream, client):
    keep = {"stateful_formatter": c.typed("preserve_case", "http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig")}
    up = upstream(name="a")
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], http_protocol_options={"header_key_format": keep}))
    client(p.port).send("GET / HTTP/1.1\r\nHOST: a\r\n\r\n").response()
    assert up.requests[0].headers[0] == ("HOST", "a")


def test_bytes_of_a_response_that_is_cut_in_its_head_are_logged(proxy, upstream, client, tmp_path):
    log = tmp_path / "log"
    up = upstream()
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)],
                     access_log=[c.file_log(log, "%UPSTREAM_WIRE_BYTES_RECEIVED%\n")]), args=FAST)
    peer = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send("HTTP/1.1 2")
    far.close()
    assert peer.response().status in (502, 503)
    assert lines(log, 1) == ["10"]

# SPDX-License-Identifier: Apache-2.0
"""Access logs: the default line, operators, JSON, filters, flags, and files that rotate or fill up."""
import json
import re
import signal

import pytest

from lib import config as c
from lib import wait_until, wire

pytestmark = pytest.mark.tsan

FAST = ["--file-flush-interval-msec", "20"]


@pytest.fixture
def logged(proxy, tmp_path, upstream):
    """logged(format, ...) -> a started proxy with one route to an upstream, and its log's path."""
    def start(format=None, routes=None, up=None, log=None, clusters=(), **options):
        path = tmp_path / "access.log"
        up = up or upstream(name="hello")
        config = c.http(*(routes or [c.route("up")]), clusters=[c.cluster("up", up.port), *clusters],
                        access_log=[log or c.file_log(path, format)], **options)
        p = proxy(config, args=FAST)
        p.log_path, p.up = path, up
        return p
    return start


def lines(p, n=1):
    return wait_until(lambda: p.log_path.exists() and len(p.log_path.read_text().splitlines()) >= n and
                      p.log_path.read_text().splitlines(), f"{n} log lines")


def test_the_default_line(logged):
    p = logged()
    p.get("/path?q", method="POST", body="12345", headers=[("user-agent", "me/1"), ("x-request-id", "id-1"),
                                                           ("x-forwarded-for", "1.2.3.4")], host="shop.example")
    assert re.fullmatch(
        r'\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] "POST /path\?q HTTP/1.1" 200 - 5 5 \d+ \d+ "1.2.3.4" "me/1" "id-1" '
        rf'"shop.example" "127.0.0.1:{p.up.port}"', lines(p)[0])


def test_the_default_line_of_a_local_reply(logged):
    p = logged(routes=[c.direct(status=404, body="no")])
    p.get("/x")
    assert re.fullmatch(r'\[\S+\] "GET /x HTTP/1.1" 404 - 0 2 \d+ - "-" "-" "[0-9a-f-]{36}" "test" "-"', lines(p)[0])


def test_garbage_is_logged(logged, client):
    p = logged()
    client(p.port).send("GARBAGE\r\n\r\n").head()
    assert re.fullmatch(r'\[\S+\] "- - HTTP/1.1" 400 DPE 0 11 \d+ - "-" "-" "-" "-" "-"', lines(p)[0])


OPERATORS = {
    "%PROTOCOL%": "HTTP/1.1", "%RESPONSE_CODE%": "200", "%RESPONSE_CODE_DETAILS%": "via_upstream", "%RESPONSE_FLAGS%": "-",
    "%RESPONSE_FLAGS_LONG%": "-", "%BYTES_RECEIVED%": "3", "%BYTES_SENT%": "5", "%UPSTREAM_CLUSTER%": "up",
    "%REQ(x-in)%": "value", "%REQ(x-in):2%": "va", "%REQ(none?x-in)%": "value", "%REQ(none)%": "-", "%RESP(x-out)%": "out",
    "%REQUEST_HEADER(X-IN)%": "value", "%RESPONSE_HEADER(x-out)%": "out", "%ROUTE_NAME%": "the-route", "%%": "%",
    "%VIRTUAL_CLUSTER_NAME%": "-", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%": "1", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%": "127.0.0.1",
    "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%": "127.0.0.1", "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%": "127.0.0.1",
    "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%": "127.0.0.1", "%UPSTREAM_TRANSPORT_FAILURE_REASON%": "-",
    "%CONNECTION_TERMINATION_DETAILS%": "-", "%FILTER_CHAIN_NAME%": "-", "%REQUESTED_SERVER_NAME%": "-", "%GRPC_STATUS%": "-",
    "%PATH(NQ)%": "/p", "%PATH(WQ)%": "/p?a=b", "%QUERY_PARAM(a)%": "b", "%UPSTREAM_PROTOCOL%": "HTTP/1.1",
    "%ACCESS_LOG_TYPE%": "DownstreamEnd", "%LISTENER_NAME%": "main", "%DYNAMIC_METADATA(x:y)%": "-", "%LOCAL_REPLY_BODY%": "",
    "%REQUEST_HEADERS_BYTES%": r"\d+", "%RESPONSE_HEADERS_BYTES%": r"\d+", "%DURATION%": r"\d+", "%REQUEST_DURATION%": r"\d+",
    "%REQUEST_TX_DURATION%": r"\d+", "%RESPONSE_DURATION%": r"\d+", "%RESPONSE_TX_DURATION%": r"\d+",
    "%START_TIME%": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "%START_TIME(%s.%3f)%": r"\d{10}\.\d{3}",
    "%START_TIME(%Y/%m/%d %H:%M:%S)%": r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", "%CONNECTION_ID%": r"\d+", "%STREAM_ID%": r"[0-9a-f-]{36}",
    "%HOSTNAME%": r"\S+", "%UPSTREAM_HOST%": r"127\.0\.0\.1:\d+", "%UPSTREAM_LOCAL_ADDRESS%": r"127\.0\.0\.1:\d+",
    "%DOWNSTREAM_LOCAL_PORT%": r"\d+", "%DOWNSTREAM_REMOTE_PORT%": r"\d+", "%UPSTREAM_WIRE_BYTES_SENT%": r"\d+",
    "%UPSTREAM_WIRE_BYTES_RECEIVED%": r"\d+", "%DOWNSTREAM_WIRE_BYTES_SENT%": r"\d+", "%DOWNSTREAM_WIRE_BYTES_RECEIVED%": r"\d+",
    "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%": r"\d+", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%": r"127\.0\.0\.1:\d+",
    "%EMIT_TIME%": r"\d{4}-\S+Z", "%UPSTREAM_HOST_NAME%": r"127\.0\.0\.1:\d+", "%ENVIRONMENT(PATH):1%": r"\S",
}


def test_text_operators(logged, upstream):
    up = upstream(lambda r: wire.response(body="hello", headers=[("x-out", "out")]))
    format = "|".join(OPERATORS) + "\n"
    p = logged(format, up=up, routes=[c.route("up", name="the-route")])
    p.get("/p?a=b", method="POST", body="abc", headers=[("x-in", "value")])
    got = lines(p)[0].split("|")
    wrong = {op: value for (op, want), value in zip(OPERATORS.items(), got)
             if not (value == want or re.search(r"[\[\\]", want) and re.fullmatch(want, value))}
    assert len(got) == len(OPERATORS)
    assert wrong == {}


def test_json_keeps_types(logged):
    format = {"code": "%RESPONSE_CODE%", "mixed": "c=%RESPONSE_CODE%", "none": "%REQ(none)%", "mixed_none": "m=%REQ(none)%",
              "flags": "%RESPONSE_FLAGS%", "nested": {"b": "%PROTOCOL%", "a": [1, True, None, "%BYTES_SENT%"]},
              "quote": "%REQ(x-q)%", "percent": "100%%"}
    p = logged(format)
    p.get(headers=[("x-q", 'a"b\\c')])
    line = lines(p)[0]
    assert json.loads(line) == {"code": 200, "mixed": "c=200", "none": None, "mixed_none": "m=-", "flags": "-",
                                "nested": {"a": [1, True, None, 5], "b": "HTTP/1.1"}, "quote": 'a"b\\c', "percent": "100%"}
    assert list(json.loads(line)) == sorted(format) and '"code":200,' in line


def test_omit_empty_values(logged, tmp_path):
    log = c.typed("envoy.access_loggers.file", "access_loggers.file.v3.FileAccessLog", path=str(tmp_path / "access.log"),
                  log_format={"json_format": {"a": "%REQ(none)%", "b": "%PROTOCOL%", "c": "x%REQ(none)%"}, "omit_empty_values": True})
    p = logged(log=log)
    p.get()
    assert json.loads(lines(p)[0]) == {"b": "HTTP/1.1", "c": "x"}


def number(op, value):
    return {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "k"}}}


@pytest.mark.parametrize("filter, want", [
    ({"status_code_filter": number("GE", 500)}, ["503"]), ({"status_code_filter": number("EQ", 404)}, ["404"]),
    ({"status_code_filter": number("LE", 200)}, ["200"]), ({"duration_filter": number("GE", 0)}, ["200", "404", "503"]),
    ({"duration_filter": number("GE", 60000)}, []), ({"response_flag_filter": {"flags": ["UF"]}}, ["503"]),
    ({"response_flag_filter": {}}, ["503"]),
    ({"header_filter": {"header": {"name": ":path", "string_match": {"exact": "/404"}}}}, ["404"]),
    ({"and_filter": {"filters": [{"status_code_filter": number("GE", 400)}, {"status_code_filter": number("LE", 499)}]}}, ["404"]),
    ({"or_filter": {"filters": [{"status_code_filter": number("EQ", 404)}, {"status_code_filter": number("EQ", 503)}]}}, ["404", "503"]),
    ({"not_health_check_filter": {}}, ["200", "404", "503"])],
    ids=lambda v: "-".join(v) if isinstance(v, dict) else None)
def test_filters(logged, tmp_path, filter, want):
    p = logged(log=c.file_log(tmp_path / "access.log", "%RESPONSE_CODE%\n", filter=filter),
               routes=[c.direct(status=404, prefix="/404"), c.route("gone", prefix="/503"), c.route("up")],
               clusters=[c.cluster("gone", wire.free_port())])
    for path in ("/200", "/404", "/503"):
        p.get(path)
    p.wait_stat("http.in.downstream_cx_active", 0)
    p.stop()
    assert (p.log_path.read_text().split() if p.log_path.exists() else []) == want


FLAGS = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"


@pytest.mark.parametrize("routes, clusters, want", [
    ([c.route("up", prefix="/none")], [], "404 NR route_not_found"),
    ([c.route("empty")], [c.cluster("empty")], "503 UH no_healthy_upstream"),
    ([{"match": {"prefix": "/"}, "route": {"cluster_header": "x"}}], [], "503 NC cluster_not_found"),
    ([c.direct(status=200)], [], "200 - direct_response"),
    ([{"match": {"prefix": "/"}, "redirect": {"path_redirect": "/x"}}], [], "301 - direct_response")])
def test_flags_and_details(logged, routes, clusters, want):
    p = logged(FLAGS, routes=routes, clusters=clusters)
    p.get("/", headers=[("x", "nowhere")])
    assert lines(p) == [want]


def test_flags_of_failures(logged, upstream, client):
    gone = c.cluster("gone", wire.free_port())
    up = upstream()
    retry = {"retry_policy": {"retry_on": "connect-failure", "num_retries": 1, "retry_back_off": {"base_interval": "0.001s"}}}
    p = logged(FLAGS, up=up, routes=[c.route("gone", prefix="/uf"), c.route("gone", prefix="/urx", action=retry),
                                     c.route("up", prefix="/ut", action={"timeout": "0.1s"}), c.route("up")], clusters=[gone])
    p.get("/uf")
    p.get("/urx")
    assert lines(p, 2) == ["503 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
                           "503 URX,UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"]
    p.get("/ut")
    assert lines(p, 3)[2] == "504 UT response_timeout"
    up.accept()
    down = client(p.port).send("GET /uc HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.close()
    assert down.head().status == 503
    assert lines(p, 4)[3] == "503 UC upstream_reset_before_response_started{connection_termination}"
    down = client(p.port).send("GET /dc HTTP/1.1\r\nhost: a\r\n\r\n")
    up.accept().head()
    down.close()
    assert lines(p, 5)[4] == "0 DC downstream_remote_disconnect"
    down = client(p.port).send("GET /upe HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    far.send("NONSENSE\r\n\r\n")
    assert down.head().status == 502
    assert lines(p, 6)[5].startswith("502 UPE upstream_reset_before_response_started{protocol_error")


def test_stdout_and_stderr(proxy):
    def stream(kind):
        return c.typed(f"envoy.access_loggers.{kind.lower()}", f"access_loggers.stream.v3.{kind}AccessLog",
                       log_format={"text_format_source": {"inline_string": f"{kind} %RESPONSE_CODE%\n"}})
    p = proxy(c.http(c.direct(), access_log=[stream("Stdout"), stream("Stderr")]), args=FAST)
    p.get()
    wait_until(lambda: "Stdout 200\n" in p.log() and "Stderr 200\n" in p.log(), "both lines")


@pytest.mark.parametrize("how", ["signal", "admin"])
def test_rotation(logged, how):
    p = logged("%REQ(:path)%\n")
    p.get("/1")
    assert lines(p) == ["/1"]
    old = p.log_path.with_suffix(".1")
    p.log_path.rename(old)
    p.signal(signal.SIGUSR1) if how == "signal" else p.post("/reopen_logs")
    wait_until(lambda: (p.get("/2"), p.log_path.exists() and p.log_path.read_text())[1], "the new file")
    assert "/1" not in p.log_path.read_text() and "/1" in old.read_text()


def test_a_full_disk_blocks_nobody(logged):
    p = logged(log=c.file_log("/dev/full", "%REQ(:path)% " + "x" * 1000 + "\n"))
    for _ in range(200):
        assert p.get("/").status == 200
    wait_until(lambda: p.stat("filesystem.write_failed") >= 1, "write_failed")
    assert p.get("/").status == 200


def test_several_logs_at_once(proxy, tmp_path):
    logs = [tmp_path / n for n in "ab"]
    p = proxy(c.http(c.direct(), access_log=[c.file_log(log, f"{log.name} %RESPONSE_CODE%\n") for log in logs]), args=FAST)
    for _ in range(3):
        p.get()
    p.wait_stat("http.in.downstream_cx_active", 0)
    p.stop()
    assert [log.read_text() for log in logs] == [f"{n} 200\n" * 3 for n in "ab"]

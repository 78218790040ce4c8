# SPDX-License-Identifier: Apache-2.0
"""The admin interface as an HTTP server: addresses, bodies, slow and impatient clients, many resources."""
import json

import pytest

from lib import config as c
from lib import wait_until, wire


@pytest.fixture
def p(proxy):
    return proxy({**c.http(c.direct()), "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]}})


def test_forms_in_a_body(p):
    form = [("content-type", "application/x-www-form-urlencoded")]
    with wire.connect(p.admin_port()) as peer:
        assert peer.get("/runtime_modify", method="POST", body="one=1&two=%20x%2b", headers=form).text == "OK\n"
        assert peer.get("/logging", method="POST", body="http=debug", headers=form).status == 200
        assert peer.get("/runtime_modify", method="POST", body="three=3", headers=[("content-type", "text/plain")]).status == 400
        chunked = b"POST /runtime_modify HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n" \
            b"content-type: application/x-www-form-urlencoded\r\n\r\n3\r\nfou\r\n3\r\nr=4\r\n0\r\n\r\n"
        assert peer.send(chunked).response().text == "OK\n"
    entries = p.json("/runtime")["entries"]
    assert {k: v["final_value"] for k, v in entries.items()} == {"one": "1", "two": " x+", "four": "4"}
    assert "  http: debug\n" in p.post("/logging").text


def test_runtime_modify_needs_a_layer(proxy):
    answer = proxy(c.http(c.direct())).post("/runtime_modify?a=b")
    assert (answer.status, answer.text) == (503, "No admin layer specified")


def test_requests_one_after_the_other(p):
    with wire.connect(p.admin_port()) as peer:
        peer.send(b"GET /ready HTTP/1.1\r\nhost: a\r\n\r\n" * 2)
        assert [peer.response().text for _ in range(2)] == ["LIVE\n"] * 2
        assert peer.get("//ready").text == "LIVE\n"
        assert peer.get("/x/../ready?a=b").text == "LIVE\n"
        assert peer.get("/clusters", method="PUT").status == 200


def test_draining_does_not_concern_it(p):
    p.post("/healthcheck/fail")
    p.post("/drain_listeners?graceful")
    with wire.connect(p.admin_port()) as peer:
        for _ in range(3):
            answer = peer.get("/ready")
            assert (answer.status, answer.has("connection")) == (503, False)


def test_a_unix_socket(proxy, tmp_path):
    config = c.http(c.direct())
    config["admin"]["address"] = c.address(str(tmp_path / "admin.sock"))
    started = proxy(config, ready=False)
    wait_until(lambda: (started.folder / "admin").exists() and (started.folder / "admin").read_text(), "the admin address")
    assert (started.folder / "admin").read_text() == str(tmp_path / "admin.sock")
    wait_until(lambda: wire.get(str(tmp_path / "admin.sock"), "/ready").text == "LIVE\n", "LIVE")


def test_its_address_is_its_own(proxy, p, kind):
    config = c.http(c.direct())
    config["admin"]["address"] = c.address(p.admin_port())
    other = proxy(config, ready=False)
    assert other.process.wait(20) == 1
    other.process = None
    other.output.close()
    assert "Address already in use" in other.log()


def test_access_log(proxy, tmp_path):
    config = c.http(c.direct())
    log = tmp_path / "admin.log"
    config["admin"]["access_log"] = [c.file_log(str(log), "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n")]
    started = proxy(config)
    started.admin("/nothing?a")
    started.post("/reopen_logs")
    wait_until(lambda: log.exists() and "GET /nothing?a 404 admin_filter_response\n" in log.read_text(), "the line", seconds=15)


def many(n):
    config = c.http(c.direct())
    config["static_resources"]["clusters"] = [c.cluster(f"cluster_{i:05}", 1) for i in range(n)]
    return config


def test_large_answers_in_pieces(proxy, client):
    """Slow readers and readers that go away hold up nobody, and get all of it or nothing more."""
    started = proxy(many(1500))
    paths = ["/stats", "/stats/prometheus", "/stats?format=json", "/clusters", "/clusters?format=json", "/config_dump"]
    slow = [client(started.admin_port()).send(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n") for path in paths]
    for path in paths:
        with wire.connect(started.admin_port()) as gone:
            gone.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").take(2000)
            gone.reset()
    assert started.admin("/ready").text == "LIVE\n"
    bodies = [peer.response().body for peer in slow]
    assert all(len(body) > 1 << 20 for body in bodies), [len(body) for body in bodies]
    assert bodies[0].count(b".upstream_rq_total: ") == 1500
    assert bodies[1].count(b"envoy_cluster_upstream_rq_total{") == 1500
    assert sum(s.get("name", "").endswith(".upstream_rq_total") for s in json.loads(bodies[2])["stats"]) == 1500
    assert bodies[3].count(b"::rq_total::") == 1500
    assert len(json.loads(bodies[4])["cluster_statuses"]) == 1500
    clusters = next(x for x in json.loads(bodies[5])["configs"] if "static_clusters" in x)["static_clusters"]
    assert [x["cluster"]["name"] for x in clusters] == [f"cluster_{i:05}" for i in range(1500)]


@pytest.mark.own
def test_a_body_without_end(p, client):
    peer = client(p.admin_port()).send(b"POST /logging HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
    try:
        for _ in range(200):
            peer.send(b"4000\r\n" + b"a" * 0x4000 + b"\r\n")
    except OSError:
        pass
    assert peer.response().status == 413
    assert p.admin("/ready").text == "LIVE\n"


@pytest.mark.own
def test_no_page_loads_anything_from_elsewhere(p):
    for path in ("/", "/stats?format=html&filter=live", "/stats?format=active-html&filter=%3Cscript%3E"):
        text = p.admin(path).text
        assert "<script" not in text and "http://" not in text and "https://" not in text and "//" not in text
        assert text.rstrip().endswith("</html>")

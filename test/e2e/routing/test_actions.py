# SPDX-License-Identifier: Apache-2.0
"""What a route does: clusters, redirects, rewrites, mirrors, headers, timeouts."""
import collections
import re

import pytest

from lib import config as c
from lib import wait_until, wire


def test_a_cluster_named_by_a_header(proxy, upstream):
    a, b = upstream(name="a"), upstream(name="b")
    p = proxy(c.http({"match": {"prefix": "/"}, "route": {"cluster_header": "x-to"}},
                     clusters=[c.cluster("a", a.port), c.cluster("b", b.port)]))
    assert p.get(headers=[("x-to", "a")]).text == "a"
    assert p.get(headers=[("x-to", "b")]).text == "b"
    assert p.get(headers=[("x-to", "c")]).status == 503
    assert p.get().status == 503
    assert p.stat("http.in.no_cluster") == 2


def test_weighted_clusters(proxy, upstream):
    servers = {n: upstream(name=n) for n in "ab"}
    weighted = {"clusters": [{"name": "a", "weight": 80}, {"name": "b", "weight": 20, "request_headers_to_add": [
        {"header": {"key": "x-b", "value": "1"}}]}]}
    p = proxy(c.http({"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}},
                     clusters=[c.cluster(n, s.port) for n, s in servers.items()]))
    seen = collections.Counter(p.get().text for _ in range(300))
    assert 200 < seen["a"] < 280 and sum(seen.values()) == 300
    assert servers["b"].next().get("x-b") == "1"
    assert not servers["a"].next().has("x-b")


@pytest.mark.parametrize("redirect, location, status", [
    ({"host_redirect": "new.example"}, "http://new.example/a/b?c=d", 301),
    ({"path_redirect": "/other"}, "http://old.example/other?c=d", 301),
    ({"path_redirect": "/other?x=y"}, "http://old.example/other?x=y", 301),
    ({"prefix_rewrite": "/n"}, "http://old.example/n/b?c=d", 301),
    ({"https_redirect": True, "response_code": "PERMANENT_REDIRECT"}, "https://old.example/a/b?c=d", 308),
    ({"scheme_redirect": "https", "port_redirect": 8443, "response_code": "FOUND"}, "https://old.example:8443/a/b?c=d", 302),
    ({"strip_query": True, "host_redirect": "new", "response_code": "SEE_OTHER"}, "http://new/a/b", 303),
    ({"regex_rewrite": {"pattern": {"regex": "^/a/(.*)$"}, "substitution": "/\\1/a"}, "response_code": "TEMPORARY_REDIRECT"},
     "http://old.example/b/a?c=d", 307)])
def test_redirects(proxy, redirect, location, status):
    p = proxy(c.http({"match": {"prefix": "/a"}, "redirect": redirect}))
    answer = p.get("/a/b?c=d", host="old.example")
    assert (answer.status, answer.get("location")) == (status, location)
    assert answer.body == b""


def test_direct_responses(proxy, tmp_path):
    file = tmp_path / "page"
    file.write_text("from a file")
    p = proxy(c.http({"match": {"path": "/file"}, "direct_response": {"status": 503, "body": {"filename": str(file)}}},
                     c.direct(status=204)))
    answer = p.get("/file")
    assert (answer.status, answer.text, answer.get("content-type")) == (503, "from a file", "text/plain")
    assert p.get("/other").status == 204


@pytest.mark.parametrize("action, path, want", [
    ({"prefix_rewrite": "/new"}, "/old/x?q", "/new/x?q"),
    ({"prefix_rewrite": "/"}, "/old", "/"),
    ({"regex_rewrite": {"pattern": {"regex": "/old/(\\w+)/(\\w+)"}, "substitution": "/\\2/\\1"}}, "/old/a/b?q", "/b/a?q")])
def test_path_rewrites(proxy, upstream, action, path, want):
    up = upstream(name="a")
    p = proxy(c.http(c.route("up", prefix="/old", action=action), clusters=[c.cluster("up", up.port)]))
    assert p.get(path).status == 200
    request = up.next()
    assert request.path == want
    assert request.get("x-envoy-original-path") == path


def test_template_rewrite(proxy, upstream):
    up = upstream(name="a")
    match = {"path_match_policy": c.typed("envoy.path.match.uri_template.uri_template_matcher",
                                          "path.match.uri_template.v3.UriTemplateMatchConfig", path_template="/a/{x}/{rest=**}")}
    rewrite = {"path_rewrite_policy": c.typed("envoy.path.rewrite.uri_template.uri_template_rewriter",
                                              "path.rewrite.uri_template.v3.UriTemplateRewriteConfig",
                                              path_template_rewrite="/{rest}/{x}")}
    p = proxy(c.http(c.route("up", match=match, action=rewrite), clusters=[c.cluster("up", up.port)]))
    assert p.get("/a/one/two/three").status == 200
    assert up.next().path == "/two/three/one"


@pytest.mark.parametrize("action, want", [
    ({"host_rewrite_literal": "new"}, "new"), ({"host_rewrite_header": "x-host"}, "from-header"),
    ({"host_rewrite_path_regex": {"pattern": {"regex": "^/(\\w+)$"}, "substitution": "\\1.example"}}, "path.example"),
    ({"auto_host_rewrite": True}, "own.example"), ({}, "test")])
def test_host_rewrites(proxy, upstream, action, want):
    up = upstream(name="a")
    endpoint = {"endpoint": {"hostname": "own.example", "address": c.address(up.port)}}
    cluster = c.cluster("up", endpoint)
    if action.get("auto_host_rewrite"):
        cluster = c.cluster("up", {"endpoint": {"hostname": "own.example", "address": c.address(up.port)}}, kind="STRICT_DNS")
    p = proxy(c.http(c.route("up", action=action), clusters=[cluster]))
    assert p.get("/path", headers=[("x-host", "from-header")]).status == 200
    assert up.next().get("host") == want


def test_mirrors_get_a_copy_and_change_nothing(proxy, upstream):
    up, shadow = upstream(name="real"), upstream(lambda r: wire.response(status=500, body="shadow"))
    p = proxy(c.http(c.route("up", action={"request_mirror_policies": [{"cluster": "shadow"}]}),
                     clusters=[c.cluster("up", up.port), c.cluster("shadow", shadow.port)]))
    assert p.get("/x", method="POST", body="payload", host="shop.example").text == "real"
    copy = shadow.next()
    assert (copy.path, copy.body) == ("/x", b"payload")
    assert copy.get("host") == "shop.example-shadow"
    assert up.next().get("host") == "shop.example"
    p.expect_stats({"cluster.shadow.upstream_rq_500": 1, "http.in.downstream_rq_2xx": 1})


def test_a_dead_mirror_harms_nobody(proxy, upstream):
    up = upstream(name="real")
    p = proxy(c.http(c.route("up", action={"request_mirror_policies": [{"cluster": "gone"}]}),
                     clusters=[c.cluster("up", up.port), c.cluster("gone", wire.free_port())]))
    for _ in range(5):
        assert p.get().text == "real"
    p.wait_stat("cluster.gone.upstream_cx_connect_fail", 5)


def test_internal_redirects(proxy, upstream):
    def answer(request):
        if request.path == "/start":
            return wire.response(302, headers=[("location", "http://test/end")], reason="Found")
        return wire.response(body=request.path + " " + (request.get("x-envoy-original-url") or ""))
    up = upstream(answer)
    policy = {"internal_redirect_policy": {"max_internal_redirects": 1}}
    p = proxy(c.http(c.route("up", action=policy), clusters=[c.cluster("up", up.port)]))
    assert p.get("/start").text == "/end http://test/start"
    p.expect_stats({"cluster.up.upstream_internal_redirect_succeeded_total": 1})


def test_too_many_internal_redirects_go_to_the_client(proxy, upstream):
    up = upstream(lambda r: wire.response(302, headers=[("location", "http://test/again")], reason="Found"))
    policy = {"internal_redirect_policy": {"max_internal_redirects": 2}}
    p = proxy(c.http(c.route("up", action=policy), clusters=[c.cluster("up", up.port)]))
    assert p.get("/start").status == 302
    assert len(up.requests) == 3


def add(key, value, action="APPEND_IF_EXISTS_OR_ADD"):
    return {"header": {"key": key, "value": value}, "append_action": action}


def test_headers_at_every_level(proxy, upstream):
    """Route first, then virtual host, then table; each may add, append, overwrite and remove."""
    up = upstream(lambda r: wire.response(headers=[("x-up", "1"), ("x-gone", "1")]))

    def level(name):
        return {"request_headers_to_add": [add("x-all", name)], "response_headers_to_add": [add("x-back", name)]}
    host = c.virtual_host(c.route("up", **level("route"), request_headers_to_remove=["x-drop"]),
                          **level("host"), response_headers_to_remove=["x-gone"])
    p = proxy(c.http(virtual_hosts=[host], route_config=level("table"), clusters=[c.cluster("up", up.port)]))
    answer = p.get(headers=[("x-drop", "1"), ("x-all", "client")])
    request = up.next()
    assert request.all("x-all") == ["client", "route", "host", "table"]
    assert not request.has("x-drop")
    assert answer.all("x-back") == ["route", "host", "table"]
    assert answer.has("x-up") and not answer.has("x-gone")


def test_append_actions(proxy, upstream):
    up = upstream(name="a")
    route = c.route("up", request_headers_to_add=[
        add("a", "new", "ADD_IF_ABSENT"), add("b", "new", "OVERWRITE_IF_EXISTS"), add("c", "new", "OVERWRITE_IF_EXISTS_OR_ADD"),
        add("d", "new", "OVERWRITE_IF_EXISTS"), add("e", "new", "ADD_IF_ABSENT")])
    p = proxy(c.http(route, clusters=[c.cluster("up", up.port)]))
    p.get(headers=[("a", "old"), ("b", "old"), ("c", "old")])
    request = up.next()
    assert [request.all(n) for n in "abcde"] == [["old"], ["new"], ["new"], [], ["new"]]


def test_header_values_with_operators(proxy, upstream):
    up = upstream(name="a")
    route = c.route("up", request_headers_to_add=[
        add("x-a", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%-%REQ(x-in)%-%PROTOCOL%-100%%"), add("x-b", "%REQ(none?x-in)%:3")],
        response_headers_to_add=[add("x-up", "%UPSTREAM_HOST% %RESPONSE_CODE%")])
    p = proxy(c.http(route, clusters=[c.cluster("up", up.port)]))
    answer = p.get(headers=[("x-in", "v")])
    request = up.next()
    assert request.get("x-a") == "127.0.0.1-v-HTTP/1.1-100%"
    assert request.get("x-b") == "v:3"
    assert answer.get("x-up") == f"127.0.0.1:{up.port} 200"


def test_a_route_timeout_is_504(proxy, upstream):
    up = upstream()
    p = proxy(c.http(c.route("up", action={"timeout": "0.2s"}), clusters=[c.cluster("up", up.port)]))
    answer = p.get()
    assert (answer.status, answer.text) == (504, "upstream request timeout")
    p.expect_stats({"cluster.up.upstream_rq_timeout": 1, "cluster.up.upstream_rq_504": 1, "cluster.up.upstream_cx_active": 0})


def test_a_stream_that_goes_silent(proxy, upstream, client):
    up = upstream()
    p = proxy(c.http(c.route("up", action={"timeout": "0s", "idle_timeout": "0.2s"}), clusters=[c.cluster("up", up.port)]))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    up.accept().head()
    assert down.head().status == 504
    p.expect_stats({"http.in.downstream_rq_idle_timeout": 1})


def test_require_tls_redirects(proxy):
    host = c.virtual_host(c.direct(), require_tls="ALL")
    p = proxy(c.http(virtual_hosts=[host]))
    answer = p.get("/x?y", host="shop.example")
    assert (answer.status, answer.get("location")) == (301, "https://shop.example/x?y")


def test_a_route_to_a_cluster_that_is_not_there_yet(proxy):
    route = c.route("nobody", action={"cluster_not_found_response_code": "NOT_FOUND"})
    p = proxy(c.http(route, route_config={"validate_clusters": False}))
    assert p.get().status == 404


def test_request_ids(proxy, upstream):
    up = upstream(name="a")
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], always_set_request_id_in_response=True))
    answer = p.get(headers=[("x-request-id", "mine")])
    assert answer.get("x-request-id") == "mine" == up.next().get("x-request-id")
    answer = p.get()
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.get("x-request-id"))


def test_many_requests_leave_nothing_behind(proxy, upstream):
    up = upstream(name="a")
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    for _ in range(50):
        p.get()
    wait_until(lambda: p.stat("http.in.downstream_cx_active") == 0)
    p.expect_stats({"http.in.downstream_rq_active": 0, "cluster.up.upstream_rq_active": 0, "cluster.up.upstream_rq_total": 50,
                    "http.in.downstream_cx_total": 50})

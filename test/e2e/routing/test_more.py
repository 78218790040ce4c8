# SPDX-License-Identifier: Apache-2.0
"""Options of routes beyond the first ones: combinations, levels, limits, what a table may not say."""
import collections
import json
import threading

import pytest
import yaml

from lib import config as c
from lib import wait_until, wire
from lib.proxy import run


def match(text, **match):
    return {"match": match, "direct_response": {"status": 200, "body": {"inline_string": text}}}


def test_all_conditions_must_hold(proxy):
    p = proxy(c.http(match("all", prefix="/a", headers=[{"name": "x", "present_match": True}],
                           query_parameters=[{"name": "q", "string_match": {"exact": "1"}}],
                           cookies=[{"name": "c", "string_match": {"exact": "2"}}]), match("rest", prefix="/")))
    yes = {"headers": [("x", ""), ("cookie", "c=2")]}
    assert p.get("/a?q=1", **yes).text == "all"
    for path, headers in [("/b?q=1", yes["headers"]), ("/a?q=2", yes["headers"]), ("/a?q=1", [("x", "")]), ("/a?q=1", [("cookie", "c=2")])]:
        assert p.get(path, headers=headers).text == "rest"


def test_grpc_requests(proxy, upstream):
    servers = {n: upstream(name=n) for n in ("grpc", "rest")}
    p = proxy(c.http(c.route("grpc", match={"prefix": "/", "grpc": {}}), c.route("rest"),
                     clusters=[c.cluster(n, s.port) for n, s in servers.items()]))
    for kind, want in [("application/grpc", "grpc"), ("application/grpc+proto", "grpc"), ("application/grpc-web", "rest"),
                       ("application/json", "rest")]:
        assert p.get(headers=[("content-type", kind)]).text == want, kind


def test_the_longest_wildcard_wins(proxy):
    names = {"exact": "a.b.example.com", "longest": "*.b.example.com", "long": "*.example.com", "tail": "a.b.*", "star": "*"}
    p = proxy(c.http(virtual_hosts=[c.virtual_host(match(n, prefix="/"), name=n, domains=[d]) for n, d in names.items()]))
    for host, want in [("a.b.example.com", "exact"), ("x.b.example.com", "longest"), ("y.example.com", "long"), ("example.com", "star"),
                       (".example.com", "star"), ("a.b.org", "tail"), ("a.b.", "star"), ("x.y.example.com", "long")]:
        assert p.get(host=host).text == want, host


def test_several_domains_of_one_host(proxy):
    p = proxy(c.http(virtual_hosts=[c.virtual_host(match("both", prefix="/"), domains=["a", "b"])]))
    assert (p.get(host="a").text, p.get(host="b").text, p.get(host="c").status) == ("both", "both", 404)


@pytest.mark.parametrize("regex, path, yes", [("/a.c", "/abc", True), ("/a.c", "/abcd", False), ("/(a|b)+", "/abab", True),
                                              ("/\\d{3}", "/123", True), ("(?i)/x", "/X", True), ("/a", "/a?b", True)])
def test_expressions_match_whole_paths(proxy, regex, path, yes):
    p = proxy(c.http(match("yes", safe_regex={"regex": regex}), match("no", prefix="/")))
    assert p.get(path).text == ("yes" if yes else "no")


def test_a_cookie_matcher_may_be_inverted(proxy):
    p = proxy(c.http(match("out", prefix="/", cookies=[{"name": "user", "string_match": {"exact": "ann"}, "invert_match": True}]),
                     match("in", prefix="/")))
    assert p.get(headers=[("cookie", "user=ann")]).text == "in"
    assert p.get(headers=[("cookie", "user=bob")]).text == "out"


@pytest.mark.parametrize("value, want", [("5", "in"), ("10", "out"), ("x", "out"), ("", "out"), ("5x", "out"), ("-1", "out")])
def test_ranges(proxy, value, want):
    p = proxy(c.http(match("in", prefix="/", headers=[{"name": "x", "range_match": {"start": 0, "end": 10}}]), match("out", prefix="/")))
    assert p.get(headers=[("x", value)]).text == want


@pytest.mark.parametrize("exact, want", [("a", "yes"), ("b", "yes"), ("a,b", "no"), ("c", "no")])
def test_each_of_several_values_may_match(proxy, exact, want):
    p = proxy(c.http(match("yes", prefix="/", headers=[{"name": "x", "string_match": {"exact": exact}}]), match("no", prefix="/")))
    assert p.get(headers=[("x", "a"), ("x", "b")]).text == want


def test_a_weight_of_the_runtime(proxy, upstream):
    servers = {n: upstream(name=n) for n in "ab"}
    weighted = {"runtime_key_prefix": "split", "clusters": [{"name": "a", "weight": 100}, {"name": "b", "weight": 0}]}
    config = c.http({"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}},
                    clusters=[c.cluster(n, s.port) for n, s in servers.items()])
    p = proxy({**config, "layered_runtime": {"layers": [{"name": "static", "static_layer": {"split.a": 0, "split.b": 100}}]}})
    assert {p.get().text for _ in range(20)} == {"b"}


def test_weights_change_headers_and_hosts(proxy, upstream):
    up = upstream(lambda r: wire.response(headers=[("x-gone", "1")]))
    weighted = {"clusters": [{"name": "up", "weight": 1, "request_headers_to_remove": ["x-drop"],
                              "response_headers_to_remove": ["x-gone"], "host_rewrite_literal": "weighted",
                              "response_headers_to_add": [{"header": {"key": "x-w", "value": "1"}}]}]}
    p = proxy(c.http({"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}}, clusters=[c.cluster("up", up.port)]))
    answer = p.get(headers=[("x-drop", "1")])
    request = up.next()
    assert (request.get("host"), request.has("x-drop"), answer.has("x-gone"), answer.get("x-w")) == ("weighted", False, False, "1")


def test_headers_of_the_most_specific_level_may_win(proxy, upstream):
    up = upstream(name="a")

    def level(value):
        return {"request_headers_to_add": [{"header": {"key": "x", "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]}
    for wins, want in [(False, "table"), (True, "route")]:
        host = c.virtual_host(c.route("up", **level("route")), **level("host"))
        p = proxy(c.http(virtual_hosts=[host], route_config={**level("table"), "most_specific_header_mutations_wins": wins},
                         clusters=[c.cluster("up", up.port)]))
        p.get()
        assert up.next().all("x") == [want]


def test_empty_values_are_kept_only_when_asked(proxy, upstream):
    up = upstream(name="a")
    p = proxy(c.http(c.route("up", request_headers_to_add=[
        {"header": {"key": "x-none", "value": "%REQ(nothing)%"}},
        {"header": {"key": "x-kept", "value": ""}, "keep_empty_value": True}]), clusters=[c.cluster("up", up.port)]))
    p.get()
    request = up.next()
    assert (request.get("x-none"), request.get("x-kept")) in ((None, ""), ("-", ""))


def test_mirrors_of_a_share(proxy, upstream):
    up, shadow = upstream(name="real"), upstream(name="shadow")

    def mirror(percent, **extra):
        return {"cluster": "shadow", "runtime_fraction": {"default_value": {"numerator": percent}}, **extra}
    p = proxy(c.http(c.route("up", prefix="/never", action={"request_mirror_policies": [mirror(0)]}),
                     c.route("up", action={"request_mirror_policies": [mirror(100, disable_shadow_host_suffix_append=True)]}),
                     clusters=[c.cluster("up", up.port), c.cluster("shadow", shadow.port)]))
    p.get("/never")
    p.get("/always", host="shop")
    copy = shadow.next()
    assert (copy.path, copy.get("host")) == ("/always", "shop")
    assert shadow.arrived.empty()


def test_a_slow_mirror_holds_up_nobody(proxy, upstream, client):
    up, shadow = upstream(name="real"), upstream()
    p = proxy(c.http(c.route("up", action={"request_mirror_policies": [{"cluster": "shadow"}]}),
                     clusters=[c.cluster("up", up.port), c.cluster("shadow", shadow.port)]))
    down = client(p.port)
    for _ in range(3):
        assert down.get(method="POST", body="x" * 10_000).text == "real"
    assert shadow.accept().request().body == b"x" * 10_000


@pytest.mark.parametrize("policy, location, followed", [
    ({}, "http://test/end", True), ({}, "/end", False), ({}, "https://test/end", False),
    ({"redirect_response_codes": [301]}, "http://test/end", False), ({"max_internal_redirects": 0}, "http://test/end", False),
    ({"allow_cross_scheme_redirect": True}, "https://test/end", True)])
def test_what_is_followed(proxy, upstream, policy, location, followed):
    up = upstream(lambda r: wire.response(302, headers=[("location", location)], reason="Found") if r.path == "/start"
                  else wire.response(body="end"))
    p = proxy(c.http(c.route("up", action={"internal_redirect_policy": policy}), clusters=[c.cluster("up", up.port)]))
    answer = p.get("/start")
    assert (answer.status, len(up.requests)) == ((200, 2) if followed else (302, 1))


def test_a_redirect_may_lead_to_another_cluster(proxy, upstream):
    a = upstream(lambda r: wire.response(302, headers=[("location", "http://other.test/there?x=1")], reason="Found"))
    b = upstream(lambda r: wire.response(body=f"b {r.path} {r.get('host')}"))
    hosts = [c.virtual_host(c.route("b"), name="other", domains=["other.test"]),
             c.virtual_host(c.route("a", action={"internal_redirect_policy": {}}), name="all")]
    p = proxy(c.http(virtual_hosts=hosts, clusters=[c.cluster("a", a.port), c.cluster("b", b.port)]))
    assert p.get().text == "b /there?x=1 other.test"


def test_a_post_is_followed_with_its_body_kept_away(proxy, upstream):
    """A request with a body is not sent again after a 302."""
    up = upstream(lambda r: wire.response(302, headers=[("location", "http://test/end")], reason="Found") if r.path == "/start"
                  else wire.response(body=r.method))
    p = proxy(c.http(c.route("up", action={"internal_redirect_policy": {}}), clusters=[c.cluster("up", up.port)]))
    answer = p.get("/start", method="POST", body="body")
    assert (answer.status, answer.text) in ((302, ""), (200, "GET"), (200, "POST"))


def test_previous_routes_are_not_gone_to_again(proxy, upstream):
    up = upstream(lambda r: wire.response(302, headers=[("location", "http://test/again")], reason="Found"))
    predicate = c.typed("envoy.internal_redirect_predicates.previous_routes",
                        "internal_redirect.previous_routes.v3.PreviousRoutesConfig")
    p = proxy(c.http(c.route("up", action={"internal_redirect_policy": {"max_internal_redirects": 5, "predicates": [predicate]}}),
                     clusters=[c.cluster("up", up.port)]))
    assert p.get("/start").status == 302
    assert len(up.requests) == 2


@pytest.mark.parametrize("tls, status", [("NONE", 200), ("EXTERNAL_ONLY", 301), ("ALL", 301)])
def test_plain_requests_where_tls_is_wanted(proxy, tls, status):
    p = proxy(c.http(virtual_hosts=[c.virtual_host(c.direct(), require_tls=tls)]))
    assert p.get().status == status


def test_statistics_of_routes_and_virtual_clusters(proxy, upstream):
    up = upstream(name="a")
    host = c.virtual_host(c.route("up", prefix="/api", stat_prefix="api"), c.route("up"), name="shop", virtual_clusters=[
        {"name": "read", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}])
    p = proxy(c.http(virtual_hosts=[host], clusters=[c.cluster("up", up.port)]))
    p.get("/api")
    p.get("/", method="POST")
    p.expect_stats({"vhost.shop.route.api.upstream_rq_200": 1, "vhost.shop.vcluster.read.upstream_rq_200": 1,
                    "vhost.shop.vcluster.other.upstream_rq_200": 1})


def test_filters_are_set_at_every_level(proxy, upstream):
    """The most specific level decides: weighted cluster, route, virtual host, table."""
    up = upstream(name="a")

    def level(code):
        return {"typed_per_filter_config": {"envoy.filters.http.fault": {
            "@type": c.PACKAGES + "filters.http.fault.v3.HTTPFault",
            "abort": {"http_status": code, "percentage": {"numerator": 100}}}}}
    weighted = {"clusters": [{"name": "up", "weight": 1, **level(501)}]}
    hosts = [c.virtual_host({"match": {"prefix": "/w"}, "route": {"weighted_clusters": weighted}, **level(502)},
                            c.route("up", prefix="/r", **level(503)), c.route("up"), name="one", domains=["one"], **level(504)),
             c.virtual_host(c.route("up"), name="two")]
    p = proxy(c.http(virtual_hosts=hosts, route_config=level(505), clusters=[c.cluster("up", up.port)],
                     filters=[c.http_filter("fault", "HTTPFault")]))
    assert [p.get(path, host=host).status for path, host in [("/w", "one"), ("/r", "one"), ("/", "one"), ("/", "two")]] == [
        501, 503, 504, 505]


def test_a_priority_has_breakers_of_its_own(proxy, upstream, client):
    stop = threading.Event()
    up = upstream(lambda r: r.path == "/high" and stop.wait(10) and None or wire.response(body="ok"))
    breakers = {"thresholds": [{"priority": "HIGH", "max_requests": 1}]}
    p = proxy(c.http(c.route("up", prefix="/high", action={"priority": "HIGH"}), c.route("up"),
                     clusters=[c.cluster("up", up.port, circuit_breakers=breakers)]))
    down = client(p.port).send("GET /high HTTP/1.1\r\nhost: a\r\n\r\n")
    p.expect_stats({"cluster.up.circuit_breakers.high.rq_open": 1, "cluster.up.circuit_breakers.default.rq_open": 0})
    assert p.get("/high").status == 503
    assert p.get("/").text == "ok"
    stop.set()
    assert down.response().text == "ok"


@pytest.mark.parametrize("code, status", [("SERVICE_UNAVAILABLE", 503), ("NOT_FOUND", 404), ("INTERNAL_SERVER_ERROR", 500)])
def test_codes_for_an_unknown_cluster(proxy, code, status):
    p = proxy(c.http({"match": {"prefix": "/"}, "route": {"cluster_header": "x", "cluster_not_found_response_code": code}}))
    answer = p.get(headers=[("x", "nobody")])
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("route_config, routes", [
    ({}, [{"match": {"prefix": "/", "path": "/"}, "direct_response": {"status": 200}}]),
    ({}, [{"match": {"safe_regex": {"regex": "("}}, "direct_response": {"status": 200}}]),
    ({}, [{"match": {"prefix": "/"}}]), ({}, [c.direct(body="x" * 5000)]), ({}, [{"match": {"prefix": "/"}, "direct_response": {"status": 600}}]),
    ({"request_headers_to_remove": [":path"]}, [c.direct()]), ({"request_headers_to_remove": ["host"]}, [c.direct()]),
    ({"request_headers_to_add": [{"header": {"key": "x", "value": "%NONSENSE%"}}]}, [c.direct()]),
    ({}, [{"match": {"prefix": "/"}, "redirect": {"path_redirect": "/a", "prefix_rewrite": "/b"}}]),
    ({}, [{"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [{"name": "a", "weight": 0}]}}}])])
def test_what_a_table_may_not_say(kind, tmp_path, route_config, routes):
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(c.http(*routes, route_config=route_config)))
    assert run("--mode", "validate", "-c", tmp_path / "e.yaml", kind=kind)[0] == 1


@pytest.mark.parametrize("domains", [[["a"], ["a"]], [["*"], ["*"]], [["a", "A"]]])
def test_domains_that_are_refused(kind, tmp_path, domains):
    hosts = [c.virtual_host(c.direct(), name=str(n), domains=d) for n, d in enumerate(domains)]
    (tmp_path / "e.json").write_text(json.dumps(c.http(virtual_hosts=hosts)))
    assert run("--mode", "validate", "-c", tmp_path / "e.json", kind=kind)[0] == 1


def test_large_bodies_where_they_are_allowed(proxy):
    p = proxy(c.http(c.direct(body="x" * 5000), route_config={"max_direct_response_body_size_bytes": 6000}))
    assert p.get().body == b"x" * 5000


def test_hosts_of_one_in_ten_thousand_by_suffix(proxy):
    hosts = [c.virtual_host(match(str(n), prefix="/"), name=f"v{n}", domains=[f"*.h{n}.example"]) for n in range(2000)]
    p = proxy(c.http(virtual_hosts=hosts))
    for n in (0, 1, 1999):
        assert p.get(host=f"a.b.h{n}.example").text == str(n)


def test_a_body_too_large_for_the_route_is_not_retried(proxy, upstream):
    up = upstream(lambda r: wire.response(503))
    retry = {"retry_policy": {"retry_on": "5xx", "retry_back_off": {"base_interval": "0.001s"}}}
    p = proxy(c.http(c.route("up", action=retry, request_body_buffer_limit=10), clusters=[c.cluster("up", up.port)]))
    assert p.get(method="POST", body="x" * 5).status == 503
    assert len(up.requests) == 2
    assert p.get(method="POST", body="x" * 100).status == 503
    assert len(up.requests) == 3
    counts = collections.Counter(len(r.body) for r in up.requests)
    assert counts == {5: 2, 100: 1}
    wait_until(lambda: p.stat("cluster.up.upstream_rq_active") == 0)

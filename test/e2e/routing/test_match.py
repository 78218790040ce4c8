# SPDX-License-Identifier: Apache-2.0
"""Which route a request takes. The routes answer themselves, so that the answer names the route."""
import pytest

from lib import config as c


def match(text, **match):
    return {"match": match, "direct_response": {"status": 200, "body": {"inline_string": text}}}


def one_of(proxy, *routes, **options):
    return proxy(c.http(*routes, **options))


def test_virtual_hosts_by_domain(proxy):
    names = {"exact": ["a.example"], "suffix": ["*.example"], "longer": ["*.b.example"], "prefix": ["www.*"],
             "port": ["p.test:8080"], "star": ["*"]}
    hosts = [c.virtual_host(match(n, prefix="/"), name=n, domains=d) for n, d in names.items()]
    p = proxy(c.http(virtual_hosts=hosts))
    for host, want in [("a.example", "exact"), ("A.EXAMPLE", "exact"), ("c.example", "suffix"), ("x.b.example", "longer"),
                       ("www.other", "prefix"), ("p.test:8080", "port"), ("p.test", "star"), ("example", "star"),
                       ("a.example:80", "star")]:
        assert p.get(host=host).text == want, host


def test_ports_may_be_ignored(proxy):
    hosts = [c.virtual_host(match("a", prefix="/"), name="a", domains=["a.example"])]
    p = proxy(c.http(virtual_hosts=hosts, route_config={"ignore_port_in_host_matching": True}))
    assert p.get(host="a.example:81").text == "a"
    assert p.get(host="b.example").status == 404


def test_ten_thousand_virtual_hosts(proxy):
    hosts = [c.virtual_host(match(str(n), prefix="/"), name=f"v{n}", domains=[f"h{n}.example"]) for n in range(10_000)]
    p = proxy(c.http(virtual_hosts=hosts))
    for n in (0, 1, 5000, 9999):
        assert p.get(host=f"h{n}.example").text == str(n)


def test_paths_are_tried_in_order(proxy):
    p = one_of(proxy, match("path", path="/exact"), match("prefix", prefix="/pre"), match("sep", path_separated_prefix="/api/v1"),
               match("regex", safe_regex={"regex": "/r/[0-9]+"}),
               match("template", path_match_policy=c.typed("envoy.path.match.uri_template.uri_template_matcher",
                                                          "path.match.uri_template.v3.UriTemplateMatchConfig",
                                                          path_template="/t/{x}/end")),
               match("any", prefix="/"))
    for path, want in [("/exact", "path"), ("/exact?q", "path"), ("/exact/", "any"), ("/prefix", "prefix"), ("/pre", "prefix"),
                       ("/api/v1", "sep"), ("/api/v1/x", "sep"), ("/api/v1?x", "sep"), ("/api/v12", "any"),
                       ("/r/123", "regex"), ("/r/123?a", "regex"), ("/r/12x", "any"), ("/t/abc/end", "template"),
                       ("/t/a/b/end", "any"), ("/EXACT", "any")]:
        assert p.get(path).text == want, path


def test_case_may_not_matter(proxy):
    p = one_of(proxy, match("x", path="/Exact", case_sensitive=False), match("p", prefix="/Pre", case_sensitive=False))
    assert p.get("/exacT").text == "x"
    assert p.get("/pREfix").text == "p"


@pytest.mark.parametrize("matcher, yes, no", [
    ({"name": "x", "present_match": True}, [("x", "")], []),
    ({"name": "x", "present_match": True, "invert_match": True}, [], [("x", "1")]),
    ({"name": "x", "string_match": {"exact": "a"}}, [("x", "a")], [("x", "A")]),
    ({"name": "x", "string_match": {"exact": "a", "ignore_case": True}}, [("X", "A")], [("x", "b")]),
    ({"name": "x", "string_match": {"prefix": "a"}}, [("x", "ab")], [("x", "ba")]),
    ({"name": "x", "string_match": {"suffix": "b"}}, [("x", "ab")], [("x", "ba")]),
    ({"name": "x", "string_match": {"contains": "b"}}, [("x", "abc")], [("x", "ac")]),
    ({"name": "x", "string_match": {"safe_regex": {"regex": "a+"}}}, [("x", "aaa")], [("x", "aab")]),
    ({"name": "x", "range_match": {"start": -5, "end": 10}}, [("x", "-5")], [("x", "10")]),
    ({"name": "x", "string_match": {"exact": "a"}, "invert_match": True}, [("x", "b")], []),
    ({"name": "x", "range_match": {"start": 1, "end": 5}, "invert_match": True}, [("x", "5")], []),
    ({"name": "x", "string_match": {"exact": "a"}, "treat_missing_header_as_empty": True, "invert_match": True}, [], [("x", "a")]),
    ({"name": ":method", "string_match": {"exact": "GET"}}, [], None),
    ({"name": ":authority", "string_match": {"prefix": "te"}}, [], None),
    ({"name": ":path", "string_match": {"exact": "/p"}}, [], None)])
def test_headers(proxy, matcher, yes, no):
    p = one_of(proxy, match("yes", prefix="/", headers=[matcher]), match("no", prefix="/"))
    assert p.get("/p", headers=yes).text == "yes"
    if no is not None:
        assert p.get("/p", headers=no).text == "no"


def test_query_parameters(proxy):
    p = one_of(proxy, match("present", prefix="/", query_parameters=[{"name": "debug", "present_match": True}]),
               match("value", prefix="/", query_parameters=[{"name": "v", "string_match": {"prefix": "1"}}]),
               match("none", prefix="/"))
    for path, want in [("/?debug", "present"), ("/?a=1&debug=", "present"), ("/?v=12", "value"), ("/?v=2", "none"),
                       ("/", "none"), ("/?xdebug=1", "none"), ("/#?debug", "none")]:
        assert p.get(path).text == want if "#" not in path else True, path


def test_cookies(proxy):
    p = one_of(proxy, match("in", prefix="/", cookies=[{"name": "user", "string_match": {"exact": "ann"}}]), match("out", prefix="/"))
    assert p.get(headers=[("cookie", "a=b; user=ann; c=d")]).text == "in"
    assert p.get(headers=[("cookie", "user=annabel")]).text == "out"
    assert p.get().text == "out"


def test_runtime_fractions(proxy):
    def share(percent, key):
        return {"default_value": {"numerator": percent, "denominator": "HUNDRED"}, "runtime_key": key}
    p = proxy(c.http(match("never", prefix="/", runtime_fraction=share(100, "off")),
                     match("always", prefix="/", runtime_fraction=share(0, "on")), match("rest", prefix="/"))
              | {"layered_runtime": {"layers": [{"name": "static", "static_layer": {"off": 0, "on": 100}}]}})
    assert {p.get().text for _ in range(20)} == {"always"}


def test_half_of_them(proxy):
    p = one_of(proxy, match("a", prefix="/", runtime_fraction={"default_value": {"numerator": 50}}), match("b", prefix="/"))
    n = sum(p.get().text == "a" for _ in range(200))
    assert 60 < n < 140


def test_normalised_paths(proxy):
    p = one_of(proxy, match("admin", prefix="/admin"), match("rest", prefix="/"), normalize_path=True, merge_slashes=True)
    for path in ("/x/../admin", "/./admin", "//admin", "/%61dmin", "/a//../../admin"):
        assert p.get(path).text == "admin", path


@pytest.mark.parametrize("path, want", [
    ("/%41%7e%2D", "/A~-"), ("/%27%2b%C3%A4", "/%27%2b%C3%A4"), ("/a\"<>^`{|}", "/a%22%3C%3E%5E%60%7B%7C%7D"), ("/a\\b", "/a/b"),
    ("/%2e%2E/a/%2e", "/a/"), ("/%zz%4", "/%zz%4"), ("/a?%41<", "/a?%41<"), ("/a/..%2fb", "/a/..%2fb"), ("/%00", None)])
def test_canonical_paths(proxy, upstream, path, want):
    up = upstream(name="a")
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], normalize_path=True))
    assert p.get(path).status == (200 if want else 400)
    assert [r.path for r in up.requests] == ([want] if want else [])


def test_escaped_slashes(proxy):
    p = one_of(proxy, match("x", prefix="/"), normalize_path=True, path_with_escaped_slashes_action="REJECT_REQUEST")
    assert p.get("/a%2fb").status == 400
    assert p.get("/a%5Cb").status == 400
    p = one_of(proxy, match("ok", path="/a/b"), normalize_path=True, path_with_escaped_slashes_action="UNESCAPE_AND_FORWARD")
    assert p.get("/a%2Fb").text == "ok"
    p = one_of(proxy, match("x", prefix="/"), normalize_path=True, path_with_escaped_slashes_action="UNESCAPE_AND_REDIRECT")
    answer = p.get("/a%2Fb?q=%2F")
    assert answer.status == 307
    assert answer.get("location") == "/a/b?q=%2F"

# SPDX-License-Identifier: Apache-2.0
"""header_mutation: headers, trailers and query parameters of both directions, and of the route's levels."""
import pytest

from lib import config as c
from lib import wire

KEY = "envoy.filters.http.header_mutation"


def append(key, value, action=None, keep_empty=False):
    return {"append": {"header": {"key": key, "value": value}, **({"append_action": action} if action else {}),
                       **({"keep_empty_value": True} if keep_empty else {})}}


def param(key, value, action=None):
    return {"append": {"record": {"key": key, "value": value}, **({"action": action} if action else {})}}


def with_mutations(up, most=False, route=None, vhost=None, table=None, **mutations):
    def level(m):
        return {"typed_per_filter_config": {KEY: {"@type": c.PACKAGES + "filters.http.header_mutation.v3.HeaderMutationPerRoute",
                                                  "mutations": m}}} if m else {}
    return c.http(virtual_hosts=[c.virtual_host(c.route("up", **level(route)), **level(vhost))], route_config=level(table),
                  http_protocol_options={"enable_trailers": True},
                  clusters=[c.cluster("up", up.port, typed_extension_protocol_options={
                      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                          "@type": c.PACKAGES + "upstreams.http.v3.HttpProtocolOptions",
                          "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}}}})],
                  filters=[c.http_filter("header_mutation", "HeaderMutation", mutations=mutations,
                                         most_specific_header_mutations_wins=most)])


def test_in_their_order(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_mutations(up, request_mutations=[
        append("x-a", "2"), {"remove": "X-A"}, append("x-a", "3"), append("x-a", "4", "ADD_IF_ABSENT"),
        append("x-b", "", "OVERWRITE_IF_EXISTS_OR_ADD"), append("x-c", "", keep_empty=True),
        append("x-d", "new", "OVERWRITE_IF_EXISTS"), append("x-e", "new", "OVERWRITE_IF_EXISTS"), append("x-f", "%REQ(no)%")]))
    p.get(headers=[("x-a", "1"), ("x-d", "old"), ("x-f", "1")])
    r = up.requests[0]
    assert [r.all("x-" + k) for k in "abcdef"] == [["3"], [], [""], ["new"], [], ["1"]]


@pytest.mark.parametrize("remove, status", [("host", 200), (":authority", 200), (":path", 503), (":method", 503)])
def test_nothing_is_sacred(proxy, upstream, remove, status):
    up = upstream(name="a")
    p = proxy(with_mutations(up, request_mutations=[{"remove": remove}]))
    answer = p.get()
    assert answer.status == status
    if status != 200:
        assert answer.text == f"missing required header: {remove}"
    else:
        assert not up.requests[0].has("host")


def test_a_response_needs_its_status(proxy, upstream):
    p = proxy(with_mutations(upstream(name="a"), response_mutations=[{"remove": ":status"}]))
    answer = p.get()
    assert (answer.status, answer.text) == (502, "missing required header: :status")


def test_by_name(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_mutations(up, request_mutations=[{"remove_on_match": {"key_matcher": {"prefix": "x-a"}}}]))
    p.get(headers=[("x-aa", "1"), ("x-ab", "2"), ("x-b", "3"), ("x-aa", "4")])
    assert [up.requests[0].all(k) for k in ("x-aa", "x-ab", "x-b")] == [[], [], ["3"]]


QUERIES = {
    "APPEND_IF_EXISTS_OR_ADD": {"/p?a=1&b=2&a=3": "/p?a=1&a=3&a=new&b=2", "/p": "/p?a=new", "/p?": "/p?a=new"},
    "ADD_IF_ABSENT": {"/p?a=1&b=2&a=3": "/p?a=1&a=3&b=2", "/p": "/p?a=new"},
    "OVERWRITE_IF_EXISTS_OR_ADD": {"/p?a=1&b=2&a=3": "/p?a=new&b=2", "/p": "/p?a=new"},
    "OVERWRITE_IF_EXISTS": {"/p?a=1&b=2&a=3": "/p?a=new&b=2", "/p": "/p", "/p?": "/p"}}


@pytest.mark.parametrize("action", QUERIES)
def test_query(proxy, upstream, action):
    up = upstream(name="a")
    p = proxy(with_mutations(up, query_parameter_mutations=[param("a", "new", action)]))
    for path in QUERIES[action]:
        p.get(path)
    assert [r.start.split(" ")[1] for r in up.requests] == list(QUERIES[action].values())


def test_query_removal_and_values(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_mutations(up, query_parameter_mutations=[{"remove": "a"}, param("v", "a b&%REQ(host)%/ü~-._*")]))
    for path in ("/p?a=1", "/p?&&a=1&&b=", "/p?b&c=d=e&%61=2", "/p?c=%26&d=%zz"):
        p.get(path, host="h")
    v = "v=a%20b%26h%2F%C3%BC%7E-._*"
    assert [r.start.split(" ")[1] for r in up.requests] == [
        f"/p?{v}", f"/p?=&=&=&b=&{v}", f"/p?b=&c=d=e&{v}", f"/p?c=&&d=%zz&{v}"]


@pytest.mark.own
def test_a_query_cannot_split_the_request(proxy, upstream):
    """Envoy writes decoded bytes as they are."""
    up = upstream(name="a")
    p = proxy(with_mutations(up, query_parameter_mutations=[{"remove": "a"}]))
    p.get("/p?x=%20HTTP/1.1%0d%0aevil:%201")
    assert up.requests[0].start == "GET /p?x=%20HTTP/1.1%0d%0aevil:%201 HTTP/1.1"


@pytest.mark.parametrize("most, winner, order", [(False, "table", ["own", "route", "vhost", "table"]), (True, "route", ["own", "table", "vhost", "route"])])
def test_levels(proxy, upstream, most, winner, order):
    up = upstream(name="a")

    def m(v):
        return {k: [append("x-a", v, "OVERWRITE_IF_EXISTS_OR_ADD"), append("x-b", v)] for k in ("request_mutations", "response_mutations")}
    p = proxy(with_mutations(up, most, m("route"), m("vhost"), m("table"), **m("own")))
    answer = p.get()
    for message in (up.requests[0], answer):
        assert (message.all("x-a"), message.all("x-b")) == ([winner], order)


def test_trailers(proxy, upstream, client):
    up = upstream()
    p = proxy(with_mutations(up, request_trailers_mutations=[append("x-req", "%REQ(x-in)%"), {"remove": "x-gone"}],
                             response_trailers_mutations=[append("x-resp", "yes"), {"remove": "x-gone"}]))
    down = client(p.port).send("POST / HTTP/1.1\r\nhost: a\r\nx-in: v\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-gone: 1\r\nx-t: 1\r\n\r\n")
    far = up.accept()
    far.head()
    far.expect("1\r\na\r\n0\r\nx-t: 1\r\nx-req: v\r\n\r\n")
    far.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nb\r\n0\r\nx-gone: 1\r\nx-u: 1\r\n\r\n")
    down.head()
    down.expect("1\r\nb\r\n0\r\nx-u: 1\r\nx-resp: yes\r\n\r\n")


REFUSED = [
    ({"request_mutations": [append(":path", "/x", "OVERWRITE_IF_EXISTS_OR_ADD")]}, "may not be modified"),
    ({"request_mutations": [append("host", "x")]}, "may not be modified"), ({"request_mutations": [append("x", "%NOPE%")]}, "NOPE"),
    ({"request_mutations": [{}]}, "required"), ({"query_parameter_mutations": [{}]}, "must be specified"),
    ({"query_parameter_mutations": [{"remove": "a", **param("a", "1")}]}, "Only one of"),
    ({"query_parameter_mutations": [{"append": {}}]}, "No record"), ({"query_parameter_mutations": [param("a", 5)]}, "Only string value")]


@pytest.mark.parametrize("mutations, why", REFUSED)
def test_refuses(kind, tmp_path, upstream, mutations, why):
    from lib.proxy import Failed, Proxy
    with pytest.raises(Failed, match=why):
        Proxy(tmp_path, with_mutations(upstream(name="a"), **mutations), kind=kind).start()

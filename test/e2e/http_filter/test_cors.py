# SPDX-License-Identifier: Apache-2.0
"""cors: the merged policy of all levels, preflights, private networks."""
import pytest

from lib import config as c

KEY = "envoy.filters.http.cors"
GOOD = {"allow_origin_string_match": [{"suffix": ".good"}]}
FULL = {**GOOD, "allow_methods": "GET,PUT", "allow_headers": "x-a", "max_age": "60", "expose_headers": "x-e", "allow_credentials": True}
PREFLIGHT = [("origin", "http://a.good"), ("access-control-request-method", "PUT"), ("access-control-request-headers", "x-q"),
             ("access-control-request-private-network", "true")]
BAD = [("origin", "http://bad"), *PREFLIGHT[1:]]
OFF, ON = {"default_value": {"numerator": 0}}, {"default_value": {"numerator": 100}}


def level(policy):
    return {"typed_per_filter_config": {KEY: {"@type": c.PACKAGES + "filters.http.cors.v3.CorsPolicy", **policy}}} if policy is not None else {}


def with_cors(up, route=None, vhost=None, table=None, old=None, runtime=None):
    host = c.virtual_host(c.route("up", **level(route)), **level(vhost), **({"cors": old} if old else {}))
    extra = {"layered_runtime": {"layers": [{"name": "s", "static_layer": runtime}]}} if runtime else {}
    return {**c.http(virtual_hosts=[host], route_config=level(table), clusters=[c.cluster("up", up.port)],
                     filters=[c.http_filter("cors", "Cors")]), **extra}


def said(answer):
    return {k[len("access-control-"):]: v for k, v in answer.headers if k.startswith("access-control-")}


def stats(valid, invalid):
    return {"http.in.cors.origin_valid": valid, "http.in.cors.origin_invalid": invalid}


ALL = {"allow-origin": "http://a.good", "allow-methods": "GET,PUT", "allow-headers": "x-a", "max-age": "60", "expose-headers": "x-e", "allow-credentials": "true"}


@pytest.mark.parametrize("policy, want", [
    (FULL, ALL), ({**FULL, "allow_private_network_access": True}, {**ALL, "allow-private-network": "true"}),
    ({**FULL, "allow_methods": "*", "allow_headers": "*"}, {**ALL, "allow-methods": "PUT", "allow-headers": "x-q"}),
    ({**FULL, "allow_credentials": False}, {k: v for k, v in ALL.items() if k != "allow-credentials"}),
    ({**FULL, "shadow_enabled": ON}, ALL), (GOOD, {"allow-origin": "http://a.good"})])
def test_preflight(proxy, upstream, policy, want):
    up = upstream(name="a")
    p = proxy(with_cors(up, policy))
    answer = p.get(method="OPTIONS", headers=PREFLIGHT)
    assert (answer.status, answer.body, said(answer)) == (200, b"", want)
    assert up.requests == []
    p.expect_stats(stats(1, 0))


def test_a_preflight_with_a_body(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_cors(up, FULL))
    assert said(p.get(method="OPTIONS", headers=PREFLIGHT, body="x" * 10)) == ALL
    assert up.requests == []


def test_a_foreign_preflight_goes_on(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_cors(up, FULL))
    answer = p.get(method="OPTIONS", headers=BAD)
    assert (answer.text, said(answer)) == ("a", {})
    p.expect_stats(stats(0, 1))


def test_a_foreign_preflight_may_be_answered(proxy, upstream):
    up = upstream(name="a")
    p = proxy(with_cors(up, {**FULL, "forward_not_matching_preflights": False}))
    answer = p.get(method="OPTIONS", headers=BAD)
    assert said(answer) == {k: v for k, v in ALL.items() if k not in ("allow-origin", "expose-headers")}
    assert up.requests == []


def test_every_origin(proxy, upstream):
    p = proxy(with_cors(upstream(name="a"), {"allow_origin_string_match": [{"exact": "*"}]}))
    assert said(p.get(headers=BAD)) == {"allow-origin": "http://bad"}
    assert said(p.get()) == {}
    p.expect_stats(stats(1, 0))


@pytest.mark.parametrize("policy, counted", [({**FULL, "filter_enabled": OFF}, 0), ({**FULL, "filter_enabled": OFF, "shadow_enabled": ON}, 1)])
def test_off_and_in_the_shadow(proxy, upstream, policy, counted):
    p = proxy(with_cors(upstream(name="a"), policy))
    answer = p.get(method="OPTIONS", headers=PREFLIGHT)
    assert (answer.text, said(answer)) == ("a", {})
    p.expect_stats(stats(counted, 0))


def test_a_runtime_key_turns_it_off(proxy, upstream):
    p = proxy(with_cors(upstream(name="a"), {**FULL, "filter_enabled": {**ON, "runtime_key": "my.cors"}}, runtime={"my.cors": 0}))
    assert said(p.get(method="OPTIONS", headers=PREFLIGHT)) == {}


MERGES = [
    ({"allow_methods": "R"}, {**GOOD, "allow_methods": "V", "max_age": "7", "allow_credentials": True}, {"expose_headers": "T"}, None,
     {"allow-origin": "http://a.good", "allow-methods": "R", "max-age": "7", "expose-headers": "T", "allow-credentials": "true"}),
    ({"allow_credentials": False}, {**GOOD, "filter_enabled": OFF, "allow_credentials": True}, None, None, {"allow-origin": "http://a.good"}),
    ({"allow_methods": "R", "filter_enabled": OFF}, GOOD, None, None, {}),
    (None, None, None, {**GOOD, "allow_methods": "O"}, {"allow-origin": "http://a.good", "allow-methods": "O"})]


@pytest.mark.parametrize("route, vhost, table, old, want", MERGES)
def test_each_field_comes_from_the_most_specific_level(proxy, upstream, route, vhost, table, old, want):
    p = proxy(with_cors(upstream(name="a"), route, vhost, table, old))
    assert said(p.get(method="OPTIONS", headers=PREFLIGHT)) == want


def test_the_old_field_does_not_add_to_the_new_one(proxy, upstream):
    p = proxy(with_cors(upstream(name="a"), {"allow_methods": "R"}, old=GOOD))
    assert said(p.get(method="OPTIONS", headers=PREFLIGHT)) == {}
    p.expect_stats(stats(0, 1))

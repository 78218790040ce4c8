# SPDX-License-Identifier: Apache-2.0
"""is_optional: a filter, or a route's configuration for one, that is not there is left out with a warning."""
import pytest

from lib import config as c
from lib.proxy import Failed, Proxy

TYPED_STRUCT = "type.googleapis.com/xds.type.v3.TypedStruct"
UNKNOWN = {"@type": TYPED_STRUCT, "type_url": "type.googleapis.com/nobody.knows.This", "value": {"a": 1}}
CLUSTER = {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "x"}
FILTER_CONFIG = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"


def optional(config, **extra):
    return {"name": "mine", "is_optional": True, **({"typed_config": config} if config else {}), **extra}


def route_config(config, **extra):
    return {"typed_per_filter_config": {"mine": {"@type": FILTER_CONFIG, "config": config, **extra}}}


@pytest.mark.parametrize("config", [UNKNOWN, {**UNKNOWN, "@type": "type.googleapis.com/udpa.type.v1.TypedStruct"}, CLUSTER, None])
def test_what_is_no_filter_is_left_out(proxy, config):
    p = proxy(c.http(c.direct(body="x"), filters=[optional(config)]))
    assert p.get().text == "x"
    assert "mine" in p.log()


@pytest.mark.parametrize("config", [UNKNOWN, CLUSTER])
def test_the_same_for_a_route(proxy, config):
    p = proxy(c.http(c.direct(body="x", **route_config(config, is_optional=True))))
    assert p.get().text == "x"
    assert "mine" in p.log()


@pytest.mark.own
@pytest.mark.parametrize("keys", [("typed_config", "is_optional"), ("is_optional", "typed_config"), ("typedConfig", "isOptional")])
def test_a_filter_that_only_envoy_has(proxy, keys):
    """It says that it may be left out where it is not supported."""
    values = {"t": {"@type": LUA, "inline_code": "function envoy_on_request(h) end"}, "i": True}
    p = proxy(c.http(c.direct(body="x"), filters=[{"name": "mine", **{k: values[k[0]] for k in keys}}]))
    assert p.get().text == "x"
    assert "the optional HTTP filter 'mine' is left out" in p.log() and "lua.v3.Lua" in p.log()


def test_the_others_stay_in_their_order(proxy):
    mutation = {"mutations": {"response_mutations": [{"append": {"header": {"key": "x-here", "value": "1"}}}]}}
    filters = [optional(UNKNOWN), c.http_filter("header_mutation", "HeaderMutation", **mutation), optional(UNKNOWN)]
    assert proxy(c.http(c.direct(), filters=filters)).get().get("x-here") == "1"


def test_in_an_upgrade(proxy):
    upgrades = [{"upgrade_type": "websocket", "filters": [optional(UNKNOWN), c.router()]}]
    assert proxy(c.http(c.direct(body="x"), upgrade_configs=upgrades)).get().text == "x"


@pytest.mark.parametrize("config", [
    c.http(c.direct(), filters=[{**optional(UNKNOWN), "is_optional": False}]),
    c.http(c.direct(), filters=[optional({"@type": "type.googleapis.com/nobody.knows.This"})]),
    c.http(c.direct(), filters=[{**c.http_filter("buffer", "Buffer"), "is_optional": True}]),
    c.http(c.direct(**route_config(UNKNOWN))),
    c.http(c.direct(**route_config({"@type": "type.googleapis.com/nobody.knows.This"}, is_optional=True)))])
def test_what_is_refused_all_the_same(kind, tmp_path, config):
    with pytest.raises(Failed) as failed:
        Proxy(tmp_path, config, kind=kind).start()
    assert failed.value.code == 1


def test_the_router_must_be_last_even_then(kind, tmp_path):
    config = c.http(c.direct())
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"].append(optional(UNKNOWN))
    with pytest.raises(Failed) as failed:
        Proxy(tmp_path, config, kind=kind).start()
    assert "must be the last filter" in failed.value.log

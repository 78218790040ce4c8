# SPDX-License-Identifier: Apache-2.0
"""Who the client is, and which headers say so."""
import fcntl
import socket
import struct

import pytest

from lib import config as c
from lib import wire


@pytest.fixture
def seen(proxy, upstream):
    """seen(options, headers) -> the request as the upstream saw it."""
    up = upstream(name="a")

    def send(options, headers=(), **request):
        p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], **options))
        assert p.get(headers=list(headers), **request).status == 200
        return up.next()
    return send


def own_address():
    """The machine's first address that is not loopback: Envoy says it instead of a loopback peer's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _, name in socket.if_nameindex():
            try:
                found = socket.inet_ntoa(fcntl.ioctl(s, 0x8915, struct.pack("256s", name.encode()))[20:24])  # SIOCGIFADDR
            except OSError:
                continue
            if not found.startswith("127."):
                return found
    return "127.0.0.1"


def test_an_edge_proxy_appends_the_peer(seen):
    request = seen({"use_remote_address": True}, [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https"),
                                                  ("x-envoy-upstream-rq-timeout-ms", "1"), ("x-envoy-internal", "true")])
    assert request.get("x-forwarded-for") == f"1.2.3.4,{own_address()}"
    assert request.get("x-forwarded-proto") == "http"
    assert not request.has("x-envoy-internal")
    assert request.get("x-envoy-expected-rq-timeout-ms") == "15000"


def test_an_inner_proxy_trusts_what_it_gets(seen):
    request = seen({}, [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")])
    assert request.get("x-forwarded-for") == "1.2.3.4"
    assert request.get("x-forwarded-proto") == "https"


@pytest.mark.parametrize("hops, xff, want", [(0, "1.1.1.1, 2.2.2.2", "127.0.0.1"), (1, "1.1.1.1, 2.2.2.2", "2.2.2.2"),
                                             (2, "1.1.1.1, 2.2.2.2", "1.1.1.1"), (3, "1.1.1.1, 2.2.2.2", "127.0.0.1")])
def test_trusted_hops_at_the_edge(seen, hops, xff, want):
    request = seen({"use_remote_address": True, "xff_num_trusted_hops": hops}, [("x-forwarded-for", xff)])
    assert (request.get("x-envoy-external-address") or "") == want


def test_skipping_the_append(seen):
    request = seen({"use_remote_address": True, "skip_xff_append": True}, [("x-forwarded-for", "1.2.3.4")])
    assert request.get("x-forwarded-for") == "1.2.3.4"


def test_internal_addresses(seen):
    options = {"use_remote_address": True,
               "internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}
    assert seen(options).get("x-envoy-internal") == "true"
    assert not seen({"use_remote_address": True}).has("x-envoy-internal")


def test_the_address_from_another_header(seen):
    options = {"original_ip_detection_extensions": [c.typed(
        "envoy.http.original_ip_detection.custom_header",
        "http.original_ip_detection.custom_header.v3.CustomHeaderConfig", header_name="x-real-ip",
        allow_extension_to_set_address_as_trusted=True)]}
    route = c.route("up", request_headers_to_add=[{"header": {"key": "x-seen", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}])
    assert seen({**options, "virtual_hosts": [c.virtual_host(route)]}, [("x-real-ip", "9.8.7.6")]).get("x-seen") == "9.8.7.6"


def test_the_xff_extension(seen):
    options = {"original_ip_detection_extensions": [c.typed(
        "envoy.http.original_ip_detection.xff", "http.original_ip_detection.xff.v3.XffConfig", xff_num_trusted_hops=1)]}
    route = c.route("up", request_headers_to_add=[{"header": {"key": "x-seen", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}])
    assert seen({**options, "virtual_hosts": [c.virtual_host(route)]},
                [("x-forwarded-for", "1.1.1.1, 2.2.2.2, 3.3.3.3")]).get("x-seen") == "2.2.2.2"


def test_via(seen):
    assert seen({"via": "me"}, [("via", "1.1 other")]).get("via") == "1.1 other, me"


@pytest.mark.parametrize("name", ["connection", "keep-alive", "proxy-connection", "te"])
def test_hop_by_hop_headers_stay_here(seen, name):
    request = seen({}, [(name, "x-one")])
    assert not request.has("proxy-connection") and not request.has("keep-alive")
    assert request.get("te") in (None, "trailers")


def test_user_agent_is_left_alone(seen):
    assert seen({}, [("user-agent", "mine")]).get("user-agent") == "mine"
    assert not seen({}).has("user-agent")


@pytest.mark.parametrize("mode, from_upstream, want", [
    ("OVERWRITE", "theirs", "ours"), ("OVERWRITE", None, "ours"), ("APPEND_IF_ABSENT", "theirs", "theirs"),
    ("APPEND_IF_ABSENT", None, "ours"), ("PASS_THROUGH", "theirs", "theirs"), ("PASS_THROUGH", None, None)])
def test_the_server_header(proxy, upstream, mode, from_upstream, want):
    up = upstream(lambda r: wire.response(headers=[("server", from_upstream)] if from_upstream else []))
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)], server_name="ours", server_header_transformation=mode))
    assert p.get().get("server") == want


def test_a_date_is_added_only_if_absent(proxy, upstream):
    up = upstream(lambda r: wire.response(headers=[("date", "Thu, 01 Jan 1970 00:00:00 GMT")]))
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", up.port)]))
    assert p.get().all("date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]


def test_local_replies_may_be_changed(proxy):
    p = proxy(c.http(c.route("none", prefix="/none"), clusters=[c.cluster("none")], local_reply_config={
        "mappers": [{"filter": {"status_code_filter": {"comparison": {"op": "EQ", "value": {
            "default_value": 503, "runtime_key": "k"}}}}, "status_code": 599,
            "headers_to_add": [{"header": {"key": "x-changed", "value": "yes"}}],
            "body": {"inline_string": "sorry"},
            "body_format_override": {"json_format": {"status": "%RESPONSE_CODE%", "text": "%LOCAL_REPLY_BODY%"}}}],
        "body_format": {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%:%RESPONSE_CODE%:%REQ(:path)%"}}}))
    answer = p.get("/none")
    assert (answer.status, answer.get("x-changed"), answer.get("content-type")) == (599, "yes", "application/json")
    assert answer.text == '{"status":599,"text":"sorry"}\n'
    answer = p.get("/other")
    assert (answer.status, answer.text) == (404, ":404:/other")

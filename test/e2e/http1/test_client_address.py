# SPDX-License-Identifier: Apache-2.0
"""Original IP detection by extensions; request ids of strangers."""
import pytest

from lib import config as c

IP = "http.original_ip_detection."


def custom(**config):
    return c.typed("envoy.http.original_ip_detection.custom_header", IP + "custom_header.v3.CustomHeaderConfig",
                   **{"header_name": "X-Client", **config})


def xff(*trusted, **config):
    if trusted:
        config["xff_trusted_cidrs"] = {"cidrs": [{"address_prefix": a, "prefix_len": n} for a, n in trusted]}
    return c.typed("envoy.http.original_ip_detection.xff", IP + "xff.v3.XffConfig", **config)


def with_detection(up, *extensions, **config):
    return c.http(c.route("up", request_headers_to_add=[{"header": {"key": "x-seen", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}]),
                  clusters=[c.cluster("up", up.port)], original_ip_detection_extensions=list(extensions), **config)


LOCAL = ("127.0.0.0", 8)
CASES = [
    ([custom()], {}, "127.0.0.1"), ([custom()], {"x-client": "1.2.3.4"}, "1.2.3.4"), ([custom()], {"x-client": "1.2.3.4:80"}, "127.0.0.1"),
    ([custom()], {"x-client": "nope"}, "127.0.0.1"), ([custom()], {"x-client": "::1", "x-forwarded-for": "9.9.9.9"}, "::1"),
    ([xff()], {}, "127.0.0.1"), ([xff()], {"x-forwarded-for": "1.1.1.1, 2.2.2.2,3.3.3.3"}, "3.3.3.3"), ([xff()], {"x-forwarded-for": "x"}, "127.0.0.1"),
    ([xff(xff_num_trusted_hops=1)], {"x-forwarded-for": "1.1.1.1, 2.2.2.2,3.3.3.3"}, "2.2.2.2"),
    ([xff(xff_num_trusted_hops=1)], {"x-forwarded-for": "1.1.1.1"}, "127.0.0.1"),
    ([xff(LOCAL)], {"x-forwarded-for": "1.1.1.1, 2.2.2.2, 127.0.0.9"}, "2.2.2.2"), ([xff(LOCAL)], {"x-forwarded-for": "1.1.1.1,127.0.0.8, 127.0.0.9"}, "1.1.1.1"),
    ([xff(LOCAL)], {"x-forwarded-for": "127.0.0.8, 127.0.0.9"}, "127.0.0.8"), ([xff(LOCAL)], {"x-forwarded-for": "x, 127.0.0.9"}, "127.0.0.1"),
    ([xff(("8.0.0.0", 8))], {"x-forwarded-for": "1.1.1.1"}, "127.0.0.1"),
    ([custom(), xff()], {"x-forwarded-for": "5.5.5.5"}, "5.5.5.5"), ([custom(), xff()], {"x-forwarded-for": "5.5.5.5", "x-client": "6.6.6.6"}, "6.6.6.6")]


@pytest.mark.parametrize("extensions, headers, seen", CASES)
def test_who_is_it(proxy, upstream, extensions, headers, seen):
    up = upstream(name="a")
    p = proxy(with_detection(up, *extensions))
    assert p.get(headers=list(headers.items())).status == 200
    assert up.requests[0].get("x-seen") == seen


@pytest.mark.parametrize("extension, sent, appended", [
    (xff(), "1.1.1.1", False), (xff(skip_xff_append=True), "1.1.1.1", False), (xff(skip_xff_append=False), "1.1.1.1", True),
    (xff(skip_xff_append=False), "x", True), (xff(("8.0.0.0", 8)), "1.1.1.1", True), (custom(), "1.1.1.1", False)])
def test_whether_the_peer_is_added(proxy, upstream, extension, sent, appended):
    up = upstream(name="a")
    p = proxy(with_detection(up, extension))
    p.get(headers=[("x-forwarded-for", sent)])
    assert (up.requests[0].get("x-forwarded-for") != sent) == appended
    assert up.requests[0].get("x-forwarded-for").startswith(sent)


@pytest.mark.parametrize("code, status", [("OK", 403), ("Unauthorized", 401)])
def test_refuses_the_unknown(proxy, upstream, tmp_path, code, status):
    up = upstream(name="a")
    p = proxy(with_detection(up, custom(reject_with_status={"code": code}), access_log=[c.file_log(tmp_path / "log", "%RESPONSE_CODE_DETAILS%\n")]))
    answer = p.get()
    assert (answer.status, answer.body) == (status, b"")
    assert up.requests == []
    p.stop()
    assert (tmp_path / "log").read_text() == "rejecting_because_detection_failed\n"


@pytest.mark.parametrize("internal", [True, False])
def test_an_extension_may_make_it_internal(proxy, upstream, internal):
    up = upstream(name="a")
    p = proxy(with_detection(up, custom(allow_extension_to_set_address_as_trusted=internal),
                             internal_address_config={"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}))
    p.get(headers=[("x-client", "10.1.2.3")])
    assert up.requests[0].get("x-envoy-internal") == ("true" if internal else None)


REFUSED = [(xff(LOCAL, xff_num_trusted_hops=1), {}, "Cannot set both"), (xff(), {"use_remote_address": True}, "may not be mixed"),
           (custom(reject_with_status={"code": 418}), {}, "code|Code")]


@pytest.mark.parametrize("extension, config, why", REFUSED)
def test_refuses(kind, tmp_path, upstream, extension, config, why):
    from lib.proxy import Failed, Proxy
    with pytest.raises(Failed, match=why):
        Proxy(tmp_path, with_detection(upstream(name="a"), extension, **config), kind=kind).start()


UUID = "aaaaaaaa-bbbb-1ccc-8ddd-eeeeeeeeeeee"
NO_REASON = UUID[:14] + "4" + UUID[15:]
KEEP = {"preserve_external_request_id": True, "use_remote_address": True}


def uuid(**config):
    return {"request_id_extension": {"typed_config": {"@type": c.PACKAGES + "request_id.uuid.v3.UuidRequestIdConfig", **config}}}


@pytest.mark.parametrize("config, sent, kept", [
    (KEEP, UUID, NO_REASON), (KEEP, "short", "short"), ({**KEEP, **uuid()}, UUID, NO_REASON), ({**KEEP, **uuid(pack_trace_reason=False)}, UUID, UUID),
    (uuid(), UUID, UUID), ({}, "short", "short"), ({"request_id_extension": {}}, UUID, UUID)])
def test_request_ids_that_stay(proxy, upstream, config, sent, kept):
    up = upstream(name="a")
    p = proxy(with_detection(up, **config))
    p.get(headers=[("x-request-id", sent)])
    assert up.requests[0].get("x-request-id") == kept


@pytest.mark.parametrize("config, sent", [(KEEP, ""), ({}, ""), ({"use_remote_address": True}, UUID)])
def test_request_ids_that_go(proxy, upstream, config, sent):
    up = upstream(name="a")
    p = proxy(with_detection(up, **config))
    p.get(headers=[("x-request-id", sent)])
    assert up.requests[0].get("x-request-id") != sent
    assert len(up.requests[0].get("x-request-id")) == 36

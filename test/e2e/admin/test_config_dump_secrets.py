# SPDX-License-Identifier: Apache-2.0
"""/config_dump's secrets: which there are, and that nothing is shown that must not be."""
import json

from lib import config as c

TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
REDACTED = {"inline_string": "[redacted]"}


def secrets_config(up_port):
    """Nobody uses them, so that they may be anything."""
    config = c.http(c.route("up"), clusters=[c.cluster("up", up_port)])
    config["static_resources"]["secrets"] = [
        {"name": "cert", "tls_certificate": {"certificate_chain": {"filename": "/shown.pem"}, "private_key": {"filename": "/hidden.pem"},
                                             "password": {"inline_string": "hidden"}}},
        {"name": "ca", "validation_context": {"trusted_ca": {"filename": "/shown.pem"}}},
        {"name": "keys", "session_ticket_keys": {"keys": [{"inline_string": "hidden"}, {"environment_variable": "hidden"}]}},
        {"name": "word", "generic_secret": {"secret": {"inline_string": "hidden"}}},
    ]
    return config


def test_static_secrets(proxy, upstream):
    p = proxy(secrets_config(upstream(name="a").port))
    found = {x["name"]: x for x in p.json("/config_dump?resource=static_secrets")["configs"]}
    assert all(x["@type"] == "type.googleapis.com/envoy.admin.v3.SecretsConfigDump.StaticSecret" for x in found.values())
    assert all(x["secret"]["@type"] == TYPE and x["secret"]["name"] == name for name, x in found.items())
    assert {name: next(v for k, v in x["secret"].items() if k not in ("@type", "name")) for name, x in found.items()} == {
        "cert": {"certificate_chain": {"filename": "/shown.pem"}, "private_key": {"filename": "[redacted]"}, "password": REDACTED},
        "ca": {"trusted_ca": {"filename": "/shown.pem"}},
        "keys": {"keys": [REDACTED, {"environment_variable": "[redacted]"}]},
        "word": {"secret": REDACTED},
    }
    whole = p.json("/config_dump")
    dump = [x for x in whole["configs"] if x["@type"] == "type.googleapis.com/envoy.admin.v3.SecretsConfigDump"]
    assert len(dump) == 1 and set(dump[0]) == {"@type", "static_secrets"} and len(dump[0]["static_secrets"]) == 4
    assert "hidden" not in json.dumps(whole), "the bootstrap has them, too"
    assert p.json("/config_dump?resource=dynamic_active_secrets") == {}


def test_names_and_masks_of_secrets(proxy, upstream):
    p = proxy(secrets_config(upstream(name="a").port))
    one = p.json("/config_dump?resource=static_secrets&name_regex=w.*")["configs"]
    assert [x["name"] for x in one] == ["word"]
    names = p.json("/config_dump?resource=static_secrets&mask=name")["configs"]
    assert sorted(x["name"] for x in names) == ["ca", "cert", "keys", "word"]
    assert all(set(x) == {"@type", "name"} for x in names)
    assert p.admin("/config_dump?resource=static_secrets&mask=bogus").status == 400

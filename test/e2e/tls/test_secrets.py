# SPDX-License-Identifier: Apache-2.0
"""Secrets: by name, from files (SDS), and changed while connections run."""
import json
import os
import shutil
import signal
import ssl

import pytest

from lib import config as c
from lib import pki, tls, wait_until, wire

TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


class Folder:
    """Where secrets lie; files are written beside and moved into place."""

    def __init__(self, path):
        self.path = path
        path.mkdir()

    def __truediv__(self, name):
        return self.path / name

    def put(self, name, text):
        new = self.path.parent / "new"
        new.write_text(text)
        os.rename(new, self.path / name)

    def copy(self, certificate):
        self.put("tls.crt", certificate.chain.read_text())
        self.put("tls.key", certificate.key.read_text())

    def sds(self, name, version="1", file=None, **secret):
        response = {"version_info": version, "resources": [{"@type": TYPE, "name": name, **secret}]}
        self.put(file or f"{name}.yaml", json.dumps(response))

    def source(self, name, **path):
        return {"name": name, "sds_config": {"path_config_source": {"path": str(self / f"{name}.yaml"), **path},
                                             "resource_api_version": "V3"}}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "secrets")


def listener(common, **context):
    one = c.listener(c.hcm(c.direct(body="ok")))
    one["filter_chains"][0]["transport_socket"] = tls.downstream(common=common, **context)
    return one


def bootstrap(*args, secrets=(), **options):
    config = c.bootstrap(*args, **options)
    config["node"] = {"id": "one", "cluster": "some"}
    if secrets:
        config["static_resources"]["secrets"] = list(secrets)
    return config


def pair(certificate):
    return {"certificate_chain": {"filename": str(certificate.chain)}, "private_key": {"filename": str(certificate.key)}}


def served(p, certificate):
    """Whether new connections get this certificate."""
    with tls.connect(p.port, pki.client_context(), "localhost") as peer:
        return peer.tls.getpeercert(True) == ssl.PEM_cert_to_DER_cert(certificate.pem)


def sds(p, name):
    found = {k.removeprefix(f"sds.{name}."): v for k, v in p.stats(f"sds.{name}.").items()}
    return {k: found[k] for k in ("update_attempt", "update_success", "update_rejected", "update_failure")}


def certificate_config(folder):
    return bootstrap([listener({"tls_certificate_sds_secret_configs": [folder.source("cert")]})])


def test_a_new_certificate_is_for_new_connections(proxy, certs, folder):
    folder.sds("cert", tls_certificate=pair(certs.server))
    p = proxy(certificate_config(folder))
    assert served(p, certs.server)
    with tls.connect(p.port, pki.client_context(certs.ca), "localhost") as old:
        assert old.get("/").text == "ok"
        folder.sds("cert", version="2", tls_certificate=pair(certs.rsa))
        wait_until(lambda: served(p, certs.rsa), "the new certificate")
        assert old.get("/").text == "ok", "the old connection goes on"
    assert sds(p, "cert") == {"update_attempt": 2, "update_success": 2, "update_rejected": 0, "update_failure": 0}


def test_a_bad_one_changes_nothing(proxy, certs, folder):
    folder.sds("cert", tls_certificate=pair(certs.server))
    p = proxy(certificate_config(folder))
    bad = [
        ("rejected", lambda: folder.sds("cert", tls_certificate={**pair(certs.server), "private_key": pair(certs.rsa)["private_key"]})),
        ("rejected", lambda: folder.sds("other", file="cert.yaml", tls_certificate=pair(certs.rsa))),
        ("rejected", lambda: folder.sds("cert", tls_certificate={**pair(certs.rsa), "certificate_chain": {"filename": "/no/such/file"}})),
        ("rejected", lambda: folder.sds("cert", validation_context={"trusted_ca": {"filename": str(certs.ca.path)}})),
        ("rejected", lambda: folder.put("cert.yaml", "version_info: '2'")),
        ("failure", lambda: folder.put("cert.yaml", "resources: [")),
    ]
    wanted = {"update_attempt": 1, "update_success": 1, "update_rejected": 0, "update_failure": 0}
    for how, change in bad:
        change()
        wanted["update_attempt"] += 1
        wanted[f"update_{how}"] += 1
        wait_until(lambda: sds(p, "cert") == wanted, f"{wanted}, is {sds(p, 'cert')}")
        assert served(p, certs.server)
    folder.sds("cert", version="3", tls_certificate=pair(certs.rsa))
    wait_until(lambda: served(p, certs.rsa), "the new certificate")


@pytest.mark.parametrize("watched", [False, True])
def test_files_that_are_moved_into_place(proxy, certs, folder, watched):
    folder.copy(certs.server)
    secret = {"certificate_chain": {"filename": str(folder / "tls.crt")}, "private_key": {"filename": str(folder / "tls.key")}}
    if watched:
        secret["watched_directory"] = {"path": str(folder.path)}
    folder.sds("cert", tls_certificate=secret)
    p = proxy(certificate_config(folder))
    assert served(p, certs.server)
    folder.put("tls.crt", certs.rsa.chain.read_text())
    wait_until(lambda: p.stat("sds.cert.key_rotation_failed") >= 1, "the mismatch is noticed")
    assert served(p, certs.server)
    folder.put("tls.key", certs.rsa.key.read_text())
    wait_until(lambda: served(p, certs.rsa), "the new certificate")
    failed = p.stat("sds.cert.key_rotation_failed")
    folder.put("tls.crt", "garbage")
    wait_until(lambda: p.stat("sds.cert.key_rotation_failed") > failed, "the garbage is noticed")
    assert served(p, certs.rsa)
    assert sds(p, "cert")["update_attempt"] == 1, "that is no update of the secret"


def test_a_link_to_another_folder(proxy, certs, folder):
    """As Kubernetes does it: files are links through ..data, which is replaced."""
    for name, certificate in (("v1", certs.server), ("v2", certs.rsa)):
        (folder / name).mkdir()
        shutil.copy(certificate.chain, folder / name / "tls.crt")
        shutil.copy(certificate.key, folder / name / "tls.key")
    os.symlink("v1", folder / "..data")
    for name in ("tls.crt", "tls.key"):
        os.symlink(f"..data/{name}", folder / name)
    folder.sds("cert", tls_certificate={"certificate_chain": {"filename": str(folder / "tls.crt")},
                                        "private_key": {"filename": str(folder / "tls.key")}})
    p = proxy(certificate_config(folder))
    assert served(p, certs.server)
    os.symlink("v2", folder / "..data_tmp")
    os.rename(folder / "..data_tmp", folder / "..data")
    wait_until(lambda: served(p, certs.rsa), "the new certificate")
    assert p.stat("sds.cert.key_rotation_failed") == 0


def admitted(p, certificate):
    try:
        with tls.connect(p.port, pki.client_context(certificate=certificate), "localhost") as peer:
            return peer.get("/").text == "ok"
    except (ssl.SSLError, wire.Closed, OSError):
        return False


@pytest.mark.parametrize("combined", [False, True])
def test_a_new_ca(proxy, certs, folder, combined):
    folder.sds("ca", validation_context={"trusted_ca": {"filename": str(certs.ca.path)}})
    source = {"validation_context_sds_secret_config": folder.source("ca")}
    if combined:
        source = {"combined_validation_context": {
            "default_validation_context": {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "client.example"}}]},
            **source}}
    p = proxy(bootstrap([listener({"tls_certificates": [pair(certs.server)], **source}, require_client_certificate=True)]))
    assert admitted(p, certs.client) and not admitted(p, certs.stranger)
    assert admitted(p, certs.rsa) == (not combined)
    folder.sds("ca", version="2", validation_context={"trusted_ca": {"filename": str(certs.other_ca.path)}})
    wait_until(lambda: admitted(p, certs.stranger), "the new CA")
    assert not admitted(p, certs.client)
    folder.sds("ca", version="3", validation_context={"trusted_ca": {"inline_string": "garbage"}})
    wait_until(lambda: sds(p, "ca")["update_rejected"] == 1, "the garbage is refused")
    assert admitted(p, certs.stranger)


def test_connections_end_while_there_is_no_secret(proxy, certs, folder):
    folder.sds("cert", tls_certificate={**pair(certs.server), "private_key": pair(certs.rsa)["private_key"]})
    p = proxy(certificate_config(folder))
    with pytest.raises((ssl.SSLError, wire.Closed, OSError)):
        tls.connect(p.port, pki.client_context(), "localhost")
    name = next(n for n in p.stats() if n.endswith("server_ssl_socket_factory.downstream_context_secrets_not_ready"))
    p.wait_stat(name, 1)
    warming = p.json("/config_dump?resource=dynamic_warming_secrets" if p.kind == "nuncio" else
                     "/config_dump?resource=dynamic_active_secrets")["configs"]
    assert [x["name"] for x in warming] == ["cert"]
    folder.sds("cert", version="2", tls_certificate=pair(certs.server))
    wait_until(lambda: p.stat("sds.cert.update_success") == 1, "the good one is taken")
    assert served(p, certs.server)


def test_secrets_of_a_cluster(proxy, certs, folder, tls_server):
    server = tls_server(pki.server_context(certs.server, certs.ca),  # a connection for each request
                        lambda request: wire.response(headers=[("connection", "close")], body="secret"))
    folder.sds("cert", tls_certificate=pair(certs.client))
    folder.sds("ca", validation_context={"trusted_ca": {"filename": str(certs.ca.path)}})
    cluster = c.cluster("up", server.port)
    cluster["transport_socket"] = tls.upstream(common={
        "tls_certificate_sds_secret_configs": [folder.source("cert")],
        "validation_context_sds_secret_config": folder.source("ca")})
    config = c.http(c.route("up"), clusters=[cluster])
    config["node"] = {"id": "one", "cluster": "some"}
    p = proxy(config)
    assert p.get("/").status == 200
    folder.sds("ca", version="2", validation_context={"trusted_ca": {"filename": str(certs.other_ca.path)}})
    wait_until(lambda: p.get("/").status == 503, "the server is not believed any more")
    assert p.stat("cluster.up.ssl.fail_verify_error") >= 1


def test_the_dump_shows_contents_but_no_keys(proxy, certs, folder):
    folder.sds("cert", version="7", tls_certificate=pair(certs.server))
    p = proxy(certificate_config(folder))
    dump = p.json("/config_dump?resource=dynamic_active_secrets")["configs"]
    assert [(x["name"], x["version_info"]) for x in dump] == [("cert", "7")]
    assert dump[0]["@type"] == "type.googleapis.com/envoy.admin.v3.SecretsConfigDump.DynamicSecret"
    secret = dump[0]["secret"]["tls_certificate"]
    assert secret["private_key"] == {"inline_bytes": "W3JlZGFjdGVkXQ=="}  # [redacted]
    assert set(secret["certificate_chain"]) == {"inline_bytes"}
    assert [x["path"] for x in p.json("/certs")["certificates"][0]["cert_chain"]] == ["<inline>"]
    name = next(n for n in p.stats() if n.endswith(".ssl.certificate.cert.expiration_unix_time_seconds"))
    assert p.stat(name) > 0


def test_a_static_secret(proxy, certs):
    secrets = [{"name": "cert", "tls_certificate": pair(certs.server)},
               {"name": "ca", "validation_context": {"trusted_ca": {"filename": str(certs.ca.path)}}}]
    p = proxy(bootstrap([listener({"tls_certificate_sds_secret_configs": [{"name": "cert"}],
                                   "validation_context_sds_secret_config": {"name": "ca"}}, require_client_certificate=True)],
                        secrets=secrets))
    assert admitted(p, certs.client) and not admitted(p, certs.stranger)
    assert any(n.endswith(".ssl.certificate.ca.expiration_unix_time_seconds") for n in p.stats())


@pytest.mark.own
def test_a_static_secret_changes_with_the_configuration(proxy, certs):
    def config(certificate, key=None):
        secret = {**pair(certificate), **({"private_key": {"filename": str(key)}} if key else {})}
        return bootstrap([listener({"tls_certificate_sds_secret_configs": [{"name": "cert"}]})],
                         secrets=[{"name": "cert", "tls_certificate": secret}])
    p = proxy(config(certs.server))
    with tls.connect(p.port, pki.client_context(certs.ca), "localhost") as old:
        assert old.get("/").text == "ok"
        p.write_config(config(certs.rsa, certs.server.key))
        p.signal(signal.SIGHUP)
        p.wait_stat("config_reload.rejected", 1)
        assert served(p, certs.server)
        p.write_config(config(certs.rsa))
        p.signal(signal.SIGHUP)
        p.wait_stat("config_reload.success", 1)
        assert served(p, certs.rsa)
        assert old.get("/").text == "ok"


@pytest.mark.own
def test_secrets_outlive_reloads(proxy, certs, folder):
    """A listener that changes goes on with the secret that it has; a secret that nobody names any more is gone."""
    def config(body, *extra):
        one = listener({"tls_certificate_sds_secret_configs": [folder.source("cert")]})
        one["filter_chains"][0]["filters"] = c.listener(c.hcm(c.direct(body=body)))["filter_chains"][0]["filters"]
        return bootstrap([one, *extra])
    other = c.listener(c.hcm(c.direct(body="plain")), name="plain")
    folder.sds("cert", tls_certificate=pair(certs.server))
    p = proxy(config("one"))
    for n, body in enumerate(("two", "three"), 1):
        p.write_config(config(body))
        p.signal(signal.SIGHUP)
        p.wait_stat("config_reload.success", n)
    with tls.connect(p.port, pki.client_context(certs.ca), "localhost") as peer:
        assert peer.get("/").text == "three"
    assert sds(p, "cert")["update_attempt"] == 1, "it is read once"
    folder.sds("cert", version="2", tls_certificate=pair(certs.rsa))
    wait_until(lambda: served(p, certs.rsa), "the new certificate")
    p.write_config(bootstrap([other]))
    p.signal(signal.SIGHUP)
    p.wait_stat("config_reload.success", 3)
    wait_until(lambda: not p.stats("sds."), "nobody has it any more")
    assert p.json("/config_dump?resource=dynamic_active_secrets") == {}
    assert p.json("/certs") == {"certificates": []}


def test_the_version_is_a_text(proxy, certs, folder):
    folder.sds("cert", version='a "b"', tls_certificate=pair(certs.server))
    folder.sds("ca", version="7", validation_context={"trusted_ca": {"filename": str(certs.ca.path)}})
    p = proxy(bootstrap([listener({"tls_certificate_sds_secret_configs": [folder.source("cert")],
                                   "validation_context_sds_secret_config": folder.source("ca")}, require_client_certificate=True)]))
    lines = p.admin("/stats?filter=^sds").text.splitlines()
    assert lines[:2] == ['sds.ca.version_text: "7"', 'sds.cert.version_text: "a "b""'], "texts are first"
    assert p.admin("/stats?type=TextReadouts&filter=version_text").text.splitlines() == lines[:2]
    assert "version_text" not in p.admin("/stats?type=Gauges").text
    found = p.json("/stats?format=json&filter=^sds.(ca|cert).(version_text|update_attempt)$")["stats"]
    assert found == [{"name": "sds.ca.version_text", "value": "7"}, {"name": "sds.cert.version_text", "value": 'a "b"'},
                     {"name": "sds.ca.update_attempt", "value": 1}, {"name": "sds.cert.update_attempt", "value": 1}]
    folder.sds("ca", version="8", validation_context={"trusted_ca": {"filename": str(certs.ca.path)}})
    wait_until(lambda: 'sds.ca.version_text: "8"' in p.admin("/stats").text, "the new version")

# SPDX-License-Identifier: Apache-2.0
"""/certs, and the gauges of when certificates end."""
import time

from lib import config as c
from lib import pki, tls


def listener(*certificates, name="in", **context):
    one = c.listener(c.hcm(c.direct(body="ok")), name=name)
    one["filter_chains"][0]["transport_socket"] = tls.downstream(*certificates, **context)
    return one


def found(p):
    """By what they have, since the order of contexts is not defined."""
    contexts = p.json("/certs")["certificates"]
    return {(len(x["ca_cert"]), len(x["cert_chain"])): x for x in contexts}


def test_certificates(proxy, certs):
    bundle = certs.folder / "bundle.pem"
    bundle.write_text(certs.ca.pem + certs.other_ca.pem)
    cluster = c.cluster("up", 1)
    cluster["transport_socket"] = tls.upstream(common={"validation_context": {"trusted_ca": {"filename": str(certs.ca.path)}}})
    plain = c.cluster("plain", 1)
    plain["transport_socket"] = tls.upstream()
    p = proxy(c.bootstrap([listener(certs.server, certs.rsa, common={
        "validation_context": {"trusted_ca": {"filename": str(bundle)}}}, require_client_certificate=True)], [cluster, plain]))
    all_of_them = found(p)
    assert set(all_of_them) == {(2, 2), (1, 0), (0, 0)}
    first, second = all_of_them[2, 2]["cert_chain"]
    assert list(first) == ["path", "serial_number", "subject_alt_names", "days_until_expiration", "valid_from", "expiration_time"]
    assert (first["path"], second["path"]) == (str(certs.server.chain), str(certs.rsa.chain))
    assert first["serial_number"] == certs.server.serial()
    assert first["subject_alt_names"] == [{"dns": "localhost"}, {"ip_address": "127.0.0.1"}]
    assert first["days_until_expiration"] in ("29", "30")  # whole days: 30 within the second in which it was made
    assert time.strptime(first["expiration_time"], "%Y-%m-%dT%H:%M:%SZ") > time.strptime(first["valid_from"], "%Y-%m-%dT%H:%M:%SZ")
    assert [x["path"] for x in all_of_them[2, 2]["ca_cert"]] == [str(bundle)] * 2
    assert [x["serial_number"] for x in all_of_them[2, 2]["ca_cert"]] == [certs.ca.serial(), certs.other_ca.serial()]
    assert all_of_them[1, 0]["ca_cert"][0]["subject_alt_names"] == []


def ends(p):
    return {name: value for name, value in p.stats().items() if "expiration_unix_time_seconds" in name}


def test_gauges(proxy, certs, tmp_path):
    soon = pki.make(tmp_path, "soon", san=["DNS:a"], issuer=certs.ca, days=3)
    cluster = c.cluster("up", 1)
    cluster["transport_socket"] = tls.upstream(common={"validation_context": {"trusted_ca": {"filename": str(certs.ca.path)}}})
    pinned = listener(soon, common={"validation_context": {"verify_certificate_hash": ["ab" * 32]}})
    p = proxy(c.bootstrap([pinned], [cluster]))
    mine = ends(p)
    address = next(name for name in mine if name.startswith("listener.")).split(".ssl.")[0]
    assert set(mine) == {f"{address}.ssl.certificate.unnamed_cert_e3b0c442.expiration_unix_time_seconds",
                         f"{address}.ssl.certificate.unnamed_ca_cert.expiration_unix_time_seconds",
                         "cluster.up.ssl.certificate.unnamed_ca_cert_e3b0c442.expiration_unix_time_seconds"}
    end = mine[f"{address}.ssl.certificate.unnamed_cert_e3b0c442.expiration_unix_time_seconds"]
    assert abs(end - time.time() - 3 * 86400) < 120
    assert mine[f"{address}.ssl.certificate.unnamed_ca_cert.expiration_unix_time_seconds"] == 2**63 - 1
    p.wait_stat("server.days_until_first_cert_expiring", 2)
    text = p.admin("/stats/prometheus?filter=ssl.certificate").text
    assert 'envoy_cluster_ssl_certificate_expiration_unix_time_seconds{envoy_tls_certificate="unnamed_ca_cert_e3b0c442",' \
           'envoy_cluster_name="up"} ' in text


def test_an_expired_certificate_has_no_days_left(proxy, certs, tmp_path):
    old = pki.make(tmp_path, "old", san=["DNS:a"], issuer=certs.ca, days=-1)
    p = proxy(c.bootstrap([listener(old)]))
    assert found(p)[0, 1]["cert_chain"][0]["days_until_expiration"] == "0"
    p.wait_stat("server.days_until_first_cert_expiring", 0)


def test_without_any(proxy):
    p = proxy(c.bootstrap([c.listener(c.hcm(c.direct(body="ok")))]))
    assert p.json("/certs") == {"certificates": []}
    p.wait_stat("server.days_until_first_cert_expiring", 2**32 - 1)

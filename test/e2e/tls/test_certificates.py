# SPDX-License-Identifier: Apache-2.0
"""Certificates, keys and CAs that are good or not: what a configuration may have, and what is said when it is not."""
import base64
import json
import re

import pytest

from lib import config as c
from lib import pki, tls
from lib.proxy import run


def listener(certificate, **context):
    one = c.listener(c.hcm(c.direct(body="ok")))
    one["filter_chains"][0]["transport_socket"] = tls.downstream(common={"tls_certificates": [certificate]}, **context)
    return one


def file(path):
    return {"filename": str(path)}


def text(value):
    return {"inline_string": value}


def check(kind, tmp_path, config):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    code, out, err = run("--mode", "validate", "-c", path, kind=kind)
    return code, out + err


@pytest.fixture(scope="module")
def odd(certs):
    """Files that are not quite right."""
    folder = certs.folder / "odd"
    folder.mkdir(exist_ok=True)
    (folder / "empty").write_text("")
    (folder / "garbage").write_text("garbage\n")
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    (folder / "half").write_text(certs.server.pem + broken)
    pki.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", folder / "small.key")
    pki.openssl("req", "-x509", "-key", folder / "small.key", "-subj", "/CN=small", "-out", folder / "small.pem")
    pki.openssl("pkcs8", "-topk8", "-in", certs.server.key, "-passout", "pass:word", "-out", folder / "locked.key")
    pki.openssl("pkcs12", "-export", "-in", certs.server.path, "-inkey", certs.server.key, "-certfile", certs.ca.path,
                "-passout", "pass:word", "-out", folder / "bundle.p12")
    return folder


# (what, {field: file, or value}, whether it is good, what is said)
CASES = [
    ("good", {}, True, ""),
    ("missing_chain", {"certificate_chain": "nope"}, False, "Failed to load incomplete certificate from .*nope: certificate chain not set"),
    ("empty_chain", {"certificate_chain": "empty"}, False, "Failed to load incomplete certificate from .*empty: certificate chain not set"),
    ("garbage_chain", {"certificate_chain": "garbage"}, False, "Failed to load certificate chain from .*garbage"),
    ("half_chain", {"certificate_chain": "half"}, False, "Failed to load certificate chain from .*half"),
    ("no_key", {"private_key": None}, False, "Failed to load incomplete private key from path: "),
    ("missing_key", {"private_key": "nope"}, False, "Failed to load incomplete private key from path: .*nope"),
    ("garbage_key", {"private_key": "garbage"}, False, "Failed to load private key from .*garbage, Cause: .*NO_START_LINE"),
    ("wrong_key", {"private_key": "client.key"}, False, "Failed to load private key from .*client.key, Cause: .*KEY_VALUES_MISMATCH"),
    ("wrong_kind_of_key", {"private_key": "rsa.key"}, False, "Failed to load private key from .*rsa.key, Cause: .*KEY_TYPE_MISMATCH"),
    ("small_key", {"certificate_chain": "small.pem", "private_key": "small.key"}, False,
     "only RSA certificates with 2048-bit or larger keys are supported"),
    ("locked_key", {"private_key": "locked.key"}, False, "Failed to load private key from .*locked.key, Cause: "),
    ("wrong_password", {"private_key": "locked.key", "password": text("no")}, False, "Failed to load private key from .*locked.key"),
    ("password", {"private_key": "locked.key", "password": text("word")}, True, ""),
    ("pkcs12", {"certificate_chain": None, "private_key": None, "pkcs12": "bundle.p12", "password": text("word")}, True, ""),
    ("pkcs12_wrong_password", {"certificate_chain": None, "private_key": None, "pkcs12": "bundle.p12"}, False,
     "Failed to load pkcs12 from .*bundle.p12"),
    ("pkcs12_and_key", {"certificate_chain": None, "pkcs12": "bundle.p12"}, False,
     "Certificate configuration can't have both pkcs12 and private_key"),
    ("ocsp_as_text", {"ocsp_staple": text("x")}, False, "OCSP staple cannot be provided via inline_string"),
    ("garbage_ocsp", {"ocsp_staple": "bundle.p12"}, False, "OCSP Response"),
]


def build(certs, odd, change):
    known = {"client.key": certs.client.key, "rsa.key": certs.rsa.key}
    fields = {"certificate_chain": certs.server.chain, "private_key": certs.server.key}
    fields.update({k: known.get(v, odd / v) if isinstance(v, str) else v for k, v in change.items()})
    return {k: v if isinstance(v, dict) else file(v) for k, v in fields.items() if v is not None}


@pytest.mark.parametrize("change, good, said", [x[1:] for x in CASES], ids=[x[0] for x in CASES])
def test_certificates(kind, certs, odd, tmp_path, change, good, said):
    if kind == "envoy" and "ocsp_staple" in change and change["ocsp_staple"] == "bundle.p12":
        said = "OCSP"
    code, output = check(kind, tmp_path, c.bootstrap([listener(build(certs, odd, change))]))
    assert (code == 0) == good, output
    assert re.search(said, output), output
    if kind == "nuncio" and not good:
        assert re.search(r"config\.json:\d+:\d+: static_resources\.listeners\[0\]\.\S*common_tls_context\.tls_certificates\[0\]",
                         output), output


VALIDATIONS = [
    ("ca", {"trusted_ca": "CA"}, True, ""),
    ("missing_ca", {"trusted_ca": file("/does/not/exist")}, False, "/does/not/exist"),
    ("empty_ca", {"trusted_ca": "empty"}, False, "file .*empty is empty"),
    ("inline_empty_ca", {"trusted_ca": text("")}, False, "DataSource cannot be empty"),
    ("garbage_ca", {"trusted_ca": "garbage"}, False, "Failed to load trusted CA certificates from .*garbage"),
    ("half_ca", {"trusted_ca": "half"}, False, "Failed to load trusted CA certificates from .*half"),
    ("names_without_ca", {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "a"}}]}, False,
     "SAN-based verification of peer certificates without trusted CA is insecure and not allowed"),
    ("crl_without_ca", {"crl": "half"}, False, "Failed to load CRL from .*half without trusted CA"),
    ("broken_crl", {"trusted_ca": "CA", "crl": "half"}, False, "Failed to load CRL from .*half"),
    ("expired_without_ca", {"allow_expired_certificate": True}, False,
     "Certificate validity period is always ignored without trusted CA"),
    ("bad_hash", {"verify_certificate_hash": ["z" * 64]}, False, "Invalid hex-encoded SHA-256 z{64}"),
    ("bad_spki", {"verify_certificate_spki": ["!" * 44]}, False, "Invalid base64-encoded SHA-256 !{44}"),
    ("bad_oid", {"trusted_ca": "CA", "match_typed_subject_alt_names": [
        {"san_type": "OTHER_NAME", "matcher": {"exact": "a"}, "oid": "1.x"}]}, False,
     "Failed to create SAN matcher for OTHER_NAME with OID: 1.x"),
    ("bad_regex", {"trusted_ca": "CA", "match_typed_subject_alt_names": [
        {"san_type": "DNS", "matcher": {"safe_regex": {"regex": "("}}}]}, False, r"missing \): \("),
]


@pytest.mark.parametrize("fields, good, said", [x[1:] for x in VALIDATIONS], ids=[x[0] for x in VALIDATIONS])
def test_validations(kind, certs, odd, tmp_path, fields, good, said):
    context = {k: file(certs.ca.path if v == "CA" else odd / v) if isinstance(v, str) else v for k, v in fields.items()}
    cluster = c.cluster("up", 1)
    cluster["transport_socket"] = tls.upstream(common={"validation_context": context})
    code, output = check(kind, tmp_path, c.bootstrap([], [cluster]))
    assert (code == 0) == good, output
    assert re.search(said, output), output
    if kind == "nuncio" and not good:
        assert re.search(r"config\.json:\d+:\d+: static_resources\.clusters\[0\]\.\S*validation_context", output), output


@pytest.mark.parametrize("form", ["file", "inline", "bytes", "environment", "pkcs12", "locked"])
def test_forms(proxy, certs, odd, form):
    chain, key = certs.server.chain.read_text(), certs.server.key.read_text()
    forms = {
        "file": certs.server.config(),
        "inline": {"certificate_chain": text(chain), "private_key": text(key)},
        "bytes": {"certificate_chain": {"inline_bytes": base64.b64encode(chain.encode()).decode()},
                  "private_key": {"inline_bytes": base64.b64encode(key.encode()).decode()}},
        "environment": {"certificate_chain": {"environment_variable": "CHAIN"}, "private_key": {"environment_variable": "KEY"}},
        "pkcs12": {"pkcs12": file(odd / "bundle.p12"), "password": text("word")},
        "locked": {"certificate_chain": file(certs.server.chain), "private_key": file(odd / "locked.key"), "password": text("word")},
    }
    p = proxy(c.bootstrap([listener(forms[form])]), env={"CHAIN": chain, "KEY": key})
    with tls.connect(p.port, pki.client_context(certs.ca), "localhost") as peer:
        assert peer.get("/").text == "ok"

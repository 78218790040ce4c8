# SPDX-License-Identifier: Apache-2.0
"""Fields of TLS contexts of which no other test has the end-to-end behaviour, one after the other."""
import base64
import hashlib
import json
import os
import re
import ssl
import subprocess

import pytest

from lib import PATIENCE, pki, tls, wait_until, wire
from lib import config as c

FAST = ("--file-flush-interval-msec", "50")
ASK = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


def listener(transport, name="main"):
    one = c.listener(c.hcm(c.direct(body="hello")), name=name)
    one["filter_chains"][0]["transport_socket"] = transport
    return one


def https(*transports):
    return c.bootstrap([listener(t, "main" if n == 0 else f"l{n}") for n, t in enumerate(transports)])


def strict(certs, context, **common):
    return tls.downstream(certs.server, require_client_certificate=True, common={"validation_context": context, **common})


def admitted(port, certificate=None, version=None):
    try:
        with tls.connect(port, pki.client_context(certificate=certificate, version=version), "localhost") as peer:
            return peer.get("/").status == 200
    except (OSError, wire.Closed):
        return False


def visit(port, *options, name="localhost"):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-ign_eof", "-servername", name, *map(str, options)]
    done = subprocess.run(command, input=ASK, capture_output=True, timeout=PATIENCE)
    return (done.stdout + done.stderr).decode(errors="replace")


def ssl_stats(p):
    found = {}
    for name, value in p.stats("listener.").items():
        if ".ssl." in name:
            found[name.partition(".ssl.")[2]] = found.get(name.partition(".ssl.")[2], 0) + value
    return found


# --- versions, ciphers, curves, signatures: as both sides name them ---

@pytest.mark.parametrize("version, number", [("TLSv1_0", "TLSv1"), ("TLSv1_1", "TLSv1.1"), ("TLSv1_2", "TLSv1.2")])
def test_old_versions(proxy, certs, version, number):
    params = {"tls_minimum_protocol_version": version, "tls_maximum_protocol_version": version,
              "cipher_suites": ["ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256"]}
    flag = "-" + number.lower().replace("v", "").replace(".", "_")
    p = proxy(https(tls.downstream(certs.rsa, common={"tls_params": params})))
    assert "hello" in visit(p.port, "-cipher", "ALL:@SECLEVEL=0", flag)
    for other in {"-tls1", "-tls1_1", "-tls1_2", "-tls1_3"} - {flag}:
        assert "hello" not in visit(p.port, "-cipher", "ALL:@SECLEVEL=0", other)
    assert ssl_stats(p)[f"versions.{number}"] == 1


@pytest.mark.parametrize("cipher, rsa", [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", False), ("ECDHE-ECDSA-AES256-GCM-SHA384", False), ("ECDHE-ECDSA-CHACHA20-POLY1305", False),
    ("ECDHE-RSA-AES128-GCM-SHA256", True), ("ECDHE-RSA-AES256-GCM-SHA384", True), ("ECDHE-RSA-CHACHA20-POLY1305", True),
    ("ECDHE-ECDSA-AES128-SHA", False), ("ECDHE-ECDSA-AES256-SHA", False), ("ECDHE-RSA-AES128-SHA", True),
    ("ECDHE-RSA-AES256-SHA", True), ("AES128-GCM-SHA256", True), ("AES256-GCM-SHA384", True), ("AES128-SHA", True),
    ("AES256-SHA", True),
])
def test_each_cipher(proxy, certs, cipher, rsa):
    p = proxy(https(tls.downstream(certs.rsa if rsa else certs.server, common={"tls_params": {"cipher_suites": [cipher]}})))
    assert "hello" in visit(p.port, "-tls1_2", "-cipher", "ALL:@SECLEVEL=0")
    assert ssl_stats(p)[f"ciphers.{cipher}"] == 1


@pytest.mark.parametrize("name, known_as, client", [("X25519", "X25519", "X25519"), ("P-256", "P-256", "P-256"),
                                                    ("P-384", "P-384", "P-384"), ("P-521", "P-521", "P-521")])
def test_each_curve(proxy, certs, name, known_as, client):
    p = proxy(https(tls.downstream(certs.server, common={"tls_params": {"ecdh_curves": [name]}})))
    assert "hello" in visit(p.port, "-groups", client)
    other = "P-256" if name != "P-256" else "X25519"
    assert "hello" not in visit(p.port, "-groups", other)
    assert ssl_stats(p)[f"curves.{known_as}"] == 1


def test_a_curve_that_the_client_did_not_guess(proxy, certs):
    """HelloRetryRequest."""
    p = proxy(https(tls.downstream(certs.server, common={"tls_params": {"ecdh_curves": ["P-384"]}})))
    assert "hello" in visit(p.port, "-tls1_3", "-groups", "X25519:P-384")
    assert ssl_stats(p)["curves.P-384"] == 1


@pytest.mark.parametrize("name, client, ok", [
    ("rsa_pss_rsae_sha256", "RSA-PSS+SHA256", True), ("rsa_pss_rsae_sha384", "RSA-PSS+SHA256", False),
    ("rsa_pss_rsae_sha512", "RSA-PSS+SHA512", True), ("rsa_pkcs1_sha256", "RSA+SHA256", None),
])
def test_signatures(proxy, certs, name, client, ok):
    """PKCS#1 is for TLS 1.2 alone."""
    p = proxy(https(tls.downstream(certs.rsa, common={"tls_params": {"signature_algorithms": [name]}})))
    for version in ("-tls1_2", "-tls1_3"):
        wanted = ok if ok is not None else version == "-tls1_2"
        assert ("hello" in visit(p.port, version, "-sigalgs", client)) == wanted, version


def test_signature_of_a_client_is_counted(proxy, certs):
    p = proxy(https(strict(certs, tls.validation(certs.ca))))
    assert admitted(p.port, certs.client) and admitted(p.port, certs.rsa)
    found = ssl_stats(p)
    assert found["sigalgs.ecdsa_secp256r1_sha256"] == 1 and found["sigalgs.rsa_pss_rsae_sha256"] == 1


def test_a_policy(proxy, certs):
    p = proxy(https(tls.downstream(certs.server, common={"tls_params": {"compliance_policies": ["FIPS_202205"]}})))
    assert "hello" in visit(p.port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", "-groups", "P-256")
    assert "hello" not in visit(p.port, "-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305")
    assert "hello" not in visit(p.port, "-groups", "X25519")
    assert "hello" not in visit(p.port, "-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")


# --- resumption ---

@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
def test_session_timeout(proxy, certs, tmp_path, version):
    """What the server says of a ticket's life."""
    p = proxy(https(tls.downstream(certs.server, session_timeout="77s")))
    text = visit(p.port, f"-{version}", "-sess_out", tmp_path / "s")
    hint = re.search(r"lifetime hint: (\d+)", text)
    if version == "tls1_2":
        assert hint.group(1) == "77"
    else:
        assert hint and int(hint.group(1)) > 77  # the field is for 1.2


def test_ticket_keys_by_sds(proxy, certs, tmp_path):
    path = tmp_path / "keys.json"

    def put(*keys):
        new = tmp_path / "new"
        new.write_text(json.dumps({"resources": [{
            "@type": c.PACKAGES + "transport_sockets.tls.v3.Secret", "name": "keys",
            "session_ticket_keys": {"keys": [{"inline_bytes": base64.b64encode(k).decode()} for k in keys]}}]}))
        os.rename(new, path)
    one, two = os.urandom(80), os.urandom(80)
    put(one)
    conf = tls.downstream(certs.server, session_ticket_keys_sds_secret_config={
        "name": "keys", "sds_config": {"path_config_source": {"path": str(path)}}})
    p = proxy(https(conf), args=("--service-node", "n", "--service-cluster", "c"))
    saved = tmp_path / "session"
    resumes = lambda: "Reused, TLSv1" in visit(p.port, "-tls1_3", "-sess_in", saved)
    assert "hello" in visit(p.port, "-tls1_3", "-sess_out", saved)
    assert resumes()
    put(two, one)
    p.wait_stat("sds.keys.update_success", 2)
    assert resumes()
    put(two)
    p.wait_stat("sds.keys.update_success", 3)
    wait_until(lambda: not resumes(), "the old key is forgotten")
    put(b"short")
    p.wait_stat("sds.keys.update_rejected", 1)
    assert "hello" in visit(p.port, "-tls1_3")


@pytest.mark.own
@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
def test_resumption_across_workers_and_reloads(proxy, certs, tmp_path, version):
    config = https(tls.downstream(certs.server))
    p = proxy(config, args=("--concurrency", "2"))
    config["static_resources"]["listeners"][0]["address"] = c.address(p.port)
    saved = tmp_path / "session"
    assert "hello" in visit(p.port, f"-{version}", "-sess_out", saved)
    for n in range(1, 4):
        for _ in range(4):
            assert "Reused, TLSv1" in visit(p.port, f"-{version}", "-sess_in", saved)
        config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"] = \
            c.listener(c.hcm(c.direct(body=f"hello {n}")))["filter_chains"][0]["filters"]
        p.write_config(config)
        p.signal(1)
        p.wait_stat("config_reload.success", n)


# --- who is believed ---

def test_pins(proxy, certs):
    der = ssl.PEM_cert_to_DER_cert(certs.client.pem)
    sha = hashlib.sha256(der).hexdigest().upper()
    colons = ":".join(sha[i:i + 2] for i in range(0, 64, 2))
    spki = pki.openssl("x509", "-in", certs.client.path, "-noout", "-pubkey")
    key = base64.b64encode(hashlib.sha256(pki.openssl("pkey", "-pubin", "-outform", "DER", input=spki)).digest()).decode()
    wrong = base64.b64encode(b"x" * 32).decode()
    p = proxy(https(strict(certs, {"verify_certificate_hash": [sha]}),
                    strict(certs, {"verify_certificate_hash": ["00" * 32, colons]}),
                    strict(certs, {"verify_certificate_spki": [wrong, key]}),
                    strict(certs, tls.validation(certs.other_ca, verify_certificate_spki=[key])),
                    strict(certs, {"verify_certificate_spki": [wrong], "verify_certificate_hash": [sha]})))
    wanted = {"main": True, "l1": True, "l2": True, "l3": False, "l4": True}
    for name, good in wanted.items():
        assert admitted(p.ports[name], certs.client) == good, name
        assert not admitted(p.ports[name], certs.rsa), name
        assert not admitted(p.ports[name]), name


@pytest.mark.parametrize("depth, admits", [(0, 1), (1, 1), (2, 2), (3, 3), (None, 3)])
def test_depth(proxy, certs, tmp_path, depth, admits):
    """admits: how many chains are taken, of those with none, one and two authorities below the root."""
    context = tls.validation(certs.ca, **({} if depth is None else {"max_verify_depth": depth}))
    p = proxy(https(strict(certs, context)))
    issuer, seen = certs.ca, []
    for n in range(3):
        seen.append(admitted(p.port, pki.make(tmp_path, f"leaf{n}", issuer=issuer)))
        issuer = pki.authority(tmp_path, f"ca{n}", issuer=issuer)
    assert sum(seen) == admits and seen == sorted(seen, reverse=True), seen


@pytest.mark.parametrize("suppress", [False, True])
def test_names_of_authorities(proxy, certs, suppress):
    p = proxy(https(strict(certs, tls.validation(certs.ca, suppress_client_ca_list=suppress))))
    text = visit(p.port, "-tls1_2")
    assert ("Acceptable client certificate CA names\nCN = root" in text) == (not suppress)


@pytest.mark.parametrize("allow", [False, True])
def test_expired_ones(proxy, certs, tmp_path, allow):
    old = pki.make(tmp_path, "old", issuer=certs.ca, days=-1)
    p = proxy(https(strict(certs, tls.validation(certs.ca, allow_expired_certificate=allow))))
    assert admitted(p.port, old) == allow
    assert not admitted(p.port, certs.stranger)


def test_untyped_names(proxy, certs, tmp_path):
    context = tls.validation(certs.ca, match_subject_alt_names=[{"exact": "a.example"}, {"prefix": "spiffe://x/"}])
    p = proxy(https(strict(certs, context)))
    for n, (name, good) in enumerate([("DNS:a.example", True), ("email:a.example", True), ("URI:spiffe://x/y", True),
                                      ("DNS:*.example", True), ("IP:1.2.3.4", False), ("DNS:b.example", False)]):
        assert admitted(p.port, pki.make(tmp_path, f"c{n}", san=[name], issuer=certs.ca)) == good, name


@pytest.mark.own  # Envoy 1.40 trusts everybody then
def test_roots_of_the_system(proxy, certs):
    p = proxy(https(strict(certs, {"system_root_certs": {}})), env={"SSL_CERT_FILE": str(certs.ca.path)})
    assert admitted(p.port, certs.client) and not admitted(p.port, certs.stranger)


@pytest.mark.parametrize("ca", [False, True])
def test_required_without_an_authority(proxy, certs, ca):
    context = tls.validation(certs.ca) if ca else {}
    p = proxy(https(strict(certs, context)))
    assert admitted(p.port) == (not ca)


@pytest.mark.parametrize("usage, enforce, good", [("digitalSignature", True, True), ("keyEncipherment", True, False),
                                                  ("keyEncipherment", False, False), ("keyEncipherment", None, False)])
def test_key_usage_of_rsa(proxy, certs, tls_server, client, tmp_path, usage, enforce, good):
    one = pki.make(tmp_path, "one", san=["DNS:localhost"], issuer=certs.ca, key="rsa", extensions=[f"keyUsage=critical,{usage}"])
    server = tls_server(pki.server_context(one))
    more = {} if enforce is None else {"enforce_rsa_key_usage": enforce}
    conf = tls.upstream(common={"validation_context": tls.validation(certs.ca)}, **more)
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", server.port, transport_socket=conf)]))
    status = client(p.port).get("/").status
    assert status == (200 if good else 503)


# --- the key log ---

@pytest.mark.parametrize("ranges, logs", [
    ({}, True), ({"local_address_range": [{"address_prefix": "127.0.0.1", "prefix_len": 32}]}, True),
    ({"local_address_range": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}, False),
    ({"remote_address_range": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}, False),
    ({"local_address_range": [{"address_prefix": "127.0.0.0", "prefix_len": 8}],
      "remote_address_range": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}, False),
])
def test_whose_keys_are_logged(proxy, certs, tmp_path, ranges, logs):
    path, all_of_them = tmp_path / "keys", tmp_path / "all"
    p = proxy(https(tls.downstream(certs.server, common={"key_log": {"path": str(path), **ranges}}),
                    tls.downstream(certs.server, common={"key_log": {"path": str(all_of_them)}})), args=FAST)
    assert admitted(p.ports["main"]) and admitted(p.ports["l1"])
    wait_until(lambda: all_of_them.exists() and all_of_them.read_text().count("\n") >= 4, "keys")
    wait_until(lambda: not logs or path.read_text().count("\n") >= 4, "keys")
    assert bool(path.exists() and path.read_text()) == logs


def test_keys_of_a_cluster_are_logged(proxy, certs, tls_server, client, tmp_path):
    server = tls_server(pki.server_context(certs.server))
    path = tmp_path / "keys"
    conf = tls.upstream(common={"key_log": {"path": str(path)}})
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", server.port, transport_socket=conf)]), args=FAST)
    assert client(p.port).get("/").status == 200
    wait_until(lambda: path.exists() and path.read_text().startswith("CLIENT_RANDOM "), "the keys")


# --- what is refused ---

@pytest.mark.own
@pytest.mark.parametrize("common, text", [
    ({"custom_handshaker": {"name": "x"}}, "custom_handshaker"),
    ({"tls_certificate_provider_instance": {"instance_name": "x"}}, "tls_certificate_provider_instance"),
    ({"tls_params": {"compliance_policies": ["CNSA2_202603"]}}, "compliance_policies"),
    ({"validation_context": {"require_signed_certificate_timestamp": True}}, "require_signed_certificate_timestamp"),
    ({"validation_context": {"max_verify_depth": 101}}, "max_verify_depth"),
    ({"alpn_protocols": ["x" * 256]}, "alpn_protocols"),
])
def test_what_is_not_supported_is_refused(proxy, certs, common, text):
    p = proxy(https(tls.downstream(certs.server, common=common)), ready=False)
    assert p.wait() == 1
    assert text in p.log() and re.search(r":\d+:\d+: ", p.log())


@pytest.mark.own
@pytest.mark.parametrize("fields", [{"require_sni": True}, {"private_key_provider": {}}])
def test_fields_that_nobody_has(proxy, certs, fields):
    conf = tls.downstream(certs.server)
    if "require_sni" in fields:
        conf["typed_config"].update(fields)
    else:
        conf["typed_config"]["common_tls_context"]["tls_certificates"][0]["private_key_provider"] = {"provider_name": "x"}
    p = proxy(https(conf), ready=False)
    assert p.wait() == 1
    assert next(iter(fields)) in p.log()


@pytest.mark.own
def test_starttls_is_refused(proxy):
    conf = c.typed("envoy.transport_sockets.starttls", "transport_sockets.starttls.v3.StartTlsConfig")
    p = proxy(https(conf), ready=False)
    assert p.wait() == 1
    assert "starttls" in p.log()

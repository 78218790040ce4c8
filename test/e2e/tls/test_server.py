# SPDX-License-Identifier: Apache-2.0
"""TLS of listeners: which certificate a client gets, what is asked of it, and what it may resume."""
import datetime
import os
import re
import ssl
import subprocess

import pytest

from lib import PATIENCE, pki, tls, wait_until, wire
from lib import config as c


def listener(transport, name="main", chain=None, **hcm):
    one = c.listener(c.hcm(c.direct(body="hello"), **hcm), name=name)
    one["filter_chains"][0].update({"transport_socket": transport, **(chain or {})})
    return one


def https(transport, **options):
    return c.bootstrap([listener(transport, **options)])


def fingerprint(peer):
    return ssl.DER_cert_to_PEM_cert(peer.tls.getpeercert(binary_form=True))


# --- the certificate ---

@pytest.fixture(scope="module")
def many(certs):
    make = lambda name, *san, **options: pki.make(certs.folder, name, san=[f"DNS:{s}" for s in san], issuer=certs.ca, **options)
    return {"exact-rsa": make("exact-rsa", "a.example", key="rsa"), "exact-ec": make("exact-ec", "a.example"),
            "wild": make("wild", "*.example"), "plain": make("plain", "plain.test", key="rsa"),
            "only-cn": pki.make(certs.folder, "cn.test", subject="/CN=cn.test", issuer=certs.ca)}


@pytest.mark.parametrize("order, name, rsa, full_scan, wanted", [
    (["exact-rsa", "exact-ec", "wild"], "a.example", False, False, "exact-ec"),
    (["exact-rsa", "exact-ec", "wild"], "a.example", True, False, "exact-rsa"),
    (["plain", "wild", "exact-ec"], "b.example", False, False, "wild"),
    (["plain", "wild"], "b.c.example", False, False, "plain"),
    (["plain", "wild"], "unknown.test", False, False, "plain"),
    (["plain", "exact-ec"], "unknown.test", False, True, "exact-ec"),
    (["plain", "exact-ec"], None, False, False, "exact-ec"),
    (["plain", "only-cn"], "cn.test", False, False, "only-cn"),
    (["exact-ec", "plain"], "unknown.test", True, False, None),
])
def test_choice(proxy, certs, many, order, name, rsa, full_scan, wanted):
    one = proxy(https(tls.downstream(*(many[n] for n in order), full_scan_certs_on_sni_mismatch=full_scan)))
    context = pki.client_context(version=ssl.TLSVersion.TLSv1_2)
    if rsa:
        context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    if wanted is None:
        with pytest.raises(ssl.SSLError):
            tls.connect(one.port, context, name)
        return
    with tls.connect(one.port, context, name) as peer:
        assert fingerprint(peer).strip() == many[wanted].pem[many[wanted].pem.index("-----BEGIN"):].strip()


def test_the_chain_is_sent(proxy, certs):
    middle = pki.authority(certs.folder, "middle", issuer=certs.ca)
    leaf = pki.make(certs.folder, "below", san=["DNS:localhost"], issuer=middle)
    one = proxy(https(tls.downstream(leaf)))
    with tls.connect(one.port, pki.client_context(certs.ca), "localhost") as peer:
        assert peer.get("/").text == "hello"


# --- the client's certificate ---

def shake(one, context):
    """A request, since a TLS 1.3 server refuses a client's certificate after the client thinks that all is well."""
    with tls.connect(one.port, context, "localhost") as peer:
        return peer.get("/").status


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_is_required(proxy, certs, version):
    conf = tls.downstream(certs.server, require_client_certificate=True,
                          common={"validation_context": tls.validation(certs.ca)})
    one = proxy(https(conf))
    assert shake(one, pki.client_context(certs.ca, certs.client, version=version)) == 200
    for bad in (None, certs.stranger):
        with pytest.raises((OSError, wire.Closed)):
            shake(one, pki.client_context(certs.ca, bad, version=version))
    name = next(k for k in one.stats("listener.") if k.endswith(".ssl.handshake"))
    ssl_stats = name[:-len("handshake")]
    one.expect_stats({ssl_stats + "fail_verify_no_cert": 1, ssl_stats + "fail_verify_error": 1, ssl_stats + "handshake": 1,
                      ssl_stats + "connection_error": 0})


def test_a_certificate_is_asked_for(proxy, certs):
    one = proxy(https(tls.downstream(certs.server, common={"validation_context": tls.validation(certs.ca)})))
    assert shake(one, pki.client_context(certs.ca)) == 200
    assert shake(one, pki.client_context(certs.ca, certs.client)) == 200
    with pytest.raises((OSError, wire.Closed)):
        shake(one, pki.client_context(certs.ca, certs.stranger))


def test_untrusted_ones_are_let_in_on_request(proxy, certs):
    context = tls.validation(certs.ca, trust_chain_verification="ACCEPT_UNTRUSTED")
    one = proxy(https(tls.downstream(certs.server, require_client_certificate=True, common={"validation_context": context})))
    assert shake(one, pki.client_context(certs.ca, certs.stranger)) == 200


def test_a_client_s_name(proxy, certs):
    context = tls.validation(certs.ca, "client.example")
    one = proxy(https(tls.downstream(certs.server, require_client_certificate=True, common={"validation_context": context})))
    assert shake(one, pki.client_context(certs.ca, certs.client)) == 200
    with pytest.raises((OSError, wire.Closed)):
        shake(one, pki.client_context(certs.ca, certs.server))


# --- resumption, by the openssl command, which can do both versions ---

def resume(port, folder, version, first_port=None, options=()):
    """Whether a second connection resumes the session of the first."""
    saved = folder / f"session-{version}-{port}-{first_port}"
    command = ["openssl", "s_client", "-servername", "localhost", f"-{version}", "-ign_eof", *options]
    ask = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    run = lambda p, *more: subprocess.run([*command, "-connect", f"127.0.0.1:{p}", *more], input=ask, capture_output=True,
                                          timeout=PATIENCE).stdout.decode(errors="replace")
    first = run(first_port or port, "-sess_out", str(saved))
    assert "hello" in first, first
    if not saved.exists():  # nothing was offered
        return False
    second = run(port, "-sess_in", str(saved))
    assert "hello" in second, second
    return "Reused, TLSv1" in second


NO_TICKETS = {"disable_stateless_session_resumption": True}
NO_IDS = {"disable_stateful_session_resumption": True}


@pytest.mark.parametrize("version, conf, options, wanted", [
    ("tls1_2", {}, (), True), ("tls1_2", NO_TICKETS, (), True), ("tls1_2", {}, ("-no_ticket",), True),
    ("tls1_2", {**NO_TICKETS, **NO_IDS}, (), False), ("tls1_2", NO_IDS, ("-no_ticket",), False),
    ("tls1_3", {}, (), True), ("tls1_3", NO_TICKETS, (), False), ("tls1_3", {**NO_TICKETS, **NO_IDS}, (), False),
])
def test_resumption(proxy, certs, tmp_path, version, conf, options, wanted):
    one = proxy(https(tls.downstream(certs.server, **conf)))
    assert resume(one.port, tmp_path, version, options=options) == wanted


def key_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(os.urandom(80))
    return {"filename": str(path)}


def test_ticket_keys_are_shared(proxy, certs, tmp_path):
    old, new = key_file(tmp_path, "old"), key_file(tmp_path, "new")
    conf = lambda *keys: https(tls.downstream(certs.server, session_ticket_keys={"keys": list(keys)}))
    first, second, third = proxy(conf(old)), proxy(conf(new, old)), proxy(conf(new))
    assert resume(second.port, tmp_path, "tls1_3", first.port)
    assert not resume(third.port, tmp_path, "tls1_3", first.port)
    assert resume(third.port, tmp_path, "tls1_3", second.port)


def test_a_session_stays_where_the_rules_are_the_same(proxy, certs, tmp_path):
    """TL-05: not from a listener that asks nothing to one that wants a certificate."""
    keys = {"session_ticket_keys": {"keys": [key_file(tmp_path, "key")]}}
    open_ = listener(tls.downstream(certs.server, **keys), name="open")
    closed = listener(tls.downstream(certs.server, require_client_certificate=True,
                                     common={"validation_context": tls.validation(certs.ca)}, **keys), name="closed")
    same = listener(tls.downstream(certs.server, **keys), name="same")
    one = proxy(c.bootstrap([open_, closed, same]))
    assert resume(one.ports["same"], tmp_path, "tls1_3", one.ports["open"])
    with pytest.raises(AssertionError):
        resume(one.ports["closed"], tmp_path, "tls1_3", one.ports["open"])


@pytest.mark.own
def test_tickets_survive_a_reload(proxy, certs, tmp_path):
    one = proxy(https(tls.downstream(certs.server)))
    saved = tmp_path / "session"
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{one.port}", "-tls1_3", "-ign_eof"]
    ask = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    subprocess.run([*command, "-sess_out", str(saved)], input=ask, capture_output=True, timeout=PATIENCE, check=True)
    changed = https(tls.downstream(certs.server, common={"alpn_protocols": ["http/1.1"]}))
    changed["static_resources"]["listeners"][0]["address"] = c.address(one.port)
    one.write_config(changed)
    one.signal(1)
    one.wait_stat("config_reload.success", 1)
    second = subprocess.run([*command, "-sess_in", str(saved)], input=ask, capture_output=True, timeout=PATIENCE)
    assert b"Reused, TLSv1.3" in second.stdout


# --- parameters ---

def cipher_of(port, **limits):
    context = pki.client_context(version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(limits["ciphers"])
    with tls.connect(port, context, "localhost") as peer:
        return peer.tls.cipher()[0]


def test_ciphers(proxy, certs):
    params = {"cipher_suites": ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"]}
    one = proxy(c.bootstrap([listener(tls.downstream(certs.server, common={"tls_params": params}), name="main"),
                             listener(tls.downstream(certs.server, prefer_client_ciphers=True, common={"tls_params": params}),
                                      name="client")]))
    both = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
    assert cipher_of(one.ports["main"], ciphers=both) == "ECDHE-ECDSA-AES256-GCM-SHA384"
    assert cipher_of(one.ports["client"], ciphers=both) == "ECDHE-ECDSA-AES128-GCM-SHA256"
    with pytest.raises(ssl.SSLError):
        cipher_of(one.ports["main"], ciphers="ECDHE-ECDSA-CHACHA20-POLY1305")


@pytest.mark.parametrize("low, high, works", [
    (None, None, ["TLSv1_2", "TLSv1_3"]), ("TLSv1_3", None, ["TLSv1_3"]), (None, "TLSv1_2", ["TLSv1_2"]),
])
def test_versions(proxy, certs, low, high, works):
    params = {**({"tls_minimum_protocol_version": low} if low else {}), **({"tls_maximum_protocol_version": high} if high else {})}
    one = proxy(https(tls.downstream(certs.server, common={"tls_params": params})))
    for name in ("TLSv1_2", "TLSv1_3"):
        context = pki.client_context(version=getattr(ssl.TLSVersion, name))
        if name in works:
            assert shake(one, context) == 200
        else:
            with pytest.raises(ssl.SSLError):
                shake(one, context)


@pytest.mark.parametrize("common, text", [
    ({"tls_params": {"cipher_suites": ["NONE-SUCH", "ECDHE-RSA-AES128-GCM-SHA256"]}},
     "Failed to initialize cipher suites NONE-SUCH:ECDHE-RSA-AES128-GCM-SHA256. The following ciphers were rejected when tried "
     "individually: NONE-SUCH"),
    ({"tls_params": {"ecdh_curves": ["P-999"]}}, "Failed to initialize ECDH curves P-999"),
    ({"tls_params": {"signature_algorithms": ["none_such"]}}, "Failed to initialize TLS signature algorithms none_such"),
    ({"tls_certificates": []}, "No TLS certificates found for server context"),
])
def test_what_cannot_be(proxy, certs, common, text):
    one = proxy(https(tls.downstream(certs.server, common=common)), ready=False)
    assert one.wait() == 1
    assert text in one.log()


def test_key_log(proxy, certs, tmp_path):
    log = tmp_path / "keys"
    common = {"key_log": {"path": str(log), "remote_address_range": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}
    one = proxy(https(tls.downstream(certs.server, common=common)), args=("--file-flush-interval-msec", "50"))
    assert shake(one, pki.client_context(certs.ca)) == 200
    wait_until(lambda: log.exists() and log.read_text().count("\n") >= 4, "the secrets")
    labels = {line.split()[0] for line in log.read_text().splitlines()}
    assert {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"} <= labels
    assert all(re.fullmatch(r"\w+ [0-9a-f]{64} [0-9a-f]{64,96}", line) for line in log.read_text().splitlines())


# --- OCSP ---

@pytest.fixture(scope="module")
def stapled(certs):
    """The server's certificate with an OCSP response, which the authority signs."""
    folder = certs.folder
    expires = pki.openssl("x509", "-in", certs.server.path, "-noout", "-enddate").decode().strip().split("=")[1]
    when = datetime.datetime.strptime(expires, "%b %d %H:%M:%S %Y GMT").strftime("%y%m%d%H%M%SZ")
    (folder / "index.txt").write_text(f"V\t{when}\t\t{certs.server.serial().upper()}\tunknown\t/CN=server\n")
    pki.openssl("ocsp", "-issuer", certs.ca.path, "-cert", certs.server.path, "-reqout", folder / "ocsp.req", "-no_nonce")
    pki.openssl("ocsp", "-index", folder / "index.txt", "-CA", certs.ca.path, "-rsigner", certs.ca.path, "-rkey", certs.ca.key,
                "-reqin", folder / "ocsp.req", "-respout", folder / "ocsp.der", "-ndays", "7")
    return {"common": {"tls_certificates": [{**certs.server.config(), "ocsp_staple": {"filename": str(folder / "ocsp.der")}}]}}


def ask_for_staple(port):
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-status"], input=b"", capture_output=True,
                          timeout=PATIENCE).stdout


@pytest.mark.parametrize("policy", ["LENIENT_STAPLING", "STRICT_STAPLING", "MUST_STAPLE"])
def test_a_response_is_stapled(proxy, certs, stapled, policy):
    one = proxy(https(tls.downstream(ocsp_staple_policy=policy, **stapled)))
    assert b"OCSP Response Status: successful" in ask_for_staple(one.port)
    assert sum(v for k, v in one.stats("listener.").items() if k.endswith(".ocsp_staple_responses")) == 1


@pytest.mark.parametrize("policy", ["LENIENT_STAPLING", "STRICT_STAPLING"])
def test_there_is_none(proxy, certs, policy):
    one = proxy(https(tls.downstream(certs.server, ocsp_staple_policy=policy)))
    assert b"no response sent" in ask_for_staple(one.port)
    assert sum(v for k, v in one.stats("listener.").items() if k.endswith(".ocsp_staple_omitted")) == 1


def test_there_must_be_one(proxy, certs):
    one = proxy(https(tls.downstream(certs.server, ocsp_staple_policy="MUST_STAPLE")), ready=False)
    assert one.wait() == 1
    assert "Required OCSP response is missing from TLS context" in one.log()


# --- secrets ---

def sds_file(path, **secret):
    import json
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"resources": [{"@type": c.PACKAGES + "transport_sockets.tls.v3.Secret", **secret}]}))
    new.replace(path)


def test_a_certificate_rotates(proxy, certs, many, tmp_path):
    path = tmp_path / "sds.json"
    sds_file(path, name="cert", tls_certificate=many["exact-ec"].config())
    conf = tls.downstream()
    conf["typed_config"]["common_tls_context"] = {"tls_certificate_sds_secret_configs": [
        {"name": "cert", "sds_config": {"path_config_source": {"path": str(path)}}}]}
    one = proxy(https(conf), args=("--service-node", "n", "--service-cluster", "c"))
    peer = tls.connect(one.port, pki.client_context(), "a.example")
    assert fingerprint(peer).strip() in many["exact-ec"].pem
    sds_file(path, name="cert", tls_certificate=many["wild"].config())

    def new_one():
        with tls.connect(one.port, pki.client_context(), "a.example") as other:
            return fingerprint(other).strip() in many["wild"].pem
    wait_until(new_one, "the new certificate")
    assert peer.get("/").text == "hello"
    peer.close()
    assert sum(v for k, v in one.stats("listener.").items() if k.endswith("ssl_context_update_by_sds")) >= 1


def test_a_secret_that_is_not_there(proxy, certs, tmp_path):
    static = {"name": "cert", "tls_certificate": certs.server.config()}
    conf = tls.downstream()
    conf["typed_config"]["common_tls_context"] = {"tls_certificate_sds_secret_configs": [{"name": "cert"}]}
    config = https(conf)
    config["static_resources"]["secrets"] = [static]
    one = proxy(config)
    assert shake(one, pki.client_context(certs.ca)) == 200
    config["static_resources"]["secrets"] = []
    two = proxy(config, ready=False)
    assert two.wait() == 1

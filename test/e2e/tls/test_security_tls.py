# SPDX-License-Identifier: Apache-2.0
"""What went wrong with TLS elsewhere: names in certificates, purposes, and sessions that outlive the rules they began under."""
import base64
import json
import os
import re
import resource
import shutil
import ssl
import subprocess
import threading

import pytest

from lib import PATIENCE, pki, tls, wait_until, wire
from lib import config as c

FAST = ("--file-flush-interval-msec", "50")
ASK = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


def listener(transport, name="main", *filters, **extra):
    one = c.listener(*(filters or (c.hcm(c.direct(body="hello")),)), name=name, **extra)
    one["filter_chains"][0]["transport_socket"] = transport
    return one


def strict(certs, context, **options):
    return tls.downstream(certs.server, require_client_certificate=True, common={"validation_context": context}, **options)


def admitted(port, certificate, version=None):
    try:
        with tls.connect(port, pki.client_context(certificate=certificate, version=version), "localhost") as peer:
            return peer.get("/").status == 200
    except (OSError, wire.Closed):
        return False


def trusting(certs, *matchers, **more):
    return tls.validation(certs.ca, **({"match_typed_subject_alt_names": list(matchers)} if matchers else {}), **more)


def san(kind, value, how="exact", **more):
    return {"san_type": kind, "matcher": {how: {"regex": value} if how == "safe_regex" else value}, **more}


# --- TL-01, TL-02, TL-07: names ---

@pytest.mark.parametrize("wanted, good, bad", [
    ("a.b.example.com", ["a.b.example.com", "*.b.example.com", "A.B.Example.COM"],
     ["*.example.com", "*.*.example.com", "a.*.example.com", "*", "a.b.example.com.", "b.example.com"]),
    ("b.example.com", ["*.example.com", "b*.example.com"], ["*.b.example.com", "*.com", "**.example.com", "*.", "example.com"]),
    ("xn--caf-dma.example.com", ["xn--caf-dma.example.com", "*.example.com"], ["xn--*.example.com", "xn--caf*.example.com"]),
    ("1.2.3.4", [], ["*.2.3.5"]),
])
def test_a_wildcard_is_one_label(proxy, certs, tmp_path, wanted, good, bad):
    p = proxy(c.bootstrap([listener(strict(certs, trusting(certs, san("DNS", wanted))))]))
    for n, name in enumerate(good + bad):
        one = pki.make(tmp_path, f"c{n}", san=[f"DNS:{name}"], issuer=certs.ca)
        assert admitted(p.port, one) == (name in good), name


def test_a_name_has_its_type(proxy, certs, tmp_path):
    """The same text in names of each type, against matchers of each type."""
    text = "a.example"
    kinds = {"DNS": ("DNS", {}), "EMAIL": ("email", {}), "URI": ("URI", {}), "OTHER_NAME": ("otherName", {"oid": "1.2.3"})}
    hosts = [listener(strict(certs, trusting(certs, san(kind, text, **more))), name=kind) for kind, (_, more) in kinds.items()]
    hosts.append(listener(strict(certs, trusting(certs, san("OTHER_NAME", text, oid="1.2.4"))), name="OTHER_OID"))
    p = proxy(c.bootstrap(hosts))
    for kind, (name, _) in kinds.items():
        one = pki.make(tmp_path, kind, san=[f"{name}:{'1.2.3;UTF8:' if kind == 'OTHER_NAME' else ''}{text}"], issuer=certs.ca)
        assert {k for k in p.ports if k != "admin" and admitted(p.ports[k], one)} == {kind}, kind


def test_a_subject_is_no_name(proxy, certs, tmp_path):
    p = proxy(c.bootstrap([listener(strict(certs, trusting(certs, san("DNS", "a.example"))))]))
    assert not admitted(p.port, pki.make(tmp_path, "a.example", issuer=certs.ca))
    assert admitted(p.port, pki.make(tmp_path, "x", subject="/CN=other", san=["DNS:a.example"], issuer=certs.ca))


def raw_san(tag, value):
    """A subjectAltName with one name, whatever its bytes."""
    name = bytes([tag, len(value)]) + value
    return "subjectAltName=DER:" + ":".join(f"{b:02x}" for b in bytes([0x30, len(name)]) + name)


@pytest.mark.parametrize("sort, tag", [("DNS", 0x82), ("EMAIL", 0x81), ("URI", 0x86)])
def test_a_nul_ends_no_name(proxy, certs, tmp_path, sort, tag):
    good = "good.example"
    p = proxy(c.bootstrap([listener(strict(certs, trusting(certs, san(sort, good))), name="exact"),
                           listener(strict(certs, trusting(certs, san(sort, "good[.]example", "safe_regex"))), name="regex"),
                           listener(strict(certs, trusting(certs, san(sort, ".example", "suffix"))), name="suffix")]))
    whole = pki.make(tmp_path, "whole", extensions=[raw_san(tag, good.encode())], issuer=certs.ca)
    cut = pki.make(tmp_path, "cut", extensions=[raw_san(tag, good.encode() + b"\0.evil")], issuer=certs.ca)
    for name in ("exact", "regex", "suffix"):
        assert admitted(p.ports[name], whole), name
        assert not admitted(p.ports[name], cut), name


# --- TL-03: purposes ---

PURPOSES = [(None, True, True), ("clientAuth", True, False), ("serverAuth", False, True), ("emailProtection", False, False),
            ("clientAuth,serverAuth", True, True), ("codeSigning,clientAuth", True, False)]


@pytest.mark.parametrize("purpose, as_client, as_server", PURPOSES)
def test_a_certificate_has_its_purpose(proxy, certs, tls_server, tmp_path, purpose, as_client, as_server):
    one = pki.make(tmp_path, "one", san=["DNS:a.example"], issuer=certs.ca,
                   extensions=[f"extendedKeyUsage={purpose}"] if purpose else [])
    server = tls_server(pki.server_context(one))
    cluster = c.cluster("up", server.port, transport_socket=tls.upstream(common={"validation_context": trusting(certs)}))
    p = proxy(c.bootstrap([listener(strict(certs, trusting(certs))),
                           c.listener(c.hcm(c.route("up")), name="plain")], [cluster]))
    assert admitted(p.ports["main"], one) == as_client
    with wire.connect(p.ports["plain"]) as peer:
        assert peer.get("/").status == (200 if as_server else 503)


@pytest.mark.parametrize("purpose, good", [("clientAuth", True), ("serverAuth", False), ("emailProtection", False)])
def test_an_authority_has_its_purpose(proxy, certs, tmp_path, purpose, good):
    middle = pki.make(tmp_path, "middle", issuer=certs.ca, ca=True,
                      extensions=["keyUsage=critical,keyCertSign", f"extendedKeyUsage={purpose}"])
    leaf = pki.make(tmp_path, "leaf", san=["DNS:a.example"], issuer=middle)
    p = proxy(c.bootstrap([listener(strict(certs, trusting(certs)))]))
    assert admitted(p.port, leaf) == good


def test_who_is_no_authority_signs_nothing(proxy, certs, tmp_path):
    leaf = pki.make(tmp_path, "leaf", san=["DNS:a.example"], issuer=certs.client)
    p = proxy(c.bootstrap([listener(strict(certs, trusting(certs)))]))
    assert not admitted(p.port, leaf)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_each_kind_of_bad_client_certificate(proxy, certs, tmp_path, version):
    """The alert that the client gets, and what is counted."""
    path = tmp_path / "log"
    one = listener(strict(certs, trusting(certs, san("DNS", "client.example"))), access_log=[
        c.file_log(str(path), "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%\n")])
    p = proxy(c.bootstrap([one]), args=FAST)
    selfsigned = pki.make(tmp_path, "self", san=["DNS:client.example"])
    expired = pki.make(tmp_path, "expired", san=["DNS:client.example"], issuer=certs.ca, days=-1)
    kinds = [(certs.stranger, "unable_to_get_local_issuer_certificate", "UNKNOWN_CA"),
             (selfsigned, "self(_|-)signed", "UNKNOWN_CA"),
             (expired, "certificate_has_expired", "CERTIFICATE_EXPIRED"),
             (certs.server, "SAN_matcher", "CERTIFICATE_UNKNOWN")]
    for n, (certificate, text, alert) in enumerate(kinds):
        with pytest.raises(ssl.SSLError) as failed:
            with tls.connect(p.port, pki.client_context(certificate=certificate, version=version), "localhost") as peer:
                peer.fill()
        assert alert in str(failed.value).upper().replace(" ", "_"), (text, failed.value)
        wait_until(lambda: path.exists() and path.read_text().count("\n") > n, "a line")
        assert re.search(text, path.read_text().splitlines()[n]), path.read_text()
    stats = {k.rpartition(".")[2]: v for k, v in p.stats("listener.").items() if ".ssl." in k}
    assert (stats["fail_verify_error"], stats["fail_verify_san"], stats["handshake"], stats["connection_error"]) == (3, 1, 0, 0)


# --- TL-04, TL-05, TL-09: sessions ---

def visit(port, version, *options, name="localhost", client=None):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", f"-{version}", "-ign_eof", *map(str, options)]
    command += ["-servername", name] if name else []
    command += ["-cert", client.path, "-key", client.key] if client else []
    return subprocess.run(command, input=ASK, capture_output=True, timeout=PATIENCE).stdout.decode(errors="replace")


def sds_file(path, **secret):
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"resources": [{"@type": c.PACKAGES + "transport_sockets.tls.v3.Secret", **secret}]}))
    new.replace(path)


def crl(ca, folder, name, *revoked, days=30):
    work = folder / name
    work.mkdir()
    (work / "index.txt").write_text("".join(
        f"R\t300101000000Z\t200101000000Z\t{one.serial().upper().zfill(2)}\tunknown\t/CN=x\n" for one in revoked))
    (work / "number").write_text("01\n")
    (work / "cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/index.txt\ncrlnumber={work}/number\ndefault_md=sha256\n")
    pki.openssl("ca", "-config", work / "cnf", "-gencrl", "-keyfile", ca.key, "-cert", ca.path, "-crldays", days,
                "-out", work / "crl.pem")
    return (work / "crl.pem").read_text()


@pytest.mark.parametrize("version, options", [("tls1_2", ()), ("tls1_2", ("-no_ticket",)), ("tls1_3", ())])
@pytest.mark.parametrize("change", ["ca", "san", "crl"])
def test_a_session_ends_with_its_rules(proxy, certs, tmp_path, version, options, change):
    path = tmp_path / "ca.json"
    both = {"trusted_ca": {"inline_string": certs.ca.pem + certs.other_ca.pem}}
    only = {"trusted_ca": {"filename": str(certs.ca.path)}}
    changed = {"ca": {"trusted_ca": {"filename": str(certs.other_ca.path)}},
               "san": {**only, "match_typed_subject_alt_names": [san("DNS", "someone.else")]},
               "crl": {**only, "crl": {"inline_string": crl(certs.ca, tmp_path, "list", certs.client)}}}[change]
    sds_file(path, name="ca", validation_context=both if change == "ca" else only)
    conf = tls.downstream(certs.server, require_client_certificate=True, common={
        "validation_context_sds_secret_config": {"name": "ca", "sds_config": {"path_config_source": {"path": str(path)}}}})
    p = proxy(c.bootstrap([listener(conf)]), args=("--service-node", "n", "--service-cluster", "c"))
    saved = tmp_path / "session"
    assert "hello" in visit(p.port, version, *options, "-sess_out", saved, client=certs.client)
    again = visit(p.port, version, *options, "-sess_in", saved, client=certs.client)
    assert "Reused" in again and "hello" in again
    sds_file(path, name="ca", validation_context=changed)
    p.wait_stat("sds.ca.update_success", 2)
    wait_until(lambda: not admitted(p.port, certs.client), "the new rules")
    after = visit(p.port, version, *options, "-sess_in", saved, client=certs.client)
    assert "Reused, TLSv1" not in after and "hello" not in after


@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
def test_a_session_stays_in_its_chain(proxy, certs, tmp_path, version):
    """One listener, two server names, of which one wants a certificate."""
    one = listener(tls.downstream(certs.server))
    two = listener(strict(certs, trusting(certs)), "x", c.hcm(c.direct(body="inside")))["filter_chains"][0]
    one["filter_chains"][0]["filter_chain_match"] = {"server_names": ["open.example"]}
    one["filter_chains"].append({**two, "filter_chain_match": {"server_names": ["closed.example"]}})
    one["listener_filters"] = [c.typed("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector")]
    p = proxy(c.bootstrap([one]))
    saved = tmp_path / "session"
    assert "hello" in visit(p.port, version, "-sess_out", saved, name="open.example")
    assert "Reused" in visit(p.port, version, "-sess_in", saved, name="open.example")
    other = visit(p.port, version, "-sess_in", saved, name="closed.example")
    assert "Reused, TLSv1" not in other and "inside" not in other
    with_one = visit(p.port, version, "-sess_in", saved, name="closed.example", client=certs.client)
    assert "Reused, TLSv1" not in with_one and "inside" in with_one


@pytest.mark.parametrize("protocol", ["http", "tcp"])
def test_what_is_revoked_is_so_everywhere(proxy, upstream, certs, tmp_path, protocol):
    up = upstream(lambda request: wire.response(body="hello"))
    filters = [c.hcm(c.route("up"))] if protocol == "http" else [c.tcp_proxy("up")]
    context = trusting(certs, crl={"inline_string": crl(certs.ca, tmp_path, "list", certs.client)})
    p = proxy(c.bootstrap([listener(strict(certs, context), "main", *filters)], [c.cluster("up", up.port)]))
    assert admitted(p.port, certs.rsa) and not admitted(p.port, certs.client)


@pytest.mark.parametrize("leaf_only", [False, True])
def test_every_authority_has_a_list(proxy, certs, tmp_path, leaf_only):
    middle = pki.authority(tmp_path, "middle", issuer=certs.ca)
    good, bad = (pki.make(tmp_path, name, san=["DNS:a"], issuer=middle) for name in ("good", "bad"))
    lists = crl(middle, tmp_path, "list", bad)
    hosts = [listener(strict(certs, trusting(certs, crl={"inline_string": text}, only_verify_leaf_cert_crl=leaf_only)), name=name)
             for name, text in (("one", lists), ("all", lists + crl(certs.ca, tmp_path, "root")))]
    p = proxy(c.bootstrap(hosts))
    assert admitted(p.ports["all"], good) and not admitted(p.ports["all"], bad)
    assert admitted(p.ports["one"], good) == leaf_only and not admitted(p.ports["one"], bad)


def test_a_list_that_is_too_old(proxy, certs, tmp_path):
    work = crl(certs.ca, tmp_path, "list")
    folder = tmp_path / "list"
    pki.openssl("ca", "-config", folder / "cnf", "-gencrl", "-keyfile", certs.ca.key, "-cert", certs.ca.path,
                "-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z", "-out", folder / "old.pem")
    assert work != (folder / "old.pem").read_text()
    p = proxy(c.bootstrap([listener(strict(certs, trusting(certs, crl={"filename": str(folder / "old.pem")})))]))
    assert not admitted(p.port, certs.client)


# --- TL-12: renegotiation, early data ---

def test_a_client_does_not_renegotiate(proxy, certs):
    p = proxy(c.bootstrap([listener(tls.downstream(certs.server))]))
    run = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{p.port}", "-tls1_2"], input=b"R\n",
                         capture_output=True, timeout=PATIENCE)
    assert b"RENEGOTIATING" in run.stderr
    assert b"alert" in run.stderr or b"no renegotiation" in run.stderr, run.stderr
    assert admitted(p.port, None)
    stats = {k.rpartition(".")[2]: v for k, v in p.stats("listener.").items() if ".ssl." in k}
    assert stats["handshake"] == 2


def test_no_early_data(proxy, certs, tmp_path):
    p = proxy(c.bootstrap([listener(tls.downstream(certs.server))]))
    saved, early = tmp_path / "session", tmp_path / "early"
    early.write_bytes(ASK)
    assert "Max Early Data: 0" in visit(p.port, "tls1_3", "-sess_out", saved)
    again = visit(p.port, "tls1_3", "-sess_in", saved, "-early_data", early)
    assert "Early data was not sent" in again or "Early data was rejected" in again
    assert again.count("hello") == 1


# --- HV-03, AD-01: what a client says of itself ---

def hello_with_sni(name):
    """A ClientHello whose server name is replaced by one of the same length."""
    stand_in = "a" * len(name)
    context = pki.client_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    shaker = context.wrap_bio(incoming, outgoing, server_hostname=stand_in)
    with pytest.raises(ssl.SSLWantReadError):
        shaker.do_handshake()
    return outgoing.read().replace(stand_in.encode(), name)


@pytest.mark.parametrize("name, logged", [
    (b"a.b\r\nx: y", "invalid:a.b__x__y"), (b'a"b\\c</x>', "invalid:a_b_c__x_"), (b"a.\xff\xfe.b", "invalid:a.__.b"),
    (b"A_b.C-d.", "a_b.c-d."), (b"*.a:1", "invalid:_.a_1"), (b"-a..b", "-a..b"),
])
def test_a_server_name_forges_no_line(proxy, upstream, tmp_path, name, logged):
    path = tmp_path / "log"
    inspector = c.typed("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector")
    one = c.listener(c.tcp_proxy("up"), access_log=[
        c.file_log(str(path), "[%REQUESTED_SERVER_NAME%]\n")], listener_filters=[inspector])
    up = upstream()
    p = proxy(c.bootstrap([one], [c.cluster("up", up.port)]), args=FAST)
    with wire.connect(p.port) as peer:
        peer.send(hello_with_sni(name))
        up.accept().close()
        peer.expect_closed()
    wait_until(lambda: path.exists() and path.read_bytes().endswith(b"\n"), "a line")
    assert path.read_bytes().decode(errors="replace") == f"[{logged}]\n"


@pytest.mark.own  # Envoy 1.40 answers 503 then
@pytest.mark.parametrize("tag", [0x82, 0x86])
def test_a_subject_forges_no_header(proxy, upstream, certs, tmp_path, tag):
    evil = pki.make(tmp_path, "evil", subject="/CN=a\r\nx-evil: yes\r\n", issuer=certs.ca,
                    extensions=[raw_san(tag, b'a"\r\nx-evil: yes\r\n\0;By=b')])
    up = upstream(name="up")
    hcm = c.hcm({**c.route("up"), "request_headers_to_add": [
        {"header": {"key": "x-subject", "value": "%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_PEER_DNS_SAN%"}}]},
        forward_client_cert_details="SANITIZE_SET",
        set_current_client_cert_details={"subject": True, "uri": True, "dns": True})
    p = proxy(c.bootstrap([listener(strict(certs, trusting(certs)), "main", hcm)], [c.cluster("up", up.port)]))
    assert admitted(p.port, evil)
    request = up.next()
    assert not request.all("x-evil")
    for value in request.all("x-subject") + request.all("x-forwarded-client-cert"):
        assert not set(value) & set("\r\n\0")


# --- PA-13: names of any length ---

@pytest.mark.parametrize("host, status", [("a", 200), ("a" * 253, 200), ("a" * 254, 200), ("a" * 4096, 503), ("[::1]", 200),
                                          ("10.1.2.3", 200), ("a" * 300 + ":80", 503)])
def test_a_name_of_any_length(proxy, certs, tls_server, client, host, status):
    server = tls_server(pki.server_context(certs.server))
    cluster = c.cluster("up", server.port, transport_socket=tls.upstream(), typed_extension_protocol_options={
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": c.PACKAGES + "upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {}}, "upstream_http_protocol_options": {"auto_sni": True}}})
    p = proxy(c.http(c.route("up"), clusters=[cluster]))
    assert client(p.port).get("/", host=host).status == status
    if status == 200:
        assert server.names == [None if host[0] in "[1" else host]


# --- H1-20: what comes before the handshake is no answer ---

def test_an_answer_before_the_handshake(proxy, certs, upstream, client):
    server = upstream()

    def early():
        far = server.accept()
        far.send(wire.response(body="injected"))
        context = pki.server_context(certs.server)
        try:
            inner = tls.TlsPeer(far, context, server=True, shake=False)
            inner.shake()
        except (OSError, wire.Closed):
            pass
    threading.Thread(target=early, daemon=True).start()
    cluster = c.cluster("up", server.port, transport_socket=tls.upstream())
    p = proxy(c.http(c.route("up"), clusters=[cluster]))
    answer = client(p.port).get("/")
    assert answer.status == 503 and "injected" not in answer.text


# --- TL-14: half of a rotation ---

@pytest.mark.own  # Envoy only watches for what SDS delivers
def test_half_a_rotation(proxy, certs, tmp_path):
    """The new chain is there, its key is only half written: the old pair serves; then the whole is there."""
    folder = tmp_path / "pair"
    folder.mkdir()
    put = lambda name, text: ((tmp_path / "new").write_text(text), os.rename(tmp_path / "new", folder / name))
    put("crt", certs.server.chain.read_text())
    put("key", certs.server.key.read_text())
    certificate = {"certificate_chain": {"filename": str(folder / "crt")}, "private_key": {"filename": str(folder / "key")},
                   "watched_directory": {"path": str(folder)}}
    p = proxy(c.bootstrap([listener(tls.downstream(common={"tls_certificates": [certificate]}))]))

    def serves(one):
        with tls.connect(p.port, pki.client_context(), "localhost") as peer:
            return peer.tls.getpeercert(True) == ssl.PEM_cert_to_DER_cert(one.pem)
    assert serves(certs.server)
    key = certs.rsa.key.read_text()
    for n, (name, text) in enumerate([("crt", certs.rsa.chain.read_text()), ("key", key[:len(key) // 2])], 1):
        put(name, text)
        wait_until(lambda n=n: p.log().count("Failed to reload certificates") >= n, "the half to be noticed")
        assert serves(certs.server)
    put("key", key)
    wait_until(lambda: serves(certs.rsa), "the new pair")


@pytest.mark.own
def test_no_request_is_lost_in_a_rotation(proxy, certs, tmp_path):
    """Folders swapped by a link, twenty times, while new and old connections ask."""
    for name, one in (("v0", certs.server), ("v1", certs.rsa)):
        (tmp_path / name).mkdir()
        shutil.copy(one.chain, tmp_path / name / "crt")
        shutil.copy(one.key, tmp_path / name / "key")
    os.symlink("v0", tmp_path / "now")
    pair = {"certificate_chain": {"filename": str(tmp_path / "now/crt")}, "private_key": {"filename": str(tmp_path / "now/key")},
            "watched_directory": {"path": str(tmp_path)}}
    p = proxy(c.bootstrap([listener(tls.downstream(common={"tls_certificates": [pair]}))]))
    old = tls.connect(p.port, pki.client_context(), "localhost")
    for n in range(1, 21):
        os.symlink(f"v{n % 2}", tmp_path / "next")
        os.rename(tmp_path / "next", tmp_path / "now")
        for _ in range(3):
            assert admitted(p.port, None)
        assert old.get("/").text == "hello"
    old.close()
    with tls.connect(p.port, pki.client_context(), "localhost") as peer:
        assert peer.tls.getpeercert(True) in [ssl.PEM_cert_to_DER_cert(one.pem) for one in (certs.server, certs.rsa)]


@pytest.mark.own
def test_a_watched_ca_changes(proxy, certs, tmp_path):
    folder = tmp_path / "cas"
    folder.mkdir()
    shutil.copy(certs.ca.path, folder / "ca")
    context = {"trusted_ca": {"filename": str(folder / "ca")}, "watched_directory": {"path": str(folder)}}
    p = proxy(c.bootstrap([listener(strict(certs, context))]))
    assert admitted(p.port, certs.client) and not admitted(p.port, certs.stranger)
    shutil.copy(certs.other_ca.path, tmp_path / "new")
    os.rename(tmp_path / "new", folder / "ca")
    wait_until(lambda: admitted(p.port, certs.stranger), "the new CA")
    assert not admitted(p.port, certs.client)


# --- TL-13: secrets ---

@pytest.mark.own
@pytest.mark.parametrize("args, none", [((), True), (("--enable-core-dump",), False)])
def test_no_core_is_written_unless_asked_for(proxy, args, none):
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0:
        pytest.skip("there are no cores here at all")
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        p = proxy(c.http(c.direct()), args=args, env={"ASAN_OPTIONS": "disable_coredump=0"})
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    limit = re.search(r"Max core file size +(\S+)", open(f"/proc/{p.process.pid}/limits").read()).group(1)
    assert (limit == "0") == none


@pytest.mark.own
def test_no_key_is_told(proxy, certs, tmp_path):
    """Neither by any page of the admin interface nor in the log, when everything is logged."""
    ticket = os.urandom(80)
    (tmp_path / "ticket").write_bytes(ticket)
    key = certs.server.key.read_text()
    conf = tls.downstream(session_ticket_keys={"keys": [{"filename": str(tmp_path / "ticket")}]}, common={"tls_certificates": [
        {"certificate_chain": {"filename": str(certs.server.chain)}, "private_key": {"inline_string": key}}]})
    p = proxy(c.bootstrap([listener(conf)]), args=("--log-level", "trace"))
    assert admitted(p.port, None)
    secrets = [key.splitlines()[1][:40], base64.b64encode(ticket).decode()[:40], ticket[:20].hex()]
    for page in ("/config_dump?include_eds", "/certs", "/server_info", "/stats", "/listeners", "/clusters", "/init_dump"):
        assert not [s for s in secrets if s in p.admin(page).text], page
    assert not [s for s in secrets if s in p.log()]

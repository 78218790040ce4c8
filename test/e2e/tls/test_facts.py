# SPDX-License-Identifier: Apache-2.0
"""What is known of a TLS connection and its certificates: in x-forwarded-client-cert, in access logs, in route matches."""
import json
import socket
import ssl
import time
from types import SimpleNamespace
from urllib.parse import unquote

import pytest

from lib import PATIENCE, pki, wait_until, wire
from lib import config as c

FAST = ["--file-flush-interval-msec", "20"]
SUBJECT = r"/C=DE/O=A, B/OU=c;d=e/CN=Köln#1"
SUBJECT_TEXT = r"CN=K\C3\B6ln#1,OU=c\;d=e,O=A\, B,C=DE"


@pytest.fixture(scope="module")
def who(tmp_path_factory):
    """Certificates: of the proxy (server, plain) and of clients (bare; full, by an intermediate; nameless)."""
    folder = tmp_path_factory.mktemp("pki")
    root = pki.authority(folder, subject="/O=Org/CN=Root CA")
    mid = pki.make(folder, "mid", issuer=root, ca=True, extensions=["keyUsage=critical,keyCertSign,cRLSign"])
    return SimpleNamespace(
        root=root, mid=mid,
        server=pki.make(folder, "server", issuer=root, san=[
            "DNS:server.example.com", "URI:spiffe://s1", "URI:spiffe://s2", "IP:127.0.0.1", "email:a@b"]),
        plain=pki.make(folder, "plain", issuer=root),
        bare=pki.make(folder, "bare", issuer=root),
        nameless=pki.make(folder, "nameless", subject="/", issuer=root, san=["DNS:x"], serial=0),
        full=pki.make(folder, "full", subject=SUBJECT, issuer=mid, san=[
            "URI:spiffe://a/b", "DNS:a.example.com", "DNS:b.example.com", "URI:spiffe://c;d,e", "IP:1.2.3.4", "IP:1::2",
            "email:m@x.y", "otherName:1.2.3;UTF8:other"]))


def server_tls(certificate, ca=None, require=False, **common):
    if ca:
        common["validation_context"] = {"trusted_ca": {"filename": str(ca.path)}}
    return c.typed("envoy.transport_sockets.tls", "transport_sockets.tls.v3.DownstreamTlsContext",
                   common_tls_context={"tls_certificates": [certificate.config()], **common}, require_client_certificate=require)


def client_tls(ca, certificate=None, sni="server.example.com"):
    common = {"validation_context": {"trusted_ca": {"filename": str(ca.path)}}}
    if certificate:
        common["tls_certificates"] = [certificate.config()]
    return c.typed("envoy.transport_sockets.tls", "transport_sockets.tls.v3.UpstreamTlsContext",
                   common_tls_context=common, sni=sni)


def secured(listener, transport):
    listener["filter_chains"][0]["transport_socket"] = transport
    return listener


def connect(port, certificate=None, name="server.example.com", version=None):
    context = pki.client_context(certificate=certificate, version=version)
    return wire.Peer(context.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE), server_hostname=name))


# --- x-forwarded-client-cert ---

DETAILS = {"subject": True, "uri": True, "dns": True, "issuer": True}
GIVEN = [("x-forwarded-client-cert", 'By=x;Subject="/CN=\\"q\\"";URI=y'), ("x-forwarded-client-cert", "c=d")]
JOINED = 'By=x;Subject="/CN=\\"q\\"";URI=y,c=d'


@pytest.fixture
def forwarded(proxy, upstream, who):
    """forwarded(settings...)(client certificate, headers) -> what the upstream sees."""
    def start(transport=None, **settings):
        up = upstream(name="up")
        p = proxy(c.bootstrap([secured(c.listener(c.hcm(c.route("up"), **settings)), transport or server_tls(who.server, who.root))],
                              [c.cluster("up", up.port)]))

        def ask(certificate=None, headers=()):
            with connect(p.port, certificate) as down:
                assert down.get(headers=headers).status == 200
            request = up.next()
            assert request.get("x-forwarded-proto") == "https"
            return request.all("x-forwarded-client-cert")
        return ask
    return start


def element(who, certificate, by="By=spiffe://s1;By=spiffe://s2;"):
    rest = {"full": f'Subject="{SUBJECT_TEXT}";URI=spiffe://a/b;URI=spiffe://c;d,e;DNS=a.example.com;DNS=b.example.com;Issuer="CN=mid"',
            "bare": 'Subject="CN=bare";URI=;Issuer="CN=Root CA,O=Org"',
            "nameless": 'Subject="";URI=;DNS=x;Issuer="CN=Root CA,O=Org"'}[certificate]
    return f"{by}Hash={getattr(who, certificate).fingerprint()};{rest}"


@pytest.mark.parametrize("mode, without, with_certificate", [
    ("SANITIZE", [], []), ("FORWARD_ONLY", [], [JOINED]), ("ALWAYS_FORWARD_ONLY", [JOINED], [JOINED])])
def test_modes_that_say_nothing_new(forwarded, who, mode, without, with_certificate):
    ask = forwarded(forward_client_cert_details=mode, set_current_client_cert_details=DETAILS)
    assert ask(None, GIVEN) == without
    assert ask(who.full, GIVEN) == with_certificate
    assert ask(who.full) == []


@pytest.mark.parametrize("mode", ["APPEND_FORWARD", "SANITIZE_SET"])
def test_modes_that_say_who_it_is(forwarded, who, mode):
    ask = forwarded(forward_client_cert_details=mode, set_current_client_cert_details=DETAILS)
    assert ask(None, GIVEN) == []
    for name in ("full", "bare", "nameless"):
        assert ask(getattr(who, name)) == [element(who, name)]
    before = JOINED + "," if mode == "APPEND_FORWARD" else ""
    assert ask(who.full, GIVEN) == [before + element(who, "full")]


def test_only_the_hash_unless_told(forwarded, who):
    ask = forwarded(server_tls(who.plain, who.root), forward_client_cert_details="SANITIZE_SET")
    assert ask(who.full) == [f"Hash={who.full.fingerprint()}"]


def test_certificate_and_chain(forwarded, who):
    ask = forwarded(forward_client_cert_details="SANITIZE_SET",
                    set_current_client_cert_details={"cert": True, "chain": True, "subject": True})
    pairs = ask(who.full)[0].split(";", 5)
    assert [p.split("=")[0] for p in pairs] == ["By", "By", "Hash", "Cert", "Chain", "Subject"]
    assert unquote(pairs[3]) == f'Cert="{who.full.pem}"' and "+" not in pairs[3]
    assert unquote(pairs[4]) == f'Chain="{who.full.pem}{who.mid.pem}"'


def test_no_certificate_is_asked_for_without_a_ca(forwarded, who):
    assert forwarded(server_tls(who.server), forward_client_cert_details="SANITIZE_SET")(who.full, GIVEN) == []


def test_as_json(forwarded, who):
    ask = forwarded(forward_client_cert_details="APPEND_FORWARD",
                    set_current_client_cert_details={**DETAILS, "cert": True, "chain": True, "format": "JSON"})
    text, = ask(who.full)
    found, = json.loads(text)
    assert list(found) == ["by", "hash", "cert", "chain", "subject", "uri", "dns", "issuer"]
    assert found == {"by": ["spiffe://s1", "spiffe://s2"], "hash": who.full.fingerprint(), "cert": who.full.pem,
                     "chain": [who.full.pem, who.mid.pem], "subject": SUBJECT_TEXT, "uri": ["spiffe://a/b", "spiffe://c;d,e"],
                     "dns": ["a.example.com", "b.example.com"], "issuer": "CN=mid"}
    nameless = {"by": ["spiffe://s1", "spiffe://s2"], "hash": who.nameless.fingerprint(), "cert": who.nameless.pem,
                "chain": [who.nameless.pem], "dns": ["x"], "issuer": "CN=Root CA,O=Org"}
    assert json.loads(ask(who.nameless)[0]) == [nameless]
    before = {"hash": "x"}
    assert json.loads(ask(who.nameless, [("x-forwarded-client-cert", json.dumps([before]))])[0]) == [before, nameless]
    # A header in the other form stays in it.
    assert ask(who.nameless, [("x-forwarded-client-cert", "By=x")])[0].startswith("By=x,By=spiffe://s1;By=spiffe://s2;Hash=")


def test_names_stand_as_they_are(forwarded, who, tmp_path):
    """What a certificate says is not quoted, whatever is in it: a subject comes escaped by RFC 2253, a name does not."""
    names = [(0x86, rb'spiffe://a"b\c'), (0x86, b'x";By="spiffe://admin'), (0x82, b'd"e')]
    san = b"".join(bytes([tag, len(value)]) + value for tag, value in names)
    one = pki.make(tmp_path, "q", subject=r'/CN=q\"r\\s', issuer=who.root, extensions=[
        "subjectAltName=DER:" + ":".join(f"{b:02x}" for b in bytes([0x30, len(san)]) + san)])
    ask = forwarded(server_tls(who.plain, who.root), forward_client_cert_details="SANITIZE_SET", set_current_client_cert_details=DETAILS)
    assert ask(one) == [f'Hash={one.fingerprint()};Subject="CN=q\\"r\\\\s";URI=spiffe://a"b\\c;URI=x";By="spiffe://admin;DNS=d"e;'
                        'Issuer="CN=Root CA,O=Org"']


@pytest.mark.own
def test_an_empty_json_array_stays_json(forwarded, who):
    """Envoy 1.40 writes [,{...}]."""
    ask = forwarded(forward_client_cert_details="APPEND_FORWARD")
    assert json.loads(ask(who.bare, [("x-forwarded-client-cert", "[]")])[0])[0]["hash"] == who.bare.fingerprint()


def test_text_mode_keeps_json(forwarded, who):
    ask = forwarded(forward_client_cert_details="APPEND_FORWARD")
    assert json.loads(ask(who.bare, [("x-forwarded-client-cert", '[{"hash":"x"}]')])[0]) == [
        {"hash": "x"}, {"by": ["spiffe://s1", "spiffe://s2"], "hash": who.bare.fingerprint()}]


# --- access logs ---

DOWNSTREAM = """TLS_VERSION TLS_CIPHER TLS_GROUP TLS_SESSION_ID PEER_SUBJECT PEER_ISSUER PEER_SERIAL PEER_FINGERPRINT_256 PEER_FINGERPRINT_1
    PEER_CHAIN_FINGERPRINTS_256 PEER_CHAIN_FINGERPRINTS_1 PEER_CHAIN_SERIALS PEER_ISSUER_FINGERPRINT_256 PEER_ISSUER_SERIAL
    PEER_CERT PEER_URI_SAN PEER_DNS_SAN PEER_IP_SAN PEER_EMAIL_SAN PEER_OTHERNAME_SAN
    LOCAL_SUBJECT LOCAL_URI_SAN LOCAL_DNS_SAN LOCAL_IP_SAN LOCAL_EMAIL_SAN LOCAL_OTHERNAME_SAN""".split()


def logged(proxy, tmp_path, names, filters=(), transport=None, clusters=(), routes=None):
    """The JSON lines of a proxy's access log, one for each request."""
    fields = {n: f"%{n}%" for n in names}
    fields |= {"from": "%DOWNSTREAM_PEER_CERT_V_START(%Y-%m-%d)%", "to": "%DOWNSTREAM_PEER_CERT_V_END%"}
    path = tmp_path / "log"
    p = proxy(c.bootstrap([secured(c.listener(c.hcm(*(routes or [c.direct(body="ok")]), access_log=[c.file_log(path, fields)]),
                                              listener_filters=list(filters)), transport)], clusters), args=FAST)
    seen = []

    def next_line():
        wait_until(lambda: path.exists() and path.read_text().count("\n") > len(seen), "a line in the log")
        seen.append(json.loads(path.read_text().splitlines()[len(seen)]))
        return seen[-1]
    return p, next_line


def test_what_logs_say_of_a_client(proxy, tmp_path, who):
    p, line = logged(proxy, tmp_path, ["DOWNSTREAM_" + n for n in DOWNSTREAM], transport=server_tls(who.server, who.root))
    with connect(p.port, who.full) as down:
        down.get()
    got = line()
    start = got.pop("from")
    assert len(start) == 10 and start < got.pop("to")
    assert unquote(got.pop("DOWNSTREAM_PEER_CERT")) == who.full.pem
    assert got.pop("DOWNSTREAM_TLS_CIPHER").startswith("TLS_")
    full, mid = who.full, who.mid
    assert got == {"DOWNSTREAM_" + n: v for n, v in {
        "TLS_VERSION": "TLSv1.3", "TLS_GROUP": "X25519", "TLS_SESSION_ID": None, "PEER_SUBJECT": SUBJECT_TEXT, "PEER_ISSUER": "CN=mid",
        "PEER_SERIAL": full.serial(), "PEER_FINGERPRINT_256": full.fingerprint(), "PEER_FINGERPRINT_1": full.fingerprint("sha1"),
        "PEER_CHAIN_FINGERPRINTS_256": f"{full.fingerprint()},{mid.fingerprint()}",
        "PEER_CHAIN_FINGERPRINTS_1": f"{full.fingerprint('sha1')},{mid.fingerprint('sha1')}",
        "PEER_CHAIN_SERIALS": f"{full.serial()},{mid.serial()}", "PEER_ISSUER_FINGERPRINT_256": mid.fingerprint(),
        "PEER_ISSUER_SERIAL": mid.serial(), "PEER_URI_SAN": "spiffe://a/b,spiffe://c;d,e",
        "PEER_DNS_SAN": "a.example.com,b.example.com", "PEER_IP_SAN": "1.2.3.4,1::2", "PEER_EMAIL_SAN": "m@x.y",
        "PEER_OTHERNAME_SAN": "other", "LOCAL_SUBJECT": "CN=server", "LOCAL_URI_SAN": "spiffe://s1,spiffe://s2",
        "LOCAL_DNS_SAN": "server.example.com", "LOCAL_IP_SAN": "127.0.0.1", "LOCAL_EMAIL_SAN": "a@b",
        "LOCAL_OTHERNAME_SAN": None}.items()}


def test_an_issuer_that_was_not_sent(proxy, tmp_path, who):
    p, line = logged(proxy, tmp_path, ["DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256", "DOWNSTREAM_PEER_ISSUER_SERIAL"],
                     transport=server_tls(who.server, who.root))
    with connect(p.port, who.bare, version=ssl.TLSVersion.TLSv1_2) as down:
        down.get()
    got = line()
    assert got["DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256"] == who.root.fingerprint()
    assert got["DOWNSTREAM_PEER_ISSUER_SERIAL"] == who.root.serial()


@pytest.mark.parametrize("protocol", ["http", "tcp"])
def test_how_long_the_handshake_took(proxy, upstream, tmp_path, who, protocol):
    """Counted from a request's beginning, which is later; a connection's own record has nothing."""
    up = upstream(name="up")
    path = tmp_path / "log"
    log = [c.file_log(path, "%DOWNSTREAM_HANDSHAKE_DURATION%\n")]
    filters = [c.hcm(c.route("up"), access_log=log)] if protocol == "http" else [c.tcp_proxy("up", access_log=log)]
    p = proxy(c.bootstrap([secured(c.listener(*filters), server_tls(who.server))], [c.cluster("up", up.port)]), args=FAST)
    with connect(p.port) as down:
        time.sleep(0.05)
        down.get()
        if protocol == "http":
            time.sleep(0.05)
            down.get()
    lines = wait_until(lambda: path.exists() and path.read_text().count("\n") == (2 if protocol == "http" else 1) and path.read_text().split())
    if protocol == "http":
        assert -5000 < int(lines[1]) <= int(lines[0]) - 40 <= -40
    else:
        assert lines == ["-"]


def test_what_logs_say_of_nobody(proxy, tmp_path, who):
    p, line = logged(proxy, tmp_path, ["DOWNSTREAM_" + n for n in DOWNSTREAM if n.startswith("PEER")] + ["REQUESTED_SERVER_NAME"],
                     transport=server_tls(who.server, who.root))
    with connect(p.port) as down:
        down.get()
    assert set(line().values()) == {None}


def test_the_server_name_needs_the_inspector(proxy, tmp_path, who):
    inspector = c.typed("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector")
    p, line = logged(proxy, tmp_path, ["REQUESTED_SERVER_NAME", "DOWNSTREAM_TLS_VERSION"], filters=[inspector],
                     transport=server_tls(who.server))
    with connect(p.port, version=ssl.TLSVersion.TLSv1_2) as down:
        down.get()
    got = line()
    assert (got["REQUESTED_SERVER_NAME"], got["DOWNSTREAM_TLS_VERSION"]) == ("server.example.com", "TLSv1.2")


UPSTREAM = """TLS_VERSION TLS_CIPHER PEER_SUBJECT PEER_ISSUER PEER_CERT PEER_URI_SAN PEER_DNS_SAN PEER_IP_SAN
    LOCAL_URI_SAN LOCAL_DNS_SAN LOCAL_IP_SAN""".split()


class HttpsServer(wire.HttpServer):
    """Closes after each answer when told to."""

    def __init__(self, context, close=False):
        self.context, self.once = context, close
        super().__init__()

    def serve(self, peer):
        try:
            peer.sock.settimeout(PATIENCE)
            peer.sock = self.context.wrap_socket(peer.sock, server_side=True)
            if self.once:
                self.requests.append(peer.request())
                peer.send(wire.response(body="bye", headers=[("connection", "close")]))
                peer.close()
            else:
                super().serve(peer)
        except (OSError, AssertionError):
            peer.close()


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("protocol", ["http", "tcp"])
def test_what_logs_say_of_an_upstream(proxy, tmp_path, who, close, protocol):
    """Also when its connection is gone before the line is written."""
    up = HttpsServer(pki.server_context(who.server, ca=who.root), close)
    path = tmp_path / "log"
    log = [c.file_log(path, {n: f"%UPSTREAM_{n}%" for n in UPSTREAM} | {"to": "%UPSTREAM_PEER_CERT_V_END(%s)%"})]
    filters = [c.hcm(c.route("up"), access_log=log)] if protocol == "http" else [c.tcp_proxy("up", access_log=log)]
    p = proxy(c.bootstrap([c.listener(*filters)], [c.cluster("up", up.port, transport_socket=client_tls(who.root, who.full))]), args=FAST)
    with wire.connect(p.port) as down:
        assert down.get().status == 200
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"), "a line in the log")
    got = json.loads(path.read_text())
    up.close()
    assert unquote(got.pop("PEER_CERT")) == who.server.pem and int(got.pop("to")) > 0
    assert got.pop("TLS_CIPHER").startswith("ECDHE-ECDSA-")
    assert got == {"TLS_VERSION": "TLSv1.2", "PEER_SUBJECT": "CN=server", "PEER_ISSUER": "CN=Root CA,O=Org",
                   "PEER_URI_SAN": "spiffe://s1,spiffe://s2", "PEER_DNS_SAN": "server.example.com", "PEER_IP_SAN": "127.0.0.1",
                   "LOCAL_URI_SAN": "spiffe://a/b,spiffe://c;d,e", "LOCAL_DNS_SAN": "a.example.com,b.example.com",
                   "LOCAL_IP_SAN": "1.2.3.4,1::2"}


XFCC = {
    'By=a;DNS=b;Subject="c";URI=d': "a b c d", "by=a,By=b": "a - - -", "Hash=1,By=b;DNS=x,DNS=y": "b x - -",
    'Subject="a,b;By=c";By=d': "d - a,b;By=c -", 'Subject="a\\"b";DNS=c': '- c a"b -', 'Subject="a\\\\";By=x': "x - a\\ -",
    'Subject="a': "- - - -", "By=a=b;DNS": "a=b  - -", ' By = a ; DNS= "b "': "a b  - -", 'By="a""b"': 'a""b - - -',
    ";;By=a,,DNS=b;": "a b - -", '[{"by":["x"]}]': "- - - -", "By=a\\,By=b": "a\\ - - -", 'By="";By=x': " - - -",
}


def test_values_of_the_header_in_logs(proxy, tmp_path):
    path = tmp_path / "log"
    log = c.file_log(path, "%XFCC_VALUE(By)% %XFCC_VALUE(dns)% %XFCC_VALUE(SUBJECT)% %XFCC_VALUE(URI)%\n")
    p = proxy(c.http(c.direct(body="ok"), forward_client_cert_details="ALWAYS_FORWARD_ONLY", access_log=[log]), args=FAST)
    with wire.connect(p.port) as down:
        for header in XFCC:
            down.get(headers=[("x-forwarded-client-cert", header)])
    wait_until(lambda: path.exists() and path.read_text().count("\n") == len(XFCC), "all lines")
    assert dict(zip(XFCC, path.read_text().splitlines())) == XFCC


# --- routes ---

def test_routes_by_the_clients_certificate(proxy, who):
    def when(name, **options):
        return {**c.direct(body=name), "match": {"prefix": "/", "tls_context": options}}
    routes = [when("unpresented", presented=False), when("validated", presented=True, validated=True), c.direct(body="other")]
    p = proxy(c.bootstrap([
        secured(c.listener(c.hcm(*routes), name="main"), server_tls(who.server, who.root)),
        c.listener(c.hcm(*routes), name="plain")]))

    def ask(listener, certificate=None):
        down = connect(p.ports[listener], certificate) if listener == "main" else wire.connect(p.ports[listener])
        with down:
            return down.get().text
    assert ask("main") == "unpresented"
    assert ask("main", who.full) == "validated"
    assert ask("plain") == "unpresented"


def test_require_tls(proxy, who):
    hosts = [c.virtual_host(c.direct(body="ok"), require_tls="ALL")]
    p = proxy(c.bootstrap([secured(c.listener(c.hcm(virtual_hosts=hosts), name="main"), server_tls(who.server)),
                           c.listener(c.hcm(virtual_hosts=hosts), name="plain")]))
    with connect(p.ports["main"]) as down:
        assert down.get().text == "ok"
    with wire.connect(p.ports["plain"]) as down:
        answer = down.get("/a?b", host="x.y")
        assert (answer.status, answer.get("location")) == (301, "https://x.y/a?b")

# SPDX-License-Identifier: Apache-2.0
"""Certificates made on the spot by the openssl command: an authority, and what it signs. All are P-256 unless told otherwise."""
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


def openssl(*args, **options):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, timeout=60, **options).stdout


@dataclass
class Certificate:
    """Paths of PEM files; chain: the certificate and those between it and the root."""
    path: Path
    key: Path
    chain: Path
    issuer: "Certificate" = None

    @property
    def pem(self):
        return self.path.read_text()

    def fingerprint(self, kind="sha256"):
        text = openssl("x509", "-in", self.path, "-noout", "-fingerprint", f"-{kind}").decode()
        return text.strip().split("=")[1].replace(":", "").lower()

    def serial(self):
        return openssl("x509", "-in", self.path, "-noout", "-serial").decode().strip().split("=")[1].lower()

    def config(self):
        """tls.v3.TlsCertificate."""
        return {"certificate_chain": {"filename": str(self.chain)}, "private_key": {"filename": str(self.key)}}


def make(folder, name, subject=None, san=(), issuer=None, ca=False, days=30, key="ec", extensions=(), serial=None):
    """Signed by `issuer`, or by itself. `san`: as openssl.cnf has them ("DNS:a.b")."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    out = Certificate(folder / f"{name}.pem", folder / f"{name}.key", folder / f"{name}.chain.pem", issuer)
    algorithm = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if key == "rsa" else \
        ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    openssl("genpkey", *algorithm, "-out", out.key)
    lines = [f"basicConstraints=critical,CA:{'TRUE' if ca else 'FALSE'}", *extensions]
    if san:  # a section of its own, since values may have commas
        names = [entry.partition(":") for entry in san]
        lines += ["subjectAltName=@names", "[names]", *(f"{kind}.{i} = {value}" for i, (kind, _, value) in enumerate(names))]
    settings = folder / f"{name}.cnf"
    settings.write_text("[req]\ndistinguished_name=dn\n[dn]\n[v3]\n" + "\n".join(lines) + "\n")
    request = openssl("req", "-new", "-utf8", "-config", settings, "-key", out.key, "-subj", subject or f"/CN={name}")
    signer = ["-CA", issuer.path, "-CAkey", issuer.key] if issuer else ["-signkey", out.key]
    number = ["-set_serial", str(serial)] if serial is not None else ["-CAcreateserial"] if issuer else []
    out.path.write_bytes(openssl("x509", "-req", "-days", days, "-extfile", settings, "-extensions", "v3", *signer, *number,
                                 input=request))
    above = issuer.chain.read_text() if issuer is not None and issuer.issuer is not None else ""
    out.chain.write_text(out.pem + above)
    return out


def authority(folder, name="root", **options):
    return make(folder, name, ca=True, extensions=["keyUsage=critical,keyCertSign,cRLSign"], **options)


def client_context(ca=None, certificate=None, alpn=(), version=None):
    """For Python's ssl; without `ca` anybody is believed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if ca is not None:
        context.load_verify_locations(ca.path)
        context.verify_mode = ssl.CERT_REQUIRED
    if certificate is not None:
        context.load_cert_chain(certificate.chain, certificate.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def server_context(certificate, ca=None, alpn=()):
    """`ca`: clients need a certificate of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    if ca is not None:
        context.load_verify_locations(ca.path)
        context.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context

# SPDX-License-Identifier: Apache-2.0
"""Certificates of the TLS tests, made once a run."""
from types import SimpleNamespace

import pytest

from lib import pki, tls


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    ca = pki.authority(folder)
    other = pki.authority(folder, "other")
    return SimpleNamespace(
        folder=folder, ca=ca, other_ca=other,
        server=pki.make(folder, "server", san=["DNS:localhost", "IP:127.0.0.1"], issuer=ca),
        rsa=pki.make(folder, "rsa", san=["DNS:localhost", "IP:127.0.0.1"], issuer=ca, key="rsa"),
        client=pki.make(folder, "client", san=["DNS:client.example", "URI:spiffe://example/client"], issuer=ca),
        stranger=pki.make(folder, "stranger", san=["DNS:client.example"], issuer=other))


@pytest.fixture
def tls_server():
    made = []

    def make(context, answer=None):
        made.append(tls.TlsServer(context, answer))
        return made[-1]

    yield make
    for one in made:
        one.server.close()

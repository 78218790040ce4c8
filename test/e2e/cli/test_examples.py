# SPDX-License-Identifier: Apache-2.0
"""The examples do what their pages say."""
import os
import re
import signal
import subprocess

import pytest

from lib import wait_until, wire
from lib.proxy import ROOT, nuncio_path, run


def test_quickstart(proxy, kind):
    text = (ROOT / "examples/quickstart/nuncio.yaml").read_text()
    ports = {n: wire.free_port() for n in ("10000", "10001", "10002")}
    for fixed, free in {**ports, "9901": 0}.items():
        text = text.replace(f"port_value: {fixed}", f"port_value: {free}")
    p = proxy(text)
    assert p.get("/service1", listener="edge").text == "Hello from service 1!\n"
    assert p.get("/service2", listener="edge").text == "Hello from service 2!\n"
    assert p.get("/other", listener="edge").status == 404


@pytest.mark.own
def test_make_run_starts_and_stops(tmp_path):
    """The script behind `make run`, on other ports."""
    text = (ROOT / "examples/quickstart/nuncio.yaml").read_text()
    script = (ROOT / "examples/quickstart/run").read_text()
    admin = str(wire.free_port())
    for fixed, free in {"10000": str(wire.free_port()), "10001": str(wire.free_port()), "10002": str(wire.free_port()),
                        "9901": admin}.items():
        text, script = text.replace(fixed, free), script.replace(fixed, free)
    (tmp_path / "nuncio.yaml").write_text(text)
    (tmp_path / "run").write_text(script)
    os.chmod(tmp_path / "run", 0o755)
    with open(tmp_path / "out", "wb") as out:
        process = subprocess.Popen([tmp_path / "run", nuncio_path()], stdout=out, stderr=out, start_new_session=True)
    try:
        wait_until(lambda: "Ctrl-C stops" in (tmp_path / "out").read_text(), "the hints")
        first = re.search(r"curl (http://\S+/service1)", (tmp_path / "out").read_text()).group(1)
        answer = wire.get(int(first.split(":")[2].split("/")[0]), "/service1")
        assert answer.text == "Hello from service 1!\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.own
@pytest.mark.parametrize("name", ["edge", "service"])
def test_the_v1_examples_are_valid_and_migrate(name):
    path = ROOT / f"examples/v1-article/{name}.json"
    assert run("--mode", "validate", "-c", path)[0] == 0
    code, out, _ = run("migrate", path)
    assert code == 0 and "static_resources:" in out

# SPDX-License-Identifier: Apache-2.0
"""The v1 example: two real HTTP services behind real DNS names, served by dnsmasq, whose records change during the test."""
import json
import re
import shutil
import socket
import subprocess

import pytest

from lib import wait_until, wire
from lib.proxy import ROOT, Failed, Proxy, run

pytestmark = pytest.mark.own
EXAMPLES = ROOT / "examples/v1-article"


class Dnsmasq:
    """A real DNS server on a port of its own; records come from a hosts file that it reads again on SIGHUP."""

    def __init__(self, folder):
        self.hosts = folder / "hosts"
        self.hosts.write_text("")
        for _ in range(5):  # the port must be free for TCP, too, which only dnsmasq itself finds out
            self.start()
            wait_until(lambda: self.process.poll() is not None or self.answers(), "dnsmasq to answer")
            if self.process.poll() is None:  # SIGHUP would end it before it answers, or be lost
                return
        raise AssertionError("dnsmasq finds no port")

    def start(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        program = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/sbin:/bin")
        assert program, "dnsmasq is missing: tools/setup test installs dnsmasq-base"
        self.process = subprocess.Popen(
            [program, "--keep-in-foreground", "--no-resolv", "--no-hosts", f"--addn-hosts={self.hosts}", f"--port={self.port}",
             "--listen-address=127.0.0.1", "--bind-interfaces", "--local-ttl=0", "--user=", "--group=", "--conf-file=/dev/null",
             "--pid-file"], stderr=subprocess.DEVNULL)

    def answers(self):
        query = bytes.fromhex("00010100000100000000000001780000010001")  # x. IN A
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            s.connect(("127.0.0.1", self.port))
            try:
                s.send(query)
                return s.recv(512)[:2] == query[:2]
            except OSError:
                return False

    def set(self, **names):
        self.hosts.write_text("".join(f"{ip} {name}\n" for name, ips in names.items() for ip in ips))
        self.process.send_signal(1)

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def names(tmp_path):
    server = Dnsmasq(tmp_path)
    yield server
    server.stop()


def services(upstream, ip, name, port=0):
    return upstream(lambda r: wire.response(body=f"{name} {r.path}"), http=True, address=(ip, port))


def edge(text, listen, port):
    """The article's file on a listener of our own; its services on one port of several loopback addresses."""
    text = text.replace("tcp://0.0.0.0:80", f"tcp://127.0.0.1:{listen}").replace("tcp://127.0.0.1:8001", "tcp://127.0.0.1:0")
    return re.sub(r"tcp://service(\d):80", rf"tcp://service\1:{port}", text)


def with_resolver(text, names):
    config = json.loads(text)
    config["cluster_manager"]["clusters"] = [
        {**cluster, "dns_resolvers": [f"tcp://127.0.0.1:{names.port}"], "dns_refresh_rate_ms": 100}
        for cluster in config["cluster_manager"]["clusters"]]
    return json.dumps(config)


def test_the_edge(proxy, upstream, names):
    one = services(upstream, "127.0.0.2", "one")
    services(upstream, "127.0.0.3", "two", one.port)
    services(upstream, "127.0.0.4", "moved", one.port)
    names.set(service1=["127.0.0.2"], service2=["127.0.0.3"])
    listen = wire.free_port()
    p = proxy(with_resolver(edge((EXAMPLES / "edge.json").read_text(), listen, one.port), names), suffix="json")
    wait_until(lambda: wire.get(listen, "/service1").status == 200, "service1's address")
    wait_until(lambda: wire.get(listen, "/service2").status == 200, "service2's address")
    assert wire.get(listen, "/service1/x").text == "one /service1/x"
    assert wire.get(listen, "/service2").text == "two /service2"
    assert wire.get(listen, "/other").status == 404
    names.set(service1=["127.0.0.4"], service2=["127.0.0.3"])
    wait_until(lambda: wire.get(listen, "/service1").text == "moved /service1", "the record to change")
    names.set(service1=["127.0.0.2", "127.0.0.4"], service2=["127.0.0.3"])
    p.wait_stat("cluster.service1.membership_total", 2)
    wait_until(lambda: {wire.get(listen, "/service1").text for _ in range(4)} == {"one /service1", "moved /service1"}, "both hosts")
    assert "service1" in p.admin("/clusters").text


def test_the_service_side(proxy, upstream):
    up = services(upstream, "127.0.0.1", "local")
    listen = wire.free_port()
    text = edge((EXAMPLES / "service.json").read_text(), listen, 0).replace("tcp://127.0.0.1:5000", f"tcp://127.0.0.1:{up.port}")
    proxy(text, suffix="json")
    assert wire.get(listen, "/service/1").text == "local /service/1"


def test_migration_gives_the_same_proxy(proxy, upstream, tmp_path):
    up = services(upstream, "127.0.0.1", "local")
    listen = wire.free_port()
    text = edge((EXAMPLES / "service.json").read_text(), listen, 0).replace("tcp://127.0.0.1:5000", f"tcp://127.0.0.1:{up.port}")
    (tmp_path / "old.json").write_text(text)
    code, new, err = run("migrate", tmp_path / "old.json")
    assert code == 0, err
    proxy(new)
    assert wire.get(listen, "/service/1").text == "local /service/1"


def test_typographic_quotes_are_pointed_at(tmp_path):
    text = (EXAMPLES / "edge.json").read_text().replace('"listeners"', "“listeners”")
    (tmp_path / "copied.json").write_text(text)
    code, out, err = run("--mode", "validate", "-c", "copied.json", cwd=tmp_path)
    assert code == 1 and "copied.json:2:3" in out + err and "quot" in (out + err).lower()


def test_mistakes_have_v1_positions(tmp_path):
    text = (EXAMPLES / "edge.json").read_text().replace('"round_robin"', '"sideways"', 1)
    line = next(n for n, x in enumerate(text.splitlines(), 1) if "sideways" in x)
    (tmp_path / "bad.json").write_text(text)
    code, out, err = run("--mode", "validate", "-c", "bad.json", cwd=tmp_path)
    assert code == 1 and f"bad.json:{line}:" in out + err


@pytest.mark.parametrize("lb_type", ["ring_hash", "original_dst_lb", "maglev"])
def test_what_is_missing_is_said(tmp_path, lb_type):
    text = (EXAMPLES / "service.json").read_text().replace('"round_robin"', f'"{lb_type}"', 1)
    with pytest.raises(Failed) as failed:
        Proxy(tmp_path, text, suffix="json").start()
    assert failed.value.code == 1 and "not supported" in failed.value.log

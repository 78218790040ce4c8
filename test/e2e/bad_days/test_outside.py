# SPDX-License-Identifier: Apache-2.0
"""What the proxy depends on fails: the disk under a log fills up and is emptied, the DNS server goes and comes back."""
import os
import subprocess
import threading

import pytest

from lib import config as c
from lib import wait_until, wire
from lib.dns import DnsServer, resolver

FAST = ["--file-flush-interval-msec", "20"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one mebibyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_fills_up_and_is_emptied(proxy, small_disk):
    log = small_disk / "access.log"
    p = proxy(c.http(c.direct(), access_log=[c.file_log(log, "%REQ(:path)% " + "x" * 4000 + "\n")]), args=FAST)
    before = p.rss_kib()
    with p.connect() as peer:
        n = 0
        while p.stat("filesystem.write_failed") == 0:
            for _ in range(50):
                assert peer.get(f"/{n}").status == 200
                n += 1
            assert n < 20000
        for _ in range(2000):  # 8 MB for which there is no place
            assert peer.get("/full").status == 200
        assert p.rss_kib() - before < 48 << 10
        assert log.stat().st_size <= 1 << 20
        os.truncate(log, 0)
        wait_until(lambda: (peer.get("/after"), b"/after x" in log.read_bytes())[1], "lines after the disk is emptied")
    p.expect_stats({"http.in.downstream_cx_total": 1})


def test_a_log_whose_reader_sleeps(proxy, tmp_path):
    """A FIFO that nobody empties: lines are dropped and counted, requests go on."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    p = proxy(c.http(c.direct(), access_log=[c.file_log(fifo, "%REQ(:path)% " + "x" * 8000 + "\n")]), args=FAST)
    before = p.rss_kib()
    with p.connect() as peer:
        for n in range(3000):  # 24 MB
            assert peer.get("/").status == 200
    assert p.rss_kib() - before < 64 << 10
    done = threading.Event()

    def empty():
        while not done.wait(0.002):
            try:
                while os.read(reader, 1 << 20):
                    pass
            except BlockingIOError:
                pass
    thread = threading.Thread(target=empty)
    thread.start()
    try:
        p.stop()
    finally:
        done.set()
        thread.join()
        os.close(reader)


def names(up, dns, **extra):
    return c.cluster("up", {"endpoint": {"address": {"socket_address": {"address": "svc.test", "port_value": up.port}}}},
                     kind="STRICT_DNS", dns_refresh_rate="0.1s", dns_failure_refresh_rate={"base_interval": "0.1s", "max_interval": "0.2s"},
                     typed_dns_resolver_config=resolver(dns.port), respect_dns_ttl=False, dns_lookup_family="V4_ONLY", **extra)


@pytest.mark.parametrize("how", ["closed", "silent", "servfail"])
def test_the_dns_server_goes_and_comes_back(proxy, upstream, how):
    """The old hosts stay in use, failures are counted, and nothing piles up."""
    up = upstream(name="a")
    dns = DnsServer({"svc.test": ["127.0.0.1"]})
    p = proxy(c.http(c.route("up"), clusters=[names(up, dns)]))
    p.wait_stat("cluster.up.membership_total", 1)
    assert p.get().text == "a"
    before, fds = p.rss_kib(), p.n_fds()
    if how == "closed":
        dns.close()
    else:
        dns.records["svc.test"] = None if how == "silent" else 2
    failed = p.stat("cluster.up.update_failure")
    if how == "servfail":
        wait_until(lambda: p.stat("cluster.up.update_failure") >= failed + 3, "failed lookups")
    for _ in range(50):
        assert p.get().text == "a"
    p.expect_stats({"cluster.up.membership_total": 1, "cluster.up.membership_healthy": 1})
    assert p.n_fds() <= fds + 4 and p.rss_kib() - before < 16 << 10
    if how != "closed":
        dns.records["svc.test"] = ["127.0.0.1", "127.0.0.2"]
        p.wait_stat("cluster.up.membership_total", 2)
        dns.close()


def test_a_start_without_dns_does_not_block_the_start(proxy, upstream):
    """The cluster's first lookup fails: the proxy is LIVE, the cluster has no host, others work."""
    up = upstream(name="a")
    dns = DnsServer({"svc.test": 2})
    p = proxy(c.http(c.route("up", prefix="/dns"), c.route("fixed"), clusters=[names(up, dns), c.cluster("fixed", up.port)]))
    assert p.get("/").text == "a"
    assert p.get("/dns").status == 503
    dns.records["svc.test"] = ["127.0.0.1"]
    p.wait_stat("cluster.up.membership_total", 1)
    assert p.get("/dns").text == "a"
    dns.close()


def test_many_slow_clients_and_upstreams_at_once(proxy, upstream, client):
    """Each pair holds at most its buffers: 24 clients that do not read, 24 bodies of 8 MiB."""
    up = upstream()
    limit = {"per_connection_buffer_limit_bytes": 32768}
    config = c.http(c.route("up"), clusters=[c.cluster("up", up.port, **limit)])
    config["static_resources"]["listeners"][0].update(limit)
    p = proxy(config, concurrency=2)
    p.admin("/stats")
    before, size, peers = p.rss_kib(), 8 << 20, []

    def pour(far):
        try:
            far.send(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n")
            for _ in range(size >> 16):
                far.send(b"z" * 65536)
        except OSError:
            pass
    for _ in range(24):
        peers.append(client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n"))
        far = up.accept()
        far.head()
        threading.Thread(target=pour, args=(far,), daemon=True).start()
    wait_until(lambda: p.stat("cluster.up.upstream_flow_control_paused_reading_total") >= 24, "all upstreams to be paused")
    assert p.rss_kib() - before < 48 << 10
    assert peers[0].response().body == b"z" * size
    for peer in peers[1:]:
        peer.close()
    p.wait_stat("http.in.downstream_rq_active", 0)
    p.wait_stat("cluster.up.upstream_cx_active", 1)

# SPDX-License-Identifier: Apache-2.0
"""The watchdog: what it counts while all is well, and what it may be told."""
import fcntl
import os
import re
import signal
import threading

import pytest

from lib import PATIENCE, wait_until
from lib import config as c
from lib.proxy import Failed, Proxy

COUNTERS = ["watchdog_miss", "watchdog_mega_miss"]


def test_nothing_is_missed_by_those_that_only_wait(proxy):
    p = proxy(c.http(c.direct()), concurrency=2)
    stats = p.stats()
    threads = ["main_thread", "workers", "server.main_thread", "server.worker_0", "server.worker_1"]
    assert {f"{t}.{k}" for t in threads for k in COUNTERS} == {k for k in stats if "watchdog" in k}
    assert 'envoy_server_worker_watchdog_miss{envoy_worker_id="1"}' in p.admin("/stats/prometheus").text


@pytest.mark.own
def test_loops_that_wait_longer_than_the_limits_are_well(proxy):
    """Workers of which nobody wants anything; not so short that it counts when the machine lets one wait in its turn."""
    short = {"miss_timeout": "0.1s", "megamiss_timeout": "0.4s"}
    p = proxy({**c.http(c.direct()), "stats_flush_interval": "0.05s", "watchdogs": {"worker_watchdog": short}}, concurrency=2)
    wait_until(lambda: p.stat("server.uptime") >= 1, "a time that is over all limits")
    assert p.stat("workers.watchdog_mega_miss") == 0


def test_all_of_it_may_be_set(proxy):
    one = {"miss_timeout": "1s", "megamiss_timeout": "2s", "kill_timeout": "100s", "max_kill_timeout_jitter": "10s",
           "multikill_timeout": "60s", "multikill_threshold": {"value": 50}}
    p = proxy({**c.http(c.direct(body="x")), "watchdogs": {"main_thread_watchdog": one, "worker_watchdog": one}})
    assert p.get().text == "x"


def test_the_old_field_means_both(proxy):
    assert proxy({**c.http(c.direct(body="x")), "watchdog": {"miss_timeout": "1s"}}).get().text == "x"


@pytest.mark.parametrize("wrong", [
    {"watchdog": {}, "watchdogs": {}}, {"watchdogs": {"worker_watchdog": {"kill_timeout": "-1s"}}},
    {"watchdogs": {"main_thread_watchdog": {"multikill_threshold": {"value": 101}}}}])
def test_what_is_refused(kind, tmp_path, wrong):
    with pytest.raises(Failed) as failed:
        Proxy(tmp_path, {**c.http(c.direct()), **wrong}, kind=kind).start()
    assert failed.value.code == 1 and re.search("[wW]atchdog|duration", failed.value.log)


def test_clusters_that_threads_can_use(proxy, upstream):
    up = upstream()
    p = proxy(c.http(c.direct(), clusters=[c.cluster(n, up.port) for n in "ab"]), concurrency=2)
    threads = ["main_thread", "worker_0", "worker_1"]
    p.expect_stats({f"thread_local_cluster_manager.{t}.clusters_inflated": 2 for t in threads})


@pytest.fixture
def full_log(tmp_path):
    """A log that nobody reads: workers that write debug lines to it get stuck. (path, a function that begins to read)"""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)

    def read_all():
        while os.read(reader, 65536):
            pass

    def begin():
        os.set_blocking(reader, True)
        thread = threading.Thread(target=read_all)
        thread.start()
        readers.append(thread)

    readers = []
    yield ["--log-path", path, "-l", "critical", "--component-log-level", "router:debug"], begin
    for thread in readers:
        thread.join(PATIENCE)
    os.close(reader)


REQUESTS = "GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n" * 100


@pytest.mark.own
def test_a_worker_that_is_stuck_is_counted_once(tmp_path, client, full_log):
    args, read_log = full_log
    p = Proxy(tmp_path / "p", c.http(c.direct(body="ok")), args=args).start()
    try:
        peer = client(p.port).send(REQUESTS)
        p.wait_stat("server.worker_0.watchdog_mega_miss", 1)
        p.expect_stats({"workers.watchdog_miss": 1, "workers.watchdog_mega_miss": 1, "main_thread.watchdog_miss": 0})
        read_log()
        assert [peer.response().text for _ in range(100)] == ["ok"] * 100
        p.stop()
    finally:
        p.kill()


@pytest.mark.own
def test_a_worker_that_is_stuck_too_long_ends_the_process(tmp_path, client, full_log):
    args, _ = full_log
    watchdogs = {"worker_watchdog": {"kill_timeout": "0.3s"}}
    p = Proxy(tmp_path / "p", {**c.http(c.direct(body="ok")), "watchdogs": watchdogs}, args=args).start()
    try:
        client(p.port).send(REQUESTS)
        assert p.process.wait(PATIENCE) == -signal.SIGABRT
        assert "watchdog: worker_0 is stuck" in p.log()
    finally:
        p.kill()

# SPDX-License-Identifier: Apache-2.0
"""Clusters whose hosts are names."""
import pytest

from lib import config as c
from lib import dns, wait_until, wire

pytestmark = pytest.mark.tsan


@pytest.fixture
def names():
    server = dns.DnsServer()
    yield server
    server.close()


@pytest.fixture
def two(upstream):
    """Two upstreams on two loopback addresses and one port."""
    first = upstream(name="one", address=("127.0.0.1", 0))
    second = upstream(name="two", address=("127.0.0.2", first.port))
    return first, second


def named(names, port, kind="STRICT_DNS", name="svc.test", **extra):
    cluster = c.cluster("up", port, ip=name, kind=kind, typed_dns_resolver_config=dns.resolver(names.port),
                        **{"dns_refresh_rate": "0.1s", "dns_lookup_family": "V4_ONLY", **extra})
    return c.http(c.route("up"), clusters=[cluster])


def texts(p, n=6):
    return {p.get().text for _ in range(n)}


def test_strict_dns_uses_all_addresses(proxy, names, two):
    names.records["svc.test"] = ["127.0.0.1", "127.0.0.2"]
    p = proxy(named(names, two[0].port))
    assert texts(p) == {"one", "two"}
    p.expect_stats({"cluster.up.membership_total": 2})


def test_hosts_come_and_go(proxy, names, two):
    names.records["svc.test"] = ["127.0.0.1"]
    p = proxy(named(names, two[0].port))
    assert texts(p) == {"one"}
    names.records["svc.test"] = ["127.0.0.2"]
    wait_until(lambda: texts(p, 2) == {"two"}, "the new address")
    p.wait_stat("cluster.up.membership_total", 1)
    assert p.stat("cluster.up.membership_change") == 2


def test_a_host_that_stays_keeps_its_connections(proxy, names, two):
    names.records["svc.test"] = ["127.0.0.1"]
    p = proxy(named(names, two[0].port))
    assert texts(p, 1) == {"one"}
    names.records["svc.test"] = ["127.0.0.1", "127.0.0.2"]
    p.wait_stat("cluster.up.membership_total", 2)
    wait_until(lambda: "two" in texts(p, 2), "the second")
    assert two[0].n_connections == 1


def test_a_request_in_flight_survives_its_hosts_removal(proxy, names, upstream, client):
    up = upstream()
    names.records["svc.test"] = ["127.0.0.1"]
    p = proxy(named(names, up.port))
    down = client(p.port).send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    far = up.accept()
    far.head()
    names.records["svc.test"] = ["127.0.0.9"]
    p.wait_stat("cluster.up.membership_change", 2)
    far.send(wire.response(body="late"))
    assert down.response().text == "late"
    far.expect_closed()


@pytest.mark.parametrize("failure", [dns.SERVFAIL, None], ids=["servfail", "silence"])
def test_a_failing_server_keeps_the_old_hosts(proxy, names, two, failure):
    names.records["svc.test"] = ["127.0.0.1"]
    p = proxy(named(names, two[0].port, dns_failure_refresh_rate={"base_interval": "0.1s", "max_interval": "0.2s"}))
    assert texts(p, 2) == {"one"}
    names.records["svc.test"] = failure
    n = len(names.asked)
    wait_until(lambda: len(names.asked) >= n + 2, "more questions")
    if failure is not None:
        wait_until(lambda: p.stat("cluster.up.update_failure") >= 1, "update_failure")
    assert texts(p, 2) == {"one"}


def test_a_name_that_does_not_exist_yet(proxy, names, two):
    p = proxy(named(names, two[0].port))
    assert p.get().status == 503
    names.records["svc.test"] = ["127.0.0.1"]
    wait_until(lambda: p.get().status == 200, "the name")


def test_logical_dns_uses_one_at_a_time(proxy, names, two):
    names.records["svc.test"] = ["127.0.0.1"]
    p = proxy(named(names, two[0].port, kind="LOGICAL_DNS"))
    assert texts(p) == {"one"}
    p.expect_stats({"cluster.up.membership_total": 1})
    names.records["svc.test"] = ["127.0.0.2"]
    wait_until(lambda: texts(p, 2) == {"two"}, "the new address")
    assert p.stat("cluster.up.membership_total") == 1


@pytest.mark.parametrize("family, want", [("V4_ONLY", "four"), ("V6_ONLY", "six"), ("AUTO", "six"), ("V4_PREFERRED", "four")])
def test_families(proxy, names, upstream, family, want):
    four = upstream(name="four", address=("127.0.0.1", 0))
    upstream(name="six", address=("::1", four.port))
    names.records["svc.test"] = ["127.0.0.1", "::1"]
    p = proxy(named(names, four.port, dns_lookup_family=family))
    assert texts(p, 3) == {want}


def test_the_ttl_may_decide(proxy, names, two):
    names.ttl = 1
    names.records["svc.test"] = ["127.0.0.1"]
    p = proxy(named(names, two[0].port, respect_dns_ttl=True, dns_refresh_rate="60s"))
    assert texts(p, 1) == {"one"}
    names.records["svc.test"] = ["127.0.0.2"]
    wait_until(lambda: texts(p, 1) == {"two"}, "the new address after a TTL of 1 s")


def test_names_of_the_hosts_file(proxy, names, upstream):
    up = upstream(name="local", address=("127.0.0.1", 0))
    p = proxy(named(names, up.port, name="localhost"))
    assert texts(p, 1) == {"local"}
    assert ("localhost", dns.A) not in names.asked


def test_counters(proxy, names, two):
    names.records["svc.test"] = ["127.0.0.1"]
    p = proxy(named(names, two[0].port))
    wait_until(lambda: p.stat("cluster.up.update_attempt") >= 3, "refreshes")
    assert p.stat("cluster.up.update_success") >= 1
    assert p.stat("cluster.up.update_no_rebuild") >= 1


@pytest.mark.own
def test_nothing_but_unix_sockets(proxy, upstream, tmp_path):
    """Such a cluster has nobody to ask, and is there at once. (Envoy takes it, and asks for an empty name.)"""
    paths = [str(tmp_path / name) for name in ("one", "two")]
    for path in paths:
        upstream(name=path[-3:], address=path)
    p = proxy(c.http(c.route("up"), clusters=[c.cluster("up", *paths, kind="STRICT_DNS")]))
    assert texts(p) == {"one", "two"}
    p.expect_stats({"cluster.up.membership_total": 2, "cluster.up.update_attempt": 0, "cluster_manager.warming_clusters": 0})


@pytest.mark.own
def test_a_unix_socket_among_names(proxy, names, two, upstream, tmp_path):
    upstream(name="unix", address=str(tmp_path / "socket"))
    config = named(names, two[0].port)
    cluster = config["static_resources"]["clusters"][0]
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"].append({"endpoint": {"address": c.address(str(tmp_path / "socket"))}})
    names.records["svc.test"] = ["127.0.0.1", "127.0.0.2"]
    p = proxy(config)
    wait_until(lambda: texts(p) == {"one", "two", "unix"}, "all three")

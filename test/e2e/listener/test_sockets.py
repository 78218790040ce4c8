# SPDX-License-Identifier: Apache-2.0
"""Listening sockets as the kernel sees them, and the steps of the filter chain match that need no TLS."""
import os
import select
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from lib import config as c
from lib import wait_until, wire


def says(text, match=None):
    return {"filters": [c.network_filter("direct_response", "Config", response={"inline_string": text})],
            **({"filter_chain_match": match} if match else {})}


def with_chains(*chains, address=None, **listener):
    return c.bootstrap([{"name": "main", "address": address or c.address(), "filter_chains": list(chains), **listener}])


def greeting(address, data=b"", **options):
    with wire.connect(address, **options) as peer:
        if data:  # who has nothing to send may find the other side closed already
            peer.send(data)
        return peer.rest().decode()


def n_listening(port):
    """How many sockets listen on an IPv4 port."""
    wanted = f":{port:04X}"
    return sum(line.split()[1].endswith(wanted) and line.split()[3] == "0A" for line in open("/proc/net/tcp").readlines()[1:])


@pytest.mark.parametrize("reuse, want", [(True, 3), (False, 1)])
def test_one_socket_a_worker(proxy, reuse, want):
    p = proxy(with_chains(says("x"), enable_reuse_port=reuse), concurrency=3)
    assert n_listening(p.port) == want
    assert greeting(p.port) == "x"


def test_a_short_queue(proxy):
    """A stopped program accepts nothing: the kernel takes what the queue holds, and no more."""
    p = proxy(with_chains(says("x"), tcp_backlog_size=2))
    p.signal(signal.SIGSTOP)
    sockets = []
    try:
        state = Path(f"/proc/{p.process.pid}/stat")
        wait_until(lambda: state.read_text().rsplit(")", 1)[1].split()[0] == "T", "the program to stop")
        for _ in range(12):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", p.port))
            sockets.append(s)
        time.sleep(0.3)
        assert len(select.select([], sockets, [], 0)[1]) >= 2
        queued = [line.split() for line in open("/proc/net/tcp").readlines()[1:]]
        waiting = next(int(x[4].split(":")[1], 16) for x in queued if x[1].endswith(f":{p.port:04X}") and x[3] == "0A")
        assert waiting == 3
    finally:
        p.signal(signal.SIGCONT)
        for s in sockets:
            s.close()
    wait_until(lambda: greeting(p.port) == "x")


def test_the_mode_of_a_unix_socket(proxy, tmp_path):
    path = str(tmp_path / "s")
    p = proxy(with_chains(says("x"), address={"pipe": {"path": path, "mode": 0o640}}))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    assert greeting(path) == "x"
    p.stop()


def test_a_unix_socket_left_behind_is_replaced(proxy, tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(path)
    proxy(with_chains(says("x"), address=c.address(path)))
    assert greeting(path) == "x"


def test_more_addresses(proxy):
    port = wire.free_port()
    p = proxy(with_chains(says("x"), additional_addresses=[{"address": c.address(port)}]))
    assert greeting(p.port) == greeting(port) == "x"


def test_both_families(proxy):
    p = proxy(with_chains(says("x"), address={"socket_address": {"address": "::", "port_value": 0, "ipv4_compat": True}}))
    assert greeting(p.port) == greeting(("::1", p.port)) == "x"


def test_the_destination_port(proxy):
    port = wire.free_port()
    p = proxy(with_chains(says("port", {"destination_port": port}), says("rest"), address=c.address(port)))
    assert greeting(p.port) == "port"
    p = proxy(with_chains(says("port", {"destination_port": 1}), says("rest")))
    assert greeting(p.port) == "rest"


def test_the_destination_address(proxy):
    def on(prefix, bits):
        return {"prefix_ranges": [{"address_prefix": prefix, "prefix_len": bits}]}
    p = proxy(with_chains(says("8", on("127.0.0.0", 8)), says("32", on("127.0.0.7", 32)), says("any"), address=c.address(ip="0.0.0.0")))
    assert greeting(("127.0.0.7", p.port)) == "32"
    assert greeting(("127.0.0.8", p.port)) == "8"


def test_the_protocol_of_the_transport(proxy):
    p = proxy(with_chains(says("tls", {"transport_protocol": "tls"}), says("raw", {"transport_protocol": "raw_buffer"}), says("any")))
    assert greeting(p.port) == "raw"


def test_names_and_protocols_need_an_inspector(proxy):
    p = proxy(with_chains(says("named", {"server_names": ["a.example"]}), says("h2", {"application_protocols": ["h2"]}), says("rest")))
    assert greeting(p.port) == "rest"


def test_the_direct_source(proxy):
    """Behind PROXY protocol, the socket's own peer and the told one are two criteria."""
    filters = [c.typed("envoy.filters.listener.proxy_protocol", "filters.listener.proxy_protocol.v3.ProxyProtocol")]

    def direct(prefix, bits, source=None):
        return {"direct_source_prefix_ranges": [{"address_prefix": prefix, "prefix_len": bits}],
                **({"source_prefix_ranges": [{"address_prefix": source, "prefix_len": 32}]} if source else {})}
    p = proxy(with_chains(says("told", direct("127.0.0.0", 8, "1.2.3.4")), says("direct", direct("127.0.0.0", 8)),
                          says("rest"), listener_filters=filters))
    assert greeting(p.port, b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n") == "told"
    assert greeting(p.port, b"PROXY TCP4 4.3.2.1 5.6.7.8 1 2\r\n") == "direct"


def test_told_addresses_count_as_internal_or_not(proxy):
    filters = [c.typed("envoy.filters.listener.proxy_protocol", "filters.listener.proxy_protocol.v3.ProxyProtocol")]
    p = proxy(with_chains(says("local", {"source_type": "SAME_IP_OR_LOOPBACK"}), says("external", {"source_type": "EXTERNAL"}),
                          listener_filters=filters))
    assert greeting(p.port, b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n") == "external"
    assert greeting(p.port, b"PROXY UNKNOWN\r\n") == "local"


@pytest.mark.parametrize("chains", [
    [says("a"), says("b")], [says("a", {"source_ports": [1]}), says("b", {"source_ports": [1]})],
    [says("a", {"source_prefix_ranges": [{"address_prefix": "no", "prefix_len": 8}]})],
    [says("a", {"server_names": ["*"]})], []])
def test_chains_that_are_refused(kind, tmp_path, chains):
    from lib.proxy import Failed, Proxy
    with pytest.raises(Failed) as failed:
        Proxy(tmp_path, with_chains(*chains), kind=kind).start()
    assert failed.value.code == 1


def test_two_listeners_of_one_address(kind, tmp_path):
    from lib.proxy import Failed, Proxy
    address = c.address(wire.free_port())
    listeners = [{"name": n, "address": address, "filter_chains": [says(n)]} for n in "ab"]
    with pytest.raises(Failed) as failed:
        Proxy(tmp_path, c.bootstrap(listeners), kind=kind).start()
    assert failed.value.code == 1


def test_the_listeners_name_in_statistics(proxy):
    p = proxy(with_chains(says("x"), stat_prefix="front"))
    assert greeting(p.port) == "x"
    p.expect_stats({"listener.front.downstream_cx_total": 1})


def test_nothing_speaks_to_a_chain_that_waits(proxy, client):
    """Listener filters that wait for bytes hold the connection before any filter sees it, and count it."""
    filters = [c.typed("envoy.filters.listener.proxy_protocol", "filters.listener.proxy_protocol.v3.ProxyProtocol")]
    p = proxy(with_chains(says("x"), listener_filters=filters))
    down = client(p.port)
    p.expect_stats({"listener.127.0.0.1_0.downstream_pre_cx_active": 1, "listener.127.0.0.1_0.downstream_cx_active": 0})
    down.close()
    p.expect_stats({"listener.127.0.0.1_0.downstream_pre_cx_active": 0})


def test_a_chain_may_go_on_when_nobody_speaks(proxy):
    filters = [c.typed("envoy.filters.listener.proxy_protocol", "filters.listener.proxy_protocol.v3.ProxyProtocol")]
    p = proxy(with_chains(says("x"), listener_filters=filters, listener_filters_timeout="0.1s",
                          continue_on_listener_filters_timeout=True))
    assert greeting(p.port) == "x"

# SPDX-License-Identifier: Apache-2.0
"""The scenarios: what the client speaks, what the origin speaks, how many connections, at what rate."""

from dataclasses import dataclass, replace

# The origin's ports.
H1_PORT, H1_PORTS = 18000, 10
H2C_PORT, GRPC_PORT, ECHO_PORT, STREAM_PORT = 18020, 18021, 18022, 18023

ORIGIN_PORT = {"h1": H1_PORT, "h2c": H2C_PORT, "grpc": GRPC_PORT, "echo": ECHO_PORT, "stream": STREAM_PORT}
HOST = "bench.example"
VHOSTS, PREFIXES, CLUSTERS = 1000, 10, 10000
IDLE_CONNECTIONS = 10000


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    front: str = "h1"  # what the client speaks: h1, h2c, tls (h1 or h2 by ALPN) or tcp
    back: str = "h1"  # what the origin speaks, a key of ORIGIN_PORT
    load: tuple = ()  # arguments of the load generator
    rate: int = 0  # requests a second in the fixed-rate part; 0: none
    routes: str = "one"  # one, vhosts or clusters
    workers: int = 1
    kind: str = "load"  # load, idle or startup
    large: bool = False  # bodies so large that peers are given larger buffers
    bulk: bool = False  # counted in MiB instead of requests

    @property
    def unit(self):
        return "MiB" if self.bulk else "request"


GET_1K = ("--path", "/b/1024", "--body", 1024)
GET_100K = ("--path", "/b/102400", "--body", 102400)
POST_16K = ("--path", "/u/16384", "--post", 16384, "--body", 16)
NEW = ("--new-conn", "--sources", 200)
TLS = ("--tls",)
H2 = ("--proto", "h2", "--conns", 4, "--streams", 100)
C64 = ("--conns", 64)

ALL = [
    Scenario("h1-1k", "HTTP/1.1 keep-alive, 1 KiB, 64 connections", load=C64 + GET_1K, rate=6000),
    Scenario("h1-100k", "HTTP/1.1 keep-alive, 100 KiB, 64 connections", load=C64 + GET_100K, rate=2000, large=True),
    Scenario("h1-post-16k", "HTTP/1.1 keep-alive, POST of 16 KiB, 64 connections", load=C64 + POST_16K, rate=4000),
    Scenario("h1-new-conn", "HTTP/1.1, a new connection per request, 1 KiB", load=C64 + GET_1K + NEW, rate=1500),
    Scenario("tls-1k", "HTTPS/1.1 keep-alive (TLS 1.3), 1 KiB, 64 connections", front="tls", load=C64 + GET_1K + TLS, rate=5000),
    Scenario("tls-handshake", "HTTPS/1.1, a full TLS 1.3 handshake per request, 1 KiB", front="tls",
             load=("--conns", 32) + GET_1K + NEW + TLS, rate=400),
    Scenario("h2-1k", "HTTP/2 over TLS to HTTP/1.1, 1 KiB, 4 connections of 100 streams", front="tls", load=H2 + GET_1K + TLS, rate=6000),
    Scenario("h2c-1k", "HTTP/2 without TLS to HTTP/1.1, 1 KiB, 4 connections of 100 streams", front="h2c", load=H2 + GET_1K, rate=6000),
    Scenario("h1-to-h2c", "HTTP/1.1 to HTTP/2, 1 KiB, 64 connections", back="h2c", load=C64 + GET_1K, rate=5000),
    Scenario("grpc", "gRPC-like: HTTP/2 over TLS to HTTP/2, 64-byte messages, trailers, 4 connections of 100 streams",
             front="tls", back="grpc", load=H2 + TLS + ("--grpc",), rate=5000),
    Scenario("tcp-pingpong", "TCP proxy, 1 KiB each way, 64 connections", front="tcp", back="echo",
             load=C64 + ("--proto", "tcp", "--message", 1024), rate=8000),
    Scenario("tcp-stream", "TCP proxy, 1 GiB streams, 1 connection", front="tcp", back="stream", large=True, bulk=True,
             load=("--conns", 1, "--proto", "stream", "--body", 1 << 30)),
    Scenario("vhosts", f"HTTP/1.1, {VHOSTS:,} virtual hosts of {PREFIXES} prefix routes each, 1 KiB", routes="vhosts",
             load=C64 + ("--body", 1024), rate=5000),
    Scenario("startup", "Start to first served response, memory at rest, size on disk", load=GET_1K, kind="startup"),
    Scenario("clusters", f"{CLUSTERS:,} static clusters: start to first served response, memory at rest", routes="clusters",
             load=("--body", 1024), kind="startup"),
    Scenario("idle-h1", f"{IDLE_CONNECTIONS:,} idle HTTP/1.1 connections", load=GET_1K, kind="idle"),
    Scenario("idle-tls", f"{IDLE_CONNECTIONS:,} idle HTTPS/1.1 connections", front="tls", load=GET_1K + TLS, kind="idle"),
    Scenario("idle-h2", f"{IDLE_CONNECTIONS:,} idle HTTP/2 connections over TLS", front="tls",
             load=GET_1K + TLS + ("--proto", "h2"), kind="idle"),
]
TWO_WORKERS = "h1-1k h1-100k h1-post-16k h1-new-conn h2-1k tcp-pingpong tcp-stream vhosts".split()
ALL += [replace(s, name=s.name + "-2w", title=f"as {s.name}, two workers on both cores", workers=2)
        for s in ALL if s.name in TWO_WORKERS]
BY_NAME = {s.name: s for s in ALL}
# What `--scenario` takes besides names.
GROUPS = {"all": ALL, "clear": [s for s in ALL if s.front in ("h1", "tcp") and s.back in ("h1", "echo", "stream")]}


def vhost(i):
    return f"host-{i:04}.{HOST}"


def write_targets(scenario, path):
    """The load generator's list of (host, path, origin port that must answer), where there is more than one."""
    if scenario.routes == "vhosts":
        lines = [f"{vhost(v)} /svc{p}/b/1024 {H1_PORT + p}" for v in range(VHOSTS) for p in range(PREFIXES)]
    elif scenario.routes == "clusters":
        last = CLUSTERS - 1
        lines = [f"{HOST} /c{last}/b/1024 {H1_PORT + last % H1_PORTS}"]
    else:
        return ()
    path.write_text("\n".join(lines) + "\n")
    extra = ("--header", f"x-cluster: c{CLUSTERS - 1}") if scenario.routes == "clusters" else ()
    return ("--targets", path) + extra

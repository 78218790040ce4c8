# SPDX-License-Identifier: Apache-2.0
"""What single flags do to a running proxy: logs, statistics, files, workers; and a binary bootstrap."""
import json
import re
import time

import pytest
import yaml

from lib import config as c
from lib import wait_until
from lib.pb import Api
from lib.proxy import run

CONFIG = c.http(c.direct(body="ok"))


def test_component_log_level(proxy):
    """One logger speaks at its own level; the others stay quiet."""
    config = c.http(c.direct(body="ok"), clusters=[c.cluster("find-me", 1)])
    p = proxy(config, args=["--log-level", "error", "--component-log-level", "upstream:debug,config:warning"])
    levels = dict(re.findall(r"^\s+(\w+): (\w+)$", p.post("/logging").text, re.M))
    assert (levels["upstream"], levels["config"], levels["router"]) == ("debug", "warning", "error")
    wait_until(lambda: re.search(r"\[debug\]\[upstream\].*find-me", p.log()), "a line of the upstream logger")
    assert "[info][main]" not in p.log() and "[debug][main]" not in p.log()


@pytest.mark.parametrize("value", ["nobody:debug", "http:loud", "http"])
def test_a_bad_component_log_level(kind, tmp_path, value):
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(CONFIG))
    assert run("-c", tmp_path / "e.yaml", "--mode", "validate", "--component-log-level", value, kind=kind)[0] == 1


def test_log_format(proxy):
    p = proxy(CONFIG, args=["--log-level", "info", "--log-format", "<%l> %n %% %v"])
    wait_until(lambda: re.search(r"^<info> main % starting main dispatch loop$", p.log(), re.M), "a line in that form")
    assert all(line.startswith("<") for line in p.log().splitlines() if "dispatch" in line)


def test_log_format_keeps_a_message_in_one_line(proxy):
    """%j is the message as the inside of a JSON string."""
    p = proxy(CONFIG, args=["--log-level", "info", "--log-format", '{"level":"%l","message":"%j"}'])
    wait_until(lambda: "starting main dispatch loop" in p.log(), "the log")
    line = next(x for x in p.log().splitlines() if "starting main dispatch loop" in x)
    assert json.loads(line) == {"level": "info", "message": "starting main dispatch loop"}


def test_stats_tags(proxy):
    p = proxy(CONFIG, args=["--stats-tag", "env:test", "--stats-tag", "region:eu-1"])
    assert p.get().status == 200
    text = p.admin("/stats/prometheus").text
    tags = re.search(r'^envoy_http_downstream_cx_total\{(.*)\} \d+$', text, re.M).group(1)
    assert set(tags.split(",")) >= {'env="test"', 'region="eu-1"'}
    assert all('env="test"' in line for line in text.splitlines() if line.startswith("envoy_http_"))
    assert p.stat("http.in.downstream_cx_total") == 1  # flat names stay


@pytest.mark.own  # Envoy opens a file's buffer to the first write at once, so its first kilobytes are not held back
def test_a_full_buffer_is_written_before_the_interval(proxy, tmp_path):
    log = tmp_path / "access.log"
    p = proxy(c.http(c.direct(), access_log=[c.file_log(log, "y" * 600 + "\n")]),
              args=["--file-flush-interval-msec", 600000, "--file-flush-min-size-kb", 2])
    with p.connect() as peer:
        for _ in range(3):
            assert peer.get().status == 200
        time.sleep(0.2)  # there is nothing to wait for: less than the minimum stays in memory
        assert not log.exists() or log.stat().st_size == 0
        for _ in range(3):
            assert peer.get().status == 200
        wait_until(lambda: log.exists() and log.stat().st_size >= 2048, "the log")


def unknown_field():
    return {**CONFIG, "not_a_field": {"a": 1}, "static_resources": {**CONFIG["static_resources"], "also_none": 2}}


def test_unknown_fields_are_refused(kind, tmp_path):
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(unknown_field()))
    code, out, err = run("-c", tmp_path / "e.yaml", "--mode", "validate", kind=kind)
    assert code == 1 and ("not_a_field" in out + err or "also_none" in out + err)


def test_unknown_fields_may_be_allowed(proxy):
    p = proxy(unknown_field(), args=["--allow-unknown-static-fields"])
    assert p.get().text == "ok"
    # Envoy counts messages that have some, in a walk of its own; what matters is that the counter tells.
    assert p.stat("server.static_unknown_fields") >= 1
    if p.kind == "nuncio":
        assert "not_a_field" in p.log() and "also_none" in p.log()


@pytest.mark.own
def test_allowing_unknown_fields_does_not_allow_wrong_ones(tmp_path):
    config = {**unknown_field(), "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": "x"}}}}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(config))
    code, out, err = run("-c", tmp_path / "e.yaml", "--mode", "validate", "--allow-unknown-static-fields")
    assert code == 1 and "port_value" in out + err


def test_concurrency_zero_is_one(proxy):
    p = proxy(CONFIG, concurrency=0)
    assert p.get().text == "ok"
    assert p.stat("server.concurrency") == 1


def test_concurrency(proxy):
    p = proxy(CONFIG, concurrency=3)
    assert p.get().text == "ok"
    assert p.stat("server.concurrency") == 3


# --- a bootstrap as bytes ---

@pytest.fixture(scope="module")
def api(tmp_path_factory):
    return Api(tmp_path_factory.mktemp("api"))


def as_bytes(api, config):
    return api.from_json("envoy.config.bootstrap.v3.Bootstrap", json.dumps(config)).SerializeToString()


def test_binary_bootstrap(kind, proxy, upstream, tmp_path, api):
    up = upstream(name="bytes")
    config = {**c.http(c.route("up", action={"timeout": "3s"}), clusters=[c.cluster("up", up.port)]), "node": {"id": "from-pb"}}
    folder = tmp_path / "proxy0"
    folder.mkdir()
    (folder / "config.pb").write_bytes(as_bytes(api, config))
    p = proxy(None, suffix="pb")
    assert p.get("/x").text == "bytes"
    assert p.json("/server_info")["node"]["id"] == "from-pb"


@pytest.mark.own
def test_binary_bootstrap_reloads(proxy, tmp_path, api):
    folder = tmp_path / "proxy0"
    folder.mkdir()
    config = c.http(c.direct(body="one"))
    (folder / "config.pb").write_bytes(as_bytes(api, config))
    p = proxy(None, suffix="pb")
    assert p.get().text == "one"
    (folder / "config.pb").write_bytes(as_bytes(api, config)[:-3])
    p.signal(1)
    p.wait_stat("config_reload.rejected", 1)
    assert p.get().text == "one"
    (folder / "config.pb").write_bytes(as_bytes(api, c.http(c.direct(body="two"))))
    p.signal(1)
    wait_until(lambda: p.get().text == "two", "the new bytes")


@pytest.mark.own  # Envoy takes what cannot be parsed for an empty bootstrap
@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x7fabc", b"static_resources: {}"])
def test_bytes_that_are_no_bootstrap(kind, tmp_path, data):
    (tmp_path / "e.pb").write_bytes(data)
    code, out, err = run("--mode", "validate", "-c", tmp_path / "e.pb", kind=kind)
    assert code == 1 and "e.pb" in out + err


@pytest.mark.own
def test_bytes_with_fields_that_nobody_knows(tmp_path, api):
    (tmp_path / "e.pb").write_bytes(as_bytes(api, CONFIG) + b"\xfa\xff\x07\x02hi")  # field 16383, two bytes
    code, out, err = run("--mode", "validate", "-c", tmp_path / "e.pb")
    assert code == 1 and "16383" in out + err
    assert run("--mode", "validate", "-c", tmp_path / "e.pb", "--allow-unknown-static-fields")[0] == 0


# --- YAML 1.1 scalars, as yaml-cpp and Envoy read them ---

BASE = """
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    per_connection_buffer_limit_bytes: %(limit)s
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: %(text)s
          use_remote_address: %(flag)s
          route_config: {virtual_hosts: [{name: a, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]}
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
"""


def verdict(kind, tmp_path, limit="4096", text="x", flag="true"):
    (tmp_path / "e.yaml").write_text(BASE % {"limit": limit, "text": text, "flag": flag})
    return run("--mode", "validate", "-c", tmp_path / "e.yaml", kind=kind)[0]


@pytest.mark.parametrize("flag, code", [("yes", 0), ("on", 0), ("True", 0), ("OFF", 0), ("n", 0), ("y", 0), ("No", 0),
                                        ("FALSE", 0), ('"true"', 0), ("1", 1), ("yEs", 0), ('"t"', 0), ('"0"', 0), ('"NO"', 0),
                                        ('"on"', 1), ('""', 1), ("~", 0), ("null", 0)])
def test_booleans(kind, tmp_path, flag, code):
    assert verdict(kind, tmp_path, flag=flag) == code


@pytest.mark.parametrize("limit, code", [("0x1000", 0), ("010000", 0), ('"4096"', 0), ("4e3", 0), ("4096.0", 0), ("4096.5", 1), ("1_000", 1),
                                         ("-1", 1), ("4294967296", 1), ("+4096", 0), ("", 0), ("~", 0), ("0b11", 1), ("0o17", 1), ("1:30", 1)])
def test_numbers(kind, tmp_path, limit, code):
    assert verdict(kind, tmp_path, limit=limit) == code


@pytest.mark.parametrize("text, code", [("yes", 1), ("'yes'", 0), ("12", 1), ("'12'", 0), ("1.5", 0), ("2001-01-01", 0), ("1:30", 0),
                                        ("!!str 12", 1), ("|-\n            a", 0), ("~", 1), ("0x1f", 1), ("1e3", 0), ("1_000", 0)])
def test_texts(kind, tmp_path, text, code):
    assert verdict(kind, tmp_path, text=text) == code


CLUSTER = """\
static_resources:
  clusters:
  - name: a
    type: STRICT_DNS
    %s
    load_assignment: {cluster_name: a}
"""
RESOLVER = """typed_dns_resolver_config:
      name: envoy.network.dns_resolver.cares
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
        resolvers: [{socket_address: {address: 127.0.0.1, %s}}]"""


@pytest.mark.parametrize("field", ["upstream_bind_config: {source_address: {address: 127.0.0.1, %s}}", RESOLVER])
@pytest.mark.parametrize("port, code", [("port_value: 53", 0), ("named_port: domain", 1)])
def test_names_of_ports(kind, tmp_path, field, port, code):
    (tmp_path / "e.yaml").write_text(CLUSTER % (field % port))
    assert run("--mode", "validate", "-c", tmp_path / "e.yaml", kind=kind)[0] == code


@pytest.mark.parametrize("size, code", [(23, 0), (22, 1)])
def test_the_size_of_a_regex_is_limited_where_that_is_asked_for(kind, tmp_path, size, code):
    match = '{safe_regex: {regex: "/aaaaaaaaaaaaaaaaa[a-z]*", google_re2: {max_program_size: %d}}}' % size
    (tmp_path / "e.yaml").write_text((BASE % {"limit": 4096, "text": "x", "flag": "true"}).replace("{prefix: /}", match))
    result, out, err = run("--mode", "validate", "-c", tmp_path / "e.yaml", kind=kind)
    assert result == code and (code == 0 or "RE2 program size of 23 > max program size of 22" in out + err)

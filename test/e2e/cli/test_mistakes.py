# SPDX-License-Identifier: Apache-2.0
"""What is said about mistakes: place (file, line, column), field, what is allowed, the nearest name; several in one run."""
import json

import pytest

from lib.proxy import run

pytestmark = pytest.mark.own

YAML = """\
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    trafic_direction: INBOUND
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxi
          stat_prefix: a
  clusters:
  - name: a
    type: STATICK
    lb_policy: ROUND_ROBBIN
    connect_timeout: 5 seconds
    load_assignment:
      cluster_name: a
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 99999}}}}]}]
"""
JSON = """{
  "static_resources": {
    "listeners": [
      {"name": "main",
       "address": {"socketAddress": {"address": "127.0.0.1", "portValue": "many"}},
       "filterChain": []}
    ],
    "clusters": [{"name": 12, "lbPolicy": "RANDUM"}]
  }
}
"""


def mistakes(tmp_path, name, text, *args):
    (tmp_path / name).write_text(text)
    code, out, err = run("--mode", "validate", "-c", name, *args, cwd=tmp_path)
    assert code == 1
    return out + err


@pytest.mark.parametrize("place, words", [
    ("5:5: static_resources.listeners[0]:", ['unknown field "trafic_direction"', 'did you mean "traffic_direction"?']),
    ("10:20: static_resources.listeners[0].filter_chains[0].filters[0].typed_config", ["tcp_proxy.v3.TcpProxi", 'did you mean', "TcpProxy"]),
    ("14:11: static_resources.clusters[0].type:", ["STATICK", 'did you mean "STATIC"?']),
    ("15:16: static_resources.clusters[0].lb_policy:", ["ROUND_ROBBIN", 'did you mean "ROUND_ROBIN"?']),
    ("16:22: static_resources.clusters[0].connect_timeout:", ["5 seconds"]),
    ("19:94: static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value:",
     ["must be at most 65535"])])
def test_yaml(tmp_path, place, words):
    said = mistakes(tmp_path, "e.yaml", YAML)
    line = next((x for x in said.splitlines() if x.startswith(f"e.yaml:{place.split(': ')[0]}: ")), None)
    assert line, f"nothing at {place}\n{said}"
    assert line.startswith(f"e.yaml:{place}") or place.endswith("typed_config") and place in line, line
    assert all(w in line for w in words), line


@pytest.mark.parametrize("place, words", [
    ("5:75: static_resources.listeners[0].address.socket_address.port_value:", ["integer", "many"]),
    ("6:8: static_resources.listeners[0]:", ['unknown field "filterChain"', 'did you mean "filter_chains"?']),
    ("8:27: static_resources.clusters[0].name:", ["string", "12"]),
    ("8:43: static_resources.clusters[0].lb_policy:", ["RANDUM", 'did you mean "RANDOM"?'])])
def test_json(tmp_path, place, words):
    said = mistakes(tmp_path, "e.json", JSON)
    line = next((x for x in said.splitlines() if x.startswith(f"e.json:{place}")), None)
    assert line, f"nothing at {place}\n{said}"
    assert all(w in line for w in words), line


def test_for_tools_each_is_an_object(tmp_path):
    (tmp_path / "e.yaml").write_text(YAML)
    code, out, _ = run("--mode", "validate", "--output", "json", "-c", "e.yaml", cwd=tmp_path)
    found = json.dumps(json.loads(out))
    assert code == 1 and all(w in found for w in ("trafic_direction", "STATICK", "ROUND_ROBBIN", "65535", "TcpProxi"))


@pytest.mark.parametrize("name, text, place", [
    ("e.json", '{"admin": {}\n  "node": {}}', "e.json:2:3"), ("e.json", '{"a": 01}', "e.json:1:"),
    ("e.json", "{", "e.json:1:"), ("e.yaml", "a: b\n c: d\n", "e.yaml:2:"),
    ("e.yaml", "node: *nobody\n", "e.yaml:1:"), ("e.yaml", "node:\n\t id: x\n", "e.yaml:2:"), ("e.json", '{"node": {}, "node": {}}', "e.json:1:14"),
    ("e.yaml", "[]", "e.yaml:1:1")])
def test_syntax_has_a_place(tmp_path, name, text, place):
    said = mistakes(tmp_path, name, text)
    assert place in said, said


def test_a_key_that_is_written_twice_is_a_warning(tmp_path):
    """Envoy takes such a file, and the last one holds."""
    (tmp_path / "e.yaml").write_text("node: {id: a}\nnode: {id: b}\n")
    code, out, err = run("--mode", "validate", "-c", "e.yaml", cwd=tmp_path)
    assert code == 0 and 'e.yaml:2:1: warning: "node" is written twice' in out + err


@pytest.mark.parametrize("name, text, place", [
    ("e.json", '{\n  “node”: {"id": "a"}\n}', "e.json:2:3"), ("e.json", '{"node": {"id": ‘a’}}', "e.json:1:17"),
    ("e.yaml", "node: {id: a}\n“admin”: {}\n", "e.yaml:2:1"),
    ("e.yaml", 'static_resources:\n  clusters:\n  - name: a\n    type: “STATIC”\n', "e.yaml:4:11"),
    ("old.json", '{“listeners”: [], “cluster_manager”: {“clusters”: []}}', "old.json:1:2")])
def test_curly_quotes(tmp_path, name, text, place):
    said = mistakes(tmp_path, name, text)
    line = next((x for x in said.splitlines() if place in x), "")
    assert "quot" in line.lower(), said


def test_many_mistakes_are_bounded(tmp_path):
    said = mistakes(tmp_path, "e.yaml", "static_resources:\n  clusters:\n" + "".join(f"  - nam: c{n}\n" for n in range(5000)))
    assert "e.yaml:3:5:" in said and len(said) < 1 << 20


def test_a_wrong_any_names_what_it_is_in(tmp_path):
    text = YAML.replace("TcpProxi", "TcpProxy").replace("stat_prefix: a", "stat_prefx: a")
    said = mistakes(tmp_path, "e.yaml", text)
    assert 'e.yaml:11:11: static_resources.listeners[0].filter_chains[0].filters[0].typed_config: unknown field "stat_prefx" in ' \
        'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy; did you mean "stat_prefix"?' in said


@pytest.mark.parametrize("field", ["udp_max_queries: 5", "filter_unroutable_families: true"])
def test_what_the_resolver_cannot_do_is_refused(tmp_path, field):
    (tmp_path / "c.yaml").write_text("""\
static_resources:
  clusters:
  - name: a
    type: STRICT_DNS
    typed_dns_resolver_config:
      name: envoy.network.dns_resolver.cares
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
        FIELD
    load_assignment: {cluster_name: a}
""".replace("FIELD", field))
    code, _, err = run("--mode", "validate", "-c", "c.yaml", cwd=tmp_path)
    assert code == 1 and field.split(":")[0] in err and "not supported yet" in err


@pytest.mark.parametrize("old, new, field", [
    ("connect_timeout: 5s", "connect_timeout: 5s\n    transport_socket: {name: p, typed_config: {\"@type\": type.googleapis.com/envoy.extensions."
     "transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, allow_unspecified_address: true}}", "allow_unspecified_address"),
    ("    filter_chains:", "    additional_addresses: [{address: {socket_address: {address: 127.0.0.1, port_value: 0}}, "
     "tcp_keepalive: {keepalive_time: 7}}]\n    filter_chains:", "tcp_keepalive"),
])
def test_what_would_have_no_effect_is_refused(tmp_path, old, new, field):
    good = YAML.replace("TcpProxi", "TcpProxy\n          cluster: a").replace("    trafic_direction: INBOUND\n", "").replace("STATICK", "STATIC") \
        .replace("ROBBIN", "ROBIN").replace("5 seconds", "5s").replace("99999", "80")
    (tmp_path / "good.yaml").write_text(good)
    assert run("--mode", "validate", "-c", "good.yaml", cwd=tmp_path)[0] == 0
    said = mistakes(tmp_path, "e.yaml", good.replace(old, new))
    assert f'"{field}"' in said and "not supported yet" in said

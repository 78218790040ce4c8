# SPDX-License-Identifier: Apache-2.0
"""The command line: flags, modes, messages, exit codes."""
import json

import pytest
import yaml

from lib import config as c
from lib.proxy import run

CONFIG = c.http(c.direct(body="ok"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "envoy.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


def test_validate_says_ok(kind, file):
    code, out, err = run("--mode", "validate", "-c", file, kind=kind)
    assert (code, out) == (0, f"configuration '{file}' OK\n")


def test_version_is_in_envoys_form(kind):
    code, out, _ = run("--version", kind=kind)
    assert code == 0 and "/1.40.0/" in out


def test_no_configuration(kind):
    code, _, err = run(kind=kind)
    assert code == 1 and "At least one of --config-path or --config-yaml" in err


def test_a_missing_file(kind, tmp_path):
    code, _, err = run("-c", tmp_path / "no.yaml", kind=kind)
    assert code == 1 and "no.yaml" in err


def test_an_unknown_flag(kind):
    code, out, err = run("--bogus", kind=kind)
    assert code == 1 and "--bogus" in out + err


def test_help(kind):
    code, out, err = run("--help", kind=kind)
    assert code == 0
    for flag in ("--config-path", "--mode", "--concurrency", "--drain-time-s", "--log-level"):
        assert flag in out + err


def test_hot_restart_version(kind):
    code, out, err = run("--hot-restart-version", kind=kind)
    assert (code, (out + err).strip()) == (0, "11.104")


@pytest.mark.own
def test_values_after_an_equals_sign(file):
    assert run(f"--config-path={file}", "--mode=validate")[0] == 0


def test_inline_configuration(kind):
    assert run("--mode", "validate", "--config-yaml", json.dumps(CONFIG), kind=kind)[0] == 0


def test_inline_is_merged_over_the_file(proxy):
    p = proxy(CONFIG, args=["--config-yaml", "{node: {id: merged}}"])
    assert p.json("/server_info")["node"]["id"] == "merged"


def test_json_files(kind, tmp_path):
    path = tmp_path / "e.json"
    path.write_text(json.dumps(CONFIG))
    assert run("--mode", "validate", "-c", path, kind=kind)[0] == 0


def test_node_flags(proxy):
    p = proxy(CONFIG, args=["--service-node", "me", "--service-cluster", "mine", "--service-zone", "z"])
    node = p.json("/server_info")["node"]
    assert (node["id"], node["cluster"], node["locality"]["zone"]) == ("me", "mine", "z")


def test_log_path(proxy, tmp_path):
    log = tmp_path / "app.log"
    p = proxy(CONFIG, args=["--log-path", log, "--log-level", "info"])
    p.get()
    p.stop()
    assert "starting main dispatch loop" in log.read_text()


def test_an_unsupported_log_level(kind, file):
    assert run("-c", file, "--log-level", "loud", kind=kind)[0] == 1


@pytest.mark.own
@pytest.mark.parametrize("args", [["--base-id", "0"], ["--restart-epoch", "0"], ["--disable-hot-restart"]])
def test_flags_that_ask_for_what_we_do_anyway(file, args):
    assert run("--mode", "validate", "-c", file, *args)[0] == 0


@pytest.mark.own
@pytest.mark.parametrize("args", [["--base-id", "3"], ["--restart-epoch", "1"], ["--use-dynamic-base-id"]])
def test_flags_that_cannot_do_anything_yet(file, args):
    code, _, err = run("--mode", "validate", "-c", file, *args)
    assert code == 1 and args[0] in err and "not supported" in err


@pytest.mark.own
def test_text_protobuf_is_refused(tmp_path):
    path = tmp_path / "e.pb_text"
    path.write_text("node {}")
    code, _, err = run("-c", path)
    assert code == 1 and "pb_text" in err


@pytest.mark.own
@pytest.mark.parametrize("text, want", [
    ("static_resources:\n  listeners:\n  - adress: {}\n",
     'envoy.yaml:3:5: static_resources.listeners[0]: unknown field "adress" in envoy.config.listener.v3.Listener; '
     'did you mean "address"?'),
    ("admin: {address: {socket_address: {address: 1.2.3.4, port_value: 70000}}}\n", "envoy.yaml:1:"),
    ("a: [\n", "envoy.yaml:"), ("static_resources: {clusters: [{name: a, type: SIDEWAYS}]}", "SIDEWAYS"),
    ("static_resources: {clusters: [{name: a, connect_timeout: 5}]}", "connect_timeout")])
def test_mistakes_have_a_place(tmp_path, text, want):
    (tmp_path / "envoy.yaml").write_text(text)
    code, out, err = run("--mode", "validate", "-c", "envoy.yaml", cwd=tmp_path)
    assert code == 1 and want in out + err


@pytest.mark.own
def test_several_mistakes_in_one_run(tmp_path):
    (tmp_path / "e.yaml").write_text("nod: {}\nstatic_resources:\n  cluster: []\n  listeners:\n  - nam: x\n")
    code, out, err = run("--mode", "validate", "-c", "e.yaml", cwd=tmp_path)
    assert code == 1 and all(word in out + err for word in ('"nod"', '"cluster"', '"nam"'))


@pytest.mark.own
def test_mistakes_for_tools(tmp_path):
    (tmp_path / "e.yaml").write_text("nod: {}\n")
    code, out, err = run("--mode", "validate", "--output", "json", "-c", "e.yaml", cwd=tmp_path)
    assert code == 1 and "nod" in json.dumps(json.loads(out))


@pytest.mark.own
def test_typographic_quotes_get_a_hint(tmp_path):
    (tmp_path / "e.json").write_text("{“admin”: {}}")
    code, out, err = run("--mode", "validate", "-c", "e.json", cwd=tmp_path)
    assert code == 1 and "quot" in (out + err).lower()


def test_a_route_to_an_unknown_cluster_is_refused(kind, tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text(yaml.safe_dump(c.http(c.route("nobody"))))
    code, out, err = run("--mode", "validate", "-c", path, kind=kind)
    assert code == 1 and "nobody" in out + err


def test_duplicate_clusters_are_refused(kind, tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text(yaml.safe_dump(c.http(c.direct(), clusters=[c.cluster("a", 1), c.cluster("a", 1)])))
    assert run("--mode", "validate", "-c", path, kind=kind)[0] == 1


def test_anchors_and_aliases(proxy):
    text = yaml.safe_dump(CONFIG).replace("address: 127.0.0.1", "address: &ip 127.0.0.1", 1)
    head, _, rest = text.rpartition("address: 127.0.0.1")
    p = proxy(head + "address: *ip" + rest)
    assert p.get().text == "ok"


def test_binary_protobuf(kind, tmp_path, file):
    if kind == "envoy":
        pytest.skip("needs the messages' descriptors, which nuncio prints")
    code, _, err = run("--mode", "validate", "-c", tmp_path / "none.pb")
    assert code == 1 and "none.pb" in err

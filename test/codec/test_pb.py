# SPDX-License-Identifier: Apache-2.0
"""Every message type of api/ against Google's protobuf: wire bytes, JSON and YAML, both ways."""
import json
import zlib

import pytest

from lib import pb

MESSAGES = 12


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    return pb.Api(tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module")
def tool():
    one = pb.Tool()
    yield one
    one.close()


def each_message(api):
    """(type, message): those whose JSON is no map of fields stand in an Any."""
    for name in api.types:
        maker = pb.Maker(api, zlib.crc32(name.encode()))
        for depth in range(MESSAGES + 1):
            m = maker.message(name, 1 + depth % 4) if depth > 0 or name == "google.protobuf.Value" else api.cls(name)()
            if name in pb.VALUE_FORM and name != "google.protobuf.Any":
                held, m = m, api.cls("google.protobuf.Any")()
                m.Pack(held, deterministic=True)
            yield m.DESCRIPTOR.full_name, m


def expect_equal(api, name, data, wanted):
    got = api.to_dict(api.from_wire(name, data))
    assert pb.same(got, api.to_dict(wanted)), f"{name}\n{got}\n{api.to_dict(wanted)}"


def test_wire(api, tool):
    for name, m in each_message(api):
        data = m.SerializeToString(deterministic=True)
        out = tool.convert("wire", "wire", name, data)
        expect_equal(api, name, out, m)
        assert len(out) == len(data), name


def test_json_written(api, tool):
    for name, m in each_message(api):
        data = m.SerializeToString()
        for form in ("json", "compact"):
            text = tool.convert("wire", form, name, data).decode()
            assert pb.same(json.loads(text), api.to_dict(m)), f"{name}\n{text}\n{api.to_dict(m)}"
            expect_equal(api, name, api.from_json(name, text).SerializeToString(), m)
        text = tool.convert("wire", "primitives", name, data).decode()
        wanted = api.to_dict(m, always_print_fields_with_no_presence=True)
        assert pb.same(json.loads(text), wanted), f"{name}\n{text}\n{wanted}"


def test_json_read(api, tool):
    for name, m in each_message(api):
        for snake in (True, False):
            out = tool.convert("json", "wire", name, api.to_json(m, snake).encode())
            expect_equal(api, name, out, m)


def test_yaml(api, tool):
    for name, m in each_message(api):
        text = tool.convert("wire", "yaml", name, m.SerializeToString())
        expect_equal(api, name, tool.convert("yaml", "wire", name, text), m)


def test_hash(api, tool):
    """The way that a message came in does not show in its hash, and its content does."""
    seen = {}
    for name, m in each_message(api):
        text = api.to_json(m, False).encode()
        ours = tool.convert("json", "wire", name, text)
        from_wire = tool.convert("wire", "hash", name, m.SerializeToString())
        assert from_wire == tool.convert("json", "hash", name, text) == tool.convert("wire", "hash", name, ours), name
        key = name, json.dumps(api.to_dict(m), sort_keys=True)
        assert seen.setdefault(from_wire, key) == key, f"{key} and {seen[from_wire]} have the same hash"


def anys(m):
    """(type URL, bytes) of each Any in a message, but not of those inside of Anys."""
    if m.DESCRIPTOR.full_name == "google.protobuf.Any":
        return {(m.type_url, m.value)}
    found = set()
    for field, value in m.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            values = [v for v in value.values() if hasattr(v, "ListFields")]
        else:
            values = value if field.is_repeated else [value]
        for v in values:
            found |= anys(v)
    return found


def test_wire_merging(api, tool):
    """Two messages one after another are one: scalars of the second win, lists join, messages merge."""
    for name in api.types:
        maker = pb.Maker(api, 1 + zlib.crc32(name.encode()))
        for _ in range(3):
            parts = [maker.message(name, 3) for _ in range(2)]
            data = b"".join(m.SerializeToString() for m in parts)
            merged = api.from_wire(name, data)
            if anys(merged) - anys(parts[0]) - anys(parts[1]):
                continue  # an Any with the bytes of one and the type of the other, which is nonsense
            ok, out = tool.ask("wire", "wire", name, data)
            if ok:
                expect_equal(api, name, out, merged)
            else:
                assert b"is out of range" in out or b"not protobuf" in out or b"unknown field" in out, (name, out)


def test_wire_damaged(api, tool):
    """What Google's reader refuses is refused: bytes cut off, bytes changed."""
    for name, m in each_message(api):
        data = m.SerializeToString()
        for at in {1, len(data) // 3, len(data) // 2, len(data) - 1}:
            if not 0 < at < len(data):
                continue
            for bad in (data[:at], data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1:]):
                ok, _ = tool.ask("wire", "wire", name, bad)
                if ok:
                    api.from_wire(name, bad)

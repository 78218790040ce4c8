# SPDX-License-Identifier: Apache-2.0
"""api/*.proto says what Envoy 1.40's API says (test/data/proto_fields.tsv, proto_enums.tsv), field by field: number, type,
label, oneof, flags, validation rules. api/ may lack messages and fields; it may have nothing of its own."""
import re
from decimal import Decimal

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as F

from lib import pb

DATA = pb.ROOT / "test/data"
SCALARS = {F.TYPE_BOOL: "bool", F.TYPE_INT32: "int32", F.TYPE_INT64: "int64", F.TYPE_UINT32: "uint32",
           F.TYPE_UINT64: "uint64", F.TYPE_FLOAT: "float", F.TYPE_DOUBLE: "double", F.TYPE_STRING: "string",
           F.TYPE_BYTES: "bytes"}
# What Envoy takes under a second name that is not in its own API.
ALIASES = {"udpa.type.v1.TypedStruct": "xds.type.v3.TypedStruct"}
NUMBERS = ("gt", "gte", "lt", "lte")


def rows(name):
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[1:]]


def facts():
    """{message: {field: (number, type, oneof, flags, validation)}}"""
    messages = {}
    for message, field, number, kind, oneof, flags, validation in rows("proto_fields.tsv"):
        fields = messages.setdefault(message, {})
        if field != "-":
            fields[field] = (int(number), kind, oneof, set(flags.split()), validation)
    return messages


# --- rules: both spellings into one form -------------------------------------------------------------------------------


def parse_rules(text):
    """'string { min_len: 1 }' as [(name, value or list)]"""
    tokens = re.findall(r'"(?:[^"\\]|\\.)*"|[{}]|[^\s{}":]+:?', text)

    def block():
        out = []
        while tokens and tokens[0] != "}":
            name = tokens.pop(0)
            if name.endswith(":"):
                out.append((name[:-1], tokens.pop(0)))
            else:
                assert tokens.pop(0) == "{", text
                out.append((name, block()))
                assert tokens.pop(0) == "}", text
        return out

    return block()


def unquote(text):
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def seconds(parts):
    parts = dict(parts)
    return Decimal(parts.get("seconds", "0")) + Decimal(parts.get("nanos", "0")) / 10**9


def envoy_rule(text):
    """Envoy's spelling as {name: value}."""
    rule = {}
    for kind, parts in parse_rules(text):
        for name, value in parts:
            if name in NUMBERS:
                rule[name] = seconds(value) if isinstance(value, list) else Decimal(value)
            elif name in ("in", "not_in"):
                rule.setdefault(name, []).append(unquote(value) if value.startswith('"') else value)
            elif name in ("items", "keys", "values"):
                inner = envoy_rule(" ".join(show(p) for p in value))
                if inner:
                    rule[name] = inner
            elif name == "well_known_regex":
                rule["well_known"] = value
            elif name == "strict":
                rule["loose"] = value == "false"
            elif kind == "bool":
                rule["const_true"] = value == "true"
            else:
                rule[name] = unquote(value) if value.startswith('"') else {"true": True, "false": False}.get(value, value)
    rule = {k: int(v) if isinstance(v, str) and re.fullmatch(r"(min|max)_\w+", k) else v for k, v in rule.items()}
    return {k: v for k, v in rule.items() if v not in (0, False) or k in NUMBERS}


def show(part):
    name, value = part
    return f"{name}: {value}" if isinstance(value, str) else f"{name} {{ {' '.join(show(p) for p in value)} }}"


def our_rule(rule):
    out = {}
    for field, value in rule.ListFields():
        if field.name in NUMBERS:
            out[field.name] = Decimal(value)
        elif field.name in ("items", "keys", "values"):
            inner = our_rule(value)
            if inner:
                out[field.name] = inner
        elif field.name in ("in", "not_in"):
            out[field.name] = list(value)
        elif field.name == "well_known":
            out[field.name] = field.enum_type.values_by_number[value].name
        else:
            out[field.name] = value
    return {k: v for k, v in out.items() if v not in (0, False) or k in NUMBERS}


# --- api/ --------------------------------------------------------------------------------------------------------------


class Reader:
    def __init__(self, folder):
        self.api = pb.Api(folder)
        self.problems, self.n_fields = [], 0
        self.messages = {}
        for file in self.api.files.file:
            if not self.api.is_ours(file) and not file.name.startswith("google/"):
                self.collect(file.package, file.message_type)

    def collect(self, scope, protos):
        for proto in protos:
            self.messages[f"{scope}.{proto.name}"] = proto
            self.collect(f"{scope}.{proto.name}", proto.nested_type)

    def option(self, kind, options, extension):
        cls = message_factory.GetMessageClass(self.api.pool.FindMessageTypeByName("google.protobuf." + kind))
        message = cls.FromString(options.SerializeToString())
        return message.Extensions[self.api.pool.FindExtensionByName(extension)]

    def kind(self, field):
        """The type as the table spells it."""
        name = SCALARS.get(field.type) or field.type_name[1:]
        sub = self.messages.get(name)
        if sub is not None and sub.options.map_entry:
            key, value = sub.field
            return f"map<{self.kind(key)},{self.kind(value)}>"
        return "repeated " + name if field.label == F.LABEL_REPEATED else name

    def oneof(self, message, field):
        if not field.HasField("oneof_index") or field.proto3_optional:
            return ""
        one = message.oneof_decl[field.oneof_index]
        return one.name + ("!" if self.option("OneofOptions", one.options, "nu.required") else "")

    def differences(self, wanted):
        for name, message in self.messages.items():
            if message.options.map_entry:
                continue
            name = ALIASES.get(name, name)
            if name not in wanted:
                yield f"{name}: Envoy has no such message"
                continue
            for field in message.field:
                self.n_fields += 1
                if field.name not in wanted[name]:
                    yield f"{name}.{field.name}: Envoy has no such field"
                    continue
                yield from self.compare(name, message, field, *wanted[name][field.name])

    def compare(self, name, message, field, number, kind, oneof, flags, validation):
        rule = our_rule(self.option("FieldOptions", field.options, "nu.rule"))
        for what, ours, theirs in (
            ("number", field.number, number),
            ("type", self.kind(field), re.sub(r"^optional ", "", kind)),
            ("presence", field.proto3_optional, kind.startswith("optional ")),
            ("oneof", self.oneof(message, field), oneof),
            ("deprecated", field.options.deprecated, any(f.startswith("deprecated") for f in flags)),
            ("wip", self.option("FieldOptions", field.options, "nu.wip"), "wip" in flags),
            ("sensitive", self.option("FieldOptions", field.options, "nu.sensitive"), "sensitive" in flags),
            ("rule", rule, envoy_rule(validation)),
        ):
            if ours != theirs:
                yield f"{name}.{field.name}: {what} is {ours!r}, Envoy's {theirs!r}"


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return Reader(tmp_path_factory.mktemp("api"))


def test_fields(reader):
    found = list(reader.differences(facts()))
    assert not found, "\n".join(found)
    assert reader.n_fields > 600


def test_enums(reader):
    wanted = {name: [tuple(v.split("=")) for v in values.split("; ")] for name, values in rows("proto_enums.tsv")}
    found = []

    def walk(scope, enums):
        for enum in enums:
            ours = [(v.name, str(v.number)) for v in enum.value]
            theirs = wanted.get(f"{scope}.{enum.name}", [])
            if sorted(ours) != sorted(theirs):
                found.append(f"{scope}.{enum.name}: {ours}, Envoy's {theirs}")

    for name, message in reader.messages.items():
        walk(name, message.enum_type)
    for file in reader.api.files.file:
        if not reader.api.is_ours(file) and not file.name.startswith("google/"):
            walk(file.package, file.enum_type)
    assert not found, "\n".join(found)


def test_rule_spellings():
    """The comparison itself: it sees what it should."""
    assert envoy_rule('string { min_len: 1 well_known_regex: HTTP_HEADER_NAME strict: false }') == {
        "min_len": 1, "well_known": "HTTP_HEADER_NAME", "loose": True}
    assert envoy_rule("duration { lt { seconds: 300 } gte { nanos: 1000000 } }") == {
        "lt": 300, "gte": Decimal("0.001")}
    assert envoy_rule('repeated { items { string { pattern: "^[^\\\\s,]+$" } } }') == {"items": {"pattern": "^[^\\s,]+$"}}
    assert envoy_rule("uint32 { gte: 0 } message { required: true }") == {"gte": 0, "required": True}

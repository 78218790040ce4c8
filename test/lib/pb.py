# SPDX-License-Identifier: Apache-2.0
"""api/*.proto through Google's protobuf, random messages of its types, and pb_tool, which does the same with ours."""
import math
import random
import struct
import subprocess
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from lib.proxy import nuncio_path

ROOT = Path(__file__).resolve().parents[2]
VALUE_FORM = {"google.protobuf." + n for n in (
    "Any", "Duration", "Struct", "Value", "ListValue", "BoolValue", "BytesValue", "DoubleValue", "FloatValue",
    "Int32Value", "Int64Value", "StringValue", "UInt32Value", "UInt64Value")}


def load_api(folder):
    """The descriptors of api/, by protoc: a FileDescriptorSet."""
    out = Path(folder) / "api.pb"
    protos = sorted(str(p.relative_to(ROOT / "api")) for p in (ROOT / "api").glob("**/*.proto"))
    subprocess.run(["protoc", "-I", ROOT / "api", "--include_imports", f"--descriptor_set_out={out}", *protos],
                   check=True, timeout=60)
    return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())


class Api:
    def __init__(self, folder):
        self.files = load_api(folder)
        self.pool = descriptor_pool.DescriptorPool()
        for file in self.files.file:
            self.pool.Add(file)
        self.types = sorted(name for file in self.files.file if not self.is_ours(file)
                            for name in self.names(file.package, file.message_type))

    @staticmethod
    def is_ours(file):
        return file.name.startswith("nu/") or file.name == "google/protobuf/descriptor.proto"

    def names(self, scope, messages):
        for m in messages:
            if not m.options.map_entry:
                yield f"{scope}.{m.name}"
                yield from self.names(f"{scope}.{m.name}", m.nested_type)

    def cls(self, name):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def to_dict(self, message, **options):
        return json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=self.pool, **options)

    def to_json(self, message, snake):
        return json_format.MessageToJson(message, preserving_proto_field_name=snake, descriptor_pool=self.pool)

    def from_json(self, name, text):
        return json_format.Parse(text, self.cls(name)(), descriptor_pool=self.pool)

    def from_wire(self, name, data):
        return self.cls(name).FromString(data)


class Tool:
    """pb_tool, which the build puts beside nuncio."""

    def __init__(self):
        self.process = subprocess.Popen([Path(nuncio_path()).parent / "pb_tool"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def ask(self, source, target, name, data):
        """(whether it went well, the answer or the reports)"""
        self.process.stdin.write(f"{source} {target} {name} {len(data)}\n".encode() + data)
        self.process.stdin.flush()
        head = self.process.stdout.readline().split()
        assert head, f"pb_tool died of {source} {target} {name} {data!r}"
        return head[0] == b"ok", self.process.stdout.read(int(head[1]))

    def convert(self, source, target, name, data):
        ok, answer = self.ask(source, target, name, data)
        assert ok, f"{name} from {source}: {answer.decode()}\n{data!r}"
        return answer

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0


class Maker:
    """Random messages, bounded in depth and size. Every field has its chance; edge values are frequent."""

    TEXTS = ["", "a", "x y", "true", "null", "~", "012", "1e3", "- a", "a: b", "a #b", "ü€😀", "\u2028<>&\"'\\", "{", "*a",
             "line\nbreak\t", "\x01\x7f", "0x1f", "yes", " lead", "trail ", "127.0.0.1", "1.5s", "=", "!t", "@type", "a:", "😀"]

    def __init__(self, api, seed, depth=4):
        self.api, self.random, self.depth = api, random.Random(seed), depth
        self.holdable = [t for t in api.types if not t.endswith("TypedStruct")]

    def message(self, name, depth=None):
        return self.fill(self.api.cls(name)(), self.depth if depth is None else depth)

    def fill(self, m, depth):
        name = m.DESCRIPTOR.full_name
        if name == "google.protobuf.Any":
            return self.fill_any(m, depth)
        if name == "google.protobuf.Duration":
            m.seconds = self.random.choice([0, 1, 59, 9223372035, self.random.randrange(10**6)])
            m.nanos = self.random.choice([0, 1, 999999999, 500000000, 1000, self.random.randrange(10**9)])
            return m
        if name in ("google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"):
            return self.fill_struct(m, min(depth, 3))
        for f in m.DESCRIPTOR.fields:
            if self.random.random() < (0.5 if depth > 1 else 0.25):
                self.set_field(m, f, depth)
        return m

    def fill_any(self, m, depth):
        if depth <= 0:
            return m
        held = self.message(self.random.choice(self.holdable), depth - 2)
        if held.DESCRIPTOR.full_name == "google.protobuf.Value" and held.WhichOneof("kind") is None:
            held.bool_value = True
        m.Pack(held, deterministic=True)
        return m

    def fill_struct(self, m, depth):
        name = m.DESCRIPTOR.full_name
        if name.endswith(".Struct"):
            for _ in range(self.random.randrange(3)):
                self.fill_struct(m.fields[self.text()], depth - 1)
        elif name.endswith(".ListValue"):
            for _ in range(self.random.randrange(3)):
                self.fill_struct(m.values.add(), depth - 1)
        else:
            kind = self.random.choice(["null", "number", "string", "bool"] + (["struct", "list"] if depth > 0 else []))
            if kind in ("struct", "list"):
                part = m.struct_value if kind == "struct" else m.list_value
                part.SetInParent()
                self.fill_struct(part, depth - 1)
            else:
                # YAML has numbers of 32 bits only
                value = {"null": 0, "number": self.random.randrange(-2**31, 2**31), "string": self.text(),
                         "bool": self.random.random() < 0.5}[kind]
                setattr(m, kind + "_value", value)
        return m

    def set_field(self, m, f, depth):
        if f.message_type is not None and depth <= 0 and f.message_type.full_name not in VALUE_FORM:
            return
        many = range(self.random.choice([0, 1, 2, 3]))
        if f.message_type is not None and f.message_type.GetOptions().map_entry:
            value = f.message_type.fields_by_name["value"]
            for _ in many:
                if value.message_type is not None:
                    self.fill_map_value(getattr(m, f.name)[self.text()], depth)
                else:
                    getattr(m, f.name)[self.text()] = self.scalar(value)
        elif f.is_repeated:
            for _ in many:
                if f.message_type is not None:
                    self.fill_map_value(getattr(m, f.name).add(), depth)
                else:
                    getattr(m, f.name).append(self.scalar(f))
        elif f.message_type is not None:
            getattr(m, f.name).SetInParent()
            self.fill_map_value(getattr(m, f.name), depth)
        else:
            setattr(m, f.name, self.scalar(f))

    def fill_map_value(self, m, depth):
        self.fill(m, depth - 1)

    def text(self):
        if self.random.random() < 0.6:
            return self.random.choice(self.TEXTS)
        return "".join(chr(self.random.choice([self.random.randrange(1, 128), self.random.randrange(1, 0x800),
                                               self.random.randrange(0xe000, 0x110000)]))
                       for _ in range(self.random.randrange(12)))

    def scalar(self, f):
        r = self.random
        if f.enum_type is not None:
            return r.choice([v.number for v in f.enum_type.values] + [77])
        ints = {f.TYPE_INT32: (-2**31, 2**31 - 1), f.TYPE_INT64: (-2**63, 2**63 - 1), f.TYPE_UINT32: (0, 2**32 - 1),
                f.TYPE_UINT64: (0, 2**64 - 1)}
        if f.type in ints:
            low, high = ints[f.type]
            return r.choice([0, 1, low, high, r.randrange(low, high), r.randrange(0, 300)])
        if f.type == f.TYPE_BOOL:
            return r.random() < 0.5
        if f.type == f.TYPE_STRING:
            return self.text()
        if f.type == f.TYPE_BYTES:
            return r.randbytes(r.randrange(6))
        size, code = (4, "<f") if f.type == f.TYPE_FLOAT else (8, "<d")
        value = struct.unpack(code, r.randbytes(size))[0]
        return r.choice([value, 0.0, -0.0, 1.0, 0.1, 1e-7, 1e22, math.inf, -math.inf, math.nan, r.random()])


def same(a, b):
    """Equality of what came from JSON; floats may differ in digits that a float of 32 bits does not have."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, bool) or isinstance(b, bool) or not isinstance(a, (int, float)):
        return type(a) is type(b) and a == b
    return isinstance(b, (int, float)) and math.isclose(a, b, rel_tol=1e-6)

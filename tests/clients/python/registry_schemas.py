"""The schemas of the round trips: every type, logical types, unions, nesting, enums, defaults and references."""

import json


def record(name, *fields, **more):
    return {"type": "record", "name": name, "fields": [dict(zip(("name", "type", "default"), f)) for f in fields], **more}


def logical(kind, name, **more):
    return {"type": kind, "logicalType": name, **more}


ADDRESS = record("Address", ("street", "string"), ("zip", ["null", "int"], None), namespace="shop.geo")
COLOR = {"type": "enum", "name": "Color", "namespace": "shop", "symbols": ["RED", "GREEN", "BLUE"]}

# name: schema, or (schema, [(name, subject, schema)]) with references.
AVRO = {
    "boolean": {"type": "boolean"},
    "int": {"type": "int"},
    "long": {"type": "long"},
    "float": {"type": "float"},
    "double": {"type": "double"},
    # No bytes on their own: Confluent's Java serializer writes them without their length, its Python serializer with it.
    "string": {"type": "string"},
    "scalars": record("Scalars", ("b", "boolean"), ("i", "int"), ("l", "long"), ("f", "float"), ("d", "double"), ("s", "string"), ("y", "bytes")),
    "nullable": record("Nullable", *[(f"n_{k}", ["null", k], None) for k in ("boolean", "int", "long", "float", "double", "string", "bytes")]),
    "defaults": record("Defaults", ("i", "int", 7), ("s", "string", "x"), ("b", "boolean", True), ("d", "double", 1.5), ("l", {"type": "array", "items": "int"}, [1, 2])),
    "nested": record("Person", ("name", "string"), ("home", ADDRESS), ("work", ["null", "shop.geo.Address"], None), namespace="shop"),
    "deep": record("A", ("b", record("B", ("c", record("C", ("d", record("D", ("v", "string"))))))), namespace="deep"),
    "list": record("List", ("l", {"type": "array", "items": "long"}), ("n", {"type": "array", "items": ["null", "string"]})),
    "list_of_records": record("Orders", ("o", {"type": "array", "items": record("Line", ("sku", "string"), ("n", "int"))})),
    "map": record("Map", ("m", {"type": "map", "values": "double"}), ("n", {"type": "map", "values": ["null", "int"]})),
    "map_of_records": record("Book", ("m", {"type": "map", "values": ADDRESS})),
    "lists_of_lists": record("Matrix", ("m", {"type": "array", "items": {"type": "array", "items": "int"}})),
    "enum": record("Car", ("color", COLOR), ("other", ["null", "shop.Color"], None)),
    "fixed": record("Hash", ("h", {"type": "fixed", "name": "Md5", "size": 16})),
    "union": record("Union", ("u", ["null", "int", "string", "boolean"], None)),
    "union_of_records": record("Either", ("u", [record("Left", ("l", "int"), namespace="e"), record("Right", ("r", "string"), namespace="e")])),
    "decimal": record("Price", ("p", logical("bytes", "decimal", precision=12, scale=2)), ("q", ["null", logical("bytes", "decimal", precision=20, scale=0)], None)),
    "date": record("Day", ("d", logical("int", "date")), ("n", ["null", logical("int", "date")], None)),
    "time": record("Clock", ("t", logical("int", "time-millis"))),
    "timestamp": record("Moment", ("t", logical("long", "timestamp-millis")), ("n", ["null", logical("long", "timestamp-millis")], None)),
    "documented": record("Doc", ("a", "int"), doc="a record with a doc", namespace="with.names"),
    "reference": (record("Parcel", ("to", "shop.geo.Address"), ("weight", "int"), namespace="shop"), [("shop.geo.Address", "ref-avro-address", ADDRESS)]),
}


def obj(title, required=None, **properties):
    out = {"type": "object", "title": title, "properties": properties}
    return out if required is None else {**out, "required": required}


def typed(kind, connect, **more):
    return {"type": kind, "connect.type": connect, **more}


def connect_logical(kind, connect, name, **more):
    return typed(kind, connect, title=f"org.apache.kafka.connect.data.{name}", **{"connect.version": 1}, **more)


STRING, INTEGER, NUMBER, BOOLEAN, NULL = ({"type": t} for t in ("string", "integer", "number", "boolean", "null"))
JSON_ADDRESS = obj("Address", street=STRING, zip=INTEGER)

JSON = {
    "boolean": {**BOOLEAN, "title": "b"},
    "integer": {**INTEGER, "title": "i"},
    "number": {**NUMBER, "title": "n"},
    "string": {**STRING, "title": "s"},
    "scalars": obj("Scalars", b=BOOLEAN, i=INTEGER, n=NUMBER, s=STRING),
    "widths": obj("Widths", a=typed("integer", "int8"), b=typed("integer", "int16"), c=typed("integer", "int32"), d=typed("integer", "int64"), e=typed("number", "float32"), f=typed("number", "float64")),
    "bytes": obj("Bytes", y=typed("string", "bytes")),
    "nullable": obj("Nullable", a={"oneOf": [NULL, STRING]}, b={"oneOf": [INTEGER, NULL]}, c={"type": ["null", "number"]}, d={"anyOf": [NULL, BOOLEAN]}),
    "optional": obj("Optional", ["a"], a=STRING, b=STRING, c=INTEGER),
    "defaults": obj("Defaults", a={**STRING, "default": "x"}, b={**INTEGER, "default": 3}),
    "nested": obj("Person", name=STRING, home=JSON_ADDRESS),
    "nested_optional": obj("Visit", at={"oneOf": [NULL, JSON_ADDRESS]}),
    "deep": obj("A", b=obj("B", c=obj("C", d=obj("D", v=STRING)))),
    "ordered": obj("Ordered", z={**STRING, "connect.index": 0}, a={**INTEGER, "connect.index": 1}),
    "list": obj("List", l={"type": "array", "items": INTEGER}, n={"type": "array", "items": {"oneOf": [NULL, STRING]}}),
    "list_root": {"type": "array", "title": "L", "items": STRING},
    "list_of_objects": obj("Lines", o={"type": "array", "items": obj("Line", sku=STRING, n=INTEGER)}),
    "lists_of_lists": obj("Matrix", m={"type": "array", "items": {"type": "array", "items": NUMBER}}),
    "map": obj("Map", m={"type": "object", "connect.type": "map", "additionalProperties": INTEGER}),
    "map_of_others": obj("Open", m={"type": "object", "additionalProperties": JSON_ADDRESS}),
    "enum": obj("Car", color={"enum": ["RED", "GREEN"]}, typed={"type": "string", "enum": ["A", "B"]}),
    "numbers_enum": obj("Sizes", n={"enum": [1, 2, 3]}),
    "union": obj("Union", u={"oneOf": [INTEGER, STRING, BOOLEAN, NULL]}),
    "union_of_objects": obj("Either", u={"oneOf": [obj("Left", ["l"], l=INTEGER), obj("Right", ["r", "s"], r=STRING, s=STRING)]}),
    "decimal": obj("Price", p=connect_logical("string", "bytes", "Decimal", **{"connect.parameters": {"scale": "2"}})),
    "date": obj("Day", d=connect_logical("integer", "int32", "Date")),
    "timestamp": obj("Moment", t=connect_logical("integer", "int64", "Timestamp")),
    "all_of": {"title": "Both", "allOf": [obj("X", x=INTEGER), obj("Y", y=STRING)]},
    "local_reference": {**obj("Refs", a={"$ref": "#/definitions/Address"}, b={"$ref": "#/definitions/Address"}), "definitions": {"Address": JSON_ADDRESS}},
    "recursion": obj("Tree", ["n"], n=INTEGER, next={"oneOf": [NULL, {"$ref": "#"}]}),
    "untyped": obj("Open", any={}, obj={"type": "object"}),
    "reference": (obj("Parcel", to={"$ref": "address.json"}, weight=INTEGER), [("address.json", "ref-json-address", JSON_ADDRESS)]),
}


def proto(body, *imports, syntax="proto3", package="shop.v1"):
    lines = [f'syntax = "{syntax}";', f"package {package};", *(f'import "{i}";' for i in imports), body]
    return "\n".join(lines)


def each(*kinds, label=""):
    return " ".join(f"{label} {kind} f_{kind} = {i + 1};" for i, kind in enumerate(kinds))


INTEGERS = ("int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64")
OTHERS = ("double", "float", "bool", "string", "bytes")

# The root is the first message, unless it is said.
PROTOBUF = {
    "integers": proto(f"message Integers {{ {each(*INTEGERS)} }}"),
    "others": proto(f"message Others {{ {each(*OTHERS)} }}"),
    "optional": proto(f"message Optional {{ {each(*INTEGERS, *OTHERS, label='optional')} }}"),
    "repeated": proto(f"message Repeated {{ {each(*INTEGERS, *OTHERS, label='repeated')} }}"),
    "unpacked": proto("message Unpacked { repeated int32 a = 1 [packed = false]; repeated double b = 2 [packed = false]; }"),
    "sparse": proto("message Sparse { string last = 536870911; int32 first = 1; bool between = 20000; }"),
    "nested": proto("message Person { string name = 1; Address home = 2; message Address { string street = 1; int32 zip = 2; } }"),
    "siblings": proto("message Person { string name = 1; Address home = 2; Address work = 3; } message Address { string street = 1; }"),
    "deep": proto("message A { B b = 1; message B { C c = 1; message C { D d = 1; message D { string v = 1; } } } }"),
    "repeated_messages": proto("message Order { repeated Line lines = 1; message Line { string sku = 1; int32 n = 2; } }"),
    "enum": proto("message Car { Color color = 1; repeated Color more = 2; enum Color { NONE = 0; RED = 1; BLUE = 7; } }"),
    "outer_enum": proto("message Car { Color color = 1; optional Color other = 2; } enum Color { NONE = 0; RED = 1; MINUS = -5; }"),
    "map": proto("message Counts { map<string, int32> items = 1; map<int64, string> names = 2; map<bool, double> halves = 3; }"),
    "map_of_messages": proto("message Book { map<string, Entry_> pages = 1; map<uint32, Kind> kinds = 2; message Entry_ { string s = 1; } enum Kind { A = 0; B = 1; } }"),
    "oneof": proto("message Pay { int32 id = 1; oneof how { string card = 2; int64 cash = 3; bool free = 4; bytes token = 5; } }"),
    "oneofs": proto("message Two { oneof a { int32 x = 1; string y = 2; } oneof b { int32 z = 3; M m = 4; } message M { string s = 1; } }"),
    "oneof_enum": proto("message Pick { oneof p { Kind kind = 1; double d = 2; float f = 3; } enum Kind { A = 0; B = 1; } }"),
    "timestamp": proto("message Moment { google.protobuf.Timestamp at = 1; repeated google.protobuf.Timestamp all = 2; }", "google/protobuf/timestamp.proto"),
    "date": proto("message Day { google.type.Date on = 1; }", "google/type/date.proto"),
    "time": proto("message Clock { google.type.TimeOfDay at = 1; }", "google/type/timeofday.proto"),
    "decimal": proto('message Price { confluent.type.Decimal amount = 1 [(confluent.field_meta) = { params: [ { key: "scale", value: "2" } ] }]; }', "confluent/meta.proto", "confluent/type/decimal.proto"),
    "no_package": 'syntax = "proto3";\nmessage Plain { string s = 1; }',
    "proto2": proto("message Old { optional int32 id = 1; optional string s = 2; repeated int64 l = 3; optional double d = 4; }", syntax="proto2"),
    "empty": proto("message Nothing { } "),
    "reference": (proto("message Parcel { shop.geo.Address to = 1; int32 weight = 2; }", "geo_address.proto"), [("geo_address.proto", proto("message Address { string street = 1; int32 zip = 2; }", package="shop.geo"))]),
}

# Read and written with wrapper.for.nullables, which shuts out proto3's own optional.
WRAPPED = {
    "wrappers": proto(
        "message W { google.protobuf.StringValue s = 1; google.protobuf.Int32Value i = 2; google.protobuf.Int64Value l = 3; "
        "google.protobuf.BoolValue b = 4; google.protobuf.DoubleValue d = 5; google.protobuf.FloatValue f = 6; google.protobuf.BytesValue y = 7; }",
        "google/protobuf/wrappers.proto",
    ),
    "wrappers_in_oneof": proto("message P { oneof p { google.protobuf.StringValue w = 1; string s = 2; } }", "google/protobuf/wrappers.proto"),
}


def text(schema):
    return schema if isinstance(schema, str) and schema.startswith("syntax") else json.dumps(schema)


def split(case):
    """A case's schema, and its references."""
    return case if isinstance(case, tuple) else (case, [])


GROUPS = {"avro": AVRO, "json": JSON, "protobuf": PROTOBUF, "wrapped": WRAPPED}

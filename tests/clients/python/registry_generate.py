"""Data for the round trips: values of a schema, the same for the same seed."""

import base64
import datetime
import decimal
import random
import string
import uuid

TEXTS = ["", "a", "größe", "\U0001F600 smile", 'quo"te\\back', "line\nbreak", "long " * 60]
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


def integer(rng, bits, signed=True):
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return rng.choice([0, 1, low, high, rng.randint(low, high), rng.randint(0, 100)])


def text(rng):
    return rng.choice(TEXTS + ["".join(rng.choices(string.ascii_letters, k=rng.randint(1, 12)))])


def raw(rng):
    return rng.choice([b"", b"\x00", b"\xff\xfe\x00", rng.randbytes(rng.randint(1, 200))])


def real(rng):
    return rng.choice([0.0, 1.5, -2.25e-10, 1e300, float(rng.randint(-1000, 1000)), rng.random()])


def single(rng):
    """A float32 as a float."""
    return rng.choice([0.0, 1.5, -0.125, float(rng.randint(-4096, 4096)), 2.0**20])


def avro(schema, rng, names=None):
    """A value of an Avro schema, as fastavro reads and writes it."""
    names = {} if names is None else names
    if isinstance(schema, str):
        if schema in names:
            return avro(names[schema], rng, names)
        return {
            "null": lambda: None,
            "boolean": lambda: rng.random() < 0.5,
            "int": lambda: integer(rng, 32),
            "long": lambda: integer(rng, 64),
            "float": lambda: single(rng),
            "double": lambda: real(rng),
            "bytes": lambda: raw(rng),
            "string": lambda: text(rng),
        }[schema]()
    if isinstance(schema, list):
        # A branch is named, so that the writer takes no other of the same look.
        branch = rng.choice(schema)
        value = avro(branch, rng, names)
        kind = branch if isinstance(branch, str) else branch["type"]
        named = isinstance(branch, dict) and kind in ("record", "enum", "fixed")
        return (full_name(branch), value) if named and len(schema) > 2 else value
    kind, logical = schema["type"], schema.get("logicalType")
    if kind in ("record", "enum", "fixed"):
        names[schema["name"]] = names[full_name(schema)] = schema
    if logical == "decimal":
        digits = schema.get("precision", 10)
        return decimal.Decimal(rng.randint(-(10 ** (digits - 1)), 10 ** (digits - 1))).scaleb(-schema.get("scale", 0))
    if logical == "date":
        return datetime.date(1970, 1, 1) + datetime.timedelta(days=rng.randint(-20000, 40000))
    if logical == "time-millis":
        return (datetime.datetime(2000, 1, 1) + datetime.timedelta(milliseconds=rng.randint(0, 86399999))).time()
    if logical == "timestamp-millis":
        return EPOCH + datetime.timedelta(milliseconds=rng.randint(-(10**12), 4 * 10**12))
    if logical == "time-micros":
        return (datetime.datetime(2000, 1, 1) + datetime.timedelta(microseconds=rng.randint(0, 86399999999))).time()
    if logical == "timestamp-micros":
        return EPOCH + datetime.timedelta(microseconds=rng.randint(-(10**15), 4 * 10**15))
    if logical == "uuid":
        return uuid.UUID(int=rng.getrandbits(128), version=4)
    if kind == "record":
        return {f["name"]: avro(f["type"], rng, names) for f in schema["fields"]}
    if kind == "enum":
        return rng.choice(schema["symbols"])
    if kind == "fixed":
        return rng.randbytes(schema["size"])
    if kind == "array":
        return [avro(schema["items"], rng, names) for _ in range(rng.randint(0, 4))]
    if kind == "map":
        return {f"k{i}{text(rng)[:3]}": avro(schema["values"], rng, names) for i in range(rng.randint(0, 4))}
    return avro(kind, rng, names)


def full_name(schema):
    space = schema.get("namespace")
    return f"{space}.{schema['name']}" if space and "." not in schema["name"] else schema["name"]


def json(schema, rng, root=None):
    """A value of a JSON Schema."""
    root = schema if root is None else root
    if "$ref" in schema:
        found = root
        for part in schema["$ref"].removeprefix("#").strip("/").split("/") if schema["$ref"] != "#" else []:
            found = found[part]
        return json(found, rng, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return rng.choice(schema["enum"])
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return json(rng.choice(schema[several]), rng, root)
    if "allOf" in schema:
        whole = {}
        for part in schema["allOf"]:
            whole.update(json(part, rng, root))
        return whole
    kind = schema.get("type")
    if isinstance(kind, list):
        return json({**schema, "type": rng.choice(kind)}, rng, root)
    if kind == "null":
        return None
    if kind == "boolean":
        return rng.random() < 0.5
    if kind == "integer":
        return integer(rng, {"int8": 8, "int16": 16, "int32": 32}.get(schema.get("connect.type"), 64))
    if kind == "number":
        return single(rng) if schema.get("connect.type") == "float32" else real(rng)
    if kind == "string":
        if schema.get("connect.type") != "bytes":
            return text(rng)
        if schema.get("title", "").endswith("Decimal"):
            unscaled = rng.randint(-(10**12), 10**12)
            return base64.b64encode(unscaled.to_bytes(unscaled.bit_length() // 8 + 1, "big", signed=True)).decode()
        return base64.b64encode(raw(rng)).decode()
    if kind == "array":
        return [json(schema["items"], rng, root) for _ in range(rng.randint(0, 4))]
    if kind == "object" and "properties" in schema:
        # What is not required may be left out.
        required = schema.get("required", list(schema["properties"]))
        kept = [n for n in schema["properties"] if n in required or rng.random() < 0.5]
        return {n: json(schema["properties"][n], rng, root) for n in kept}
    if kind == "object":
        values = schema.get("additionalProperties", {"type": "string"})
        return {f"k{i}{text(rng)[:3]}": json(values, rng, root) for i in range(rng.randint(0, 4))}
    return rng.choice([1, "any", [1, {"x": None}], {"a": 1.5}])


def protobuf(message, rng, depth=0):
    """Fills a message; every field may be left out, and of a oneof one may be set."""
    of = message.DESCRIPTOR
    known = WELL_KNOWN.get(of.full_name)
    if known:
        known(message, rng)
        return message
    chosen = {o.name: rng.choice([*o.fields, None]) for o in of.oneofs}
    for field in of.fields:
        oneof = field.containing_oneof
        if (oneof and chosen[oneof.name] is not field) or (not oneof and not field.is_required and rng.random() < 0.2):
            continue
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            target = getattr(message, field.name)
            for _ in range(rng.randint(0, 4)):
                key = scalar(entry.fields_by_name["key"], rng)
                value = entry.fields_by_name["value"]
                if value.message_type is not None:
                    protobuf(target[key], rng, depth + 1)
                else:
                    target[key] = scalar(value, rng)
        elif field.is_repeated:
            target = getattr(message, field.name)
            for _ in range(rng.randint(0, 4)):
                if entry is not None:
                    protobuf(target.add(), rng, depth + 1)
                else:
                    target.append(scalar(field, rng))
        elif entry is not None:
            target = getattr(message, field.name)
            target.SetInParent()
            protobuf(target, rng, depth + 1)
        else:
            setattr(message, field.name, scalar(field, rng))
    return message


def scalar(field, rng):
    if field.enum_type is not None:
        return rng.choice(field.enum_type.values).number
    name = {
        field.TYPE_DOUBLE: lambda: real(rng),
        field.TYPE_FLOAT: lambda: single(rng),
        field.TYPE_BOOL: lambda: rng.random() < 0.5,
        field.TYPE_STRING: lambda: text(rng),
        field.TYPE_BYTES: lambda: raw(rng),
    }.get(field.type)
    if name:
        return name()
    wide = field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64)
    return integer(rng, 64 if wide else 32, field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_INT64))


def _timestamp(message, rng):
    message.seconds, message.nanos = rng.randint(-(10**9), 4 * 10**9), rng.randint(0, 999) * 1_000_000


def _date(message, rng):
    message.year, message.month, message.day = rng.randint(1, 9999), rng.randint(1, 12), rng.randint(1, 28)


def _time(message, rng):
    message.hours, message.minutes, message.seconds = rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59)
    message.nanos = rng.randint(0, 999) * 1_000_000


def _decimal(message, rng):
    unscaled = rng.randint(100, 10**15) * rng.choice([1, -1])
    message.value = unscaled.to_bytes(unscaled.bit_length() // 8 + 1, "big", signed=True)
    message.precision, message.scale = len(str(abs(unscaled))), 2


WELL_KNOWN = {
    "google.protobuf.Timestamp": _timestamp,
    "google.type.Date": _date,
    "google.type.TimeOfDay": _time,
    "confluent.type.Decimal": _decimal,
}


def rng_for(*parts):
    return random.Random("/".join(map(str, parts)))

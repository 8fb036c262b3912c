"""Produces and consumes with confluent-kafka's own serializers: `produce` writes generated data of every schema into topics
`in.<group>.<name>`; `verify` reads those again, and what Millrace has made of them in `<out>.<group>.<name>`, and compares.

registry_round_trips.py produce|verify BOOTSTRAP REGISTRY_URL GROUP [OUT]
"""

import os
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

import registry_generate as generate
import registry_schemas as schemas

RECORDS = int(os.environ.get("ROUND_TRIP_RECORDS", "20"))
PATIENCE = float(os.environ.get("ROUND_TRIP_SECONDS", "120"))


class Avro:
    def __init__(self, client, name, case):
        self.schema, references = schemas.split(case)
        refs = []
        for ref, subject, of in references:
            client.register_schema(subject, Schema(schemas.text(of), "AVRO"))
            refs.append(SchemaReference(ref, subject, 1))
        self.known = {ref: of for ref, _, of in references}
        self.write = AvroSerializer(client, Schema(schemas.text(self.schema), "AVRO", refs))
        self.read = AvroDeserializer(client)

    def value(self, rng):
        return generate.avro(self.schema, rng, dict(self.known))


class Json:
    def __init__(self, client, name, case):
        self.schema, references = schemas.split(case)
        refs = []
        self.root = self.schema
        for ref, subject, of in references:
            client.register_schema(subject, Schema(schemas.text(of), "JSON"))
            refs.append(SchemaReference(ref, subject, 1))
            self.root = {**self.schema, ref: of}
        self.write = JSONSerializer(Schema(schemas.text(self.schema), "JSON", refs), client)
        # Payloads are compared as they stand.
        self.read = lambda data, ctx: __import__("orjson").loads(data[5:])

    def value(self, rng):
        return generate.json(self.schema, rng, self.root)


class Protobuf:
    def __init__(self, client, name, case):
        text, references = schemas.split(case)
        self.type = compiled(name, text, references)
        conf = {"use.deprecated.format": False, "skip.known.types": True}
        self.write = ProtobufSerializer(self.type, client, conf)
        self.read = ProtobufDeserializer(self.type, {"use.deprecated.format": False})

    def value(self, rng):
        return generate.protobuf(self.type(), rng)


KINDS = {"avro": Avro, "json": Json, "protobuf": Protobuf, "wrapped": Protobuf}

META = """syntax = "proto3"; package confluent; import "google/protobuf/descriptor.proto";
message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }"""
DECIMAL = """syntax = "proto3"; package confluent.type;
message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }"""


def compiled(name, text, references):
    """The class of the first message of a .proto text, compiled by protoc."""
    import grpc_tools
    from confluent_kafka.schema_registry.confluent import meta_pb2  # noqa: F401
    from confluent_kafka.schema_registry.confluent.types import decimal_pb2  # noqa: F401
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2, wrappers_pb2  # noqa: F401
    from google.type import date_pb2, timeofday_pb2  # noqa: F401
    from grpc_tools import protoc

    # Each case has a package of its own: one process knows each name once.
    with tempfile.TemporaryDirectory() as folder:
        files = {"confluent/meta.proto": META, "confluent/type/decimal.proto": DECIMAL, f"case_{name}.proto": text}
        files.update(references)
        for path, body in files.items():
            os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
            with open(os.path.join(folder, path), "w") as out:
                out.write(body)
        own = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
        types = os.path.dirname(os.path.dirname(os.path.dirname(date_pb2.__file__)))
        out = os.path.join(folder, "out.bin")
        arguments = ["protoc", f"-I{folder}", f"-I{own}", f"-I{types}", f"--descriptor_set_out={out}"]
        names = [f"case_{name}.proto", *(path for path, _ in references)]
        if protoc.main([*arguments, *names]) != 0:
            raise SystemExit(f"protoc does not take the schema {name}")
        with open(out, "rb") as found:
            files = descriptor_pb2.FileDescriptorSet.FromString(found.read())
    pool = descriptor_pool.Default()
    ours = None
    for file in sorted(files.file, key=lambda f: f.name.startswith("case_")):
        if file.name.startswith("case_"):
            file.package = f"{file.package}.{name}" if file.package else ""
            for message in file.message_type:
                renamed(message, file.package, name)
            ours = file
        pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())
    root = ours.message_type[0].name
    full = f"{ours.package}.{root}" if ours.package else root
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(full))


def renamed(message, package, name):
    """Names of types follow the file into its own package."""
    old = "." + package.removesuffix(f".{name}") + "."
    for field in message.field:
        if package and field.type_name.startswith(old) and not field.type_name.startswith((".shop.geo.", f".{package}.")):
            field.type_name = f".{package}." + field.type_name.removeprefix(old)
    for nested in message.nested_type:
        renamed(nested, package, name)


def plain(value):
    """What data is apart from how it says that there is none."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def produce(bootstrap, client, group):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    cases = schemas.GROUPS[group]
    topics = [NewTopic(f"in.{group}.{name}", 1, 1) for name in cases]
    for future in admin.create_topics(topics).values():
        future.result()
    producer = Producer({"bootstrap.servers": bootstrap})
    for name, case in cases.items():
        topic, codec = f"in.{group}.{name}", KINDS[group](client, name, case)
        context = SerializationContext(topic, MessageField.VALUE)
        for i in range(RECORDS):
            value = codec.value(generate.rng_for(group, name, i))
            data = codec.write(value, context)
            producer.produce(topic, value=data)
    producer.flush()
    print(f"{len(cases)} schemas, {len(cases) * RECORDS} records")


def consumed(bootstrap, topic, count, deadline):
    """The first values of a topic, as bytes."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "round-trips", "enable.auto.commit": False, "topic.metadata.refresh.interval.ms": 500})
    values = []
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        while len(values) < count and time.time() < deadline:
            message = consumer.poll(0.2)
            if message is not None and not message.error():
                values.append(message.value())
    finally:
        consumer.close()
    return values


def verify(bootstrap, client, group, out):
    deadline, wrong, equal = time.time() + PATIENCE, [], 0
    for name, case in schemas.GROUPS[group].items():
        codec = KINDS[group](client, name, case)
        there = consumed(bootstrap, f"in.{group}.{name}", RECORDS, deadline)
        back = consumed(bootstrap, f"{out}.{group}.{name}", len(there), max(deadline, time.time() + 2))
        if len(there) != RECORDS or len(back) != RECORDS:
            wrong.append(f"{name}: {len(back)} of {len(there)} records came back")
            continue
        for i, (a, b) in enumerate(zip(there, back)):
            try:
                was = None if a is None else codec.read(a, SerializationContext(f"in.{group}.{name}", MessageField.VALUE))
                now = None if b is None else codec.read(b, SerializationContext(f"{out}.{group}.{name}", MessageField.VALUE))
            except Exception as error:
                wrong.append(f"{name} {i}: {type(error).__name__}: {error}")
                break
            if plain(was) != plain(now):
                wrong.append(f"{name} {i}: was {was!r}, is {now!r}")
                break
        else:
            equal += 1
    print(f"{equal} of {len(schemas.GROUPS[group])} schemas equal")
    for line in wrong:
        print(line[:600])
    return 1 if wrong else 0


def main():
    what, bootstrap, url, group = sys.argv[1:5]
    client = SchemaRegistryClient({"url": url})
    if what == "produce":
        produce(bootstrap, client, group)
        return 0
    return verify(bootstrap, client, group, sys.argv[5])


if __name__ == "__main__":
    sys.exit(main())

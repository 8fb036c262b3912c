"""A registry as Confluent's Python client finds it: every method of SchemaRegistryClient, its errors, references, modes,
contexts. Ends with the line "all well".

    schema_registry.py URL
"""

import base64
import json
import sys

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry import AssociationCreateOrUpdateInfo, AssociationCreateOrUpdateRequest
from confluent_kafka.schema_registry import Metadata, MetadataProperties, ServerConfig, ConfigCompatibilityLevel
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

url = sys.argv[1]


def client(base=url):
    """A fresh one: they remember what they asked."""
    return SchemaRegistryClient({"url": base, "max.retries": 0})


def equal(got, wanted):
    if got != wanted:
        raise AssertionError(f"got {got!r}, wanted {wanted!r}")


def refused(http, code, call, *arguments, **named):
    try:
        answer = call(*arguments, **named)
    except SchemaRegistryError as error:
        equal((error.http_status_code, error.error_code), (http, code))
        return error.error_message
    raise AssertionError(f"{call.__name__}{arguments} answered {answer!r}, wanted {code}")


def avro(*fields, name="User"):
    return Schema(json.dumps({"type": "record", "name": name, "fields": list(fields)}), "AVRO")


ID = {"name": "id", "type": "int"}
NICK = {"name": "nick", "type": "string", "default": ""}
BAD = {"name": "bad", "type": "string"}

# Registering and reading.
c = client()
equal(c.get_subjects(), [])
first = c.register_schema("user-value", avro(ID))
equal(client().register_schema("user-value", avro(ID)), first)
equal(client().register_schema("other-value", avro(ID)), first)
full = client().register_schema_full_response("user-value", avro(ID, NICK))
equal(full.version, 2)
second = full.schema_id
equal(json.loads(client().get_schema(first).schema_str)["fields"], [ID])
equal(client().get_schema(first).schema_type, "AVRO")
equal(client().get_schema(second, "user-value").schema_type, "AVRO")
equal(client().get_schema_by_guid(full.guid).schema_type, "AVRO")
latest = c.get_latest_version("user-value")
equal((latest.subject, latest.version, latest.schema_id), ("user-value", 2, second))
found = client().lookup_schema("user-value", avro(ID))
equal((found.schema_id, found.version), (first, 1))
equal(c.get_version("user-value", 1).schema_id, first)
equal(c.get_versions("user-value"), [1, 2])
equal(c.get_subjects(), ["other-value", "user-value"])
equal(sorted(c.get_subjects_by_schema_id(first)), ["other-value", "user-value"])
equal([(v.subject, v.version) for v in c.get_schema_versions(second)], [("user-value", 2)])
equal(sorted(c.get_schema_types()), ["AVRO", "JSON", "PROTOBUF"])
refused(404, 40403, c.get_schema, 999)
refused(404, 40401, c.get_latest_version, "nobody")
refused(404, 40402, c.get_version, "user-value", 9)
refused(404, 40403, c.lookup_schema, "user-value", avro(BAD))
refused(422, 42201, c.register_schema, "user-value", Schema("{", "AVRO"))

# Compatibility.
equal(c.get_compatibility(), "BACKWARD")
equal(c.test_compatibility("user-value", avro(ID, NICK, BAD)), False)
equal(c.test_compatibility("user-value", avro(ID), version=1), True)
equal(c.test_compatibility_all_versions("user-value", avro(ID, BAD), verbose=True), False)
said = refused(409, 40901, c.register_schema, "user-value", avro(ID, NICK, BAD))
assert "READER_FIELD_MISSING_DEFAULT_VALUE" in said and "oldSchemaVersion: 2" in said, said
refused(404, 40408, c.get_compatibility, "user-value")
equal(c.set_compatibility("user-value", "NONE"), {"compatibility": "NONE"})
equal(c.get_compatibility("user-value"), "NONE")
equal(client().register_schema("user-value", avro(ID, NICK, BAD)), second + 1)
refused(422, 42203, c.set_compatibility, "user-value", "SOME")

# Configuration.
metadata = Metadata(tags=None, properties=MetadataProperties({"owner": "us"}), sensitive=None)
c.set_config("meta-value", ServerConfig(compatibility=ConfigCompatibilityLevel.FULL, default_metadata=metadata))
config = c.get_config("meta-value")
equal(config.compatibility_level, ConfigCompatibilityLevel.FULL)
equal(config.default_metadata.properties.properties, {"owner": "us"})
c.register_schema("meta-value", avro(ID, name="Meta"))
equal(c.get_latest_with_metadata("meta-value", {"owner": "us"}).version, 1)
refused(404, 40403, c.get_latest_with_metadata, "meta-value", {"owner": "them"})
equal(c.delete_config("meta-value").compatibility_level, ConfigCompatibilityLevel.FULL)
refused(404, 40408, c.get_config, "meta-value")

# References, in all three formats.
c.register_schema("inner-avro", Schema('{"type":"record","name":"Inner","namespace":"n","fields":[]}', "AVRO"))
outer = Schema(
    '{"type":"record","name":"Outer","fields":[{"name":"i","type":"n.Inner"}]}', "AVRO",
    [SchemaReference("n.Inner", "inner-avro", 1)],
)
outer_id = c.register_schema("outer-avro", outer)
equal(client().lookup_schema("outer-avro", outer).schema_id, outer_id)
equal(c.get_referenced_by("inner-avro", 1), [outer_id])
back = client().get_schema(outer_id)
equal([(r.name, r.subject, r.version) for r in back.references], [("n.Inner", "inner-avro", 1)])
refused(422, 42206, c.delete_subject, "inner-avro")
inner = Schema('syntax = "proto3"; package p; message Inner { int32 a = 1; }', "PROTOBUF")
c.register_schema("inner.proto", inner)
outer = Schema(
    'syntax = "proto3"; import "inner.proto"; message Outer { p.Inner i = 1; }', "PROTOBUF",
    [SchemaReference("inner.proto", "inner.proto", 1)],
)
equal(client().get_schema(c.register_schema("outer-proto", outer)).schema_type, "PROTOBUF")
inner = Schema('{"$id": "http://x.example/inner.json", "type": "object"}', "JSON")
c.register_schema("inner-json", inner)
outer = Schema(
    '{"type": "object", "properties": {"i": {"$ref": "http://x.example/inner.json"}}}', "JSON",
    [SchemaReference("http://x.example/inner.json", "inner-json", 1)],
)
equal(client().get_schema(c.register_schema("outer-json", outer)).schema_type, "JSON")
# Texts in other formats, and references with their context.
resolved = json.loads(client().get_schema(outer_id, fmt="resolved").schema_str)
equal(resolved["fields"][0]["type"]["name"], "Inner")
equal(client().get_schema(outer_id, reference_format="qualified").references[0].subject, ":.:inner-avro")
inner_file = FileDescriptorProto.FromString(
    base64.b64decode(client().get_version("inner.proto", 1, fmt="serialized").schema.schema_str)
)
equal((inner_file.package, inner_file.message_type[0].name), ("p", "Inner"))
outer_file = client().get_latest_version("outer-proto", fmt="serialized").schema.schema_str
equal(FileDescriptorProto.FromString(base64.b64decode(outer_file)).dependency[0], "inner.proto")

missing = Schema('{"type": "object"}', "JSON", [SchemaReference("x", "nobody", 1)])
refused(422, 42201, c.register_schema, "outer-json", missing)

# Deleting.
equal(client().delete_version("user-value", 1), 1)
refused(404, 40402, client().get_version, "user-value", 1)
equal(client().get_version("user-value", 1, deleted=True).schema_id, first)
equal(c.get_versions("user-value", deleted=True), [1, 2, 3])
equal(c.get_versions("user-value", deleted_only=True), [1])
equal(c.delete_subject("user-value"), [2, 3])
refused(404, 40404, c.delete_subject, "user-value")
assert "user-value" not in c.get_subjects()
assert "user-value" in c.get_subjects(deleted=True)
equal(json.loads(client().get_schema(second).schema_str)["fields"], [ID, NICK])
refused(404, 40405, c.delete_subject, "other-value", permanent=True)
equal(c.delete_subject("other-value"), [1])
equal(c.delete_subject("other-value", permanent=True), [1])
equal(client().delete_version("user-value", 1, permanent=True), 1)
refused(404, 40403, client().get_schema, first)

# Modes.
equal(c.get_global_mode(), "READWRITE")
refused(404, 40409, c.get_mode, "user-value")
equal(c.update_mode("frozen", "READONLY"), "READONLY")
equal(c.get_mode("frozen"), "READONLY")
refused(422, 42205, c.register_schema, "frozen", avro(ID))
equal(c.delete_mode("frozen"), "READONLY")
equal(c.update_mode("frozen", "FORWARD"), "FORWARD")
refused(422, 42205, c.register_schema, "frozen", avro(ID))
equal(c.delete_mode("frozen"), "FORWARD")
refused(422, 42204, c.update_mode, "frozen", "SOME")
refused(422, 42205, c.update_global_mode, "IMPORT")
equal(c.update_global_mode("IMPORT", force=True), "IMPORT")
equal(c.update_global_mode("READWRITE"), "READWRITE")

# Contexts.
in_context = client(f"{url}/contexts/.eu")
equal(in_context.register_schema("user-value", avro(BAD)), 1)
equal(in_context.get_subjects(), [":.eu:user-value"])
equal(json.loads(in_context.get_latest_version("user-value").schema.schema_str)["fields"], [BAD])
equal(client().get_latest_version(":.eu:user-value").schema_id, 1)
equal(c.get_contexts(), [".", ".eu"])

# Associations: a serializer finds the subject that a topic has.
equal(c.get_associations_by_resource_name("orders", "-"), [])
wanted = AssociationCreateOrUpdateInfo(subject="all-orders", association_type="value", schema=avro(ID))
made = c.create_association(AssociationCreateOrUpdateRequest("orders", "lkc-1", "orders-id", "topic", [wanted]))
equal([(a.subject, a.association_type, a.lifecycle, a.frozen) for a in made.associations], [("all-orders", "value", "WEAK", False)])
found = c.get_associations_by_resource_name("orders", "-", "topic", ["value"])
equal([(a.subject, a.resource_id, a.resource_namespace) for a in found], [("all-orders", "orders-id", "lkc-1")])
equal(c.get_associations_by_resource_name("orders", "-", "topic", ["key"]), [])
associated = {"auto.register.schemas": False, "use.latest.version": True, "subject.name.strategy.type": "ASSOCIATED"}
written = AvroSerializer(client(), conf=associated)({"id": 7}, SerializationContext("orders", MessageField.VALUE))
equal(int.from_bytes(written[1:5], "big"), c.get_latest_version("all-orders").schema_id)
c.delete_associations("orders-id", "topic", ["value"])
equal(c.get_associations_by_resource_name("orders", "-"), [])
print("all well")

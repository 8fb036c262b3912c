"""Reads topics with confluent-kafka's Avro deserializer, from their beginning to their present end: one line of JSON for each
record, with the ids of the schemas that its bytes name.

avro_read.py BOOTSTRAP REGISTRY_URL TOPIC...
"""

import json
import sys
import warnings

warnings.filterwarnings("ignore")

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def read(deserializer, topic, field, data):
    """The id and the value; null for no bytes."""
    if data is None:
        return None, None
    return int.from_bytes(data[1:5], "big"), deserializer(data, SerializationContext(topic, field))


def main():
    bootstrap, url, *topics = sys.argv[1:]
    deserializer = AvroDeserializer(SchemaRegistryClient({"url": url}))
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "avro-read", "enable.auto.commit": False, "enable.partition.eof": True})
    known = consumer.list_topics(timeout=30).topics
    parts = [TopicPartition(t, p, 0) for t in topics if t in known for p in known[t].partitions]
    consumer.assign(parts)
    left = len(parts)
    while left > 0:
        message = consumer.poll(30)
        if message is None:
            raise SystemExit(f"{left} of {len(parts)} partitions were not read to their end within 30 s")
        if message.error() is not None:
            if message.error().code() != KafkaError._PARTITION_EOF:
                raise SystemExit(str(message.error()))
            left -= 1
            continue
        topic = message.topic()
        record = {"topic": topic, "partition": message.partition(), "offset": message.offset()}
        record["key_id"], record["key"] = read(deserializer, topic, MessageField.KEY, message.key())
        record["value_id"], record["value"] = read(deserializer, topic, MessageField.VALUE, message.value())
        print(json.dumps(record))
    consumer.close()


if __name__ == "__main__":
    main()

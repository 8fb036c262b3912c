"""Writes a line for each record into a file: its topic, partition, offset and value."""

import json

from millrace_plugin import Batch, Binding, Config, Key, Sink, files


class MyPlugin(Sink):
    """Writes a line for each record into a file: its topic, partition, offset and value."""

    keys = [Key("file", doc="The file to append to.", importance="high")]
    # The file that the key "file" names; "files" is among the grants in millrace.toml.
    bindings = [Binding("out", "files", path="file")]

    def start(self, config: Config) -> None:
        self.out = files.Appender("out")

    def put(self, batch: Batch) -> None:
        lines = []
        for row, record in enumerate(batch.records()):
            if record.value is None:
                # This record alone goes to `errors.tolerance` and the dead letter queue.
                batch.fail(row, "my-plugin.no-value", "a tombstone has nothing to write")
                continue
            lines.append(f"{record.topic} {record.partition} {record.offset} {json.dumps(record.value)}\n")
        self.out.append("".join(lines).encode())

    def flush(self, upto: list) -> None:
        # All that was put is on disk once this returns, so all of it may be committed.
        self.out.sync()

"""Counts: a number every so often."""

from millrace_plugin import Config, Fatal, Key, Offset, Polled, Record, Source

# Connect's source partition: this source has one.
PARTITION = {"counter": "0"}


class MyPlugin(Source):
    """Counts: a number every so often."""

    keys = [
        Key("topic", doc="Where the numbers go.", importance="high"),
        Key("every.ms", "int", default=1000, doc="The time between two numbers."),
    ]

    def start(self, config: Config, committed: list[Offset]) -> None:
        self.topic = config["topic"]
        self.every_ms = config.int("every.ms")
        self.next = 0
        if committed:
            self.next = committed[0].offset.get("next")
            if not isinstance(self.next, int):
                raise Fatal("my-plugin.offset", f"cannot resume from {committed[0].offset}")

    def poll(self, max_records: int, max_bytes: int) -> Polled:
        polled = Polled([Record(topic=self.topic, key=self.next, value={"n": self.next})], idle_ms=self.every_ms)
        self.next += 1
        # Once this is committed, a restart goes on with the next number.
        return polled.mark(PARTITION, {"next": self.next})

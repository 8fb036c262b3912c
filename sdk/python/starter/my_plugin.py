"""Hides the text of one field."""

from millrace_plugin import Batch, Config, Key, Transform


class MyPlugin(Transform):
    """Hides the text of one field. A record whose field holds something else fails alone."""

    keys = [
        Key("field", doc="The field to hide.", importance="high"),
        Key("mask", default="***", doc="What stands in its place."),
    ]

    def configure(self, config: Config) -> None:
        self.path = f"value.{config['field']}"
        self.mask = config["mask"]

    def apply(self, batch: Batch) -> None:
        # Only this column crosses into the sandbox; the rest of the records stays with the worker.
        if not batch.has(self.path):
            return
        hidden = []
        for row, text in enumerate(batch.column(self.path)):
            if text is not None and not isinstance(text, str):
                # This record alone goes to `errors.tolerance` and the dead letter queue.
                batch.fail(row, "my-plugin.no-text", f'"{self.path}" holds no text')
            hidden.append(None if text is None else self.mask)
        batch.set(self.path, hidden)

"""A record for each part of a text."""

from millrace_plugin import Batch, Config, Key, Transform


class Split(Transform):
    """Makes a record of each part of a text."""

    keys = [Key("field", doc="The field with parts joined by commas.")]

    def configure(self, config: Config) -> None:
        self.path = f"value.{config['field']}"

    def apply(self, batch: Batch) -> None:
        if batch.has(self.path):
            texts = batch.column(self.path)
            batch.spread(self.path, [text.split(",") if isinstance(text, str) else None for text in texts])

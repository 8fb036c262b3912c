"""A record for each part of a text."""

from millrace_plugin import Batch, Config, Key, Record, Transform


class Split(Transform):
    """Makes a record of each part of a text."""

    keys = [Key("field", doc="The field with parts joined by commas.")]

    def configure(self, config: Config) -> None:
        self.field = config["field"]

    def apply(self, batch: Batch) -> None:
        if not batch.has(f"value.{self.field}"):
            return
        for row, value in enumerate(batch.documents()):
            text = value.get(self.field) if isinstance(value, dict) else None
            if isinstance(text, str):
                batch.replace(row, [Record(value | {self.field: part}) for part in text.split(",")])

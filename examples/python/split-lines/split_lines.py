"""One record of each line of a text, a record at a time."""

from millrace_plugin import Config, Key, Record, RecordError, transform


@transform(keys=[Key("field", default="text", doc="The field that holds the text.", importance="high")])
def split_lines(record: Record, config: Config) -> Record | list[Record]:
    """Makes one record of each line of a text. Tombstones pass; a record without the text fails alone."""
    if record.value is None:
        return record
    field = config["field"]
    text = record.value.get(field) if isinstance(record.value, dict) else None
    if not isinstance(text, str):
        raise RecordError("split-lines.no-text", f'"{field}" holds no text')
    lines = [line for line in text.split("\n") if line]
    return [Record(value={**record.value, field: line, "line": at}) for at, line in enumerate(lines, 1)]

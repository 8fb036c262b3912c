"""Does to each record what its header asks, writing it anew."""

from millrace_plugin import Config, Fatal, Key, Record, RecordError, transform


@transform(keys=[Key("broken", "boolean", default=False, doc="Whether every batch is an error.")])
def conform(record: Record, config: Config):
    """Does to each record what its header "do" asks."""
    if config.bool("broken"):
        raise Fatal("conform.broken", "as asked")
    wish = record.header("do") or "copy"
    if wish == "drop":
        return None
    if wish == "fail":
        raise RecordError("conform.asked", "as asked")
    # Not the record itself, of which only what was changed would be written.
    made = Record(value=record.value, key=record.key)
    match wish:
        case "route":
            made.topic = f"{record.topic}-routed"
        case "twice":
            return [made, Record(value=record.value, key=record.key)]
        case "edit" if record.value is not None and record.value.get("note") is not None:
            made.value["note"] = "edited"
        case "remove" if record.value is not None:
            del made.value["note"]
    return made

"""A batch: read columns of it, and say what becomes of its records.

What you say is collected and handed to the worker when ``apply`` returns, which edits its own buffer: fields that you
neither read nor set never cross. A batch of which nothing was said passes as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from .column import pack, unpack
from .errors import Fatal
from .record import Record, document, dumped

PARTS = ("topic", "partition", "offset", "timestamp", "key", "value", "header")


class Batch:
    """Records of one call of ``apply``; do not keep it beyond the call.

    A path is ``topic``, ``partition``, ``offset``, ``timestamp``, ``key``, ``key.id``, ``value.after.email`` or
    ``header.trace-id``.
    """

    def __init__(self, view: Any):
        self._view = view
        self._len = view.len()
        self._read: dict[str, tuple[str, list] | None] = {}
        self._texts: dict[str, list[str | None]] = {}
        self._set: dict[str, list] = {}
        self._removed: list[str] = []
        self._dropped: set[int] = set()
        self._replaced: dict[int, list] = {}
        self._spread: tuple[str, list] | None = None
        self._failures: dict[int, tuple[str, str, bool]] = {}

    def __len__(self) -> int:
        return self._len

    def has(self, path: str) -> bool:
        """Whether any record has this field."""
        return path in self._set or self._column(path) is not None

    def column(self, path: str) -> list:
        """One field of all records: ``str``, ``int``, ``float``, ``bool`` or ``bytes``; structs and lists as JSON text.

        A null is ``None``, and so is a field that the record does not have.
        """
        if path in self._set:
            return self._set[path]
        column = self._column(path)
        return [None] * self._len if column is None else column[1]

    def set(self, path: str, values: Sequence) -> None:
        """Sets a field of all records, one value for each.

        A field that is there keeps its schema; one that is not is added to every record as optional. Leave alone what
        no record has by asking :meth:`has` first, or use :meth:`map`.
        """
        values = values if isinstance(values, list) else list(values)
        if len(values) != self._len:
            raise Fatal("sdk.column-length", f'"{path}": {len(values)} values for {self._len} records; give one for each')
        _check(path, ("offset",))
        self._set[path] = values

    def map(self, path: str, change) -> None:
        """Sets a field to ``change(value)`` where it is not null; does nothing when no record has it."""
        if self.has(path):
            self.set(path, [None if value is None else change(value) for value in self.column(path)])

    def remove(self, *paths: str) -> None:
        """Takes fields off all records that have them."""
        for path in paths:
            _check(path, ("topic", "partition", "offset", "timestamp"))
            if "." not in path:
                raise Fatal("sdk.bad-path", f'"{path}" cannot be removed: name a field below value, key or header')
        self._removed.extend(paths)

    def drop(self, row: int) -> None:
        """Leaves a record out: it is counted as filtered."""
        self._dropped.add(self._row(row))

    def filter(self, keep: Iterable) -> None:
        """Keeps the records whose entry is true."""
        keep = list(keep)
        if len(keep) != self._len:
            raise Fatal("sdk.column-length", f"{len(keep)} answers of a filter for {self._len} records; give one for each")
        self._dropped.update(row for row, kept in enumerate(keep) if not kept)

    def route(self, topics: str | Sequence[str | None]) -> None:
        """Sends all records to a topic, or each to its own; ``None`` leaves a record where it goes."""
        if isinstance(topics, str):
            self.set("topic", [topics] * self._len)
        elif None in topics:
            self.set("topic", [new or old for new, old in zip(topics, self.column("topic"), strict=True)])
        else:
            self.set("topic", topics)

    def fail(self, row: int, code: str, message: str, retriable: bool = False) -> None:
        """This record alone is at fault; it goes to ``errors.tolerance`` and the dead letter queue."""
        self._failures[self._row(row)] = (code, message, retriable)

    def replace(self, row: int, records: Iterable[Record]) -> None:
        """Puts other records in a record's place: none, one or many. What they leave out comes from it.

        Their values and keys are without schema. In one batch use either this or :meth:`set` and :meth:`remove`.
        """
        self._replaced[self._row(row)] = list(records)

    def spread(self, path: str, values: Sequence) -> None:
        """Puts as many records in each record's place as its entry of ``values`` has elements.

        They have the elements, texts or ``None``, in the field ``path`` of the value, ``value.tags``; all else is as it was.
        An entry that is ``None`` leaves a record as it is, an empty one leaves it out. Faster than :meth:`replace`. In one
        batch use nothing else that changes records; drop and fail as you like.
        """
        values = list(values)
        part, _, field = path.partition(".")
        if part != "value" or not field or "." in field:
            raise Fatal("sdk.bad-path", f'"{path}" cannot be spread: name a field of the value, "value.tags"')
        if len(values) != self._len:
            raise Fatal("sdk.column-length", f'"{path}": {len(values)} entries for {self._len} records; give one for each')
        self._spread = field, values

    def texts(self, part: str) -> list[str | None]:
        """``key`` or ``value`` of all records as JSON texts; a null or tombstone is ``None``."""
        if part not in self._texts:
            self._texts[part] = self._view.documents(part)
        return self._texts[part]

    def documents(self, part: str = "value") -> list:
        """``key`` or ``value`` of all records as Python values; a null or tombstone is ``None``."""
        return [None if text is None else json.loads(text) for text in self.texts(part)]

    def records(self) -> list[Record]:
        """Each record as simple values, parsed when they are asked for."""
        return [Record._of(self, row) for row in range(self._len)]

    def _row(self, row: int) -> int:
        if not 0 <= row < self._len:
            raise Fatal("sdk.no-such-row", f"there is no record {row} in a batch of {self._len}")
        return row

    def _column(self, path: str) -> tuple[str, list] | None:
        """The kind and the values as they were; none: no record has the field."""
        if path not in self._read:
            _check(path)
            raw = self._view.column(path)
            self._read[path] = None if raw is None else (raw[0], unpack(raw))
        return self._read[path]

    def _outcome(self) -> tuple[str, Any, list]:
        """For the worker: ``unchanged``, ``patch`` or ``replace``, with its parts, and the failures."""
        failures = [(row, *failure) for row, failure in sorted(self._failures.items())]
        if self._spread:
            if self._set or self._removed or self._replaced:
                raise Fatal("sdk.mixed", "spread and set, remove or replace in one batch; make all the changes with replace")
            return "replace", self._spread_documents(*self._spread), failures
        if self._replaced:
            if self._set or self._removed:
                raise Fatal("sdk.mixed", "set or remove and replace in one batch; make all the changes with replace")
            documents, origin = self._documents()
            kept = [row for row in range(self._len) if row not in self._dropped and row not in self._failures]
            # Else those that are kept stay as they are.
            if origin != kept or any(made != (None, None, None) for made in documents):
                return "replace", (documents, origin), failures
        # What was set for a failed record may not fit its schema, and nobody will see it.
        dropped = self._dropped | self._failures.keys() if self._set else self._dropped
        if not (dropped or self._removed or self._set):
            return "unchanged", None, failures
        columns = [(path, *pack(path, values, self._kind(path))) for path, values in self._set.items()]
        return "patch", (sorted(dropped), self._removed, columns), failures

    def _put(self) -> list:
        """For the worker: the failures of a sink's records."""
        if self._set or self._removed or self._dropped or self._replaced or self._spread:
            raise Fatal("sdk.read-only", "a sink cannot change records; leave out what it does not want, or fail it")
        return [(row, *failure) for row, failure in sorted(self._failures.items())]

    def _kind(self, path: str) -> str | None:
        read = self._read.get(path)
        return read and read[0]

    def _spread_documents(self, field: str, values: list) -> tuple[list, list[int]]:
        documents, origin = [], []
        for row, (parts, text) in enumerate(zip(values, self.texts("value"), strict=True)):
            if row in self._dropped or row in self._failures:
                continue
            for value in (None,) if parts is None else _spread(row, text, field, parts):
                documents.append((None, None, value))
                origin.append(row)
        return documents, origin

    def _documents(self) -> tuple[list, list[int]]:
        documents, origin = [], []
        for row in range(self._len):
            if row in self._dropped or row in self._failures:
                continue
            for record in self._replaced.get(row, (None,)):
                documents.append((None, None, None) if record is None else document(record))
                origin.append(row)
        return documents, origin


def _spread(row: int, text: str | None, field: str, parts: Iterable) -> list[str]:
    """The JSON of a value as often as there are parts; what they share is written once."""
    value = None if text is None else json.loads(text)
    if not isinstance(value, dict) or field not in value:
        raise Fatal("sdk.spread", f'record {row} has no "value.{field}"; give None to leave it as it is')
    items = list(value.items())
    at = list(value).index(field)
    before, behind = dumped(dict(items[:at]))[:-1], dumped(dict(items[at + 1 :]))[1:]
    before += ("," if at else "") + dumped(field) + ":"
    behind = ("," if at + 1 < len(items) else "") + behind
    made = []
    for part in parts:
        if part is not None and not isinstance(part, str):
            raise Fatal("sdk.spread", f'"value.{field}" of record {row}: {type(part).__name__} instead of a text')
        made.append(before + dumped(part) + behind)
    return made


def _check(path: str, refused: tuple[str, ...] = ()) -> None:
    part = path.split(".", 1)[0]
    if part not in PARTS:
        raise Fatal("sdk.bad-path", f'"{path}" is no path of a record: one begins with {", ".join(PARTS)}')
    if part in refused:
        raise Fatal("sdk.bad-path", f'"{path}" cannot be changed')

"""A record as simple values."""

from __future__ import annotations

import json
import re
from typing import Any

_UNSET: Any = object()
# What the worker, like Java, writes otherwise than Python: exponents and escapes.
_JAVA = re.compile(r"E|\\u").search


class Record:
    """A record: ``value`` and ``key`` are what JSON gives (``dict``, ``list``, ``str``, ...), ``None`` a null.

    Of the records you are given, change what you like. A record that you make takes what you leave out from the record it
    was made of; its headers, partition and timestamp too. A value of ``None`` is a tombstone.
    """

    __slots__ = ("_batch", "_row", "_topic", "_key", "_value")

    def __init__(self, value: Any = _UNSET, key: Any = _UNSET, topic: str | None = None):
        self._batch, self._row = None, 0
        self._topic, self._key, self._value = topic, key, value

    @classmethod
    def _of(cls, batch: Any, row: int) -> Record:
        record = cls()
        record._batch, record._row = batch, row
        return record

    @property
    def value(self) -> Any:
        if self._value is _UNSET:
            self._value = self._parsed("value")
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._value = value

    @property
    def key(self) -> Any:
        if self._key is _UNSET:
            self._key = self._parsed("key")
        return self._key

    @key.setter
    def key(self, key: Any) -> None:
        self._key = key

    @property
    def topic(self) -> str | None:
        return self._topic if self._topic is not None or self._batch is None else self._attribute("topic")

    @topic.setter
    def topic(self, topic: str) -> None:
        self._topic = topic

    @property
    def partition(self) -> int | None:
        return self._attribute("partition")

    @property
    def offset(self) -> int | None:
        """None for a record that comes from a source."""
        return self._attribute("offset")

    @property
    def timestamp(self) -> int | None:
        """Milliseconds since the epoch."""
        return self._attribute("timestamp")

    def header(self, name: str) -> Any:
        """The last header of this name; ``None``: there is none."""
        return self._attribute(f"header.{name}")

    def _attribute(self, path: str) -> Any:
        return None if self._batch is None else self._batch.column(path)[self._row]

    def _parsed(self, part: str) -> Any:
        text = None if self._batch is None else self._batch.texts(part)[self._row]
        return None if text is None else json.loads(text)


def document(record: Record) -> tuple[str | None, str | None, str | None]:
    """(topic, key, value) as JSON; none: as in the record it descends from."""
    return record._topic, _text(record, "key", record._key), _text(record, "value", record._value)


def _text(record: Record, part: str, value: Any) -> str | None:
    if value is _UNSET:
        return None
    text = dumped(value)
    if record._batch is not None:
        # What was only looked at keeps its schema.
        was = record._batch.texts(part)[record._row] or "null"
        if text == was or (_JAVA(was) and text == dumped(json.loads(was))):
            return None
    return text


def dumped(value: Any) -> str:
    """JSON as the worker writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

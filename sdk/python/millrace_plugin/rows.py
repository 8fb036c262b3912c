"""A batch's packed rows (``wit/ROW-FORMAT.md``), as far as records that differ in one field need them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from struct import Struct

from .errors import Fatal

BATCH_HEAD = 16
RECORD_HEAD = 48
NONE = 0xFFFFFFFF
# Within a record.
VALUE_SCHEMA, VALUE_LEN = 28, 36

_ONE = Struct("<I")
_TWO = Struct("<II")
_THREE = Struct("<III")
_WORD = Struct("<Q")
_SCHEMA_AND_LENGTH = Struct("<I4xI")
_LENGTH = Struct("<H")
# What goes where a text or bytes were.
_TYPES = {"text": str, "bytes": bytes}

# The fields of a schema by name: slot and kind.
Fields = dict[str, tuple[int, str]]


def spread(
    rows: bytes,
    field: str,
    values: Sequence[Sequence | None],
    skipped: set[int],
    fields_of: Callable[[int], Fields],
) -> tuple[bytes, list[int]]:
    """Each record as often as it has values, with one of them in the value's field; ``None``: as it is. And their origins."""
    put_length, put_slot = _ONE.pack_into, _TWO.pack_into
    n, n_topics, tables_at = _THREE.unpack_from(rows, 4)
    at = tables_at
    for _ in range(n_topics):
        at += 2 + _LENGTH.unpack_from(rows, at)[0]
    starts = Struct(f"<{n + 1}I").unpack_from(rows, at)
    out, ends, origin = bytearray(rows[:BATCH_HEAD]), [BATCH_HEAD], []
    layouts: dict[int, tuple[int, str]] = {}
    for row, parts in enumerate(values):
        if row in skipped:
            continue
        start, end = starts[row], starts[row + 1]
        if parts is None:
            out += rows[start:end]
            ends.append(len(out))
            origin.append(row)
            continue
        schema, length = _SCHEMA_AND_LENGTH.unpack_from(rows, start + VALUE_SCHEMA)
        if length == NONE:
            raise _lacks(row, field, "a value")
        if schema not in layouts:
            layouts[schema] = _layout(schema, row, field, fields_of)
        slot, kind = layouts[schema]
        behind = start + RECORD_HEAD + length
        head, tail = bytearray(rows[start:behind]), rows[behind:end]
        encoded = _encoded(head, row, field, kind, parts)
        # What was there stays, and nothing points at it.
        slot_at = _clear_null(head, slot)
        for data in encoded:
            if data is None:
                out += _null(head, slot, slot_at, length)
            else:
                n = len(data)
                put_length(head, VALUE_LEN, length + n)
                put_slot(head, slot_at, length, n)
                out += head
                out += data
            out += tail
            ends.append(len(out))
            origin.append(row)
    _THREE.pack_into(out, 4, len(origin), n_topics, len(out))
    out += rows[tables_at:at]
    out += Struct(f"<{len(ends)}I").pack(*ends)
    return bytes(out), origin


def _layout(schema: int, row: int, field: str, fields_of: Callable[[int], Fields]) -> tuple[int, str]:
    """The field's slot, and what is in it."""
    if schema == NONE:
        return 0, "any"
    slot, kind = fields_of(schema).get(field, (0, ""))
    if kind not in _TYPES:
        raise _lacks(row, field, "such a field of type text or bytes")
    return slot, kind


def _encoded(head: bytearray, row: int, field: str, kind: str, parts: Sequence) -> list[bytes | None]:
    if kind == "any":
        return _documents(head, row, field, parts)
    wanted = _TYPES[kind]
    for part in parts:
        if part is not None and not isinstance(part, wanted):
            raise Fatal("sdk.spread", f'"value.{field}" of record {row}: {type(part).__name__} instead of {wanted.__name__}')
    return [None if part is None else part.encode() for part in parts] if wanted is str else list(parts)


def _documents(head: bytearray, row: int, field: str, parts: Sequence) -> list[bytes]:
    """Of a record without a schema, whose value is one JSON text."""
    at, length = _TWO.unpack_from(head, RECORD_HEAD + 12)
    document = json.loads(head[RECORD_HEAD + at : RECORD_HEAD + at + length])
    if not isinstance(document, dict):
        raise _lacks(row, field, "fields")
    made = (document | {field: part} for part in parts)
    return [json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode() for one in made]


def _nulls_at(slot: int) -> int:
    return RECORD_HEAD + 4 + 8 * (slot // 64)


def _clear_null(head: bytearray, slot: int) -> int:
    """Where the slot is, which is not null any longer."""
    n_fields, = _ONE.unpack_from(head, RECORD_HEAD)
    nulls, = _WORD.unpack_from(head, _nulls_at(slot))
    _WORD.pack_into(head, _nulls_at(slot), nulls & ~(1 << slot % 64))
    return RECORD_HEAD + 4 + 8 * ((n_fields + 63) // 64) + 8 * slot


def _null(head: bytearray, slot: int, slot_at: int, length: int) -> bytearray:
    made = bytearray(head)
    nulls, = _WORD.unpack_from(made, _nulls_at(slot))
    _WORD.pack_into(made, _nulls_at(slot), nulls | 1 << slot % 64)
    _TWO.pack_into(made, slot_at, 0, 0)
    _ONE.pack_into(made, VALUE_LEN, length)
    return made


def _lacks(row: int, field: str, what: str) -> Fatal:
    return Fatal("sdk.spread", f'"value.{field}": record {row} has not {what}; give None to leave it as it is')

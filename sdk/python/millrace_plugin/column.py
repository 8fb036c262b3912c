"""Columns between Python's lists and the worker's typed ones."""

from __future__ import annotations

from itertools import accumulate, pairwise

from .errors import Fatal

# What a null row holds.
EMPTY = {"booleans": False, "int64s": 0, "float64s": 0.0, "texts": "", "packed": b""}
INT64 = range(-(2**63), 2**63)


def unpack(raw: tuple) -> list:
    """(kind, null bits, data) as a list with ``None`` for null."""
    kind, nulls, data = raw
    if kind == "packed":
        offsets, blob = data
        data = [blob[start:end] for start, end in pairwise(offsets)]
    if nulls:
        data = [None if nulls[row >> 3] >> (row & 7) & 1 else value for row, value in enumerate(data)]
    return data


def pack(path: str, values: list, was: str | None) -> tuple:
    """A list as (kind, null bits, data); ``was``: the kind it had when it was read, for a column of nulls alone."""
    types = set(map(type, values))
    nulls = b""
    if type(None) in types:
        types.discard(type(None))
        nulls = null_bits(values)
    kind = _kind(path, types, was)
    if nulls:
        empty = EMPTY[kind]
        values = [empty if value is None else value for value in values]
    if kind == "int64s":
        for value in values:
            if value not in INT64:
                raise Fatal("sdk.column-kind", f'"{path}" to set: {value} is beyond 64 bits; give it as text')
    elif kind == "float64s" and int in types:
        values = [float(value) for value in values]
    elif kind == "packed":
        return kind, nulls, ([0, *accumulate(map(len, values))], b"".join(values))
    return kind, nulls, values


def null_bits(values: list) -> bytes:
    bits = bytearray((len(values) + 7) // 8)
    for row, value in enumerate(values):
        if value is None:
            bits[row >> 3] |= 1 << (row & 7)
    return bytes(bits)


def _kind(path: str, types: set, was: str | None) -> str:
    if not types:
        return was or "texts"
    for kind, fitting in (
        ("texts", {str}),
        ("booleans", {bool}),
        ("int64s", {int}),
        ("float64s", {int, float}),
        ("packed", {bytes}),
    ):
        if types <= fitting:
            return kind
    names = ", ".join(sorted(t.__name__ for t in types))
    raise Fatal("sdk.column-kind", f'"{path}" to set: values of {names}; give one of str, bool, int, float, bytes, and None')

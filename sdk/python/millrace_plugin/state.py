"""Keys and values that a task keeps from one run to the next: what a call puts is stored before its records' offsets are.

Outside of a component (tests) they are in ``memory``.
"""

from __future__ import annotations

from . import host

memory: dict[str, bytes] = {}


def get(key: str) -> bytes | None:
    state = host.capability("state")
    return memory.get(key) if state is None else state.get(key)


def put(key: str, value: bytes) -> None:
    """In place of what was there; at most 512 KiB."""
    state = host.capability("state")
    if state is None:
        memory[key] = value
    else:
        host.call(state.put, key, value)


def delete(key: str) -> bool:
    """Whether it was there."""
    state = host.capability("state")
    return memory.pop(key, None) is not None if state is None else state.delete(key)


def scan(prefix: str = "", after: str | None = None, limit: int = 1000) -> tuple[list[tuple[str, bytes]], bool]:
    """Entries whose keys begin so, in their order, from the first behind ``after``; and whether there are others behind them."""
    state = host.capability("state")
    if state is not None:
        page = state.scan(prefix, after, limit)
        return [(entry.key, entry.value) for entry in page.entries], page.more
    found = [key for key in sorted(memory) if key.startswith(prefix) and (after is None or key > after)]
    return [(key, memory[key]) for key in found[:limit]], len(found) > limit

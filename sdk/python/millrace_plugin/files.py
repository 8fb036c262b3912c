"""Files that the configuration names, through bindings. Needs ``grants = ["files"]`` in ``millrace.toml``.

Outside of a component (tests) they are in ``memory``.
"""

from __future__ import annotations

from typing import Any

from . import host
from .errors import Retriable

# By binding.
memory: dict[str, bytearray] = {}


class Appender:
    """The binding's file, opened for appending; it is made when it is missing."""

    def __init__(self, binding: str):
        self._binding = binding
        files = host.capability("files")
        self._file: Any = None if files is None else host.call(files.Appender.open, binding)
        if files is None:
            memory.setdefault(binding, bytearray())

    def append(self, data: bytes) -> None:
        if self._file is None:
            memory[self._binding] += data
        else:
            host.call(self._file.append, data)

    def sync(self) -> None:
        """Returns once what was appended is on disk."""
        if self._file is not None:
            host.call(self._file.sync)


class Reader:
    """The binding's file, opened for reading. One that is missing is :class:`Retriable` with the code ``files.not-found``."""

    def __init__(self, binding: str):
        self._binding = binding
        files = host.capability("files")
        self._file: Any = None if files is None else host.call(files.Reader.open, binding)
        if files is None and binding not in memory:
            raise Retriable("files.not-found", f'there is no file of the binding "{binding}"')

    def read(self, position: int, most: int) -> bytes:
        """Up to ``most`` bytes; none at the end of the file."""
        if self._file is None:
            return bytes(memory[self._binding][position : position + most])
        return host.call(self._file.read, position, most)

    def __len__(self) -> int:
        return len(memory[self._binding]) if self._file is None else host.call(self._file.len)

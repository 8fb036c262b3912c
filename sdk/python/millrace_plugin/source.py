"""What the author of a source writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .config import Config, Key
from .errors import Fatal
from .info import Binding
from .record import Record


@dataclass
class Offset:
    """Connect's source partition and offset, as ``/connectors/NAME/offsets`` shows them: JSON objects both."""

    partition: dict[str, Any]
    offset: dict[str, Any]


@dataclass
class Polled:
    """What a poll brought: records, each with a topic, and marks to resume from."""

    records: list[Record] = field(default_factory=list)
    # Nothing more for now: the worker may wait this long before the next poll.
    idle_ms: int | None = None
    # (through, partition, offset, boundary), in the order of ``through``.
    marks: list[tuple[int, dict[str, Any], dict[str, Any], bool]] = field(default_factory=list)

    def mark(self, partition: dict[str, Any], offset: dict[str, Any], through: int | None = None, boundary: bool = False) -> Polled:
        """Once this offset is committed, the records before ``through`` do not come again; all of them, where it is left out.

        ``boundary``: a transaction of the source ends here. A poll without records may have marks.
        """
        through = len(self.records) if through is None else through
        last = self.marks[-1][0] if self.marks else 0
        if not last <= through <= len(self.records):
            raise Fatal("sdk.bad-mark", f"a mark through {through} after one through {last}, of {len(self.records)} records")
        self.marks.append((through, partition, offset, boundary))
        return self


class Source:
    """Brings records in. One object is one task; its doc string is what people read of it.

    Its name and version are the project's (``millrace.toml``, with ``kind = "source"``).
    """

    keys: ClassVar[Iterable[Key]] = ()
    class_names: ClassVar[Iterable[str]] = ()
    bindings: ClassVar[Iterable[Binding]] = ()

    @classmethod
    def validate(cls, config: Config) -> Iterable[tuple[str, str]]:
        """(key, what is wrong and the remedy) beyond what ``keys`` say by themselves. Reach no server here."""
        return ()

    @classmethod
    def task_configs(cls, config: Config, max_tasks: int) -> list[dict[str, str]]:
        """How to split the work: one configuration a task, ``max_tasks`` at most. Else one task does it all."""
        return [dict(config)]

    def start(self, config: Config, committed: list[Offset]) -> None:
        """``committed``: the last durable offset of each partition that this connector had."""

    def poll(self, max_records: int, max_bytes: int) -> Polled:
        """At most ``max_records`` and about ``max_bytes``. Do not wait here: answer nothing, with ``idle_ms``."""
        raise NotImplementedError

    def commit(self, offsets: list[Offset]) -> None:
        """These are durable, and their records acknowledged: release them where they came from, now."""

    def stop(self) -> None:
        """The last call of the task."""

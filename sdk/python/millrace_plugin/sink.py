"""What the author of a sink writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from .batch import Batch
from .config import Config, Key
from .info import Binding


@dataclass(frozen=True)
class TopicPartition:
    topic: str
    partition: int


@dataclass(frozen=True)
class TopicOffset:
    """``offset`` is the next to read: one past the last record that is covered."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class LateFailure:
    """A record that was put earlier and is found bad only now."""

    topic: str
    partition: int
    offset: int
    code: str
    message: str
    retriable: bool = False


@dataclass
class Flushed:
    """What is durable: less than was asked for, if need be, never more."""

    offsets: list[TopicOffset]
    failures: list[LateFailure] = field(default_factory=list)


class Sink:
    """Takes records out. One object is one task; its doc string is what people read of it.

    Its name and version are the project's (``millrace.toml``, with ``kind = "sink"``).
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
        """One configuration a task. Else ``max_tasks`` alike: the topics' partitions are shared out among them."""
        return [dict(config)] * max_tasks

    def start(self, config: Config) -> None:
        """The first call of the task."""

    def open(self, partitions: list[TopicPartition]) -> list[TopicOffset]:
        """Assigned; answers with the offsets to start at where the sink keeps its own, else nothing."""
        return []

    def put(self, batch: Batch) -> None:
        """Take the records; they may be kept until :meth:`flush`, but not the batch itself.

        An error raised here means that none was taken: they are put again, after a fatal one in smaller batches where failures
        are tolerated, until the record at fault stands alone. ``batch.fail(row, ..)`` fails single ones.
        """
        raise NotImplementedError

    def flush(self, upto: list[TopicOffset]) -> Flushed | None:
        """Makes durable what was put; what it answers is committed. None: all of ``upto`` is durable."""

    def close(self, partitions: list[TopicPartition]) -> None:
        """Revoked: what is kept of these partitions is thrown away, since it comes again."""

    def stop(self) -> None:
        """The last call of the task."""

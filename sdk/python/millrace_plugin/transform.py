"""What an author writes: a class over batches, or a function over records."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from .batch import Batch
from .config import Config, Key
from .errors import Error, Fatal, RecordError
from .info import Binding
from .record import Record


class Transform:
    """A transform over batches. Its doc string is what people read of it.

    Its name and version are the project's (``millrace.toml``).
    """

    keys: ClassVar[Iterable[Key]] = ()
    class_names: ClassVar[Iterable[str]] = ()
    bindings: ClassVar[Iterable[Binding]] = ()

    def configure(self, config: Config) -> None:
        """Called once, before any ``apply``."""

    def apply(self, batch: Batch) -> None:
        """Says of the batch what becomes of it. An error raised here: nothing of it took effect."""
        raise NotImplementedError

    def close(self) -> None:
        """Called once, when the task ends well."""

    @classmethod
    def validate(cls, config: Config) -> Iterable[tuple[str, str]]:
        """(key, what is wrong and the remedy) beyond what ``keys`` say by themselves. Reach no server here."""
        return ()


def transform(
    function: Callable | None = None,
    *,
    keys: Iterable[Key] = (),
    class_names: Iterable[str] = (),
) -> Any:
    """Makes a transform of a function that takes a record, and the configuration if it has a second parameter.

    It gives back the record, changed or not; ``None`` to leave it out; or a list of records. :class:`RecordError`, like any
    other exception but :class:`Error`, fails the record alone.
    """

    def decorate(function: Callable) -> Plain:
        return Plain(function, keys=tuple(keys), class_names=tuple(class_names))

    return decorate if function is None else decorate(function)


class Plain:
    """A decorated function; calling it calls the function."""

    def __init__(self, function: Callable, **declared: Any):
        self.function = function
        self.with_config = len(inspect.signature(function).parameters) > 1
        base = {"__doc__": function.__doc__, "__module__": function.__module__, "_plain": self, **declared}
        self.transform: type[Transform] = type(function.__name__, (_PlainTransform,), base)
        self.__doc__, self.__name__ = function.__doc__, function.__name__

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


class _PlainTransform(Transform):
    _plain: ClassVar[Plain]

    def configure(self, config: Config) -> None:
        function = self._plain.function
        self._call = (lambda record: function(record, config)) if self._plain.with_config else function

    def apply(self, batch: Batch) -> None:
        for row, record in enumerate(batch.records()):
            try:
                made = self._call(record)
                made = list(made) if made is not None and not isinstance(made, Record) else made
                if isinstance(made, list) and any(not isinstance(m, Record) for m in made):
                    raise RecordError("python.no-record", f"the function \"{self._plain.__name__}\" gave something else than records")
            except RecordError as error:
                batch.fail(row, error.code, error.message, error.retriable)
            except Error:
                raise
            except Exception as error:
                batch.fail(row, f"python.{type(error).__name__.lower()}", where(error))
            else:
                if made is None:
                    batch.drop(row)
                else:
                    batch.replace(row, [made] if isinstance(made, Record) else made)


def where(error: BaseException) -> str:
    """The error, and the line of the author's code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f" at {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{at}: {error}"


def find(module: Any, kind: type = Transform) -> type:
    """The transform (or source, or sink) that an author's module declares."""
    what = kind.__name__.lower()
    found = []
    for value in vars(module).values():
        if isinstance(value, Plain) and kind is Transform:
            found.append(value.transform)
        elif isinstance(value, type) and issubclass(value, kind) and value.__module__ == module.__name__:
            found.append(value)
    if len(found) != 1:
        said = f"no {what}" if not found else f"several {what}s: " + ", ".join(t.__name__ for t in found)
        function = " or a function under @millrace_plugin.transform" if kind is Transform else ""
        raise Fatal(
            f"sdk.no-{what}",
            f'the module "{module.__name__}" declares {said}; '
            f"declare one, as a subclass of millrace_plugin.{kind.__name__}{function}",
        )
    return found[0]

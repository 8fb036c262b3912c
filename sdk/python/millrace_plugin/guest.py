"""The component's exports, over the bindings that componentize-py generates from ``wit/``. Authors do not import this."""

from __future__ import annotations

import importlib
import json
from typing import Any

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import clock, config, logging, metrics, records, types

from . import host
from .batch import Batch
from .config import Config, Key, REQUIRED
from .errors import ConfigError, Error, Fatal, Restart
from .record import document
from .sink import Sink, TopicOffset, TopicPartition
from .source import Offset, Source
from .transform import Transform, find, where

# The world has one of them.
try:
    from wit_world.exports import transform as wit
except ImportError:
    wit = None
try:
    from wit_world.exports import source as wit_source
except ImportError:
    wit_source = None
try:
    from wit_world.exports import sink as wit_sink
except ImportError:
    wit_sink = None

ROW_FORMAT = 1
_KINDS = {kind.name.lower(): kind for kind in types.ErrorKind}
_COLUMNS = {
    "booleans": records.ColumnData_Booleans,
    "int64s": records.ColumnData_Int64s,
    "float64s": records.ColumnData_Float64s,
    "texts": records.ColumnData_Texts,
}
_NAMES = {made: kind for kind, made in _COLUMNS.items()}


class Bindings:
    """For ``host``."""

    def enabled(self, level: int) -> bool:
        return logging.enabled(logging.Level(level))

    def log(self, level: int, message: str, fields: dict[str, str]) -> None:
        logging.log(logging.Level(level), message, list(fields.items()))

    def figure(self, kind: str, name: str, value: Any, labels: dict[str, str]) -> None:
        call = {"counter": metrics.counter_add, "gauge": metrics.gauge_set, "histogram": metrics.histogram_record}[kind]
        call(name, list(labels.items()), value)

    def now_us(self) -> int:
        return clock.now_us()

    def capability(self, name: str) -> Any:
        try:
            return importlib.import_module(f"wit_world.imports.{name.replace('-', '_')}")
        except ImportError:
            return None

    def call(self, function: Any, *given: Any) -> Any:
        try:
            return function(*given)
        except Err as error:
            raise _raised(error.value) from None

    def raised(self, error: types.Error) -> Error:
        return _raised(error)


class View:
    """A lent batch, as ``Batch`` wants it."""

    def __init__(self, batch: records.Batch):
        self.batch = batch

    def len(self) -> int:
        return self.batch.len()

    def documents(self, part: str) -> list[str | None]:
        try:
            return self.batch.documents(part)
        except Err as error:
            raise _raised(error.value) from None

    def column(self, path: str) -> tuple | None:
        try:
            column = self.batch.column(path, records.ColumnStyle.LISTS)
        except Err as error:
            if error.value.code == "records.no-such-column":
                return None
            raise _raised(error.value) from None
        data = column.data
        if isinstance(data, records.ColumnData_Packed):
            return "packed", column.nulls, (data.value.offsets, data.value.data)
        return _NAMES[type(data)], column.nulls, data.value


def load(kind: str, module: str, name: str, version: str) -> tuple[type, type]:
    """The classes that a component exports, for what an author's module declares."""
    base, export = {"transform": (Transform, _transform), "source": (Source, _source), "sink": (Sink, _sink)}[kind]
    author = find(importlib.import_module(module), base)
    host._bindings = Bindings()

    class PluginExport(exports.Plugin):
        def describe(self) -> types.PluginInfo:
            return types.PluginInfo(
                kind=types.PluginKind[kind.upper()],
                name=name,
                version=version,
                documentation=_doc(author, base),
                class_names=list(author.class_names),
                keys=[_key(key, order) for order, key in enumerate(author.keys)],
                bindings=[types.Binding(b.name, b.capability, list(b.parts.items())) for b in author.bindings],
                row_formats=[ROW_FORMAT],
                capabilities=[],
            )

        def validate(self, config: list[tuple[str, str]]) -> list[types.ConfigIssue]:
            try:
                return [types.ConfigIssue(key, message, []) for key, message in author.validate(_filled(author, config))]
            except ConfigError as error:
                return [types.ConfigIssue(error.field or "", error.message, [])]

    # Of the component's one task; each call has an object of its own.
    return PluginExport, export(author, [])


def _transform(author: type[Transform], running: list[Transform]) -> type:
    class TransformExport(exports.Transform):
        def configure(self, ctx: types.TaskContext) -> None:
            with _Answering():
                running.clear()
                running.append(author())
                running[0].configure(_settings())

        def apply(self, batch: records.Batch) -> Any:
            with _Answering():
                seen = Batch(View(batch))
                running[0].apply(seen)
                return _outcome(*seen._outcome())

        def close(self) -> None:
            for transform in running:
                transform.close()

    return TransformExport


def _source(author: type[Source], running: list[Source]) -> type:
    class SourceExport(exports.Source):
        def task_configs(self, config: list[tuple[str, str]], max_tasks: int) -> list[list[tuple[str, str]]]:
            return _task_configs(author, config, max_tasks)

        def start(self, ctx: types.TaskContext, committed: list) -> None:
            with _Answering():
                running.clear()
                running.append(author())
                running[0].start(_settings(), _lifted(committed))

        def poll(self, max_records: int, max_bytes: int) -> Any:
            with _Answering():
                polled = running[0].poll(max_records, max_bytes)
                made = [document(record) for record in polled.records]
                for row, (topic, _, _) in enumerate(made):
                    if not topic:
                        raise Fatal("sdk.no-topic", f"record {row} of a poll has no topic; make it with Record(topic=..)")
                partitions: list[str] = []
                marks = []
                for through, partition, offset, boundary in polled.marks:
                    text = json.dumps(partition)
                    if text not in partitions:
                        partitions.append(text)
                    marks.append(wit_source.Mark(through, partitions.index(text), json.dumps(offset), boundary))
                documents = records.Encoded_Documents([records.Document(*one) for one in made])
                return wit_source.Polled(documents, partitions, marks, polled.idle_ms)

        def commit(self, offsets: list) -> None:
            with _Answering():
                running[0].commit(_lifted(offsets))

        def stop(self) -> None:
            for source in running:
                source.stop()

    return SourceExport


def _sink(author: type[Sink], running: list[Sink]) -> type:
    class SinkExport(exports.Sink):
        def task_configs(self, config: list[tuple[str, str]], max_tasks: int) -> list[list[tuple[str, str]]]:
            return _task_configs(author, config, max_tasks)

        def start(self, ctx: types.TaskContext) -> None:
            with _Answering():
                running.clear()
                running.append(author())
                running[0].start(_settings())

        def open(self, partitions: list) -> list:
            with _Answering():
                return _offsets(running[0].open([TopicPartition(p.topic, p.partition) for p in partitions]))

        def put(self, batch: records.Batch) -> list[types.RecordFailure]:
            with _Answering():
                seen = Batch(View(batch))
                running[0].put(seen)
                return _failures(seen._put())

        def flush(self, upto: list) -> Any:
            with _Answering():
                flushed = running[0].flush([TopicOffset(o.topic, o.partition, o.offset) for o in upto])
                if flushed is None:
                    return wit_sink.Flushed(upto, [])
                late = [
                    wit_sink.LateFailure(f.topic, f.partition, f.offset, f.retriable, f.code, f.message)
                    for f in flushed.failures
                ]
                return wit_sink.Flushed(_offsets(flushed.offsets), late)

        def close(self, partitions: list) -> None:
            with _Answering():
                running[0].close([TopicPartition(p.topic, p.partition) for p in partitions])

        def stop(self) -> None:
            for sink in running:
                sink.stop()

    return SinkExport


def _settings() -> Config:
    return Config(dict(config.all()))


def _filled(author: Any, given: list[tuple[str, str]]) -> Config:
    """Before a task starts, settings are as they were written."""
    defaults = {key.name: text for key in author.keys if (text := key.default_text()) is not None}
    return Config({**defaults, **dict(given)})


def _task_configs(author: Any, given: list[tuple[str, str]], max_tasks: int) -> list[list[tuple[str, str]]]:
    with _Answering():
        return [list(one.items()) for one in author.task_configs(_filled(author, given), max_tasks)]


def _lifted(offsets: list) -> list[Offset]:
    return [Offset(json.loads(o.partition), json.loads(o.offset)) for o in offsets]


def _offsets(offsets: list[TopicOffset]) -> list:
    return [wit_sink.TopicOffset(o.topic, o.partition, o.offset) for o in offsets]


def _failures(failures: list) -> list[types.RecordFailure]:
    return [types.RecordFailure(row, retriable, code, message) for row, code, message, retriable in failures]


class _Answering:
    """Raises what the author's code raised in the worker's words."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> bool:
        if error is None or isinstance(error, Err):
            return False
        if not isinstance(error, Error):
            if not isinstance(error, Exception):
                return False
            # A fresh instance has its memory back.
            kind = Restart if isinstance(error, MemoryError) else Fatal
            error = kind(f"python.{type(error).__name__.lower()}", where(error))
        raise Err(types.Error(_KINDS[error.kind], error.code, error.message, error.retry_after_ms, error.field, [])) from None


def _raised(said: types.Error) -> Error:
    raised = Error(said.code, said.message, said.retry_after_ms, said.field)
    raised.kind = said.kind.name.lower()
    return raised


def _doc(author: type, base: type) -> str:
    lines = [] if author.__doc__ is None or author.__doc__ == base.__doc__ else author.__doc__.strip().splitlines()
    return "\n".join(line.strip() for line in lines)


def _key(key: Key, order: int) -> types.ConfigKey:
    return types.ConfigKey(
        name=key.name,
        kind=types.ConfigType[key.type.upper()],
        default_value=key.default_text(),
        nullable=key.default is None and key.default is not REQUIRED,
        importance=types.Importance[key.importance.upper()],
        documentation=key.doc,
        group=key.group,
        order_in_group=order,
        display_name=key.display_name or key.name,
        dependents=[],
        allowed=list(key.allowed),
        attributes=[],
    )


def _outcome(kind: str, parts: Any, failures: list) -> Any:
    failed = _failures(failures)
    if kind == "unchanged":
        output: Any = wit.Output_Unchanged()
    elif kind == "patch":
        dropped, removed, columns = parts
        output = wit.Output_Patch(records.Patch(dropped, removed, [_column(*column) for column in columns]))
    else:
        documents, origin = parts
        made = records.Encoded_Documents([records.Document(*document) for document in documents])
        output = wit.Output_Replace(wit.Replacement(made, origin))
    return wit.Outcome(output, failed)


def _column(path: str, kind: str, nulls: bytes, data: Any) -> records.Column:
    made = records.ColumnData_Packed(records.Packed(*data)) if kind == "packed" else _COLUMNS[kind](data)
    return records.Column(path, nulls, made)

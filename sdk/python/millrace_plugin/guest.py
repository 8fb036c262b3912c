"""The component's exports, over the bindings that componentize-py generates from ``wit/``. Authors do not import this."""

from __future__ import annotations

import importlib
from typing import Any

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import clock, config, logging, metrics, records, types
from wit_world.exports import transform as wit

from . import host
from .batch import Batch
from .config import Config, Key, REQUIRED
from .errors import ConfigError, Error
from .transform import Transform, find, where

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
            raise _raised(error) from None

    def column(self, path: str) -> tuple | None:
        try:
            column = self.batch.column(path, records.ColumnStyle.LISTS)
        except Err as error:
            if error.value.code == "records.no-such-column":
                return None
            raise _raised(error) from None
        data = column.data
        if isinstance(data, records.ColumnData_Packed):
            return "packed", column.nulls, (data.value.offsets, data.value.data)
        return _NAMES[type(data)], column.nulls, data.value


def load(module: str, name: str, version: str) -> tuple[type, type]:
    """The classes that a component exports, for the transform in an author's module."""
    author = find(importlib.import_module(module))
    host._bindings = Bindings()
    # Of the component's one task; each call has an object of its own.
    running: list[Transform] = []

    class PluginExport(exports.Plugin):
        def describe(self) -> types.PluginInfo:
            return types.PluginInfo(
                kind=types.PluginKind.TRANSFORM,
                name=name,
                version=version,
                documentation=_doc(author),
                class_names=list(author.class_names),
                keys=[_key(key, order) for order, key in enumerate(author.keys)],
                bindings=[],
                row_formats=[ROW_FORMAT],
                capabilities=[],
            )

        def validate(self, config: list[tuple[str, str]]) -> list[types.ConfigIssue]:
            try:
                return [types.ConfigIssue(key, message, []) for key, message in author.validate(Config(dict(config)))]
            except ConfigError as error:
                return [types.ConfigIssue(error.field or "", error.message, [])]

    class TransformExport(exports.Transform):
        def configure(self, ctx: types.TaskContext) -> None:
            with _Answering():
                running.clear()
                running.append(author())
                running[0].configure(Config(dict(config.all())))

        def apply(self, batch: records.Batch) -> wit.Outcome:
            with _Answering():
                seen = Batch(View(batch))
                running[0].apply(seen)
                return _outcome(*seen._outcome())

        def close(self) -> None:
            for transform in running:
                transform.close()

    return PluginExport, TransformExport


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
            error = Error(f"python.{type(error).__name__.lower()}", where(error))
        raise Err(types.Error(_KINDS[error.kind], error.code, error.message, error.retry_after_ms, error.field, [])) from None


def _raised(error: Err) -> Error:
    said = error.value
    raised = Error(said.code, said.message, said.retry_after_ms, said.field)
    raised.kind = said.kind.name.lower()
    return raised


def _doc(author: type[Transform]) -> str:
    lines = [] if author.__doc__ is None or author.__doc__ == Transform.__doc__ else author.__doc__.strip().splitlines()
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


def _outcome(kind: str, parts: Any, failures: list) -> wit.Outcome:
    failed = [types.RecordFailure(row, retriable, code, message) for row, code, message, retriable in failures]
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

"""Runs a plugin in an author's own tests, without a worker or a component.

    from millrace_plugin.testing import run
    done = run(MaskEmail, {"field": "email"}, [{"email": "ada@example.com"}])
    assert done.values() == [{"email": "a**@example.com"}]

Values are without schema here, so that what a worker would refuse for a schema's sake (a text in a number's place) passes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from .batch import Batch
from .column import pack, unpack
from .config import REQUIRED, Config
from .errors import ConfigError
from .sink import Sink
from .transform import Plain, Transform


@dataclass
class Sample:
    """A record given or made."""

    value: Any = None
    key: Any = None
    topic: str = "test"
    partition: int | None = 0
    offset: int | None = None
    timestamp: int | None = None
    headers: dict[str, Any] = field(default_factory=dict)


@dataclass
class Done:
    records: list[Sample]
    # The input's row of each record.
    origin: list[int]
    # (row, code, message, retriable)
    failures: list[tuple[int, str, str, bool]]

    def values(self) -> list:
        return [record.value for record in self.records]


def run(author: type[Transform] | Plain, config: dict[str, str], records: list) -> Done:
    """What becomes of the records; each is a :class:`Sample` or a value."""
    author = author.transform if isinstance(author, Plain) else author
    transform = author()
    transform.configure(configured(author, config))
    samples = _samples(records)
    batch = Batch(View(samples))
    transform.apply(batch)
    transform.close()
    kind, parts, failures = batch._outcome()
    failed = {row for row, *_ in failures}
    made, origin = _made(samples, kind, parts)
    kept = [at for at, row in enumerate(origin) if row not in failed]
    return Done([made[at] for at in kept], [origin[at] for at in kept], failures)


def put(sink: Sink, records: list) -> list[tuple[int, str, str, bool]]:
    """Puts records, each a :class:`Sample` or a value; (row, code, message, retriable) of those that failed."""
    batch = Batch(View(_samples(records)))
    sink.put(batch)
    return batch._put()


def _samples(records: list) -> list[Sample]:
    samples = [r if isinstance(r, Sample) else Sample(value=r) for r in records]
    return [s if s.offset is not None else replace(s, offset=at) for at, s in enumerate(samples)]


def configured(author: type, config: dict[str, str]) -> Config:
    """The settings with the author's defaults, as a worker would give them."""
    values = dict(config)
    for key in author.keys:
        if key.name not in values and key.default is REQUIRED:
            raise ConfigError(key.name, f'"{key.name}" is required; give it a value')
        if key.name not in values and key.default is not None:
            values[key.name] = key.default_text()
    return Config(values)


class View:
    """The worker's side of a batch, over samples."""

    def __init__(self, samples: list[Sample]):
        self.samples = samples

    def len(self) -> int:
        return len(self.samples)

    def documents(self, part: str) -> list[str | None]:
        values = [getattr(sample, part) for sample in self.samples]
        return [None if value is None else json.dumps(value) for value in values]

    def column(self, path: str) -> tuple | None:
        found = [_get(sample, path) for sample in self.samples]
        if not any(there for there, _ in found):
            return None
        values = [v for _, v in found]
        kinds = {"number" if type(v) in (int, float) else type(v) for v in values if v is not None}
        # As the worker does: what has no kind of its own, or several, comes as JSON text.
        if len(kinds) > 1 or kinds & {dict, list}:
            values = [None if v is None else json.dumps(v) for v in values]
        return pack(path, values, None)


def _made(samples: list[Sample], kind: str, parts: Any) -> tuple[list[Sample], list[int]]:
    if kind == "unchanged":
        return samples, list(range(len(samples)))
    if kind == "replace":
        documents, origin = parts
        return [_descended(samples[row], *d) for d, row in zip(documents, origin, strict=True)], origin
    dropped, removed, columns = parts
    made = [replace(s, value=_copy(s.value), key=_copy(s.key), headers=dict(s.headers)) for s in samples]
    for sample in made:
        for path in removed:
            _remove(sample, path)
    for path, *raw in columns:
        for sample, value in zip(made, unpack(tuple(raw)), strict=True):
            _set(sample, path, value)
    origin = [row for row in range(len(samples)) if row not in dropped]
    return [made[row] for row in origin], origin


def _descended(sample: Sample, topic: str | None, key: str | None, value: str | None) -> Sample:
    return replace(
        sample,
        topic=topic or sample.topic,
        key=sample.key if key is None else json.loads(key),
        value=sample.value if value is None else json.loads(value),
    )


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _get(sample: Sample, path: str) -> tuple[bool, Any]:
    part, _, rest = path.partition(".")
    if part == "header":
        return rest in sample.headers, sample.headers.get(rest)
    value = getattr(sample, part)
    for name in filter(None, rest.split(".")):
        if not isinstance(value, dict) or name not in value:
            return False, None
        value = value[name]
    return True, value


def _set(sample: Sample, path: str, value: Any) -> None:
    part, _, rest = path.partition(".")
    if part == "header":
        sample.headers[rest] = value
    elif not rest:
        setattr(sample, part, value)
    else:
        *above, last = rest.split(".")
        _, struct = _get(sample, ".".join([part, *above]))
        if isinstance(struct, dict):
            struct[last] = value


def _remove(sample: Sample, path: str) -> None:
    part, _, rest = path.partition(".")
    if part == "header":
        sample.headers.pop(rest, None)
        return
    *above, last = rest.split(".")
    _, struct = _get(sample, ".".join([part, *above]))
    if isinstance(struct, dict):
        struct.pop(last, None)

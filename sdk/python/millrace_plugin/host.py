"""The worker's log, its metrics and its clock, and what it offers by grants."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .errors import Fatal

# Set in a component; outside of one (tests) lines are kept here, and figures too.
_bindings: Any = None
lines: list[tuple[str, str, dict[str, str]]] = []
figures: list[tuple[str, str, float, dict[str, str]]] = []

_LEVELS = ("trace", "debug", "info", "warn", "error")


class Log:
    """Lines in the worker's log, with connector, task and plugin added. Never log a key, a value or a credential."""

    def enabled(self, level: str) -> bool:
        return True if _bindings is None else _bindings.enabled(_LEVELS.index(level))

    def _line(self, level: str, message: str, fields: dict[str, Any]) -> None:
        fields = {name: str(value) for name, value in fields.items()}
        if _bindings is None:
            lines.append((level, message, fields))
        else:
            _bindings.log(_LEVELS.index(level), message, fields)

    def trace(self, message: str, **fields: Any) -> None:
        self._line("trace", message, fields)

    def debug(self, message: str, **fields: Any) -> None:
        self._line("debug", message, fields)

    def info(self, message: str, **fields: Any) -> None:
        self._line("info", message, fields)

    def warn(self, message: str, **fields: Any) -> None:
        self._line("warn", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self._line("error", message, fields)


class Metrics:
    """Figures of the plugin's own; the worker adds the connector and the task. Keep labels few: their sets are bounded."""

    def counter(self, name: str, delta: int = 1, **labels: Any) -> None:
        self._figure("counter", name, delta, labels)

    def gauge(self, name: str, value: float, **labels: Any) -> None:
        self._figure("gauge", name, float(value), labels)

    def histogram(self, name: str, value: float, **labels: Any) -> None:
        self._figure("histogram", name, float(value), labels)

    def _figure(self, kind: str, name: str, value: Any, labels: dict[str, Any]) -> None:
        labels = {label: str(value) for label, value in labels.items()}
        if _bindings is None:
            figures.append((kind, name, value, labels))
        else:
            _bindings.figure(kind, name, value, labels)


class Clock:
    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return time.time_ns() // 1000 if _bindings is None else _bindings.now_us()

    def now_ms(self) -> int:
        return self.now_us() // 1000


log = Log()
metrics = Metrics()
clock = Clock()


def capability(name: str) -> Any:
    """The bindings of a capability, as componentize-py makes them of ``wit/NAME.wit``; None outside of a component."""
    if _bindings is None:
        return None
    found = _bindings.capability(name)
    if found is None:
        raise Fatal("sdk.not-granted", f'the capability "{name}" is not in this component: add it to "grants" in millrace.toml')
    return found


def call(function: Callable, *given: Any) -> Any:
    """Calls what the bindings have; an error of the worker's is raised as one of the SDK's."""
    return function(*given) if _bindings is None else _bindings.call(function, *given)


def raised(error: Any) -> Exception:
    """The SDK's error for one of the worker's."""
    return _bindings.raised(error)

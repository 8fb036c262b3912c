"""Settings: the keys a plugin declares, and the values it was given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .errors import ConfigError

REQUIRED = object()
TYPES = ("boolean", "text", "int", "short", "long", "double", "list", "class", "password")
IMPORTANCES = ("high", "medium", "low")


@dataclass(frozen=True)
class Key:
    """One setting, declared once: validation, the REST answers and the reference come from it.

    ``default`` left out: the key is required. ``None``: it is optional and has no value unless given.
    """

    name: str
    type: str = "text"
    default: object = REQUIRED
    doc: str = ""
    importance: str = "medium"
    allowed: tuple[str, ...] = ()
    group: str | None = None
    display_name: str = ""

    def __post_init__(self) -> None:
        for what, value, known in (("type", self.type, TYPES), ("importance", self.importance, IMPORTANCES)):
            if value not in known:
                raise ValueError(f'key "{self.name}": the {what} "{value}" is none of {", ".join(known)}')

    def default_text(self) -> str | None:
        """The default as it stands in a configuration."""
        if self.default is REQUIRED or self.default is None:
            return None
        if isinstance(self.default, bool):
            return "true" if self.default else "false"
        if isinstance(self.default, (list, tuple)):
            return ",".join(map(str, self.default))
        return str(self.default)


class Config(Mapping[str, str]):
    """A plugin's settings, with the declared defaults filled in. ``config["key"]`` is the text; the others parse it."""

    def __init__(self, values: Mapping[str, str]):
        self._values = dict(values)

    def __getitem__(self, key: str) -> str:
        if key not in self._values:
            raise ConfigError(key, f'"{key}" has no value; give it one')
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def get(self, key: str, default=None):
        return self._values.get(key, default)

    def int(self, key: str) -> int:
        return self._parsed(key, int, "a whole number")

    def float(self, key: str) -> float:
        return self._parsed(key, float, "a number")

    def bool(self, key: str) -> bool:
        text = self[key].strip().lower()
        if text not in ("true", "false"):
            raise ConfigError(key, f'"{key}" is "{self[key]}"; give true or false')
        return text == "true"

    def list(self, key: str) -> list[str]:
        return [part.strip() for part in self[key].split(",") if part.strip()]

    def _parsed(self, key: str, parse, what: str):
        text = self[key]
        try:
            return parse(text.strip())
        except ValueError:
            raise ConfigError(key, f'"{key}" is "{text}"; give {what}') from None

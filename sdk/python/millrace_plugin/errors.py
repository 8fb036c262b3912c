"""What a plugin raises, and what the worker does with it."""

from __future__ import annotations


class RecordError(Exception):
    """One record is at fault: it alone goes to ``errors.tolerance`` and the dead letter queue, the others pass.

    ``code`` is stable, dotted and lower case (``mask.no-address``); ``retriable`` says that another try may help.
    """

    def __init__(self, code: str, message: str, retriable: bool = False):
        super().__init__(message)
        self.code, self.message, self.retriable = code, message, retriable


class Error(Exception):
    """A whole call failed, and nothing of it took effect. Raise one of its kinds."""

    kind = "fatal"

    def __init__(self, code: str, message: str, retry_after_ms: int | None = None, field: str | None = None):
        super().__init__(message)
        self.code, self.message, self.retry_after_ms, self.field = code, message, retry_after_ms, field


class Retriable(Error):
    """The worker calls again after a back-off of at least ``retry_after_ms``."""

    kind = "retriable"


class Fatal(Error):
    """The task is FAILED until an operator acts."""


class Restart(Error):
    """This instance is of no more use: the worker makes a fresh one, then calls again."""

    kind = "restart"


class ConfigError(Error):
    """A setting is wrong: the task is FAILED, and the message is shown beside the key."""

    kind = "config"

    def __init__(self, key: str, message: str):
        super().__init__("config.invalid", message, field=key)

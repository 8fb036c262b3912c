"""Millrace plugins in Python: transforms that run in a Millrace worker as WebAssembly components."""

from .batch import Batch
from .config import Config, Key
from .errors import ConfigError, Error, Fatal, RecordError, Restart, Retriable
from .host import clock, log, metrics
from .record import Record
from .transform import Transform, transform

__all__ = [
    "Batch",
    "Config",
    "ConfigError",
    "Error",
    "Fatal",
    "Key",
    "Record",
    "RecordError",
    "Restart",
    "Retriable",
    "Transform",
    "clock",
    "log",
    "metrics",
    "transform",
]

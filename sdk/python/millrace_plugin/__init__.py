"""Millrace plugins in Python: transforms, sources and sinks that run in a Millrace worker as WebAssembly components."""

from . import files, http, state
from .batch import Batch
from .config import Config, Key
from .errors import ConfigError, Error, Fatal, RecordError, Restart, Retriable
from .host import clock, log, metrics
from .info import Binding
from .record import Record
from .sink import Flushed, LateFailure, Sink, TopicOffset, TopicPartition
from .source import Offset, Polled, Source
from .transform import Transform, transform

__all__ = [
    "Batch",
    "Binding",
    "Config",
    "ConfigError",
    "Error",
    "Fatal",
    "Flushed",
    "Key",
    "LateFailure",
    "Offset",
    "Polled",
    "Record",
    "RecordError",
    "Restart",
    "Retriable",
    "Sink",
    "Source",
    "TopicOffset",
    "TopicPartition",
    "Transform",
    "clock",
    "files",
    "http",
    "log",
    "metrics",
    "state",
    "transform",
]

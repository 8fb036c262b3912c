"""What a plugin says of itself besides its keys."""

from __future__ import annotations


class Binding:
    """Something outside that the plugin reaches, by the configuration keys that say where it is.

    ``Binding("out", "files", path="file")``: the file that the key "file" names; the plugin opens it as "out".
    """

    def __init__(self, name: str, capability: str, **parts: str):
        self.name, self.capability, self.parts = name, capability, parts

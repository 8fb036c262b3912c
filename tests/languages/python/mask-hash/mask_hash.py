"""Hides an e-mail address, and leaves its hash beside it."""

from hashlib import sha256

from millrace_plugin import Batch, Config, Fatal, Key, Transform


class MaskHash(Transform):
    """Hides an e-mail address, and leaves its hash beside it."""

    keys = [
        Key("field", doc="The field that holds the address."),
        Key("salt", default="", doc="What the hash begins with."),
    ]

    def configure(self, config: Config) -> None:
        self.path = f"value.{config['field']}"
        self.salted = sha256(config["salt"].encode())

    def apply(self, batch: Batch) -> None:
        if not batch.has(self.path):
            return
        masked, hashes = [], []
        for row, address in enumerate(batch.column(self.path)):
            if address is None:
                masked.append(None)
                hashes.append(None)
                continue
            if not isinstance(address, str):
                raise Fatal("mask-hash.no-text", f"{self.path} holds no text")
            at = address.find("@")
            if at < 1:
                batch.fail(row, "mask-hash.no-address", "there is no address")
            masked.append(f"{address[:1]}***{address[at:]}")
            hashed = self.salted.copy()
            hashed.update(address.encode())
            hashes.append(hashed.hexdigest())
        batch.set(self.path, masked)
        batch.set(f"{self.path}_hash", hashes)

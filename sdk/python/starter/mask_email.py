"""Masks e-mail addresses, a column at a time."""

from millrace_plugin import Batch, Config, Key, Transform, metrics


class MaskEmail(Transform):
    """Hides the local part of the e-mail addresses in one field: `ada@example.com` becomes `a**@example.com`.

    A record whose field holds no address fails alone; it is never let through unmasked.
    """

    keys = [Key("field", default="email", doc="The field that holds the address.", importance="high")]

    def configure(self, config: Config) -> None:
        self.path = f"value.{config['field']}"

    def apply(self, batch: Batch) -> None:
        if not batch.has(self.path):
            return
        masked = []
        for row, address in enumerate(batch.column(self.path)):
            if address is None:
                masked.append(None)
                continue
            local, at, domain = str(address).rpartition("@")
            if not (local and domain):
                batch.fail(row, "mask-email.no-address", f'"{self.path}" holds no e-mail address')
            masked.append(local[:1] + "*" * (len(local) - 1) + at + domain)
        batch.set(self.path, masked)
        metrics.counter("mask_email_masked", len(masked))

"""Adds what a service knows."""

from millrace_plugin import Batch, Config, Key, Retriable, Fatal, Transform, http

KEPT_MAX = 10_000
AT_ONCE = 1_000


class Enrich(Transform):
    """Adds the country that a service knows."""

    keys = [
        Key("url", doc="What the value is appended to."),
        Key("field", doc="The field to look up."),
    ]

    def configure(self, config: Config) -> None:
        self.url = config["url"]
        self.path = f"value.{config['field']}"
        # None: nobody knows it.
        self.known: dict[str, str | None] = {}

    def apply(self, batch: Batch) -> None:
        ids = [None if value is None else self.text(value) for value in batch.column(self.path)]
        if len(self.known) > KEPT_MAX:
            self.known.clear()
        self.look_up(sorted({id for id in ids if id is not None and id not in self.known}))
        countries = [None if id is None else self.known[id] for id in ids]
        for row, (id, country) in enumerate(zip(ids, countries)):
            if id is not None and country is None:
                batch.fail(row, "enrich.unknown", "the service does not know it")
        batch.set("value.country", countries)

    def look_up(self, ids: list[str]) -> None:
        for at in range(0, len(ids), AT_ONCE):
            asked = ids[at : at + AT_ONCE]
            answers = http.send_all([http.Request("GET", self.url + id) for id in asked], concurrency=16)
            for id, answer in zip(asked, answers):
                if isinstance(answer, Exception):
                    raise answer
                self.known[id] = country(answer)

    def text(self, value: object) -> str:
        if type(value) not in (str, int):
            raise Fatal("enrich.no-text", f"{self.path} is neither text nor whole number")
        return str(value)


def country(answer: http.Response) -> str | None:
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise Retriable("enrich.unavailable", f"the service answered {answer.status}")
    try:
        return answer.json()["country"]
    except (ValueError, KeyError, TypeError):
        raise Retriable("enrich.unavailable", "an answer without a country") from None

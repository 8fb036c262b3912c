"""HTTP to the hosts that the connector's configuration lists. Needs ``grants = ["http"]`` in ``millrace.toml``.

Outside of a component (tests) ``answer`` answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import host


@dataclass(frozen=True)
class Secret:
    """The value of a key of type password, which the plugin uses and never sees; ``prefix`` stands before it."""

    key: str
    prefix: str = ""


@dataclass(frozen=True)
class Basic:
    """Basic authentication; the password is the value of a key."""

    user: str
    password_key: str


@dataclass
class Request:
    method: str
    url: str
    headers: Mapping[str, str | Secret | Basic] = field(default_factory=dict)
    body: bytes = b""
    timeout_ms: int | None = None
    # Such as {"redirects": "0"}.
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Response:
    """A status of 400 and above is a response, too."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def _refuse(request: Request) -> Response:
    raise NotImplementedError(f"set millrace_plugin.http.answer to what answers {request.method} {request.url} in tests")


# Answers outside of a component.
answer: Callable[[Request], Response] = _refuse


def send(method: str, url: str, **more: Any) -> Response:
    """One request; ``more``: what else a :class:`Request` has."""
    request = Request(method, url, **more)
    http = host.capability("http")
    if http is None:
        return answer(request)
    return _lifted(host.call(http.send, _lowered(http, request)))


def send_all(requests: list[Request], concurrency: int = 8) -> list[Response | Exception]:
    """Many at a time; the answers in their order, what failed as the error that :func:`send` would have raised."""
    http = host.capability("http")
    if http is None:
        return [answer(request) for request in requests]
    answers = http.send_all([_lowered(http, request) for request in requests], concurrency)
    return [_lifted(a.value) if type(a).__name__ == "Ok" else host.raised(a.value) for a in answers]


def _lowered(http: Any, request: Request) -> Any:
    def value(given: str | Secret | Basic) -> Any:
        if isinstance(given, Secret):
            return http.HeaderValue_Secret(http.Secret(given.prefix, given.key))
        if isinstance(given, Basic):
            return http.HeaderValue_Basic(http.Credentials(given.user, given.password_key))
        return http.HeaderValue_Text(given)

    headers = [(name, value(given)) for name, given in request.headers.items()]
    options = list(request.options.items())
    return http.Request(request.method, request.url, headers, request.body, request.timeout_ms, options)


def _lifted(response: Any) -> Response:
    return Response(response.status, response.body, response.headers, response.url)

"""What schemathesis alone does not know: which 500s are Kafka Connect's own.

Connect answers 500 for a body that is no JSON, that is empty, that has the wrong shape or a field that nobody knows, and
says so in `error_code` and `message`. Any other 500 is a bug here.
"""

import json

import schemathesis
from hypothesis import strategies

# Components: bytes, of which none is one, but some begin as one does.
schemathesis.openapi.media_type("application/wasm", strategies.binary().map(lambda rest: b"\0asm\r\0\1\0" + rest) | strategies.binary())


@schemathesis.serializer("application/wasm")
def component(ctx, value):
    return {"data": value if isinstance(value, bytes) else str(value).encode()}


# How the messages begin of bodies that cannot be read or that a plugin refuses. Connect answers 500 to such bodies too:
# tests/e2e/differential and tests/e2e/validate_vectors hold examples of each.
READING = (
    "The request has no body",
    "The request has no \"config\"",
    "The request's body is not",
    "Unrecognized field",
    "Cannot deserialize",
    "Cannot understand",
    "Illegal null or empty Level name",
    "org.apache.kafka.connect.runtime.rest.errors.BadRequestException",
    "Offset objects should either be null",
)


@schemathesis.check
def connects_500(ctx, response, case):
    if response.status_code < 500:
        return
    try:
        said = json.loads(response.content)
    except ValueError as error:
        raise AssertionError(f"{response.status_code} without Connect's JSON: {response.content[:200]!r}") from error
    message = str(said.get("message"))
    assert response.status_code == 500, f"{response.status_code}: {message}"
    assert case.method in ("POST", "PUT", "PATCH"), f"500 for {case.method} {case.path}: {message}"
    assert message.startswith(READING), f"500 that is not of the body's reading: {message}"

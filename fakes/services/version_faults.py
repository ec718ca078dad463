"""Version codes that the thread service no longer has."""

from __future__ import annotations

from fakes.services.call_log import Call, Json
from fakes.services.faults import Fault, Status

_INVALID = "The selected ai version code is invalid."
NO_SUCH_VERSION = Status(422, {"message": _INVALID, "errors": {"ai_version_code": [_INVALID]}})
"""The answer to a version code that the service does not have."""


def retired(code: str, answer: Status = NO_SUCH_VERSION, times: int | None = None) -> Fault:
    """Threads for this version code are answered like this."""
    return Fault("ai-client.thread", answer, times, match=lambda call: _code(call) == code)


def _code(call: Call) -> Json:
    return call.body.get("ai_version_code") if isinstance(call.body, dict) else None

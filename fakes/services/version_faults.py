"""Faults of single version codes of the thread service: codes that it no longer has, and states of their work."""

from __future__ import annotations

from fakes.services.answer_edits import Change, each_object
from fakes.services.call_log import Call, Json
from fakes.services.faults import Fault, Status

NO_SUCH_VERSION = "The selected ai version code is invalid."


def retired(code: str, status: int = 422, message: str | None = None, times: int | None = None) -> Fault:
    """Threads for this version code are answered with this status: 422 with the field, or another with a message."""
    body: Json = {"message": message or "Not Found"}
    if status == 422:
        body = {"message": message or NO_SUCH_VERSION, "errors": {"ai_version_code": [message or NO_SUCH_VERSION]}}
    return Fault("ai-client.thread", Status(status, body), times, match=lambda call: _code(call) == code)


def _code(call: Call) -> Json:
    return call.body.get("ai_version_code") if isinstance(call.body, dict) else None


def state_is(state: Json, *, waiting: bool = False, images: bool = True, **more: Json) -> Change:
    """Put this state into the content of the responses, with or without their images."""

    def change(item: dict[str, Json]) -> dict[str, Json]:
        if item.get("type") != "response":
            return item
        content = item["content"]
        made = content.get("images") if isinstance(content, dict) else content
        told: dict[str, Json] = {"state": state, "images": made if images else [], **more}
        return item | {"content": told, "waiting_response": waiting}

    return each_object(change)

"""Malformed responses, as from a service during deployment or overload, and responses that echo the prompt.

They come singly or in a run: ``stand_in.misbehave(deploy(times=8))`` spoils the next eight calls to ai-client's API,
and ``Fault("ai-client.entries", MALFORMED["busy"], times=3)`` three polls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import cycle

from aiohttp import web

from fakes.services.call_log import Call, Json
from fakes.services.exchange import Exchange
from fakes.services.faults import Act, Fault, Status, error_body

API = "/api/v1/"
"""The prefix of the paths of ai-client's API; its images have other paths."""

MALFORMED: Mapping[str, Status] = {
    "busy": Status(200, {"message": "Server busy"}),
    "null": Status(200, "null"),
    "object": Status(200, {}),
    "list": Status(200, []),
    "number": Status(200, [1]),
    "text": Status(200, '"Server busy"'),
    "page": Status(200, "<!DOCTYPE html><html><h1>We are back soon</h1></html>", content_type="text/html"),
    "foreign": Status(200, [{"id": 7, "name": "Summer sale", "active": True}]),
    "wrapped null": Status(200, {"data": None}),
    "wrapped foreign": Status(200, {"data": [{"id": 7, "name": "Summer sale", "active": True}]}),
    "404": Status(404, {"message": "Not Found"}),
    "410": Status(410, {"message": "Gone"}),
}
"""By name. For ai-client's entries, ``list`` is a valid list of a thread without requests."""

HOW: Mapping[str, Callable[[str], str]] = {
    "whole": lambda text: text,
    "capitals": str.upper,
    "cut": lambda text: f"{text[: max(1, len(text) * 2 // 3)]}…",
    "escaped": lambda text: json.dumps(text)[1:-1],
}
"""The ways in which an echo repeats the prompt."""

_TEXT_FIELD = re.compile(r"prompts\[\d+\]\[text\]")


def malformed(body: str, *, after_doing: bool = False) -> Status:
    """The malformed response with this name. With ``after_doing`` the request is carried out, and charged, first."""
    return replace(MALFORMED[body], after_doing=after_doing)


class InTurn:
    """These acts, one for each call, in a cycle."""

    def __init__(self, *acts: Act) -> None:
        if not acts:
            raise ValueError("without acts there are no turns")
        self._acts = acts
        self._next = cycle(acts)

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        return await next(self._next)(exchange)

    def __repr__(self) -> str:
        return f"InTurn({', '.join(map(repr, self._acts))})"


def deploy(
    *bodies: str, route: str = "ai-client.*", times: int | None = 6, skip: int = 0, after_doing: bool = False
) -> Fault:
    """``times`` consecutive malformed responses to calls to ai-client's API: of all kinds, or of the named ones."""
    acts = [malformed(body, after_doing=after_doing) for body in bodies or MALFORMED]
    return Fault(route, InTurn(*acts), times, skip, match=lambda call: call.path.startswith(API))


@dataclass(frozen=True, slots=True)
class Echo:
    """A refusal or an error that repeats the prompt: ``{prompt}`` in ``says``, in one of the ways of :data:`HOW`.

    A call without a prompt of its own, such as a poll, repeats the prompt in the real response.
    """

    code: int = 400
    says: str = "We cannot draw “{prompt}”."
    how: str = "whole"
    after_doing: bool = False

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        prompt = prompt_of(exchange.call)
        if self.after_doing or prompt is None:
            done = await exchange.proceed()
            prompt = prompt if prompt is not None else _prompt_in(json.loads(done.text or "null"))
        message = self.says.replace("{prompt}", HOW[self.how](prompt))
        return web.json_response(error_body(exchange.call.provider, self.code, message), status=self.code)


def prompt_of(call: Call) -> str | None:
    """The prompt in the body of a call; None if there is none."""
    if not isinstance(call.body, dict):
        return None
    if "prompt" in call.body:
        return str(call.body["prompt"])
    return ", ".join(str(text) for name, text in call.body.items() if _TEXT_FIELD.fullmatch(name)) or None


def _prompt_in(answer: Json) -> str:
    """The first prompt in a list of entries."""
    if isinstance(answer, list):
        return next((found for part in answer if (found := _prompt_in(part))), "")
    if not isinstance(answer, dict):
        return ""
    if isinstance(answer.get("text"), str) and "weight" in answer:
        return str(answer["text"])
    return next((found for part in answer.values() if (found := _prompt_in(part))), "")

"""The table of faults of free services: for each kind, how the job ends and how often images were asked for.

A lost response is looked for if the service can be asked, and then the request is sent again, up to a limit. Nothing is
ever charged. A kind without an outcome cannot have the fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bot.jobs.polling import TIMED_OUT
from bot.jobs.provider_text import MISSING_IMAGES, QUEUED_TOO_LONG, SAYING, TEXTS
from bot.jobs.provider_text import UNKNOWN as NO_ANSWER
from bot.jobs.submission import MOST_FREE_SENDINGS
from bot.providers.errors import Reason
from bot.text import Message, Text
from fakes.services import Fate
from fakes.services.faults import Act, Body, Half, Redirect, Reset, Spoil, Status
from fakes.services.image_variants import HTML, bomb, empty, html, noise, svg, truncated
from storage.records import SubmissionStatus
from tests.jobs.fault_table import DONE, EVER, FAILED, UNKNOWN, TimesOut, never
from tests.jobs.free_kinds import A1111, COMFYUI, HORDE, OPENAI, FreeKind

MAKE, POLL, IMAGE, RESULT = "make", "poll", "image", "result"


class Outcome(NamedTuple):
    """``says`` is the first problem on the card. ``calls`` is how often the service was asked to make images."""

    status: SubmissionStatus
    says: Message | Text | None = None
    calls: int = 1
    images: int = 1


@dataclass(frozen=True)
class FreeRow:
    """A fault at one of the calls, and its outcome for each kind. ``act`` None: the service is away.

    ``images`` is how many images the command asks for.
    """

    name: str
    act: Act | Fate | None
    outcomes: Mapping[FreeKind, Outcome]
    at: str = MAKE
    times: int | None = 1
    images: int = 1


def fails(says: Message | Text, calls: int = 1) -> Outcome:
    return Outcome(FAILED, says, calls, images=0)


def unknown(says: Message | Text, calls: int = 1) -> Outcome:
    return Outcome(UNKNOWN, says, calls, images=0)


FINE, AGAIN = Outcome(DONE), Outcome(DONE, calls=2)
REFUSED, BROKEN = SAYING[Reason.REFUSED], SAYING[Reason.BROKEN]
GIVEN_UP = unknown(NO_ANSWER, MOST_FREE_SENDINGS)


def every(outcome: Outcome, **other: Outcome) -> Mapping[FreeKind, Outcome]:
    """The same outcome for every kind, but for those named here (a1111, comfyui, horde, openai)."""
    kinds = {"a1111": A1111, "comfyui": COMFYUI, "horde": HORDE, "openai": OPENAI}
    return {kind: other.get(name, outcome) for name, kind in kinds.items()}


def found(outcome: Outcome = AGAIN) -> Mapping[FreeKind, Outcome]:
    """The service has the request, and only ComfyUI can be asked for its images: the others are asked again."""
    return every(outcome, comfyui=FINE)


def polled(outcome: Outcome, **other: Outcome) -> Mapping[FreeKind, Outcome]:
    """For the two kinds that are polled until they are done."""
    return {COMFYUI: other.get("comfyui", outcome), HORDE: other.get("horde", outcome)}


def gateway(code: int, *, after_doing: bool) -> Status:
    """A proxy between the bot and the service has no response for the bot."""
    return Status(code, HTML.decode(), content_type="text/html", after_doing=after_doing)


def spoilt(name: str, act: Spoil, reason: Reason) -> tuple[FreeRow, FreeRow]:
    """Permanently something other than an image: as a file of its own, or inside the response."""
    outcome = unknown(TEXTS[reason])
    fate = Fate(alter=act.alter)
    return (
        FreeRow(f"{name} in place of a file", act, polled(outcome), IMAGE, EVER),
        FreeRow(f"{name} inside a response", fate, {A1111: outcome, OPENAI: outcome}),
    )


FREE_ROWS = (
    # --- the request is refused
    FreeRow("400", Status(400), every(fails(REFUSED))),
    FreeRow("401", Status(401), every(fails(TEXTS[Reason.WRONG_KEY]))),
    FreeRow("403", Status(403), every(fails(TEXTS[Reason.WRONG_KEY]), openai=fails(TEXTS[Reason.NOT_PERMITTED]))),
    FreeRow("404 for a moment", Status(404), every(AGAIN)),
    FreeRow("404 for good", Status(404), every(fails(TEXTS[Reason.NOT_FOUND], 6)), times=EVER),
    FreeRow("422", Status(422), every(fails(REFUSED))),
    FreeRow("429 with Retry-After", Status(429, headers={"Retry-After": "17"}), every(AGAIN)),
    FreeRow("429 without Retry-After", Status(429), every(AGAIN)),
    FreeRow("a redirect to a login page", Redirect(), every(fails(TEXTS[Reason.REDIRECTED]))),
    FreeRow("away", None, every(fails(QUEUED_TOO_LONG, 0))),
    # --- the response is lost
    FreeRow("500", Status(500), every(AGAIN, a1111=fails(BROKEN))),
    FreeRow("500 four times", Status(500), every(Outcome(DONE, calls=5), a1111=fails(BROKEN)), times=4),
    FreeRow("502", gateway(502, after_doing=False), every(AGAIN)),
    FreeRow("502, done", gateway(502, after_doing=True), found()),
    FreeRow("503", gateway(503, after_doing=False), every(AGAIN)),
    FreeRow("504, done", gateway(504, after_doing=True), found()),
    FreeRow("524, done", gateway(524, after_doing=True), found()),
    FreeRow("524 for good, done", gateway(524, after_doing=True), found(GIVEN_UP), times=EVER),
    FreeRow("reset before it was done", Reset(), every(AGAIN)),
    FreeRow("reset after it was done", Reset(after_doing=True), found()),
    FreeRow("reset for good", Reset(), every(GIVEN_UP), times=EVER),
    FreeRow("reset for good, done", Reset(after_doing=True), found(GIVEN_UP), times=EVER),
    FreeRow("time-out before it was done", TimesOut(never), every(AGAIN)),
    FreeRow("time-out after it was done", TimesOut(never, after_doing=True), found()),
    FreeRow("half a body", Half(), found()),
    FreeRow("invalid JSON", Body("{]"), found()),
    FreeRow("JSON of the wrong shape", Body("[1, 2]"), found()),
    FreeRow("null", Body("null"), found()),
    FreeRow("an empty body", Body(""), found()),
    FreeRow("an empty object", Body("{}"), found()),
    FreeRow("an empty object for good", Body("{}"), found(GIVEN_UP), times=EVER),
    # --- the service fails at it
    FreeRow(
        "out of memory",
        Fate(error="CUDA out of memory"),
        {kind: fails(TEXTS[Reason.OUT_OF_MEMORY]) for kind in (A1111, COMFYUI)},
    ),
    FreeRow(
        "an error",
        Fate(error="RuntimeError: mat1 and mat2"),
        every(fails(TEXTS[Reason.BROKEN]), a1111=fails(BROKEN), openai=fails(REFUSED)),
    ),
    FreeRow("each worker is lost", Fate(images=0), {HORDE: fails(TEXTS[Reason.BROKEN])}),
    FreeRow(
        "no image",
        Fate(images=0),
        {kind: fails(TEXTS[Reason.NOTHING_MADE]) for kind in (A1111, COMFYUI, OPENAI)},
    ),
    FreeRow(
        "one of two images",
        Fate(images=1),
        {kind: Outcome(DONE, MISSING_IMAGES) for kind in (A1111, HORDE, OPENAI)},
        images=2,
    ),
    FreeRow("never ends", Fate(never=True), {HORDE: unknown(TIMED_OUT)}),
    # --- the images
    *spoilt("noise", Spoil(noise), Reason.IMAGE_OF_OTHER_TYPE),
    *spoilt("a page", Spoil(html), Reason.IMAGE_IS_PAGE),
    *spoilt("an SVG", Spoil(svg), Reason.IMAGE_IS_SVG),
    *spoilt("a bomb", Spoil(bomb), Reason.IMAGE_TOO_MANY_PIXELS),
    *spoilt("half an image", Spoil(truncated), Reason.IMAGE_CUT_SHORT),
    FreeRow("a file that was cut short once", Spoil(truncated), polled(FINE), IMAGE),
    FreeRow("a file that was empty once", Spoil(empty), polled(FINE), IMAGE),
    FreeRow(
        "a file that is gone",
        Status(404),
        polled(unknown(TEXTS[Reason.IMAGE_NOT_READY]), comfyui=unknown(TEXTS[Reason.IMAGE_GONE])),
        IMAGE,
        EVER,
    ),
    FreeRow("a file that cannot be read for a moment", Status(500), polled(FINE), IMAGE, 2),
    FreeRow("a file whose connection is cut", Reset(), polled(FINE), IMAGE, 2),
    # --- polls, or for A1111 the progress, which must not matter
    # The AI Horde is told to stop what is given up, and its answer has the images that it has made so far.
    FreeRow("polls: 401 for good", Status(401), {A1111: FINE, HORDE: FINE}, POLL, EVER),
    FreeRow("polls: 404 for a moment", Status(404), polled(FINE), POLL),
    # The AI Horde says that it does not know the request. A service that is free is believed after some seconds.
    FreeRow("polls: 404 for a while", Status(404), polled(AGAIN, comfyui=FINE), POLL, 5),
    FreeRow("polls: 404 for good", Status(404), {A1111: FINE, HORDE: GIVEN_UP}, POLL, EVER),
    FreeRow("polls: 429", Status(429), polled(FINE), POLL, 3),
    FreeRow("polls: 500 for a while", Status(500), polled(FINE), POLL, 4),
    FreeRow("polls: 500 for good", Status(500), {A1111: FINE, HORDE: FINE}, POLL, EVER),
    FreeRow("polls: null for a while", Body("null"), polled(FINE), POLL, 6),
    FreeRow("polls: null for good", Body("null"), {A1111: FINE, HORDE: FINE}, POLL, EVER),
    FreeRow("polls: an empty object for good", Body("{}"), {A1111: FINE, COMFYUI: GIVEN_UP}, POLL, EVER),
    FreeRow("polls: cut connections", Reset(), polled(FINE), POLL, 4),
    FreeRow("the result: 404 for a moment", Status(404), {HORDE: FINE}, RESULT),
    FreeRow("the result: 500 for a while", Status(500), {HORDE: FINE}, RESULT, 4),
    FreeRow("the result: null for a while", Body("null"), {HORDE: FINE}, RESULT, 4),
)

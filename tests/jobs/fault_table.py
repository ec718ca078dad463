"""The table of provider faults: for each, what the user reads, what it costs, what is logged and what is retried.

``polled`` is the engine of ai-client, which is polled until it is done; ``direct`` are the two of AI Thriving, which
respond with the image. None means that the fault cannot occur on that engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from bot.jobs.polling import TIMED_OUT
from bot.jobs.provider_text import MISSING_IMAGES, QUEUED_TOO_LONG, SAYING, TEXTS
from bot.jobs.provider_text import UNKNOWN as UNKNOWN_OUTCOME
from bot.providers.errors import Reason
from bot.text import Message, Text
from fakes.services import Fate, Fault
from fakes.services.answer_edits import first_images, images_at, state_is, without_entries
from fakes.services.exchange import Exchange
from fakes.services.faults import Act, Body, Half, Redirect, Reset, Rewrite, Slow, Spoil, Status, cut
from fakes.services.image_variants import HTML, bomb, html, noise, padded, svg, truncated
from fakes.services.version_faults import NO_SUCH_VERSION
from storage.records import SubmissionStatus


class Says(NamedTuple):
    """A message with some of the values that it must have."""

    message: Message
    words: str


def saying(reason: Reason, said: str) -> Says:
    """The message that quotes this text by the service."""
    return Says(SAYING[reason], said)


DONE, FAILED, UNKNOWN = SubmissionStatus.DONE, SubmissionStatus.FAILED, SubmissionStatus.UNKNOWN
CAP = 1 << 20
"""Bytes of an image in these tests."""

PAID, THREAD, POLL, IMAGE = "paid", "thread", "poll", "image"
EVER = None

REFUSED, LOST, UNSURE = ("submit.refused", "info"), ("image.lost", "warning"), ("submit.unknown", "warning")
LATE, POLL_FAILED = ("image.late", "info"), ("poll.failed", "info")
OPERATOR, FOR_NOTHING = ("provider.needs_operator", "error"), ("provider.charged_for_nothing", "error")
OUTAGE = ("provider.outage_for_one", "warning")


@dataclass(frozen=True)
class TimesOut:
    """Does not respond; the clock advances past the call's timeout."""

    pass_time: Callable[[float], None]
    after_doing: bool = False

    async def __call__(self, exchange: Exchange) -> Any:
        if self.after_doing:
            await exchange.proceed()
        self.pass_time(1000)
        await exchange.released.wait()
        return cut(exchange.request, reset=True)


@dataclass(frozen=True)
class Case:
    """A fault and its expected outcome.

    ``calls`` is how often the paid route was called. ``charged`` and ``billed`` count images: what the user pays for,
    and what the service charged. ``says`` must be on the card, ``logs`` must be in the log, ``seconds`` must at least
    have passed.
    """

    status: SubmissionStatus
    says: Message | Text | Says | None
    calls: int
    act: Act | Fate | None = None
    at: str = PAID
    times: int | None = 1
    charged: int = 0
    billed: int = 0
    images: int = 1
    logs: tuple[tuple[str, str], ...] = ()
    seconds: float = 0

    def fault(self, route: str, pass_time: Callable[[float], None], url: str) -> Fault | None:
        act = self.act
        if act is None:
            return None
        if isinstance(act, TimesOut):
            act = replace(act, pass_time=pass_time)
        if isinstance(act, Redirect):
            act = replace(act, location=act.location.format(port=url.rpartition(":")[2]))
        return Fault(route, act, times=self.times)


@dataclass(frozen=True)
class Row:
    """One fault. ``where`` is the network: up, closed (refuses connections) or deaf (accepts none)."""

    name: str
    polled: Case | None
    direct: Case | None
    where: str = field(default="up", kw_only=True)


def never(seconds: float) -> None:
    raise AssertionError("the test puts its own in the place of this")


def fine(calls: int = 1, says: Message | Text | Says | None = None, **changes: Any) -> Case:
    """Success, with one image that is paid for."""
    return Case(DONE, says, calls, **{"charged": 1, "billed": 1, **changes})


def no(says: Message | Text | Says | None, act: Act, *logs: tuple[str, str], **changes: Any) -> Case:
    """A clear refusal: free, shown to the user, not retried."""
    return Case(FAILED, says, 1, act, logs=(REFUSED, *logs), **changes)


def both(case: Case, name: str) -> Row:
    return Row(name, case, case)


def lost(
    says: Message | Text | Says | None,
    *logs: tuple[str, str],
    act: Act | Fate | None = None,
    billed: int = 1,
    **changes: Any,
) -> Case:
    """Accepted, but without a usable result: free for the user, and listed for the admins."""
    return Case(UNKNOWN, says, 1, act, billed=billed, logs=logs, **changes)


def spoilt(name: str, says: Message | Text | Says | None, act: Spoil) -> Row:
    """Permanently something other than an image."""
    return Row(
        name,
        lost(says, LOST, FOR_NOTHING, act=act, at=IMAGE, times=EVER),
        lost(says, LOST, FOR_NOTHING, act=act),
    )


def silence(name: str, act: Act, *, done: bool) -> Row:
    """The request was sent and no usable response arrived."""
    seconds = 0 if done else 60
    return Row(
        name,
        fine(1 if done else 2, act=act, logs=(UNSURE,), seconds=seconds),
        lost(NO_ANSWER, UNSURE, act=act, billed=int(done)),
    )


BUSY = Body('{"message": "Server busy"}')
AWAY = Case(FAILED, QUEUED_TOO_LONG, 0, logs=(REFUSED, OUTAGE), seconds=3600)
NO_ANSWER = UNKNOWN_OUTCOME
BROKEN = saying(Reason.BROKEN, "Server Error.")
KEY, CREDITS, RETIRED = TEXTS[Reason.WRONG_KEY], TEXTS[Reason.NO_CREDITS], TEXTS[Reason.NOT_FOUND]
NOT_ALLOWED = TEXTS[Reason.IMAGE_HOST_NOT_ALLOWED]
ELSEWHERE = lost(NOT_ALLOWED, LOST, OPERATOR, FOR_NOTHING)

ROWS = (
    # --- the network
    Row("connection refused", AWAY, AWAY, where="closed"),
    Row("time-out before sending", AWAY, AWAY, where="deaf"),
    silence("reset before it was done", Reset(), done=False),
    silence("reset after it was done", Reset(after_doing=True), done=True),
    silence("time-out before it was done", TimesOut(never), done=False),
    silence("time-out after it was done", TimesOut(never, after_doing=True), done=True),
    silence("half a body", Half(), done=True),
    # --- statuses
    both(no(saying(Reason.REFUSED, "Bad Request."), Status(400)), "400"),
    both(no(KEY, Status(401), OPERATOR), "401"),
    both(no(CREDITS, Status(402), OPERATOR), "402"),
    both(no(KEY, Status(403), OPERATOR), "403"),
    both(fine(2, act=Status(404), logs=(REFUSED,), seconds=2), "404 for a moment"),
    both(fine(4, act=Status(410), times=3, logs=(REFUSED, OUTAGE), seconds=30), "410 for a while"),
    both(replace(no(RETIRED, Status(404), OPERATOR, times=EVER, seconds=120), calls=6), "404 for good"),
    both(no(saying(Reason.REFUSED, "Payload Too Large."), Status(413)), "413"),
    both(no(saying(Reason.REFUSED, "The given data was invalid."), Status(422)), "422"),
    both(fine(2, act=Status(429, headers={"Retry-After": "17"}), logs=(REFUSED,), seconds=17), "429 with Retry-After"),
    both(fine(2, act=Status(429), logs=(REFUSED,), seconds=2), "429 without Retry-After"),
    Row(
        "500",
        fine(2, act=Status(500), logs=(UNSURE,), seconds=60),
        no(BROKEN, Status(500)),
    ),
    Row(
        "500 with words",
        fine(2, act=Status(500, {"message": "The moon is down"}), logs=(UNSURE,), seconds=60),
        no(
            saying(Reason.BROKEN, "The moon is down."),
            Status(500, {"code": -1, "message": "The moon is down"}),
        ),
    ),
    silence("502 with HTML", Status(502, HTML.decode(), content_type="text/html"), done=False),
    silence("502 with HTML, done", Status(502, HTML.decode(), content_type="text/html", after_doing=True), done=True),
    both(no(TEXTS[Reason.REDIRECTED], Redirect(), OPERATOR), "a redirect to a login page"),
    # --- responses
    silence("invalid JSON", Body("{]"), done=True),
    silence("JSON of the wrong shape", Body("[1, 2]"), done=True),
    Row(
        "an error in the answer",
        no(saying(Reason.REFUSED, "The moon is down."), Status(422, {"message": "The moon is down"})),
        no(saying(Reason.REFUSED, "The moon is down."), Status(200, {"code": -1, "message": "The moon is down"})),
    ),
    # --- images
    Row(
        "a truncated image",
        lost(
            TEXTS[Reason.IMAGE_CUT_SHORT],
            LOST,
            LATE,
            FOR_NOTHING,
            act=Spoil(truncated),
            at=IMAGE,
            times=EVER,
            seconds=500,
        ),
        lost(TEXTS[Reason.IMAGE_CUT_SHORT], LOST, FOR_NOTHING, act=Spoil(truncated)),
    ),
    Row("an image that was truncated once", fine(act=Spoil(truncated), at=IMAGE), None),
    spoilt("not an image", TEXTS[Reason.IMAGE_OF_OTHER_TYPE], Spoil(noise)),
    spoilt("an SVG in its place", TEXTS[Reason.IMAGE_IS_SVG], Spoil(svg)),
    spoilt("HTML in its place", TEXTS[Reason.IMAGE_IS_PAGE], Spoil(html)),
    spoilt("a decompression bomb", TEXTS[Reason.IMAGE_TOO_MANY_PIXELS], Spoil(bomb)),
    spoilt("larger than the cap", TEXTS[Reason.IMAGE_TOO_LARGE], Spoil(padded(CAP))),
    Row(
        "a URL on a foreign host",
        replace(ELSEWHERE, act=Rewrite(images_at("https://pictures.invalid/1.png")), at=POLL, times=EVER),
        None,
    ),
    Row(
        "a URL in a private network",
        replace(ELSEWHERE, act=Rewrite(images_at("http://169.254.169.254/latest")), at=POLL, times=EVER),
        None,
    ),
    Row(
        "an image that redirects to a loopback address",
        replace(ELSEWHERE, act=Redirect("http://localhost:{port}/login"), at=IMAGE, times=EVER),
        None,
    ),
    Row(
        "an image that redirects to a private address",
        replace(ELSEWHERE, act=Redirect("http://10.0.0.1/1.png"), at=IMAGE, times=EVER),
        None,
    ),
    # --- time
    Row(
        "a job that never ends",
        lost(TIMED_OUT(minutes=2), act=Fate(never=True), billed=0, seconds=120),
        lost(NO_ANSWER, UNSURE, act=TimesOut(never), billed=0),
    ),
    Row("images that appear late", fine(act=Fate(misses=8), logs=(LATE,)), None),
    Row(
        "everything slowly",
        fine(act=Slow(0.02, pieces=4), at="*", times=EVER),
        fine(act=Slow(0.02, pieces=4), at="*", times=EVER),
    ),
    # --- the state in a response
    Row(
        "a state of failure",
        lost(
            saying(Reason.NOTHING_MADE, "failed."),
            FOR_NOTHING,
            act=Rewrite(state_is("failed", images=False)),
            at=POLL,
            times=EVER,
        ),
        None,
    ),
    Row(
        "an unknown state and no images",
        lost(
            saying(Reason.NOTHING_MADE, "melted."),
            FOR_NOTHING,
            act=Rewrite(state_is("melted", images=False)),
            at=POLL,
            times=EVER,
        ),
        None,
    ),
    Row(
        "previews before the images",
        fine(act=Rewrite(state_is("processing", percent=62)), at=POLL, times=5),
        None,
    ),
    Row("images with an unknown state", fine(act=Rewrite(state_is("gilded")), at=POLL, times=EVER), None),
    # --- the number of images
    Row(
        "charged for, and no images",
        lost(TEXTS[Reason.NOTHING_MADE], FOR_NOTHING, act=Rewrite(first_images(0)), at=POLL, times=EVER),
        lost(NO_ANSWER, UNSURE, act=Fate(images=0), billed=0),
    ),
    Row("ended without a word", Case(FAILED, TEXTS[Reason.NOTHING_MADE], 1, Fate(silent=True), seconds=120), None),
    Row(
        "fewer images",
        fine(says=MISSING_IMAGES(count=1, asked=2), act=Fate(images=1), images=2),
        fine(
            2,
            BROKEN,
            act=Status(500),
            images=2,
        ),
    ),
    Row(
        "one of two images is none",
        fine(
            says=MISSING_IMAGES(count=1, asked=2),
            act=Spoil(noise),
            at=IMAGE,
            images=2,
            charged=2,
            billed=2,
            logs=(LOST,),
        ),
        fine(
            2,
            TEXTS[Reason.IMAGE_OF_OTHER_TYPE],
            act=Spoil(noise),
            images=2,
            billed=2,
            logs=(LOST, FOR_NOTHING),
        ),
    ),
    # --- the free calls before and after the paid one
    Row("no thread for a moment", fine(act=Status(500), at=THREAD, times=2, logs=(REFUSED,), seconds=7), None),
    Row(
        "no thread while a deploy answers with 404",
        fine(act=Status(404), at=THREAD, times=4, logs=(REFUSED,), seconds=37),
        None,
    ),
    Row(
        "no thread while a deploy answers with 410",
        fine(act=Status(410), at=THREAD, times=4, logs=(REFUSED,), seconds=37),
        None,
    ),
    Row(
        "no thread for good",
        replace(no(RETIRED, Status(404), OPERATOR, at=THREAD, times=EVER, seconds=120), calls=0),
        None,
    ),
    Row("an image that is gone for a moment", fine(act=Status(410), at=IMAGE, times=5, logs=(LATE,), seconds=18), None),
    Row(
        "a version code that is gone",
        replace(no(TEXTS[Reason.RETIRED], NO_SUCH_VERSION, OPERATOR, at=THREAD, times=EVER), calls=0),
        None,
    ),
    Row("a wrong key at the first step", replace(no(KEY, Status(401), OPERATOR, at=THREAD), calls=0), None),
    Row("polls that a deploy answers with 404", fine(act=Status(404), at=POLL, times=5, seconds=50), None),
    Row("polls that a deploy answers with a message", fine(act=BUSY, at=POLL, times=6, logs=(POLL_FAILED,)), None),
    Row("polls that a deploy answers with null", fine(act=Body("null"), at=POLL, times=6, logs=(POLL_FAILED,)), None),
    Row(
        "a list that lacks the response for a minute",
        fine(act=Rewrite(without_entries("response")), at=POLL, times=6, seconds=50),
        None,
    ),
    Row(
        "a list that lacks the request for a minute",
        fine(act=Rewrite(without_entries("request")), at=POLL, times=6, seconds=50),
        None,
    ),
    Row(
        "a thread that is gone for good",
        lost(NO_ANSWER, act=Status(404), at=POLL, times=EVER, seconds=120),
        None,
    ),
    Row("polls that fail for a while", fine(act=Reset(), at=POLL, times=4, logs=(POLL_FAILED,)), None),
    Row(
        "polls that are refused for good",
        lost(
            KEY,
            POLL_FAILED,
            OPERATOR,
            act=Status(401),
            at=POLL,
            times=EVER,
            seconds=120,
        ),
        None,
    ),
    Row(
        "polls that are refused in odd words",
        lost(
            saying(Reason.REFUSED, "The {moon} is {0} down."),
            POLL_FAILED,
            act=Status(422, {"message": "The {moon} is {0} down"}),
            at=POLL,
            times=EVER,
        ),
        None,
    ),
)

"""Reads the answers of the AI Horde: the state of a request, its images, and why it was refused."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from pydantic import BeforeValidator, ValidationError

from bot.providers.answers import Answer, Flag, Lenient, Name, Whole, name, reason, retry_after
from bot.providers.base import Cost, Failed, Finished, GeneratedImage, Json, Waiting
from bot.providers.errors import Busy, ProviderError, Reason, Refused, TooLarge
from bot.providers.refusals import Judge, sentence

log = structlog.get_logger(__name__)

MAINTENANCE_SECONDS = 60.0
TIMEOUT_SECONDS = 180.0
"""The seconds without requests after the service has blocked the bot's address.

That is how long it does so for the first bad prompt. It blocks longer for later ones of the same day, but does not say
for how long, and asking too early costs nothing.
"""
TOO_MANY_SECONDS = 30.0
TOO_FAST_SECONDS = 5.0
NOBODY = "NoAvailableWorker"
"""The code of the warning that no worker can make the images at the moment."""
NO_CONTROL = frozenset({"ControlNetMismatch", "ControlNetUnsupported"})
"""The codes of refusals that say that a model does not work with ControlNet."""
MOST_GENERATIONS = 20
ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""The id of a request. It becomes a part of a path."""
_LACKS = {"lora": Reason.LORA_NOT_LOADED, "source_image": Reason.PICTURE_NOT_LOADED}
"""What a worker has made an image without, by the type of its report: it does not fail then."""
_LONGEST_WAIT = 7 * 86_400
_ADDRESSES = ("http://", "https://")
_TOO_LARGE = frozenset({"SourceImageResolutionExceeded", "SourceImageSizeExceeded"})
_TOO_DEMANDING = frozenset({"KudosUpfront", "SharedKeyInsufficientKudos"})
_KEY_REFUSED = frozenset(
    {"InvalidAPIKey", "UserNotFound", "DeletedUser", "SharedKeyExpired", "SharedKeyAssignedStyles"}
)


def _listed(value: object) -> tuple[Any, ...]:
    return tuple(value[:MOST_GENERATIONS]) if isinstance(value, list) else ()


Listed = Annotated[tuple[Any, ...], BeforeValidator(_listed)]


class State(Lenient):
    """The state of a request. The numbers count its images; ``wait_time`` is in seconds."""

    finished: Whole = None
    restarted: Whole = None
    processing: Whole = None
    waiting: Whole = None
    done: Flag = None
    faulted: Flag = None
    is_possible: Flag = None
    wait_time: Whole = None
    queue_position: Whole = None
    generations: Listed = ()

    @classmethod
    def read(cls, value: Json) -> State | None:
        """Parse an answer. None if it is no state of a request."""
        if not isinstance(value, dict):
            return None
        try:
            state = cls.model_validate(value)
        except ValidationError:
            return None
        return None if state.done is None and state.faulted is None else state

    @property
    def made(self) -> int:
        return max(0, self.finished or 0)

    @property
    def over(self) -> bool:
        """Whether nothing more will be made. A request may be done while a worker still makes an image of it."""
        return bool(self.faulted or (self.done and (self.processing or 0) <= 0))

    @property
    def failure(self) -> Failed:
        """The result if it is over and has no image. It is unsure if the service says that there is one."""
        if self.faulted or ((self.restarted or 0) > 0 and not self.made):
            return Failed(Reason.BROKEN)
        return Failed(Reason.NOTHING_MADE, sure=not self.made)

    @property
    def unserved(self) -> bool:
        """Whether no worker can make the images at the moment."""
        return self.is_possible is False and not self.processing

    def said(self, images: int) -> Waiting:
        """The progress of a request for this many images."""
        begun, processing = self.made, max(0, self.processing or 0)
        percent = None
        if begun or processing:
            percent = min(99, int(100 * (begun + processing / 2) / max(1, images, begun + processing)))
        place, left = self.queue_position or 0, self.wait_time or 0
        return Waiting(
            percent=percent,
            # While all images are being made, the position means nothing.
            place=place if place > 0 and self.waiting != 0 else None,
            # Zero does not mean that it is ready.
            seconds_left=float(left) if 0 < left <= _LONGEST_WAIT else None,
            unserved=self.unserved,
        )


class _Metadata(Lenient):
    type: Name = None
    value: Name = None
    ref: Name = None


class _Generation(Lenient):
    img: Name = None
    seed: Whole = None
    censored: Flag = None
    state: Name = None
    gen_metadata: Listed = ()

    def metadata(self) -> list[_Metadata]:
        return [_Metadata.model_validate(item) for item in self.gen_metadata if isinstance(item, dict)]


@dataclass(frozen=True, slots=True)
class _Image:
    """An image as the service reports it. ``batch`` is its position among those that a worker made together.

    ``lacks`` is the reason if it was made without something that the request has.
    """

    img: str
    seed: int | None
    censored: str | None
    batch: int
    lacks: Reason | None = None


def _image(item: object) -> _Image | None:
    """Parse a generation. None if it has neither an image nor the report that one was withheld."""
    try:
        made = _Generation.model_validate(item)
    except ValidationError:
        return None
    metadata = made.metadata()
    reports = [each.value or "" for each in metadata if each.type == "censorship"]
    batch = next((each.ref or each.value for each in metadata if each.type == "batch_index"), None)
    if reports or made.censored or made.state in {"censored", "csam"}:
        told = "csam" if "csam" in {*reports, made.state} else "nsfw"
        return _Image("", made.seed, told, 0)
    if made.state not in {None, "ok"} or made.img is None or made.img == "N/A":
        return None
    position = int(batch) if batch and batch.isascii() and batch.isdigit() else 0
    lacks = next((reason for each in metadata if (reason := _LACKS.get(each.type or "")) is not None), None)
    return _Image(made.img, made.seed, None, position, lacks)


def ended(state: State, otherwise: Failed) -> Finished | Failed:
    """The result of a request that has ended. ``otherwise`` is the result if it has no image.

    Decodes the images in the answer, so it blocks.
    """
    every = [image for image in map(_image, state.generations) if image is not None]
    found = [image for image in every if image.lacks is None]
    if every and not found:
        # They would look as if what they lack had no effect.
        return Failed(every[0].lacks or Reason.BROKEN)
    shared = Counter(image.seed for image in found)
    seen: set[int | None] = set()
    images = []
    for image in sorted(found, key=lambda image: image.batch):
        # For a batch, a worker may report the first seed for all images.
        seed = image.seed if image.seed not in seen or shared[image.seed] == 1 else None
        seen.add(image.seed)
        if (read := _generated(image, seed)) is not None:
            images.append((found.index(image), read))
    result = tuple(read for _, read in sorted(images, key=lambda pair: pair[0]))
    if all(image.seed is not None for image in result):
        # With a fixed seed, the service lists the highest one first.
        result = tuple(sorted(result, key=lambda image: image.seed or 0))
    abuse = any(image.censored == "csam" for image in found)
    if abuse:
        log.error("ai_horde.csam_reported")
    if any(not image.filtered for image in result):
        return Finished(result, Cost(0, exact=True), abuse=abuse)
    return Failed(Reason.MODERATED, abuse=abuse) if result else otherwise


def _generated(image: _Image, seed: int | None) -> GeneratedImage | None:
    seed = seed if seed is not None and 0 <= seed < 2**63 else None
    if image.censored is not None:
        # In place of a withheld image, the service sends a notice.
        return GeneratedImage(seed=seed, filtered=True)
    return generated(image.img, seed)


def generated(image: str, seed: int | None = None) -> GeneratedImage | None:
    """An image at a link, or in base64. None if it is neither. Blocks while it decodes."""
    if image.lower().startswith(_ADDRESSES):
        return GeneratedImage(url=image, seed=seed)
    try:
        data = b64decode(image, validate=True)
    except (binascii.Error, ValueError):
        return None
    return GeneratedImage(data=data, seed=seed) if data else None


# --- refusals -------------------------------------------------------------------------------------------------------


def code_of(value: Json) -> str | None:
    """The code in a refusal, or None."""
    return name(value.get("rc")) if isinstance(value, dict) else None


def is_missing(answer: Answer, value: Json) -> bool:
    """Whether the service does not know a request. A 404 of a proxy in front of it does not count."""
    return answer.status in {404, 410} and isinstance(value, dict) and code_of(value) in {None, "RequestNotFound"}


def warnings(value: Json) -> list[str]:
    """The codes of the warnings in the answer to an accepted request."""
    listed = value.get("warnings") if isinstance(value, dict) else None
    codes = [name(item.get("code")) if isinstance(item, dict) else name(item) for item in _listed(listed)]
    return [code for code in codes if code is not None and code.isascii() and code.isalpha() and len(code) <= 60]


def _pause(answer: Answer, code: str | None) -> float:
    """For how many seconds to wait after a 429."""
    if code == "TooManyPrompts":
        # Its Retry-After is about calls per second, not about the images that wait.
        return TOO_MANY_SECONDS
    told = retry_after(answer.header("Retry-After"), now=answer.date)
    return TOO_FAST_SECONDS if told is None else max(1.0, told)


def refusal(answer: Answer, value: Json, judge: Judge, *, paid: bool) -> ProviderError:
    """Make the error for a refused call. ``value`` is the JSON of the answer. ``paid``: a lost answer counts.

    The code decides, because a status is ambiguous: maintenance is a 400.
    """
    code, detail = code_of(value), answer.detail
    if code == "CorruptPrompt":
        # The service blocks the address for it, for everybody here. So the person is stopped for a while.
        return Refused(Reason.MODERATED, detail=detail, abuse=True)
    if code == "MaintenanceMode":
        return Busy(detail=detail, retry_after=MAINTENANCE_SECONDS)
    if code == "TimeoutIP":
        log.error("ai_horde.address_blocked", detail=detail)
        return Busy(detail=detail, retry_after=TIMEOUT_SECONDS)
    if code == "NoValidWorkers":
        return Refused(Reason.NO_WORKER, detail=detail)
    if answer.status == 429:
        return Busy(detail=detail, retry_after=_pause(answer, code))
    if code in _KEY_REFUSED or answer.status == 401:
        return Refused(Reason.WRONG_KEY, detail=detail, operator=True, setting="AI_HORDE_KEY")
    if code in _TOO_DEMANDING:
        return Refused(Reason.TOO_DEMANDING, detail=detail)
    if code == "SharedKeyEmpty":
        return Refused(Reason.NO_CREDITS, detail=detail, operator=True, setting="AI_HORDE_KEY")
    if code == "BannedClientAgent":
        return Refused(Reason.REFUSED, detail=detail, operator=True, setting="AI_HORDE_CONTACT")
    if code in _TOO_LARGE or answer.status == 413:
        return TooLarge(detail=detail)
    if answer.status in {400, 403, 422} and isinstance(value, dict) and (code or "errors" in value):
        said = sentence(judge.plain(reason(value)))
        return Refused(Reason.REFUSED, said=said, detail=detail, operator=answer.status == 403)
    return judge.by_status(answer, paid=paid)

"""The AI Horde's alchemists: volunteers' machines that change a finished picture, without words.

A request has one form: what to do. Its picture is sent as base64. The service never says whether a worker can do it.
If it waits for long, the list of the workers is asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import ValidationError

from bot.providers.ai_horde_answers import ID, Listed, generated, is_missing, refusal
from bot.providers.ai_horde_workers import UNSERVED_SECONDS, Unserved
from bot.providers.answers import Answer, Lenient, Name, name
from bot.providers.base import (
    FREE,
    Cost,
    Engine,
    Failed,
    Finished,
    Gone,
    Handle,
    ImageRequest,
    Json,
    PollResult,
    Waiting,
)
from bot.providers.errors import OutcomeUnknown, Reason, Refused, Unreachable
from bot.providers.http import Service
from bot.providers.latest import Latest
from bot.providers.operations import Operation, PictureRules, Pictures
from bot.providers.stable_diffusion import PROMPT_LIMIT, SQUARE

_UPLOAD_SECONDS = 120.0
# The image comes as a link. A worker may put it into the answer instead.
_LARGEST_RESULT = 64 << 20
# The picture is sent as base64, which is a third longer. A worker accepts at least 16 tiles of 512 x 512 pixels.
_PICTURE = PictureRules(most_pixels=16 * 512 * 512, ratio=None, bytes=4_600_000)


@dataclass(frozen=True, slots=True)
class Alchemist:
    """An engine: its part of the id, its display name, and its operation.

    ``forms`` are the service's names of what it does: by the scale for those that upscale, the usual one first, and
    with the key 1 for all others.
    """

    part: str
    label: str
    operation: Operation
    forms: Mapping[int, str]

    def form_for(self, request: ImageRequest) -> str | None:
        return self.forms.get(request.scale or 1)

    def engine(self, provider: str, served: Mapping[str, int]) -> Engine | None:
        """The engine with what some worker does. None if nobody does anything of it."""
        workers = {scale: served[form] for scale, form in self.forms.items() if served.get(form)}
        if not workers:
            return None
        return Engine(
            id=f"{provider}/{self.part}",
            name=self.label,
            abilities=frozenset(),
            sizes=(),
            default_size=SQUARE,
            images_per_submission=1,
            prompt_limit=PROMPT_LIMIT,
            scales=tuple(workers) if self.operation is Operation.UPSCALE else (),
            price=FREE,
            operation=self.operation,
            picture=_PICTURE,
            workers=max(workers.values()),
        )


def _upscaler(label: str, forms: Mapping[int, str], part: str | None = None) -> Alchemist:
    return Alchemist(part or next(iter(forms.values())), label, Operation.UPSCALE, forms)


def _other(label: str, form: str, operation: Operation) -> Alchemist:
    return Alchemist(form, label, operation, {1: form})


ALCHEMISTS: Mapping[str, Alchemist] = {
    each.part: each
    for each in (
        _upscaler("Real-ESRGAN", {2: "RealESRGAN_x2plus", 4: "RealESRGAN_x4plus"}, "RealESRGAN"),
        _upscaler("Real-ESRGAN Anime", {4: "RealESRGAN_x4plus_anime_6B"}),
        _upscaler("AnimeSharp", {4: "4x_AnimeSharp"}),
        _upscaler("NMKD Siax", {4: "NMKD_Siax"}),
        _upscaler("Nomos8kSC", {4: "4xNomos8kSC"}),
        _upscaler("LSDIRplus", {4: "4xLSDIRplus"}),
        _upscaler("NomosWebPhoto", {4: "4xNomosWebPhoto_RealPLKSR"}),
        _upscaler("Nomos2 RealPLKSR", {4: "4xNomos2_realplksr_dysample"}),
        _upscaler("Nomos2 DAT2", {4: "4xNomos2_hq_dat2"}),
        _upscaler("ModernSpanimation", {2: "2xModernSpanimationV1"}),
        _other("CodeFormer", "CodeFormers", Operation.RESTORE_FACES),
        _other("GFPGAN", "GFPGAN", Operation.RESTORE_FACES),
        _other("GFPGAN 1.3", "GFPGANv1.3", Operation.RESTORE_FACES),
        _other("RestoreFormer", "RestoreFormer", Operation.RESTORE_FACES),
        _other("Background remover", "strip_background", Operation.REMOVE_BACKGROUND),
    )
}
"""All engines by their parts of the id: the usual one of each operation first."""
FORMS = frozenset(form for each in ALCHEMISTS.values() for form in each.forms.values())


@dataclass(slots=True)
class _Followed:
    """What this process knows about a request. ``waiting_since`` is the loop's time. ``result`` is final."""

    waiting_since: float | None = None
    unserved: Unserved = field(default_factory=Unserved)
    stopped: Reason | None = None
    result: PollResult | None = None


class _Done(Lenient):
    form: Name = None
    state: Name = None
    result: Any = None


class _State(Lenient):
    state: Name = None
    forms: Listed = ()

    def of(self, form: str) -> _Done | None:
        """What came of this form."""
        for item in self.forms:
            try:
                done = _Done.model_validate(item)
            except ValidationError:
                continue
            if done.form == form:
                return done
        return None


class Alchemists:
    """Sends requests to the alchemists and follows them. ``served`` are the forms with their numbers of workers."""

    def __init__(self, service: Service) -> None:
        self.served: Mapping[str, int] | None = None
        """None: not known."""
        self.outdated = False
        """Whether a request has waited for so long that ``served`` may be wrong."""
        self._service = service
        self._followed = Latest(_Followed)

    def engines(self, provider: str) -> tuple[Engine, ...]:
        """The engines of which some worker does something at the moment."""
        every = (each.engine(provider, self.served or {}) for each in ALCHEMISTS.values())
        return tuple(engine for engine in every if engine is not None)

    def prepare(self, request: ImageRequest) -> Handle | None:
        """The handle of a request for one of them. None if it is for another engine. Raises Refused."""
        alchemist = ALCHEMISTS.get(request.engine.partition("/")[2])
        if alchemist is None:
            return None
        form = alchemist.form_for(request)
        if form is None:
            raise Refused(Reason.RETIRED, detail="an unknown scale")
        return {"form": form}

    async def submit(self, handle: Handle, pictures: Pictures | None) -> Handle:
        """Queue the request. Raises ProviderError."""
        form = handle.get("form")
        if not isinstance(form, str) or form not in FORMS:
            raise Refused(Reason.BAD_HANDLE)
        if pictures is None:
            raise Refused(Reason.NO_PICTURE)
        try:
            source = await self._service.in_thread(pictures.source.base64)
        except OSError as error:
            raise Unreachable(detail=f"a picture to send: {type(error).__name__}") from None
        body: Json = {"source_image": source, "forms": [{"name": form}], "slow_workers": True}
        answer = await self._service.call("POST", "/interrogate/async", paid=True, json=body, seconds=_UPLOAD_SECONDS)
        value = await answer.json_if_any()
        if not answer.ok:
            raise refusal(answer, value, self._service.judge, paid=True)
        request_id = value.get("id") if isinstance(value, dict) else None
        if not isinstance(request_id, str) or not ID.fullmatch(request_id):
            raise OutcomeUnknown(Reason.UNREADABLE_ANSWER, detail=answer.detail)
        return {**handle, "id": request_id}

    async def poll(self, handle: Handle) -> PollResult:
        """Check the request. Its image is in the same answer. Raises ProviderError."""
        request_id, form = _ticket(handle)
        followed = self._followed.of(request_id)
        if followed.result is not None:
            return followed.result
        if followed.stopped is not None:
            return await self._stop(request_id, form, followed, followed.stopped)
        result = await self._asked("GET", request_id, form)
        if not isinstance(result, Waiting):
            return result
        if self._unserved(form, followed, waits=result.percent is None):
            return await self._stop(request_id, form, followed, Reason.NO_WORKER)
        return replace(result, unserved=followed.unserved.since is not None)

    def _unserved(self, form: str, followed: _Followed, *, waits: bool) -> bool:
        """Record whether a worker can do it. Returns whether none could for too long."""
        now = asyncio.get_running_loop().time()
        if not waits:
            followed.waiting_since = None
        elif followed.waiting_since is None:
            followed.waiting_since = now
        elif now - followed.waiting_since >= UNSERVED_SECONDS:
            followed.waiting_since = now
            self.outdated = True
        known = self.served is not None and not self.served.get(form)
        return followed.unserved.too_long(now, served=not (waits and known))

    async def cancel(self, handle: Handle) -> None:
        """Stop the request. If it is done already, its image is kept. Raises ProviderError."""
        request_id, form = _ticket(handle)
        followed = self._followed.of(request_id)
        followed.stopped = followed.stopped or Reason.CANCELLED
        if followed.result is None:
            await self._stop(request_id, form, followed, followed.stopped)

    async def _stop(self, request_id: str, form: str, followed: _Followed, why: Reason) -> PollResult:
        followed.stopped = why
        result = await self._asked("DELETE", request_id, form)
        if isinstance(followed.result, Finished):
            return followed.result  # Another call of this method was faster.
        followed.result = result if isinstance(result, Finished) else Failed(why)
        return followed.result

    async def _asked(self, method: Literal["GET", "DELETE"], request_id: str, form: str) -> PollResult:
        """Ask about the request, or delete it. It has a percentage only while a worker does it.

        Raises ProviderError.
        """
        answer = await self._service.call(
            method, f"/interrogate/status/{request_id}", paid=False, largest=_LARGEST_RESULT
        )
        value = await answer.json_if_any()
        if is_missing(answer, value):
            return Gone()
        if not answer.ok:
            raise refusal(answer, value, self._service.judge, paid=False)
        result: PollResult = await self._service.in_thread(_outcome, value, form, answer)
        return result


def _outcome(value: Json, form: str, answer: Answer) -> PollResult:
    """What came of a form. Decodes an image in the answer, so it blocks. Raises Unreachable."""
    try:
        done = _State.model_validate(value).of(form) if isinstance(value, dict) else None
    except ValidationError:
        done = None
    match None if done is None else done.state:
        case "waiting":
            return Waiting()
        case "processing":
            return Waiting(percent=0)
        case "done":
            found = name(done.result.get(form)) if done is not None and isinstance(done.result, dict) else None
            image = None if found is None else generated(found)
            if image is None:
                return Failed(Reason.NOTHING_MADE, sure=False)
            return Finished((image,), Cost(0, exact=True))
        case "faulted":
            return Failed(Reason.BROKEN)
        case "cancelled":
            return Failed(Reason.CANCELLED)
    raise Unreachable(Reason.UNREADABLE_ANSWER, detail=answer.detail)


def _ticket(handle: Handle) -> tuple[str, str]:
    """The id and the form in a handle. Raises Refused."""
    request_id, form = handle.get("id"), handle.get("form")
    if not isinstance(request_id, str) or not ID.fullmatch(request_id) or not isinstance(form, str):
        raise Refused(Reason.BAD_HANDLE)
    return request_id, form

"""The AI Horde provider. Volunteers' machines make the images, from a shared queue.

Nothing is charged. Polls use a cheap call. The result is requested only when it is ready, because the service allows
few such calls a minute for each request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Self

import structlog

from bot.providers.ai_horde_alchemy import ALCHEMISTS, Alchemists
from bot.providers.ai_horde_answers import (
    ID,
    MOST_GENERATIONS,
    NO_CONTROL,
    NOBODY,
    State,
    code_of,
    ended,
    is_missing,
    refusal,
    warnings,
)
from bot.providers.ai_horde_budget import CallBudget
from bot.providers.ai_horde_engines import MOST_ENGINES, NAME, engine_of, offered, read_models
from bot.providers.ai_horde_requests import body_of
from bot.providers.ai_horde_workers import Unserved, Workforce
from bot.providers.answers import Answer
from bot.providers.base import (
    FREE,
    Engine,
    Failed,
    FetchedImage,
    Finished,
    GeneratedImage,
    Gone,
    Handle,
    ImageRequest,
    Json,
    PollResult,
    Provider,
    Quote,
    Waiting,
)
from bot.providers.credentials import Credentials
from bot.providers.engine_ids import id_parts
from bot.providers.errors import OutcomeUnknown, ProviderError, Reason, Refused, Unreachable
from bot.providers.fetching import LARGEST_IMAGE, Downloads, keep, largest_image
from bot.providers.hosts import host_and_port, image_hosts
from bot.providers.http import Service
from bot.providers.latest import Latest
from bot.providers.operations import Pictures
from bot.providers.server_states import ServerState
from bot.providers.settings import SettingsReader, Takes, WrongSetting

log = structlog.get_logger(__name__)

LABEL = "AI Horde"
URL = "https://aihorde.net/api/v2"
ANONYMOUS = "0000000000"
"""The key for people without an account."""
STORAGE = "a223539ccf6caa2d76459c9727d276e6.r2.cloudflarestorage.com"
"""The host of the images."""
CONTACT = "a Discord bot"
"""The contact that the service gets, unless the operator sets one."""
POLLS = 5
"""The number of polls for each other call that the rate allows."""
_UPLOAD_SECONDS = 120.0
_LARGEST_LIST = 8 << 20
# Images come as links. If the service has no storage, they are in the answer.
_LARGEST_RESULT = 64 << 20
_MOST_NAMES = 5_000


@dataclass(slots=True)
class _Followed:
    """What this process knows about a request. ``result`` is final.

    ``results`` and ``deletions`` limit the calls for its images and to delete it.
    """

    said: Waiting = field(default_factory=Waiting)
    unserved: Unserved = field(default_factory=Unserved)
    stopped: Reason | None = None
    result: Finished | Failed | None = None
    results: CallBudget = field(default_factory=CallBudget)
    deletions: CallBudget = field(default_factory=CallBudget)


class AiHorde(Provider):
    """The provider. Each model that the service lists can be an engine."""

    name: ClassVar[str] = NAME
    key_setting: ClassVar[str] = "AI_HORDE_KEY"
    charges = False
    learns: ClassVar[bool] = True
    cancels = True
    # The service caches its answer for a second.
    shortest_poll = 1.05

    def __init__(
        self,
        service: Service,
        downloads: Downloads,
        *,
        wanted: Sequence[str] = (),
        loras: bool = False,
        anonymous: bool = True,
        largest: int = LARGEST_IMAGE,
        rate: float = 1.5,
        jobs: int = 7,
        patience: float = 1_200.0,
    ) -> None:
        """``wanted`` are the names of the models to offer. ``loras``: people may use any LoRA.

        ``largest`` is the maximum size of an image in bytes.
        """
        self.label = service.label
        self.credit_value = Decimal(1)
        self.rate = rate
        # The service counts polls separately, and allows more of them.
        self.poll_rate = POLLS * rate
        self.jobs = jobs
        self.patience = patience
        self.engines: tuple[Engine, ...] = ()
        self.retired: set[str] = set()
        self._service = service
        self._downloads = downloads
        self._wanted = tuple(wanted)
        self._loras = loras
        self._anonymous = anonymous
        self._largest = largest
        # The id of each model that the service has ever listed, and the names of those that it lists now.
        self._ids: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._workforce = Workforce()
        # The models of which the service has said that they do not work with ControlNet.
        self._uncontrolled: set[str] = set()
        self._alchemists = Alchemists(service)
        self._followed = Latest(_Followed)

    @classmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        key = settings.secret("AI_HORDE_KEY")
        if key is None and not settings.flag("AI_HORDE"):
            return None
        anonymous = key in {None, ANONYMOUS}
        credentials = Credentials() if key is None or anonymous else Credentials.in_header("apikey", key)
        headers = {"Client-Agent": client_agent(settings.text("AI_HORDE_CONTACT", CONTACT))}
        credentials = credentials.also(headers | ({"apikey": ANONYMOUS} if anonymous else {}))
        service = Service(
            LABEL,
            settings.url("AI_HORDE_URL", URL),
            credentials=credentials,
            image_hosts=(*_storage_hosts(settings), *image_hosts(settings)),
            proxy=settings.proxy,
        )
        largest = largest_image(settings)
        return cls(
            service,
            Downloads(service, largest=largest),
            wanted=_model_names(settings),
            loras=settings.flag("AI_HORDE_LORAS"),
            anonymous=anonymous,
            largest=largest,
            # 2 a second and 90 a minute are allowed.
            rate=float(settings.number("AI_HORDE_RATE", 1.5, low=0.01, high=1000)),
            # Four images each: an account may have 30 at once.
            jobs=int(settings.number("AI_HORDE_JOBS", 7, low=1, high=1000)),
            patience=float(settings.number("AI_HORDE_PATIENCE", 1200, low=10, high=86_400)),
        )

    def quote(self, request: ImageRequest) -> Quote:
        return FREE

    # --- engines ----------------------------------------------------------------------------------------------------

    async def learn(self) -> tuple[Engine, ...]:
        """Ask for the models and their workers. Raises ProviderError."""
        answer = await self._service.call(
            "GET", "/status/models?type=image&model_state=all", paid=False, largest=_LARGEST_LIST
        )
        models = read_models(await self._value(answer))
        if not models:
            raise Unreachable(Reason.UNREADABLE_ANSWER, detail=answer.detail)
        names = [model.name for model in models]
        # A model keeps its id, even while it is not listed.
        self._ids = id_parts(names, self._ids if len(self._ids) <= _MOST_NAMES else {}, taken=ALCHEMISTS)
        self._names = {self._ids[name]: name for name in names if name in self._ids}
        chosen = [model for model in offered(models, self._wanted) if model.name in self._ids]
        await self._learn_workers()
        controlled = self._workforce.controlled - self._uncontrolled
        extended = self._workforce.extended if self._loras else frozenset[str]()
        made = (
            engine_of(
                model,
                self._ids[model.name],
                controlled=model.name in controlled,
                extended=model.name in extended,
            )
            for model in chosen[:MOST_ENGINES]
        )
        self.engines = (*made, *self._alchemists.engines(NAME))
        self.retired = {f"{NAME}/{part}" for part in self._ids.values() if part not in self._names}
        missing = set(map(str.lower, self._wanted)) - set(map(str.lower, names))
        if missing:
            log.warning("ai_horde.models_missing", models=sorted(missing))
        self.outdated = False
        return self.engines

    async def _learn_workers(self) -> None:
        """Ask what the workers do. Without an answer, what was known before stays true."""
        try:
            answer = await self._service.call("GET", "/workers", paid=False, largest=_LARGEST_LIST)
            workforce: Workforce | None = await self._service.in_thread(Workforce.read, await self._value(answer))
            if workforce is None:
                raise Unreachable(Reason.UNREADABLE_ANSWER, detail=answer.detail)
        except ProviderError as error:
            log.warning("ai_horde.workers_unknown", kind=type(error).__name__, detail=error.detail)
            return
        self._workforce = workforce
        self._alchemists.served = workforce.forms
        self._alchemists.outdated = False

    def _model(self, request: ImageRequest) -> str | None:
        """The service's name of the model of this request. None if it does not list it."""
        return self._names.get(request.engine.partition("/")[2])

    # --- a submission -----------------------------------------------------------------------------------------------

    async def prepare(self, request: ImageRequest) -> Handle:
        """Find the model's name. Raises ProviderError."""
        if (handle := self._alchemists.prepare(request)) is not None:
            return handle
        if self._model(request) is None:
            await self.learn()
        model = self._model(request)
        if model is None:
            raise Refused(Reason.RETIRED, detail="an unknown model")
        return {"model": model, "images": request.images}

    async def submit(self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None) -> Handle:
        """Queue the request. Raises ProviderError."""
        if "form" in handle:
            return await self._alchemists.submit(handle, pictures)
        model = handle.get("model")
        if not isinstance(model, str) or not model:
            raise Refused(Reason.BAD_HANDLE)
        try:
            body = await self._service.in_thread(body_of, request, model, pictures)
        except OSError as error:
            raise Unreachable(detail=f"a picture to send: {type(error).__name__}") from None
        answer = await self._service.call(
            "POST", "/generate/async", paid=True, json=body, seconds=_UPLOAD_SECONDS if pictures else 30.0
        )
        value = await answer.json_if_any()
        if not answer.ok:
            if code_of(value) in NO_CONTROL:
                self._uncontrolled.add(model)
                self.outdated = True
            raise refusal(answer, value, self._service.judge.about(request), paid=True)
        request_id = value.get("id") if isinstance(value, dict) else None
        if not isinstance(request_id, str) or not ID.fullmatch(request_id):
            raise OutcomeUnknown(Reason.UNREADABLE_ANSWER, detail=answer.detail)
        if codes := warnings(value):
            log.info("ai_horde.warned", codes=codes)
        if NOBODY in codes:
            self._followed.of(request_id).unserved.too_long(asyncio.get_running_loop().time(), served=False)
        return {**handle, "id": request_id}

    async def find(self, handle: Handle) -> Handle | None:
        """Raise OutcomeUnknown: a request has no id of ours, so a lost one cannot be found. It is sent again."""
        raise OutcomeUnknown(Reason.CANNOT_FIND)

    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        """Check the request, and ask for its images when it is done. Raises ProviderError."""
        if "form" in handle:
            result = await self._alchemists.poll(handle)
            self.outdated = self.outdated or self._alchemists.outdated
            return result
        request_id, images = _ticket(handle)
        followed = self._followed.of(request_id)
        if (ended := await self._stopped(request_id, followed)) is not None:
            return ended
        answer = await self._service.call("GET", f"/generate/check/{request_id}", paid=False)
        state = await self._state(answer)
        if (ended := await self._stopped(request_id, followed)) is not None:
            return ended  # It was stopped meanwhile. Then this answer may say only that it is over.
        if state is None:
            return Gone()
        if state.over:
            return await self._result(request_id, followed, state.failure) if state.made else state.failure
        followed.said = state.said(images)
        if followed.unserved.too_long(asyncio.get_running_loop().time(), served=not state.unserved):
            self.outdated = True
            return await self._stop(request_id, followed, Reason.NO_WORKER)
        return followed.said

    async def _result(self, request_id: str, followed: _Followed, otherwise: Failed) -> PollResult:
        """Ask for the images of a request that is done, if the budget allows. Otherwise, it goes on waiting."""
        now = asyncio.get_running_loop().time()
        waiting = replace(followed.said, percent=100, place=None, seconds_left=None, unserved=False)
        if not followed.results.take(now):
            return waiting
        answer = await self._service.call("GET", f"/generate/status/{request_id}", paid=False, largest=_LARGEST_RESULT)
        if answer.status == 429:
            followed.results.exhaust(now)
            return waiting
        state = await self._state(answer)
        if state is None:
            return Gone()
        return await self._ended(state, otherwise)

    async def _ended(self, state: State, otherwise: Failed) -> Finished | Failed:
        result: Finished | Failed = await self._service.in_thread(ended, state, otherwise)
        return result

    async def cancel(self, handle: Handle) -> bool:
        """Stop the request, now or at a later poll if the budget is used up. Raises ProviderError."""
        if "form" in handle:
            await self._alchemists.cancel(handle)
            return True
        request_id, _ = _ticket(handle)
        followed = self._followed.of(request_id)
        followed.stopped = followed.stopped or Reason.CANCELLED
        if followed.result is None:
            await self._stop(request_id, followed, followed.stopped)
        return True

    async def _stopped(self, request_id: str, followed: _Followed) -> PollResult | None:
        """The result of a request that was stopped, or is to be stopped. None for any other."""
        if followed.result is not None:
            return followed.result
        return None if followed.stopped is None else await self._stop(request_id, followed, followed.stopped)

    async def _stop(self, request_id: str, followed: _Followed, why: Reason) -> PollResult:
        """Cancel the request. The answer has the finished images. If the budget is used up, it goes on waiting."""
        followed.stopped = why
        now = asyncio.get_running_loop().time()
        if not followed.deletions.take(now):
            return followed.said
        answer = await self._service.call(
            "DELETE", f"/generate/status/{request_id}", paid=False, largest=_LARGEST_RESULT
        )
        if answer.status == 429:
            followed.deletions.exhaust(now)
            return followed.said
        state = await self._state(answer)
        result = Failed(why) if state is None else await self._ended(state, Failed(why))
        if isinstance(followed.result, Finished):
            return followed.result  # Another call of this method was faster.
        followed.result = result
        return result

    async def _state(self, answer: Answer) -> State | None:
        """The state in an answer. None if the service does not know the request. Raises ProviderError."""
        value = await answer.json_if_any()
        if is_missing(answer, value):
            return None
        if not answer.ok:
            raise refusal(answer, value, self._service.judge, paid=False)
        state = State.read(value)
        if state is None:
            raise Unreachable(Reason.UNREADABLE_ANSWER, detail=answer.detail)
        return state

    async def _value(self, answer: Answer) -> Json:
        """The JSON of a free call's answer. Raises ProviderError."""
        value = await answer.json_if_any()
        if not answer.ok:
            raise refusal(answer, value, self._service.judge, paid=False)
        return value

    # --- images -----------------------------------------------------------------------------------------------------

    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        if image.url is not None:
            return await self._downloads.fetch(image.url, path)
        if image.data is not None:
            return await keep(self._service, image.data, path, largest=self._largest)
        raise Refused(Reason.MODERATED if image.filtered else Reason.IMAGE_MISSING)

    async def check(self) -> ProviderError | None:
        """Check the key, or without one, that the service is up."""
        path = "/status/heartbeat" if self._anonymous else "/find_user"
        try:
            answer = await self._service.call("GET", path, paid=False)
            elsewhere = self._service.leads_elsewhere(answer)
            if elsewhere is not None:
                why = Reason.MOVED if elsewhere else Reason.REDIRECTED
                return Refused(why, values={"address": elsewhere}, operator=True, setting="AI_HORDE_URL")
            value = await self._value(answer)
        except ProviderError as error:
            return error
        return None if isinstance(value, dict) else Unreachable(Reason.UNREADABLE_ANSWER, detail=answer.detail)

    def servers(self) -> tuple[ServerState, ...]:
        return (ServerState(self._service.silence),)

    async def close(self) -> None:
        await self._service.close()


def client_agent(contact: str) -> str:
    """The value of the Client-Agent header: name, version and contact. A character outside ASCII becomes a ``?``."""
    return f"Easel:1.0:{contact}".encode("ascii", "replace").decode("ascii")[:200]


def _storage_hosts(settings: SettingsReader) -> tuple[str, ...]:
    """The hosts of the images. Raises WrongSetting."""
    found = settings.names("AI_HORDE_IMAGE_HOSTS", (STORAGE,))
    for host in found:
        try:
            host_and_port(host)
        except ValueError:
            raise WrongSetting("AI_HORDE_IMAGE_HOSTS", Takes.HOSTS) from None
    return found


def _model_names(settings: SettingsReader) -> tuple[str, ...]:
    """The names of models, which may contain spaces."""
    parts = (part.strip() for part in settings.text("AI_HORDE_ENGINES").split(","))
    return tuple(dict.fromkeys(part for part in parts if part))[:MOST_ENGINES]


def _ticket(handle: Handle) -> tuple[str, int]:
    """The id and the number of images in a handle. Raises Refused."""
    request_id, images = handle.get("id"), handle.get("images")
    if not isinstance(request_id, str) or not ID.fullmatch(request_id):
        raise Refused(Reason.BAD_HANDLE)
    return request_id, images if isinstance(images, int) and 0 < images <= MOST_GENERATIONS else 1

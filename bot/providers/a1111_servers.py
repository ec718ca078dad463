"""One A1111-compatible server: its kind, its models, its progress, and whether it can be reached."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from enum import StrEnum

import structlog

from bot.providers.a1111_answers import (
    MOST_MODELS,
    Checkpoint,
    Progress,
    loaded_model,
    read_global_progress,
    read_models,
    read_progress,
)
from bot.providers.a1111_inventory import (
    Inventory,
    read_controls,
    read_loras,
    read_names,
    read_restorers,
    read_second_pass,
    read_upscalers,
)
from bot.providers.addresses import as_written
from bot.providers.answers import Answer
from bot.providers.base import ImageRequest, Json, Waiting
from bot.providers.errors import ProviderError, Reason, Refused, Unreachable
from bot.providers.http import Service
from bot.providers.operations import Operation
from bot.providers.server_states import ServerState, Silence
from bot.providers.settings import SettingsReader, Takes, WrongSetting

log = structlog.get_logger(__name__)

MOST_IMAGES = 4
"""The maximum number of images in one request."""
RESTED_FOR = 30.0
"""Seconds for which a server that did not answer gets work only if no other server can take it."""
_NOBODYS_TASK = "easel-nobody"
_PROGRESS = "/internal/progress"
# Some programs list LoRAs with all that is known of their training.
_LARGEST_LIST = 32 << 20
_GLOBAL_PROGRESS = "/sdapi/v1/progress?skip_current_image=true"


class Kind(StrEnum):
    """The program that a server runs. The value is its own name for itself."""

    A1111 = "AUTOMATIC1111"
    FORGE = "Forge"
    SD_NEXT = "SD.Next"
    SD_CPP = "stable-diffusion.cpp"
    KOBOLD = "KoboldCpp"


_WITH_ONE_MODEL = frozenset({Kind.SD_CPP, Kind.KOBOLD})
"""They have the model with which they were started, and their answers do not name it."""
# Each kind has a path that no other kind has.
_TELLING: Sequence[tuple[str, Kind]] = (
    ("/sdapi/v1/sd-modules", Kind.FORGE),
    ("/sdcpp/v1/capabilities", Kind.SD_CPP),
    ("/api/extra/version", Kind.KOBOLD),
    ("/sdapi/v1/version", Kind.SD_NEXT),
)


class Server:
    """A server. ``slots`` is the number of jobs that it gets at the same time; the others wait."""

    def __init__(self, service: Service, slots: int = 1, number: int = 1) -> None:
        """``number`` is its place in the settings: its address is not logged."""
        self.service = service
        self.number = number
        self.kind: Kind | None = None
        """None if it has never answered."""
        self.checkpoints: dict[str, Checkpoint] = {}
        """Its models by their names in engine ids."""
        self.inventory = Inventory()
        self.loaded: str | None = None
        """The name of the model in its memory, as far as it is known."""
        self.tells_tasks = False
        """Whether it reports the status of a single task."""
        self.running = 0
        """The number of jobs that it works on or that wait for it."""
        self.slots = asyncio.Semaphore(slots)
        self.interrupts = 0
        """Grows when an interrupt is sent, and when it is answered. In between, any task may be stopped."""
        self._tells_progress = False
        self._away_until = 0.0
        # Why it did not work, and the loop's time of the first such failure.
        self._problem: tuple[Reason, float] | None = None

    def has(self, request: ImageRequest) -> bool:
        """Return whether it has the model of this request, or its upscaler or restorer of faces."""
        tools = {Operation.UPSCALE: self.inventory.upscalers, Operation.RESTORE_FACES: self.inventory.restorers}
        return request.engine.partition("/")[2] in tools.get(request.operation, self.checkpoints)

    @property
    def most_images(self) -> int:
        """How many images it makes for one request."""
        return 1 if self.kind is Kind.KOBOLD else MOST_IMAGES

    @property
    def resting(self) -> bool:
        return asyncio.get_running_loop().time() < self._away_until

    def rest(self, problem: ProviderError) -> None:
        """Record that it did not work, and why."""
        now = asyncio.get_running_loop().time()
        if self._problem is None:
            log.warning("a1111.server_away", server=self.number, reason=problem.reason.value, detail=problem.detail)
        self._away_until = now + RESTED_FOR
        self._problem = problem.reason, now if self._problem is None else self._problem[1]

    def works(self) -> None:
        """Record that it answered as it should."""
        self._away_until, self._problem = 0.0, None

    def state(self, provider: str, running: int) -> ServerState:
        """Its state. ``running`` is the number of jobs that it works on."""
        silence = None
        if self._problem is not None:
            reason, since = self._problem
            silence = Silence(reason, asyncio.get_running_loop().time() - since)
        engine = None if self.loaded is None else f"{provider}/{self.loaded}"
        return ServerState(silence, engine, running=running, waiting=self.running - running)

    async def learn(self) -> None:
        """Ask for its models, its kind and all else that it has. Raises ProviderError, and changes nothing then."""
        listed = await self._json("/sdapi/v1/sd-models")
        models = read_models(listed)
        if models is None:
            raise Unreachable(Reason.ODD_ANSWER)
        if isinstance(listed, list) and len(listed) > MOST_MODELS:
            log.warning("a1111.checkpoints_left_out", server=self.number, listed=len(listed), read=MOST_MODELS)
        checkpoints = {each.model: each for each in models}
        loaded = loaded_model(await self._if_any("/sdapi/v1/options"))
        kind = await self._kind()
        inventory = await self._inventory(kind, checkpoints)
        tells_tasks = await self._status(_NOBODYS_TASK) is not None
        if not tells_tasks:
            self._tells_progress = isinstance(await self._if_any(_GLOBAL_PROGRESS), dict)
        self.checkpoints, self.inventory, self.kind, self.tells_tasks = checkpoints, inventory, kind, tells_tasks
        if loaded is not None:
            self.loaded = next((each.model for each in models if each.is_called(loaded, None)), None)
        self.works()

    async def check_model(self, request: ImageRequest) -> None:
        """Raise Refused if it was started again with another model, which it would use without a word.

        Most programs name the model in their answers. Raises ProviderError if it does not tell its models.
        """
        if self.kind not in _WITH_ONE_MODEL:
            return
        models = read_models(await self._json("/sdapi/v1/sd-models"))
        if models is None:
            raise Unreachable(Reason.ODD_ANSWER)
        if all(each.model != request.engine.partition("/")[2] for each in models):
            raise Refused(Reason.RETIRED, detail="another model", operator=True)

    async def _inventory(self, kind: Kind, checkpoints: Collection[str]) -> Inventory:
        """Ask for the lists that a program of this kind may have."""
        samplers = read_names(await self._list("/sdapi/v1/samplers"))
        if kind is Kind.KOBOLD:
            return Inventory(samplers)
        upscalers = await self._list("/sdapi/v1/upscalers")
        restorers = await self._list("/sdapi/v1/face-restorers")
        models = await self._list("/controlnet/model_list")
        return Inventory(
            samplers,
            schedulers=read_names(await self._list("/sdapi/v1/schedulers"), "label", "name"),
            loras=read_loras(await self._list("/sdapi/v1/loras")),
            # stable-diffusion.cpp has upscalers only for a second pass.
            upscalers={} if kind is Kind.SD_CPP else read_upscalers(upscalers, checkpoints),
            restorers=read_restorers(restorers, checkpoints),
            second_pass=read_second_pass(await self._list("/sdapi/v1/latent-upscale-modes"), upscalers),
            controls={} if models is None else read_controls(models, await self._list("/controlnet/module_list")),
        )

    async def _list(self, path: str) -> Json:
        """The list at this path. None if there is none, or if the server takes too long: its models work without it."""
        try:
            answer = await self.service.call("GET", path, paid=False, largest=_LARGEST_LIST)
        except Unreachable as error:
            log.warning("a1111.list_missing", path=path, reason=error.reason.value, detail=error.detail)
            return None
        return await answer.json_if_any() if answer.ok else None

    async def _kind(self) -> Kind:
        for path, kind in _TELLING:
            if await self._if_any(path) is not None:
                return kind
        return Kind.A1111

    async def progress(self, task: str, *, preview: bool = False) -> tuple[Waiting, bool]:
        """The progress of a task, and whether it is certainly the running one. Raises ProviderError.

        ``preview``: include the unfinished image, if the server's settings allow it.
        """
        if self.tells_tasks:
            status = await self._status(task, preview=preview)
            return (Waiting(), False) if status is None else (status.waiting, bool(status.active))
        # This server reports the progress of its running task only. If we sent one task, it is probably ours.
        if self._tells_progress and self.running == 1:
            return read_global_progress(await self._if_any(_GLOBAL_PROGRESS)).waiting, False
        return Waiting(), False

    async def works_on(self, task: str) -> bool:
        """Return whether this task is running or queued. Raises ProviderError."""
        status = await self._status(task)
        return status is not None and status.at_work

    async def interrupt(self) -> None:
        """Stop the server's running task, even if it is somebody else's. Raises ProviderError."""
        self.interrupts += 1
        try:
            answer = await self.service.call("POST", "/sdapi/v1/interrupt", paid=False, json={})
        finally:
            self.interrupts += 1
        if not answer.ok:
            raise self.problem(answer)

    async def check(self) -> ProviderError | None:
        """Return why it cannot be used, or None."""
        try:
            answer = await self.service.call("GET", "/sdapi/v1/samplers", paid=False)
        except ProviderError as error:
            return error
        elsewhere = self.service.leads_elsewhere(answer)
        if elsewhere:
            return Refused(Reason.MOVED, values={"address": elsewhere}, operator=True, setting="A1111_URL")
        return None if answer.ok else self.problem(answer)

    async def _status(self, task: str, *, preview: bool = False) -> Progress | None:
        """The status of a task. None if this server does not report it, which may change when it restarts."""
        asked: Json = {"id_task": task, "id_live_preview": -1, "live_preview": preview}
        answer = await self.service.call("POST", _PROGRESS, paid=False, json=asked)
        if answer.status >= 500:
            raise self.problem(answer)
        return read_progress(await answer.json_if_any()) if answer.ok else None

    async def _json(self, path: str) -> Json:
        answer = await self.service.call("GET", path, paid=False)
        if not answer.ok:
            raise self.problem(answer)
        return await answer.json_if_any()

    async def _if_any(self, path: str) -> Json:
        """The JSON at this path, or None if there is none. Raises Unreachable."""
        answer = await self.service.call("GET", path, paid=False)
        return await answer.json_if_any() if answer.ok else None

    def problem(self, answer: Answer) -> ProviderError:
        """Make the error for a refused free call."""
        error = self.service.judge.by_status(answer, paid=False)
        if isinstance(error, Refused) and error.reason is Reason.WRONG_KEY:
            return Refused(Reason.WRONG_KEY, detail=answer.detail, operator=True, setting="A1111_PASSWORD")
        return error


def addresses(settings: SettingsReader) -> tuple[str, ...]:
    """The addresses of the servers. Raises WrongSetting."""
    one = settings.url("A1111_URL", "") if settings.text("A1111_URL") else ""
    several = settings.names("A1111_URLS")
    for text in several:
        address = as_written(text)
        if address is None or "?" in text or "#" in text:
            raise WrongSetting("A1111_URLS", Takes.ADDRESSES)
    found = (one, *(text.rstrip("/") for text in several))
    return tuple(dict.fromkeys(text for text in found if text))

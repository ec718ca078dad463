"""The provider for A1111-compatible servers: AUTOMATIC1111, Forge, SD.Next, stable-diffusion.cpp, KoboldCpp.

They belong to the bot's operator and cost nothing. A request takes until its images are made, and contains them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Self

from bot.providers.a1111_answers import MOST_MODELS, Made, decoded, read_improved, read_made, refusal
from bot.providers.a1111_inventory import Inventory
from bot.providers.a1111_requests import (
    MOST_STEPS,
    NAME,
    SEED,
    STEPS,
    Improving,
    Wanted,
    engine_of,
    restorer_of,
    upscaler_of,
)
from bot.providers.a1111_servers import Server, addresses
from bot.providers.answers import Answer, Unreadable
from bot.providers.base import (
    FREE,
    Cost,
    Engine,
    FetchedImage,
    Finished,
    GeneratedImage,
    Gone,
    Handle,
    ImageRequest,
    PollResult,
    Provider,
    Quote,
    Waiting,
)
from bot.providers.credentials import Credentials
from bot.providers.errors import Busy, OutcomeUnknown, ProviderError, Reason, Refused, Unreachable
from bot.providers.fetching import LARGEST_IMAGE, keep, largest_image
from bot.providers.http import Service
from bot.providers.operations import Operation, Pictures
from bot.providers.server_states import ServerState
from bot.providers.settings import SettingsReader

LABEL = "Stable Diffusion"
ALL = "all"
"""The value of the setting that allows every LoRA."""
LARGEST_ANSWER = 256 << 20
"""The size limit of any response, in bytes."""
PREVIEW_EVERY = 2.5
"""The seconds between two requests for an unfinished image. Cards show one every three seconds."""
_REPORT_BYTES = 1 << 20
# What is wrong with one server, or missing there, says nothing about the others.
_SET_UP_WRONG = frozenset({Reason.WRONG_KEY, Reason.NOT_FOUND, Reason.REDIRECTED})
_OF_ONE_SERVER = _SET_UP_WRONG | {Reason.RETIRED}
# A PNG of noise has three bytes for each pixel, and base64 makes four of them.
_BYTES_PER_PIXEL = 4


@dataclass(slots=True)
class _Running:
    """A submission on its way. ``interrupted``: the server was told to stop it.

    ``preview`` is its latest unfinished image, asked for at ``preview_at`` by the loop's clock.
    """

    server: Server
    sent: bool = False
    interrupted: bool = False
    preview: bytes | None = field(default=None, repr=False)
    preview_at: float = -PREVIEW_EVERY


class A1111(Provider):
    """The provider. Each checkpoint, upscaler and restorer of faces of its servers is an engine."""

    name: ClassVar[str] = NAME
    key_setting: ClassVar[str] = "A1111_URL"
    address_setting = "A1111_URL"
    charges = False
    learns: ClassVar[bool] = True
    blocks: ClassVar[bool] = True
    cancels = True
    # A server knows a task as soon as it has read the request.
    lost_after = 5.0

    def __init__(
        self,
        services: Sequence[Service],
        *,
        rate: float = 10.0,
        jobs: int = 1,
        steps: int = STEPS,
        patience: float = 600.0,
        loras: tuple[str, ...] = (ALL,),
        restore: bool = False,
        largest: int = LARGEST_IMAGE,
    ) -> None:
        """``jobs`` is for each server. ``loras`` are those that people may use, or ALL.

        ``largest`` is the maximum size of an image in bytes.
        """
        self.label = LABEL
        self.credit_value = Decimal(1)
        self.rate = rate
        self.jobs = jobs * len(services)
        self.patience = patience
        self.engines: tuple[Engine, ...] = ()
        self.retired: set[str] = set()
        self._servers = [Server(service, jobs, number) for number, service in enumerate(services, 1)]
        self._steps = steps
        self._loras = loras
        self._restore = restore
        self._largest = largest
        self._running: dict[str, _Running] = {}
        self._stopped: set[str] = set()  # the tasks that were cancelled

    @classmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        found = addresses(settings)
        if not found:
            return None
        user, password = settings.text("A1111_USER"), settings.secret("A1111_PASSWORD")
        credentials = Credentials.basic(user, password or "") if user else Credentials()
        return cls(
            [Service(LABEL, address, credentials=credentials, proxy=settings.proxy) for address in found],
            rate=float(settings.number("A1111_RATE", 10, low=0.01, high=1000)),
            jobs=int(settings.number("A1111_JOBS", 1, low=1, high=100)),
            steps=int(settings.number("A1111_STEPS", STEPS, low=1, high=MOST_STEPS)),
            patience=float(settings.number("A1111_PATIENCE", 600, low=10, high=86_400)),
            # Names can have spaces.
            loras=tuple(" ".join(name.split()) for name in settings.text("A1111_LORAS", ALL).split(",")),
            restore=settings.flag("A1111_RESTORE"),
            largest=largest_image(settings),
        )

    def quote(self, request: ImageRequest) -> Quote:
        return FREE

    async def learn(self) -> tuple[Engine, ...]:
        """Ask each server for its models. Raises the first server's error if none answers."""
        # At the same time, because a server that is away may take long to be given up.
        found = await asyncio.gather(*map(_learnt, self._servers))
        problems = [problem for problem in found if problem is not None]
        if len(problems) == len(self._servers):
            raise problems[0]
        self.finds_lost_submits = any(server.tells_tasks for server in self._servers)
        kinds = {server.kind for server in self._servers if server.kind is not None}
        self.label = kinds.pop().value if len(kinds) == 1 else LABEL
        self.engines = self._known_engines()
        # One that has never answered may have models that no other one has, so it is asked again soon.
        self.outdated = any(server.kind is None for server in self._servers)
        return self.engines

    def _known_engines(self) -> tuple[Engine, ...]:
        checkpoints = {name: each for server in self._servers for name, each in server.checkpoints.items()}
        models = [
            engine_of(checkpoint, self._inventory(name), self._steps, self._images(name))
            for name, checkpoint in list(checkpoints.items())[:MOST_MODELS]
        ]
        lists = [server.inventory for server in self._servers]
        upscalers = {part: upscaler_of(part, name) for has in lists for part, name in has.upscalers.items()}
        restorers = {part: restorer_of(part, name) for has in lists for part, name in has.restorers.items()}
        tools = upscalers | restorers
        return (*models, *(engine for part, engine in tools.items() if part not in checkpoints))

    def _inventory(self, model: str) -> Inventory:
        """What all servers with this model have, with the LoRAs that people may use."""
        first, *others = (server.inventory for server in self._servers if model in server.checkpoints)
        shared = first.shared_with(others)
        if ALL in self._loras:
            return shared
        return replace(shared, loras={name: path for name, path in shared.loras.items() if name in self._loras})

    def _images(self, model: str) -> int:
        """How many images all servers with this model can make for one request."""
        return min(server.most_images for server in self._servers if model in server.checkpoints)

    async def prepare(self, request: ImageRequest) -> Handle:
        """Choose the task's id and the seed. If the engine is unknown, ask the servers first. Raises Refused."""
        if not self._having(request):
            await self.learn()
        if not self._having(request):
            raise Refused(Reason.RETIRED, detail="a model that no server has")
        # Some servers do not report their seed, so the request always names one.
        seed = request.seed or secrets.randbelow(int(SEED.high)) + 1
        return {"task": f"easel-{secrets.token_hex(12)}", "seed": seed}

    def _having(self, request: ImageRequest) -> list[Server]:
        """The servers with the engine of this request, the best one first: idle, and with the model loaded."""
        model = request.engine.partition("/")[2]
        having = [server for server in self._servers if server.has(request)]
        return sorted(having, key=lambda server: (server.resting, server.running, server.loaded != model))

    async def submit(self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None) -> Finished:
        """Send the request, and wait for its images. A server that is away, busy or set up wrong passes it on.

        Raises Refused if no server has the model, and if it was cancelled.
        """
        task, seed = _ticket(handle)
        if request.operation.has_source and pictures is None:
            raise Refused(Reason.NO_PICTURE)
        if request.operation.has_mask and (pictures is None or pictures.mask is None):
            raise Refused(Reason.NOTHING_MARKED)
        if not self._having(request):
            await self.learn()  # An earlier process may have prepared the request.
        problem: ProviderError = Refused(Reason.RETIRED, detail="a model that no server has")
        for server in self._having(request):
            if not server.has(request):
                continue  # It has learnt meanwhile that its model is gone.
            try:
                return await self._wait_and_send(server, task, seed, request, pictures)
            except ProviderError as error:
                passing = isinstance(error, Unreachable | Busy)
                if passing or error.reason in _SET_UP_WRONG or isinstance(error, OutcomeUnknown):
                    server.rest(error)
                if not passing and error.reason not in _OF_ONE_SERVER:
                    raise
                self.outdated = self.outdated or error.reason is Reason.RETIRED
                # A server that may come back is what its author waits for, even if the others will never make it.
                problem = error if passing or isinstance(problem, Refused) else problem
        raise problem

    async def _wait_and_send(
        self, server: Server, task: str, seed: int, request: ImageRequest, pictures: Pictures | None
    ) -> Finished:
        wanted = self._wanted(server, task, seed, request)
        running = self._running[task] = _Running(server)
        server.running += 1
        try:
            async with server.slots:
                self._check_stopped(task)
                await server.check_model(request)
                running.sent, interrupts = True, server.interrupts
                answer = await self._sent(server, wanted, pictures)
        finally:
            server.running -= 1
            del self._running[task]
        # An interrupted server sends its half-finished image. A late interrupt may have stopped the next task.
        self._check_stopped(task)
        if server.interrupts != interrupts:
            raise OutcomeUnknown(Reason.CONTRADICTION, detail=f"{answer.detail}, near an interrupt")
        made = await self._read(server, wanted, answer)
        if isinstance(wanted, Wanted):
            server.loaded = wanted.checkpoint.model
        server.works()
        return Finished(await server.service.in_thread(decoded, made, request), Cost(0, exact=True))

    def _wanted(self, server: Server, task: str, seed: int, request: ImageRequest) -> Wanted | Improving:
        model = request.engine.partition("/")[2]
        if request.operation is Operation.UPSCALE:
            return Improving(request, server.inventory.upscalers[model])
        if request.operation is Operation.RESTORE_FACES:
            return Improving(request, server.inventory.restorers[model])
        return Wanted(
            request,
            server.checkpoints[model],
            task,
            seed,
            self._steps,
            restore=self._restore,
            kind=server.kind,
            has=server.inventory,
        )

    def _check_stopped(self, task: str) -> None:
        """Raise Refused if the task was cancelled, also when it would be sent again after a lost response."""
        if task in self._stopped:
            self._stopped.discard(task)
            raise Refused(Reason.CANCELLED)

    async def _sent(self, server: Server, wanted: Wanted | Improving, pictures: Pictures | None) -> Answer:
        try:
            body = await server.service.in_thread(wanted.body, pictures)
        except OSError as error:
            raise Unreachable(detail=f"{wanted.path}: a picture to send: {type(error).__name__}") from None
        size, count = wanted.request.result_size, wanted.request.images
        # A grid of all images may come first, so they count twice. Some servers also repeat the request. The map of a
        # ControlNet is much smaller than an image.
        sent = sum(each.bytes * 4 // 3 for each in (pictures.source, pictures.mask) if each) if pictures else 0
        expected = 2 * count * (size.pixels * _BYTES_PER_PIXEL + _REPORT_BYTES) + sent
        return await server.service.call(
            "POST",
            wanted.path,
            paid=True,
            json=body,
            seconds=self.patience,
            largest=min(LARGEST_ANSWER, _REPORT_BYTES + expected),
        )

    async def _read(self, server: Server, wanted: Wanted | Improving, answer: Answer) -> Made:
        """The images of a response. Raises ProviderError."""
        try:
            value = await answer.json() if answer.ok else None
        except Unreadable:
            value = None
        if isinstance(wanted, Wanted):
            made = read_made(value, wanted.request.images, wanted.seed)
        else:
            made = read_improved(value)
        if made is None:
            # The server may no longer have the model, the sampler or the ControlNet.
            self.outdated = self.outdated or answer.status in {400, 404, 422}
            # The answer may repeat the request, with its pictures.
            raise await server.service.in_thread(refusal, answer, server.service.judge.about(wanted.request))
        if isinstance(wanted, Wanted) and not wanted.checkpoint.is_called(made.model, made.digest):
            # If these servers do not know a model, they use the loaded one, without an error.
            raise Refused(Reason.RETIRED, detail=f"{answer.detail}, another model", operator=True)
        if not made.images:
            raise Refused(Reason.NOTHING_MADE, detail=answer.detail, fault=True)
        return made

    async def progress(self, handle: Handle) -> Waiting:
        task, _ = _ticket(handle)
        running = self._running.get(task)
        if running is None or not running.sent:
            return Waiting()
        now = asyncio.get_running_loop().time()
        fresh = now - running.preview_at >= PREVIEW_EVERY
        running.preview_at = now if fresh else running.preview_at
        waiting, active = await running.server.progress(task, preview=fresh)
        running.preview = waiting.preview or running.preview
        if active and task in self._stopped:
            await self._interrupt(running)
        return replace(waiting, preview=running.preview)

    async def cancel(self, handle: Handle) -> bool:
        """Stop the task if it is running. If it is still queued, stop it as soon as it runs. Raises ProviderError.

        A server can only stop its running task, and that may be somebody else's. So if the server does not tell which
        task is running, this one is finished, and its images are dropped.
        """
        task, _ = _ticket(handle)
        self._stopped.add(task)
        running = self._running.get(task)
        # After a restart, the bot does not know which server has the task, so it asks all of them.
        asked = [_Running(server, sent=True) for server in self._servers] if running is None else [running]
        problems = [await self._stop(each, task) for each in asked if each.sent]
        if (problem := next(filter(None, problems), None)) is not None:
            raise problem
        return True

    async def _stop(self, running: _Running, task: str) -> ProviderError | None:
        """Stop the task if this server is running it. Returns the problem if it does not answer."""
        try:
            _, active = await running.server.progress(task)
            if active:
                await self._interrupt(running)
        except ProviderError as error:
            return error
        return None

    async def _interrupt(self, running: _Running) -> None:
        if not running.interrupted:
            running.interrupted = True
            await running.server.interrupt()

    async def find(self, handle: Handle) -> Handle | None:
        """Return None if no server works on the task. Its images were lost with the response, so it is sent again.

        Raises Unreachable while a server works on it, because a second request would only wait behind the first one,
        and if no server answers.
        """
        task, _ = _ticket(handle)
        problems: list[ProviderError] = []
        telling = [server for server in self._servers if server.tells_tasks]
        for server in telling:
            try:
                at_work = await server.works_on(task)
            except ProviderError as error:
                server.rest(error)
                problems.append(error)
                continue
            server.works()
            if at_work:
                raise Unreachable(Reason.BUSY, detail="still at work")
        if problems and len(problems) == len(telling):
            raise problems[0]
        return None

    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        return Gone()

    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        if image.data is None:
            raise Refused(Reason.IMAGE_MISSING)
        return await keep(self._servers[0].service, image.data, path, largest=self._largest, strip=True)

    async def check(self) -> ProviderError | None:
        """Return the first server's problem if no server can be used."""
        first: ProviderError | None = None
        for server in self._servers:
            problem = await server.check()
            if problem is None:
                return None
            first = first or problem
        return first

    def servers(self) -> tuple[ServerState, ...]:
        sent = [running.server for running in self._running.values() if running.sent]
        return tuple(server.state(self.name, sent.count(server)) for server in self._servers)

    async def close(self) -> None:
        for server in self._servers:
            await server.service.close()


async def _learnt(server: Server) -> ProviderError | None:
    """Let a server learn what it has. Returns the problem if it does not answer."""
    try:
        await server.learn()
    except ProviderError as error:
        server.rest(error)
        return error
    return None


def _ticket(handle: Handle) -> tuple[str, int]:
    """The task's id and the seed in a handle. Raises Refused."""
    task, seed = handle.get("task"), handle.get("seed")
    if not isinstance(task, str) or not task or not isinstance(seed, int) or isinstance(seed, bool):
        raise Refused(Reason.BAD_HANDLE)
    return task, seed

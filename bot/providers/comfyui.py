"""The ComfyUI provider. It queues a graph of nodes under an id of its own, and fetches the images from the server.

The server belongs to the bot's operator, so it charges nothing. Each of its checkpoints is an engine, with a built-in
graph. Each workflow of the operator is one, too.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import uuid
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Self

import structlog

from bot.providers.answers import Unreadable
from bot.providers.base import (
    FREE,
    Cost,
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
    SettingsReader,
    Waiting,
)
from bot.providers.comfyui_answers import (
    Ended,
    NotHistory,
    Outcome,
    Queue,
    Refusal,
    choices,
    failure_reason,
    is_comfyui,
    names,
    node_errors,
    read_history,
    stopped_outputs,
    unreadable,
    uploaded_name,
)
from bot.providers.comfyui_events import Events
from bot.providers.comfyui_graphs import (
    OUTPUT,
    SEED,
    Graph,
    Uploaded,
    checkpoint_engines,
    checkpoint_graph,
    model_ids,
)
from bot.providers.comfyui_workflows import Workflow, read_workflows
from bot.providers.credentials import Credentials
from bot.providers.errors import NotFound, OutcomeUnknown, ProviderError, Reason, Refused, TooLarge, Unreachable
from bot.providers.fetching import DOWNLOAD_SECONDS, LARGEST_IMAGE, keep, largest_image
from bot.providers.http import Service
from bot.providers.latest import Latest
from bot.providers.operations import PictureFile, Pictures
from bot.providers.uploads import FilePart, Form

log = structlog.get_logger(__name__)

QUEUE_EVERY, PENDING_EVERY = 8.0, 2.0
"""Seconds between two looks at the queue for one submission. The response is long: it contains everybody's graphs.

The second value is for a submission that waits there while no events tell when it starts.
"""
SUBFOLDER = "easel"
"""The folder for uploads, inside the server's input folder."""
_LARGEST_LIST = 32 << 20
_LARGEST_HISTORY = 16 << 20
_UPLOAD_SECONDS = 120.0
_MOST_ENGINES = 200
_MOST_ENTRIES = 4
# An id becomes a part of a path.
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(slots=True)
class _Followed:
    """What this process knows about a prompt. ``queue_at`` is the loop's time of the latest look at the queue."""

    queue_at: float | None = None
    place: int | None = None
    cancelled: bool = False


class Comfyui(Provider):
    """The provider."""

    name: ClassVar[str] = "comfyui"
    key_setting: ClassVar[str] = "COMFYUI_URL"
    charges = False
    learns: ClassVar[bool] = True
    cancels: ClassVar[bool] = True
    finds_lost_submits = True
    # The response is short, and the server is the operator's.
    shortest_poll = 0.25

    def __init__(
        self,
        service: Service,
        *,
        workflows: Path | None = None,
        largest: int = LARGEST_IMAGE,
        rate: float = 10.0,
        jobs: int = 4,
        patience: float = 1_800.0,
    ) -> None:
        """``workflows`` is the folder of the operator's workflows. ``largest`` is the limit of an image in bytes."""
        self.label = service.label
        self.credit_value = Decimal(1)
        self.rate = rate
        self.jobs = jobs
        self.patience = patience
        self.engines: tuple[Engine, ...] = ()
        self.retired: set[str] = set()
        self._service = service
        self._folder = workflows
        self._largest = largest
        self._client_id = uuid.uuid4().hex
        self._events = Events(service, self._client_id)
        self._checkpoints: dict[str, str] = {}
        self._workflows: dict[str, Workflow] = {}
        self._followed = Latest(_Followed)

    @classmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        if not settings.text("COMFYUI_URL"):
            return None
        credentials = Credentials()
        user, password = settings.text("COMFYUI_USER"), settings.secret("COMFYUI_PASSWORD")
        if password is not None:
            credentials = Credentials.basic(user, password)
        header = settings.header("COMFYUI_HEADER")
        if header is not None:
            credentials = credentials.also({header[0]: header[1]}, secret=True)
        service = Service("ComfyUI", settings.url("COMFYUI_URL", ""), credentials=credentials, proxy=settings.proxy)
        folder = settings.text("COMFYUI_WORKFLOWS")
        return cls(
            service,
            workflows=Path(folder).expanduser() if folder else None,
            largest=largest_image(settings),
            rate=float(settings.number("COMFYUI_RATE", 10, low=0.01, high=1000)),
            jobs=int(settings.number("COMFYUI_JOBS", 4, low=1, high=1000)),
            patience=float(settings.number("COMFYUI_PATIENCE", 1800, low=10, high=86_400)),
        )

    def quote(self, request: ImageRequest) -> Quote:
        return FREE

    # --- engines --------------------------------------------------------------------------------------------------

    async def learn(self) -> tuple[Engine, ...]:
        """Ask for the checkpoints and samplers, and read the workflows. Raises ProviderError."""
        checkpoints = choices(
            await self._get("/object_info/CheckpointLoaderSimple"), "CheckpointLoaderSimple", "ckpt_name"
        )
        if checkpoints is None:
            checkpoints = names(await self._get("/models/checkpoints"))
        samplers = choices(await self._get("/object_info/KSampler"), "KSampler", "sampler_name") or ()
        found: list[Workflow] = []
        if self._folder is not None:
            found, problems = await self._service.in_thread(read_workflows, self._folder)
            if problems:
                log.warning(
                    "comfyui.workflows_invalid", problems=[(code.value, dict(values)) for code, values in problems]
                )
        ids = model_ids(workflow.file for workflow in found)
        self._workflows = {ids[workflow.file]: workflow for workflow in found if workflow.file in ids}
        room = _MOST_ENGINES - len(self._workflows)
        files = model_ids(checkpoints or (), taken=ids.values())
        self._checkpoints = {model: file for file, model in list(files.items())[:room]}
        engines = [workflow.engine(model, samplers) for model, workflow in self._workflows.items()]
        engines += [checkpoint_engines(file, model, samplers) for model, file in self._checkpoints.items()]
        self.engines = tuple(engines)
        self.outdated = False
        return self.engines

    def _graph(self, request: ImageRequest, seed: int, pictures: Uploaded) -> tuple[Graph, str]:
        """The graph of a request, and the id of its output node. Raises Refused for an unknown engine."""
        model = request.engine.partition("/")[2]
        if (workflow := self._workflows.get(model)) is not None and workflow.operation is request.operation:
            return workflow.filled(request, seed, pictures), workflow.output
        if (checkpoint := self._checkpoints.get(model)) is not None:
            return checkpoint_graph(checkpoint, request, seed, pictures), OUTPUT
        raise Refused(Reason.RETIRED, detail="an unknown engine or operation")

    def _offers(self, request: ImageRequest) -> bool:
        engine = next((each for each in self.engines if each.id == request.engine), None)
        return engine is not None and engine.doing(request.operation) is not None

    # --- a submission ---------------------------------------------------------------------------------------------

    async def prepare(self, request: ImageRequest) -> Handle:
        """Choose the id and the seed. The server does not run an identical graph twice. Raises ProviderError."""
        if not self._offers(request):
            await self.learn()
            if not self._offers(request):
                raise Refused(Reason.RETIRED, detail="an unknown engine or operation", operator=True)
        seed = request.seed if request.seed is not None else secrets.randbelow(int(SEED.high)) + 1
        workflow = self._workflows.get(request.engine.partition("/")[2])
        output = OUTPUT if workflow is None else workflow.output
        return {"id": str(uuid.uuid4()), "seed": seed, "output": output}

    async def submit(self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None) -> Handle:
        """Upload the pictures and queue the graph. Raises ProviderError."""
        prompt_id, seed = _id_of(handle), _seed_of(handle)
        if not self._offers(request):
            await self.learn()  # An earlier process may have prepared the request.
        uploaded = await self._upload(prompt_id, request, pictures)
        graph, output = self._graph(request, seed, uploaded)
        self._events.follow(prompt_id)
        try:
            answered = await self._queue_up(prompt_id, graph, request, output)
        except ProviderError:
            await self._events.forget(prompt_id)
            raise
        if answered != prompt_id:
            self._events.follow(answered)
            await self._events.forget(prompt_id)
        return {**handle, "id": answered, "output": output}

    async def _queue_up(self, prompt_id: str, graph: Graph, request: ImageRequest, output: str) -> str:
        """Queue the graph once. Returns the id under which the server knows it. Raises ProviderError."""
        body: Json = {"prompt": graph, "prompt_id": prompt_id, "client_id": self._client_id, "extra_data": {}}
        answer = await self._service.call("POST", "/prompt", paid=True, json=body)
        judge = self._service.judge.about(request)
        value = await answer.json_if_any()
        checkpoint = request.engine.partition("/")[2] in self._checkpoints
        if not answer.ok:
            refusal = Refusal.read(value) if answer.status == 400 else None
            if refusal is None:
                raise judge.by_status(answer, paid=True)
            self.outdated = self.outdated or refusal.outdated
            raise refusal.error(judge, detail=answer.detail, checkpoint=checkpoint)
        answered = value.get("prompt_id") if isinstance(value, dict) else None
        if not isinstance(answered, str) or not _ID.fullmatch(answered):
            raise OutcomeUnknown(Reason.UNREADABLE_ANSWER, detail=answer.detail)
        if answered != prompt_id:
            # An older server makes its own ids, so a lost request cannot be found.
            self.finds_lost_submits = False
        if output in stopped_outputs(value):
            await self._stop_quietly(answered)
            problems = tuple(node_errors(value.get("node_errors"))) if isinstance(value, dict) else ()
            refusal = Refusal("prompt_outputs_failed_validation", "", problems)
            self.outdated = self.outdated or refusal.outdated
            raise refusal.error(judge, detail=answer.detail, checkpoint=checkpoint)
        return answered

    async def _upload(self, prompt_id: str, request: ImageRequest, pictures: Pictures | None) -> Uploaded:
        if not request.operation.has_source:
            return Uploaded()
        if pictures is None:
            raise Refused(Reason.NO_PICTURE)
        source = await self._upload_one(prompt_id, pictures.source)
        if not request.operation.has_mask:
            return Uploaded(source)
        if pictures.mask is None:
            raise Refused(Reason.NOTHING_MARKED)
        return Uploaded(source, await self._upload_one(f"{prompt_id}-mask", pictures.mask))

    async def _upload_one(self, called: str, picture: PictureFile) -> str:
        """Upload a picture. Returns its name for a graph. It may be repeated: the same file keeps its name."""
        part = FilePart("image", picture.path, picture.media_type, picture.bytes, called)
        form = Form((("type", "input"), ("subfolder", SUBFOLDER)), (part,))
        answer = await self._service.call("POST", "/upload/image", paid=False, multipart=form, seconds=_UPLOAD_SECONDS)
        if answer.status == 413:
            raise TooLarge(detail=answer.detail)
        if not answer.ok:
            raise self._service.judge.by_status(answer, paid=False)
        name = uploaded_name(await answer.json_if_any())
        if name is None:
            raise Unreachable(Reason.UNREADABLE_ANSWER, detail=answer.detail)
        return name

    async def find(self, handle: Handle) -> Handle | None:
        """Look in the queue, then in the history: a prompt moves from the first to the second in one step."""
        prompt_id = _id_of(handle)
        if not self.finds_lost_submits:
            raise OutcomeUnknown(Reason.CANNOT_FIND)
        if prompt_id in await self._queue() or await self._ended(prompt_id, "") is not None:
            return handle
        return None

    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        """Ask for the history, and now and then for the place in the queue. Raises ProviderError."""
        prompt_id = _id_of(handle)
        output = handle.get("output")
        output = output if isinstance(output, str) else ""
        if (ended := await self._ended(prompt_id, output)) is not None:
            return await self._result(prompt_id, ended, _seed_of(handle))
        followed, now = self._followed.of(prompt_id), asyncio.get_running_loop().time()
        every = QUEUE_EVERY if followed.place is None or self._events.open else PENDING_EVERY
        if followed.queue_at is None or now - followed.queue_at >= every:
            queue = await self._queue()
            if prompt_id not in queue:
                # It may have ended between the two requests. Otherwise, the next poll looks at the queue again.
                followed.queue_at = None
                if (ended := await self._ended(prompt_id, output)) is not None:
                    return await self._result(prompt_id, ended, _seed_of(handle))
                return Failed(Reason.CANCELLED) if followed.cancelled else Gone()
            followed.queue_at, followed.place = now, queue.place(prompt_id)
        seen = self._events.seen(prompt_id)
        if seen is None or not seen.started:
            return Waiting(place=followed.place)
        return Waiting(percent=seen.percent, preview=seen.preview)

    def pushed(self, handle: Handle) -> asyncio.Event | None:
        seen = self._events.seen(str(handle.get("id")))
        return None if seen is None else seen.over

    async def _result(self, prompt_id: str, ended: Ended, seed: int) -> Finished | Failed:
        self._followed.forget(prompt_id)
        await self._events.forget(prompt_id)
        if ended.outcome is Outcome.INTERRUPTED:
            return Failed(Reason.CANCELLED)
        if ended.outcome is Outcome.ERROR:
            log.warning("comfyui.execution_failed", exception=ended.exception, node=ended.node)
            return Failed(failure_reason(ended.exception))
        if not ended.images:
            return Failed(Reason.NOTHING_MADE)
        # Our graphs make one image. A workflow that makes several uses the same seed for all.
        image = GeneratedImage(url=ended.images[0], seed=seed)
        return Finished((image,), Cost(0, exact=True))

    async def cancel(self, handle: Handle) -> bool:
        """Remove the prompt from the queue, or stop it if it is running. Raises ProviderError.

        Older servers stop any running prompt, so this checks first. The responses do not show the outcome; poll does.
        """
        prompt_id = _id_of(handle)
        # Each mention removes one entry. After a lost response, the prompt may be in the queue twice.
        await self._post("/queue", {"delete": [prompt_id] * _MOST_ENTRIES})
        followed = self._followed.of(prompt_id)
        # The server forgets a prompt that is removed from its queue.
        followed.cancelled, followed.queue_at = True, None
        if prompt_id in (await self._queue()).running:
            await self._post("/interrupt", {"prompt_id": prompt_id})
        return True

    async def _stop_quietly(self, prompt_id: str) -> None:
        """Stop a prompt that cannot make an image. If that fails, the server only does useless work."""
        try:
            await self.cancel({"id": prompt_id})
        except ProviderError as error:
            log.info("comfyui.not_stopped", detail=error.detail)

    # --- images ---------------------------------------------------------------------------------------------------

    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        if image.url is None or not image.url.startswith("/view?"):
            raise Refused(Reason.IMAGE_WITHOUT_ADDRESS)
        answer = await self._service.call(
            "GET", image.url, paid=False, accept="image/*", seconds=DOWNLOAD_SECONDS, largest=self._largest
        )
        if answer.status == 404:
            # For an identical graph, the history names the earlier file, even if it was deleted.
            raise NotFound(Reason.IMAGE_GONE, detail=answer.detail)
        if not answer.ok:
            raise self._service.judge.by_status(answer, paid=False)
        return await keep(self._service, answer.body, path, largest=self._largest, strip=True)

    async def check(self) -> ProviderError | None:
        """Check that a ComfyUI server answers."""
        try:
            answer = await self._service.call("GET", "/system_stats", paid=False)
        except ProviderError as error:
            return error
        elsewhere = self._service.leads_elsewhere(answer)
        if elsewhere is not None:
            why = Reason.MOVED if elsewhere else Reason.REDIRECTED
            return Refused(why, values={"address": elsewhere}, operator=True, setting="COMFYUI_URL")
        if not answer.ok:
            return self._service.judge.by_status(answer, paid=False)
        return None if is_comfyui(await answer.json_if_any()) else unreadable(answer.detail)

    async def close(self) -> None:
        await self._events.close()
        await self._service.close()

    # --- requests -------------------------------------------------------------------------------------------------

    async def _get(self, path: str, *, largest: int = _LARGEST_LIST) -> Json:
        """Read a list of the server; None if it has no such path. Raises ProviderError."""
        answer = await self._service.call("GET", path, paid=False, largest=largest)
        if answer.status == 404:
            return None
        if not answer.ok:
            raise self._service.judge.by_status(answer, paid=False)
        try:
            return await answer.json()
        except Unreadable:
            raise Unreachable(Reason.UNREADABLE_ANSWER, detail=answer.detail) from None

    async def _post(self, path: str, body: Json) -> None:
        answer = await self._service.call("POST", path, paid=False, json=body)
        if not answer.ok:
            raise self._service.judge.by_status(answer, paid=False)

    async def _queue(self) -> Queue:
        queue = Queue.read(await self._get("/queue"))
        if queue is None:
            raise Unreachable(Reason.UNREADABLE_ANSWER, detail="GET /queue")
        return queue

    async def _ended(self, prompt_id: str, output: str) -> Ended | None:
        try:
            return read_history(await self._get(f"/history/{prompt_id}", largest=_LARGEST_HISTORY), prompt_id, output)
        except NotHistory:
            raise Unreachable(Reason.UNREADABLE_ANSWER, detail="GET /history") from None


def _id_of(handle: Handle) -> str:
    """The id of a prompt. Raises Refused if the stored handle is unreadable."""
    prompt_id = handle.get("id")
    if not isinstance(prompt_id, str) or not _ID.fullmatch(prompt_id):
        raise Refused(Reason.BAD_HANDLE)
    return prompt_id


def _seed_of(handle: Handle) -> int:
    seed = handle.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise Refused(Reason.BAD_HANDLE)
    return seed

"""The ComfyUI provider. It queues a graph of nodes under an id of its own, and fetches the images from the server.

The server belongs to the bot's operator, so it charges nothing. Each of its checkpoints is an engine, with a built-in
graph. Each workflow of the operator is one, too.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from dataclasses import dataclass, replace
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
    Waiting,
)
from bot.providers.comfyui_answers import (
    ID,
    Ended,
    NotHistory,
    Outcome,
    Queue,
    Refusal,
    failure_reason,
    files_of,
    id_of,
    is_comfyui,
    names,
    node_errors,
    read_history,
    seed_of,
    stopped_outputs,
    unreadable,
    uploaded_name,
)
from bot.providers.comfyui_catalogue import Catalogue, ListReader, Lists, Planned
from bot.providers.comfyui_events import Events
from bot.providers.comfyui_graphs import SEED, Uploaded, marked
from bot.providers.comfyui_workflow_files import read_workflows
from bot.providers.comfyui_workflows import Workflow
from bot.providers.credentials import Credentials
from bot.providers.errors import NotFound, OutcomeUnknown, ProviderError, Reason, Refused, TooLarge, Unreachable
from bot.providers.fetching import DOWNLOAD_SECONDS, LARGEST_IMAGE, above_the_limit, keep, largest_image
from bot.providers.http import Service
from bot.providers.latest import Latest
from bot.providers.operations import PictureFile, Pictures
from bot.providers.server_states import ServerState
from bot.providers.settings import SettingsReader
from bot.providers.uploads import FilePart, Form

log = structlog.get_logger(__name__)

# Seconds between two looks at the queue for one submission, and while it waits there and no events tell when it starts.
# The response is long: it contains everybody's graphs.
QUEUE_EVERY, PENDING_EVERY = 8.0, 2.0
QUEUE_KNOWN = 60.0
"""Seconds for which the length of the queue counts as known after a look at it."""
SUBFOLDER = "easel"
"""The folder for uploads, inside the server's input folder."""
_LARGEST_LIST = 32 << 20
_LARGEST_HISTORY = 16 << 20
_UPLOAD_SECONDS = 120.0
_MOST_ENTRIES = 4
# A PNG of a photo has almost as many bytes as its pixels. If that may be too many, the image is fetched as JPEG.
_PIXEL_BYTES = 3
_AS_JPEG = "&preview=jpeg%3B95"


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
    address_setting = "COMFYUI_URL"
    charges = False
    learns: ClassVar[bool] = True
    cancels = True
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
        gate: str = "COMFYUI_PASSWORD",
    ) -> None:
        """``workflows`` is the folder of the operator's workflows. ``largest`` is the limit of an image in bytes.

        ``gate`` is the setting with what a proxy in front of the server asks for.
        """
        self._gate = gate
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
        self._catalogue = Catalogue(Lists())
        self._unfit: set[tuple[str, str]] = set()
        self._lists = ListReader(self._get)
        self._followed = Latest(_Followed)
        # The length of the queue, and the loop's time of the look at it.
        self._queued = (0, float("-inf"))

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
            gate="COMFYUI_PASSWORD" if header is None else "COMFYUI_HEADER",
        )

    def quote(self, request: ImageRequest) -> Quote:
        return FREE

    # --- engines --------------------------------------------------------------------------------------------------

    async def learn(self) -> tuple[Engine, ...]:
        """Ask for the lists of the server, and read the workflows. Raises ProviderError."""
        lists = await self._lists.read()
        if not lists.checkpoints:
            lists = replace(lists, checkpoints=names(await self._get("/models/checkpoints")) or ())
        found: list[Workflow] = []
        if self._folder is not None:
            found, problems = await self._service.in_thread(read_workflows, self._folder)
            if problems:
                log.warning(
                    "comfyui.workflows_invalid", problems=[(code.value, dict(values)) for code, values in problems]
                )
        self._catalogue = Catalogue(lists, found, self._unfit)
        self.engines = self._catalogue.engines
        if len(lists.checkpoints) > len(self._catalogue.checkpoints):
            log.warning("comfyui.checkpoints_left_out", offered=len(self._catalogue.checkpoints))
        self.outdated = bool(self._lists.unread)
        return self.engines

    # --- a submission ---------------------------------------------------------------------------------------------

    async def prepare(self, request: ImageRequest) -> Handle:
        """Choose the id and the seed. The server does not run an identical graph twice. Raises ProviderError."""
        if not self._catalogue.offers(request):
            await self.learn()
            if not self._catalogue.offers(request):
                raise Refused(Reason.RETIRED, detail="an unknown engine or operation", operator=True)
        seed = request.seed
        if seed is None and request.operation.has_variants:
            seed = secrets.randbelow(int(SEED.high)) + 1
        handle: Handle = {"id": str(uuid.uuid4()), "seed": seed, "output": self._catalogue.output_of(request)}
        if request.result_size.pixels * _PIXEL_BYTES > self._largest:
            handle["large"] = True
        return handle

    async def submit(self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None) -> Handle:
        """Upload the pictures and queue the graph. Raises ProviderError."""
        prompt_id, seed = id_of(handle), seed_of(handle)
        if not self._catalogue.offers(request):
            await self.learn()  # An earlier process may have prepared the request.
        uploaded = await self._upload(prompt_id, request, pictures)
        planned = self._catalogue.plan(request, seed or 0, uploaded)
        self._events.follow(prompt_id)
        try:
            answered = await self._queue_up(prompt_id, planned, request)
        except ProviderError:
            await self._events.forget(prompt_id)
            raise
        if answered != prompt_id:
            self._events.follow(answered)
            await self._events.forget(prompt_id)
        accepted: Handle = {**handle, "id": answered, "output": planned.output}
        return accepted if planned.files is None else {**accepted, "files": [*planned.files]}

    async def _queue_up(self, prompt_id: str, planned: Planned, request: ImageRequest) -> str:
        """Queue the graph once. Returns the id under which the server knows it. Raises ProviderError."""
        graph = marked(planned.graph, planned.output, prompt_id)
        body: Json = {"prompt": graph, "prompt_id": prompt_id, "client_id": self._client_id, "extra_data": {}}
        answer = await self._service.call("POST", "/prompt", paid=True, json=body)
        judge = self._service.judge.about(request)
        value = await answer.json_if_any()
        built_in = self._catalogue.is_built_in(request)
        if not answer.ok:
            refusal = Refusal.read(value) if answer.status == 400 else None
            if refusal is None:
                raise judge.by_status(answer, paid=True)
            self.outdated = self.outdated or refusal.outdated
            raise refusal.error(judge, detail=answer.detail, built_in=built_in)
        answered = value.get("prompt_id") if isinstance(value, dict) else None
        if not isinstance(answered, str) or not ID.fullmatch(answered):
            raise OutcomeUnknown(Reason.UNREADABLE_ANSWER, detail=answer.detail)
        if answered != prompt_id:
            # An older server makes its own ids, so a lost request cannot be found.
            self.finds_lost_submits = False
        if planned.output in stopped_outputs(value):
            await self._stop_quietly(answered)
            problems = tuple(node_errors(value.get("node_errors"))) if isinstance(value, dict) else ()
            refusal = Refusal("prompt_outputs_failed_validation", "", problems)
            self.outdated = self.outdated or refusal.outdated
            raise refusal.error(judge, detail=answer.detail, built_in=built_in)
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
        prompt_id = id_of(handle)
        if not self.finds_lost_submits:
            raise OutcomeUnknown(Reason.CANNOT_FIND)
        if prompt_id in await self._queue() or await self._ended(prompt_id, "") is not None:
            return handle
        return None

    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        """Ask for the history, and now and then for the place in the queue. Raises ProviderError."""
        prompt_id = id_of(handle)
        output = handle.get("output")
        output = output if isinstance(output, str) else ""
        if (ended := await self._ended(prompt_id, output)) is not None:
            return await self._result(prompt_id, ended, handle)
        followed, now = self._followed.of(prompt_id), asyncio.get_running_loop().time()
        every = QUEUE_EVERY if followed.place is None or self._events.open else PENDING_EVERY
        if followed.queue_at is None or now - followed.queue_at >= every:
            queue = await self._queue()
            if prompt_id not in queue:
                # It may have ended between the two requests. Otherwise, the next poll looks at the queue again.
                followed.queue_at = None
                if (ended := await self._ended(prompt_id, output)) is not None:
                    return await self._result(prompt_id, ended, handle)
                return Failed(Reason.CANCELLED) if followed.cancelled else Gone()
            followed.queue_at, followed.place = now, queue.place(prompt_id)
            if followed.cancelled:
                await self.cancel(handle)  # It could not be told before.
        seen = self._events.seen(prompt_id)
        if seen is None or not seen.started:
            return Waiting(place=followed.place)
        return Waiting(percent=seen.percent, preview=seen.preview)

    def pushed(self, handle: Handle) -> asyncio.Event | None:
        seen = self._events.seen(str(handle.get("id")))
        return None if seen is None else seen.over

    async def _result(self, prompt_id: str, ended: Ended, handle: Handle) -> Finished | Failed:
        self._followed.forget(prompt_id)
        await self._events.forget(prompt_id)
        if ended.outcome is Outcome.INTERRUPTED:
            return Failed(Reason.CANCELLED)
        if ended.outcome is Outcome.ERROR:
            log.warning("comfyui.execution_failed", exception=ended.exception, node=ended.node)
            if ended.mismatch and (files := files_of(handle)) is not None:
                # Learn again, so that another ControlNet is used, or none is offered.
                self._unfit.add(files)
                self.outdated = True
                return Failed(Reason.WRONG_CONTROL)
            return Failed(failure_reason(ended.exception))
        if not ended.images:
            return Failed(Reason.NOTHING_MADE)
        # Our graphs make one image. A workflow that makes several uses the same seed for all.
        url = ended.images[0] + _AS_JPEG if handle.get("large") else ended.images[0]
        image = GeneratedImage(url=url, seed=seed_of(handle))
        return Finished((image,), Cost(0, exact=True))

    async def cancel(self, handle: Handle) -> bool:
        """Remove the prompt from the queue, or stop it if it is running. Raises ProviderError.

        Older servers stop any running prompt, so this checks first. The responses do not show the outcome; poll does.
        """
        prompt_id = id_of(handle)
        followed = self._followed.of(prompt_id)
        # The server forgets a prompt that is removed from its queue, even if its response is lost.
        followed.cancelled, followed.queue_at = True, None
        # Each mention removes one entry. After a lost response, the prompt may be in the queue twice.
        await self._post("/queue", {"delete": [prompt_id] * _MOST_ENTRIES})
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
        try:
            answer = await self._service.call(
                "GET", image.url, paid=False, accept="image/*", seconds=DOWNLOAD_SECONDS, largest=self._largest
            )
        except Unreachable as error:
            if error.reason is not Reason.UNREADABLE_ANSWER:
                raise
            if image.url.endswith(_AS_JPEG):
                raise above_the_limit(self._largest, error.detail) from None
            return await self.fetch(replace(image, url=image.url + _AS_JPEG), path)
        if answer.status == 404:
            # For an identical graph, the history names the earlier file, even if it was deleted.
            raise NotFound(Reason.IMAGE_GONE, detail=answer.detail)
        if not answer.ok:
            raise self._service.judge.by_status(answer, paid=False)
        return await keep(self._service, answer.body, path, largest=self._largest, strip=True, downloaded=True)

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
            problem = self._service.judge.by_status(answer, paid=False)
            if problem.reason is Reason.WRONG_KEY:
                return Refused(Reason.WRONG_KEY, detail=answer.detail, operator=True, setting=self._gate)
            return problem
        return None if is_comfyui(await answer.json_if_any()) else unreadable(answer.detail)

    def servers(self) -> tuple[ServerState, ...]:
        length, seen = self._queued
        known = asyncio.get_running_loop().time() - seen < QUEUE_KNOWN
        return (ServerState(self._service.silence, queue=length if known else None),)

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
        self._queued = len(queue.pending), asyncio.get_running_loop().time()
        return queue

    async def _ended(self, prompt_id: str, output: str) -> Ended | None:
        try:
            return read_history(await self._get(f"/history/{prompt_id}", largest=_LARGEST_HISTORY), prompt_id, output)
        except NotHistory:
            raise Unreachable(Reason.UNREADABLE_ANSWER, detail="GET /history") from None

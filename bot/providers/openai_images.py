"""The provider for OpenAI's images, and for every service that imitates this API: gateways, and servers of one's own.

A request is answered when its images are made, or with a stream that begins with unfinished images. It has no id to
look for, so a response that is lost stays lost.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Self

from yarl import URL

from bot.providers.answers import Answer
from bot.providers.base import (
    FREE,
    Engine,
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
from bot.providers.errors import OutcomeUnknown, ProviderError, Reason, Refused, Unreachable
from bot.providers.fetching import LARGEST_IMAGE, Downloads, keep, largest_image
from bot.providers.hosts import image_hosts
from bot.providers.http import EVENT_STREAM, Service
from bot.providers.openai_answers import Made, Refusals, read_made, read_models, read_partial, read_streamed
from bot.providers.openai_models import SETTING, Model, read_setting
from bot.providers.openai_requests import MOST_PARTIALS, NAME, SEED, Wanted, engines_of
from bot.providers.openai_stream import Stream
from bot.providers.operations import Pictures
from bot.providers.settings import SettingsReader, Takes, WrongSetting
from bot.providers.uploads import Form

LABEL, OTHER_LABEL = "OpenAI", "OpenAI-compatible service"
HOST = "api.openai.com"
ADDRESS = f"https://{HOST}/v1"
# An image takes up to three minutes.
_LEAST_PATIENCE = 300


@dataclass(slots=True)
class _Running:
    """A submission on its way: its ``stream``, and the ``limit`` that ends its call. ``preview`` is the unfinished
    image that was decoded last.
    """

    stream: Stream
    limit: asyncio.Timeout
    preview: bytes | None = None


class OpenaiImages(Provider):
    """The provider. It charges unless each of its models is free."""

    name: ClassVar[str] = NAME
    key_setting: ClassVar[str] = "OPENAI_KEY"
    learns: ClassVar[bool] = True
    blocks: ClassVar[bool] = True
    told_progress: ClassVar[bool] = True

    def __init__(
        self,
        service: Service,
        downloads: Downloads,
        *,
        models: Sequence[Model] = (),
        partials: int = 1,
        credit_value: Decimal = Decimal(1),
        rate: float = 5.0,
        jobs: int = 4,
        patience: float = 600.0,
        largest: int = LARGEST_IMAGE,
        elsewhere: bool = False,
    ) -> None:
        """Without ``models``, the service is free and is asked for them. ``largest`` is the limit of an image in bytes.

        ``elsewhere``: the service is not OpenAI itself.

        ``partials`` is the number of unfinished images to ask for, which cost money; with 0, nothing is streamed.
        """
        self.label = service.label
        self.charges = any(model.charges for model in models)
        # A paid service also charges for what is cancelled. If Cancel made it free, limits would not hold.
        self.cancels = not self.charges
        self.credit_value = credit_value
        self.rate = rate
        self.jobs = jobs
        self.patience = patience
        self.retired: set[str] = set()
        self._service = service
        self._downloads = downloads
        self._partials = partials
        self._largest = largest
        self._asks = not models
        self.address_setting = "OPENAI_URL" if elsewhere else ""
        # The submissions on their way, by the tickets in their handles.
        self._running: dict[str, _Running] = {}
        self._use(models)

    @classmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        key = settings.secret("OPENAI_KEY")
        if key is None and not settings.text("OPENAI_URL"):
            return None
        address = settings.url("OPENAI_URL", ADDRESS)
        at_openai = URL(address).host == HOST
        models = read_setting(settings, free=settings.flag("OPENAI_FREE") and not at_openai)
        if at_openai and not all(model.never_free for model in models):
            # What costs nothing may be sent again, and counts as a free image.
            raise WrongSetting(SETTING, Takes.MODELS)
        credentials = Credentials() if key is None else Credentials.key(key, "Bearer")
        payers = {
            "OpenAI-Organization": settings.secret("OPENAI_ORGANIZATION"),
            "OpenAI-Project": settings.secret("OPENAI_PROJECT"),
        }
        service = Service(
            LABEL if at_openai else OTHER_LABEL,
            address,
            credentials=credentials.also({name: payer for name, payer in payers.items() if payer}, secret=True),
            image_hosts=image_hosts(settings),
            proxy=settings.proxy,
        )
        largest = largest_image(settings)
        partials = int(settings.number("OPENAI_PARTIAL_IMAGES", 1, low=0, high=MOST_PARTIALS))
        return cls(
            service,
            Downloads(service, largest=largest),
            models=models,
            # They cost money, so nobody should pay for those that no card shows.
            partials=partials if settings.flag("LIVE_PREVIEWS", default=True) else 0,
            credit_value=settings.number("OPENAI_CREDIT_VALUE", 1, low=0, high=1_000_000),
            rate=float(settings.number("OPENAI_RATE", 5, low=0.01, high=1000)),
            jobs=int(settings.number("OPENAI_JOBS", 4, low=1, high=1000)),
            patience=float(settings.number("OPENAI_PATIENCE", 600, low=_LEAST_PATIENCE, high=86_400)),
            largest=largest,
            elsewhere=not at_openai,
        )

    def quote(self, request: ImageRequest) -> Quote:
        model = self._models.get(request.engine)
        if model is None or not model.charges:
            return FREE
        wanted = self._wanted(model, request)
        return model.quote(request, partials=wanted.partials if wanted.streamed else 0)

    # --- engines ----------------------------------------------------------------------------------------------------

    async def learn(self) -> tuple[Engine, ...]:
        """Ask a free service for its models, unless the setting names them. Raises ProviderError."""
        if self._asks:
            names = read_models(await self._ask("/models"))
            if names is None:
                raise Unreachable(Reason.ODD_ANSWER, detail="GET /models: no list")
            self._use([Model(name) for name in names])
        self.outdated = False
        return self.engines

    def _use(self, models: Sequence[Model]) -> None:
        found = engines_of(models, partials=self._partials)
        self._models = {id_: model for id_, (model, _) in found.items()}
        self.engines: tuple[Engine, ...] = tuple(engine for _, engine in found.values())

    def _model(self, request: ImageRequest) -> Model:
        """The model of this request. Raises Refused if it is not offered."""
        model = self._models.get(request.engine)
        if model is None or request.engine in self.retired:
            raise Refused(Reason.RETIRED, detail="a model that is not offered")
        return model

    def _wanted(self, model: Model, request: ImageRequest, seed: int = 0) -> Wanted:
        return Wanted(request, model, self._partials, seed)

    # --- a submission -----------------------------------------------------------------------------------------------

    async def prepare(self, request: ImageRequest) -> Handle:
        """Choose a ticket and a seed. If the engine is unknown, ask the service first. Raises ProviderError."""
        if request.engine not in self._models:
            await self.learn()
        self._model(request)
        seed = secrets.randbelow(int(SEED.high)) if request.seed is None else request.seed
        return {"ticket": f"easel-{secrets.token_hex(12)}", "seed": seed}

    async def submit(self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None) -> Finished:
        """Send the request once, and wait for its images.

        Raises TooLarge if the pictures have too many bytes for a form.
        """
        ticket, seed = _ticket(handle)
        if request.engine not in self._models:
            await self.learn()  # An earlier process may have prepared the request.
        wanted = self._wanted(self._model(request), request, seed)
        form = wanted.form(pictures)
        refusals = Refusals(self._service.judge.about(request), charges=self.charges, files=form is not None)
        stream = Stream()
        answer = await self._answer(ticket, wanted, form, stream)
        stream.end()
        made: Made | None = None
        if stream.finished is not None:
            made = await self._service.in_thread(read_streamed, stream.finished)
        elif stream.error is not None:
            raise await self._service.in_thread(refusals.of_event, stream.error, answer)
        elif answer.ok:
            made = await self._service.in_thread(read_made, answer.body, request.images)
        if made is None:
            raise self._refusal(await self._service.in_thread(refusals.of_answer, answer), request)
        return await self._finished(wanted, made, answer.detail)

    async def _answer(self, ticket: str, wanted: Wanted, form: Form | None, stream: Stream) -> Answer:
        """Send the request, and wait for the answer until it is cancelled. Raises ProviderError."""
        limit = asyncio.timeout(None)
        self._running[ticket] = _Running(stream, limit)
        try:
            async with limit:
                return await self._service.call(
                    "POST",
                    wanted.path,
                    paid=True,
                    json=None if form else wanted.fields(),
                    multipart=form,
                    accept=f"{EVENT_STREAM}, application/json" if wanted.streamed else "application/json",
                    seconds=self.patience,
                    largest=wanted.largest,
                    hear=stream.take if wanted.streamed else None,
                )
        except (TimeoutError, OutcomeUnknown) as error:
            stream.end()
            if stream.finished is not None:
                # What has arrived is not lost by a connection that breaks later.
                return Answer(200, {}, b"", f"POST {wanted.path}")
            if isinstance(error, OutcomeUnknown):
                raise
            raise Refused(Reason.CANCELLED) from None
        finally:
            del self._running[ticket]

    def _refusal(self, error: ProviderError, request: ImageRequest) -> ProviderError:
        """Return this error. If the model is gone, remember that."""
        if error.reason is Reason.RETIRED:
            if self._asks:
                self.outdated = True
            else:
                self.retired.add(request.engine)
        return error

    async def _finished(self, wanted: Wanted, made: Made, detail: str) -> Finished:
        request = wanted.request
        shape = request.size if request.operation.has_source else None
        seeds = [wanted.seed + i if wanted.seeded else None for i in range(request.images)]
        images = await self._service.in_thread(made.decoded, shape, seeds)
        if not images:
            if self.charges:
                raise OutcomeUnknown(Reason.IMAGE_MISSING, detail=detail)
            raise Refused(Reason.NOTHING_MADE, detail=detail, fault=True)
        return Finished(images, wanted.model.cost(request, len(images), made.usage))

    async def progress(self, handle: Handle) -> Waiting:
        """Return the unfinished image that arrived last, if one has."""
        running = self._running.get(_ticket(handle)[0])
        if running is None:
            return Waiting()
        event, running.stream.partial = running.stream.partial, None
        if event is not None:
            running.preview = await self._service.in_thread(read_partial, event) or running.preview
        return Waiting(preview=running.preview)

    async def cancel(self, handle: Handle) -> bool:
        """Close the connection of a submission on its way. The service has nothing else with which to stop one."""
        running = self._running.get(_ticket(handle)[0])
        if running is not None and not running.limit.expired():
            running.limit.reschedule(asyncio.get_running_loop().time())
        return True

    async def find(self, handle: Handle) -> Handle | None:
        """Raise OutcomeUnknown, always: None would claim that nothing was charged, which is unknown."""
        raise OutcomeUnknown(Reason.CANNOT_FIND)

    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        return Gone()

    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        if image.data is not None:
            return await keep(self._service, image.data, path, largest=self._largest, strip=True)
        if image.url is None:
            raise Refused(Reason.IMAGE_MISSING)
        return await self._downloads.fetch(image.url, path)

    # --- the service ------------------------------------------------------------------------------------------------

    async def check(self) -> ProviderError | None:
        """Ask for the models. A service without such a list, or a key that may not read it, is no problem."""
        try:
            await self._ask("/models")
        except Refused as error:
            unlisted = {Reason.NOT_PERMITTED, Reason.NOT_FOUND}
            return None if error.reason in unlisted and not self._asks else error
        except ProviderError as error:
            return error
        return None

    async def _ask(self, path: str) -> Json:
        """The JSON at a path. Raises ProviderError."""
        answer = await self._service.call("GET", path, paid=False)
        elsewhere = self._service.leads_elsewhere(answer)
        if elsewhere:
            raise Refused(Reason.MOVED, values={"address": elsewhere}, operator=True, setting="OPENAI_URL")
        value = await answer.json_if_any()
        if answer.ok and value is not None:
            return value
        if answer.ok:
            raise Unreachable(Reason.UNREADABLE_ANSWER, detail=answer.detail)
        error = Refusals(self._service.judge, charges=False).of_answer(answer)
        # A question that is not paid for may simply be asked again.
        raise self._service.judge.by_status(answer, paid=False) if isinstance(error, OutcomeUnknown) else error

    async def close(self) -> None:
        await self._service.close()


def _ticket(handle: Handle) -> tuple[str, int]:
    """The ticket and the seed in a handle. Raises Refused."""
    ticket, seed = handle.get("ticket"), handle.get("seed")
    if not isinstance(ticket, str) or not ticket or not isinstance(seed, int) or isinstance(seed, bool):
        raise Refused(Reason.BAD_HANDLE)
    return ticket, seed

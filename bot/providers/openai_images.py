"""OpenAI's images, and every service that imitates this API: gateways, and servers that people run themselves.

A request is answered when its images are made, or with a stream that brings an unfinished image first. There is no id
to look for, so a response that is lost stays lost.
"""

from __future__ import annotations

import secrets
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Self

from yarl import URL

from bot.providers.answers import Answer, Unreadable
from bot.providers.base import (
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
    SettingsReader,
    Takes,
    Waiting,
    WrongSetting,
)
from bot.providers.credentials import Credentials
from bot.providers.errors import OutcomeUnknown, ProviderError, Reason, Refused, Unreachable
from bot.providers.fetching import LARGEST_IMAGE, Downloads, keep, largest_image
from bot.providers.hosts import image_hosts
from bot.providers.http import EVENT_STREAM, Service
from bot.providers.openai_answers import Made, Refusals, read_made, read_models, read_partial, read_streamed
from bot.providers.openai_prices import Prices, Quality
from bot.providers.openai_requests import (
    NAME,
    PARTIAL_IMAGES,
    SD_CPP,
    SEED,
    Wanted,
    engines_of,
    is_gpt_image,
    is_name,
)
from bot.providers.openai_stream import Stream
from bot.providers.operations import Pictures

LABEL = "OpenAI"
OWN_HOST = "api.openai.com"
ADDRESS = f"https://{OWN_HOST}/v1"
MODELS = ("gpt-image-1",)
"""The models that are offered unless the setting names others."""
MOST_AT_ONCE = 4
"""How many images an imitator is asked for at a time. OpenAI itself is asked for one, which it streams."""
_LEAST_PATIENCE = 300


class OpenaiImages(Provider):
    """The provider. ``genuine`` says whether the service is OpenAI itself, which streams and charges."""

    name: ClassVar[str] = NAME
    key_setting: ClassVar[str] = "OPENAI_KEY"
    learns: ClassVar[bool] = True
    blocks: ClassVar[bool] = True

    def __init__(
        self,
        service: Service,
        *,
        genuine: bool = True,
        models: tuple[str, ...] = (),
        prices: Prices | None = None,
        quality: Quality = Quality.MEDIUM,
        credit_value: Decimal = Decimal(1),
        rate: float = 5.0,
        jobs: int = 10,
        patience: float = 600.0,
        largest: int = LARGEST_IMAGE,
        downloads: Downloads | None = None,
    ) -> None:
        """Without ``models``, the service is asked for them. ``largest`` is the limit of an image in bytes."""
        self.label = service.label
        self.credit_value = credit_value
        self.rate = rate
        self.jobs = jobs
        self.patience = patience
        self.retired: set[str] = set()
        self._service = service
        self._genuine = genuine
        self._quality = quality
        self._prices = prices or Prices(genuine)
        self.charges = self._prices.charges
        self._largest = largest
        self._downloads = downloads or Downloads(service, largest=largest)
        self._asks = not models
        # The streams of submissions on their way, by the tickets in their handles.
        self._streams: dict[str, Stream] = {}
        self._use(models)

    @classmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        key, elsewhere = settings.secret("OPENAI_KEY"), settings.text("OPENAI_URL")
        if key is None and not elsewhere:
            return None
        address = settings.url("OPENAI_URL", ADDRESS)
        host = URL(address).host or ""
        genuine = host == OWN_HOST
        service = Service(
            LABEL if genuine else host,
            address,
            credentials=Credentials() if key is None else Credentials.key(key, "Bearer"),
            image_hosts=image_hosts(settings),
            proxy=settings.proxy,
        )
        return cls(
            service,
            genuine=genuine,
            models=_models(settings, MODELS if genuine else ()),
            prices=Prices.read(settings, genuine=genuine),
            quality=_quality(settings),
            credit_value=settings.number("OPENAI_CREDIT_VALUE", 1, low=0, high=1_000_000),
            rate=float(settings.number("OPENAI_RATE", 5, low=0.01, high=1000)),
            jobs=int(settings.number("OPENAI_JOBS", 10 if genuine else 2, low=1, high=1000)),
            patience=float(settings.number("OPENAI_PATIENCE", 600, low=_LEAST_PATIENCE, high=86_400)),
            largest=largest_image(settings),
        )

    def quote(self, request: ImageRequest) -> Quote:
        if not self.charges:
            return Quote(0, 0, 0, exact=True)
        name = self._names.get(request.engine)
        if name is None:
            # A request for a model that is no longer offered is still shown, but would be refused.
            return Quote(0, 0, 0, exact=False)
        partials = PARTIAL_IMAGES if self._is_streamed(name) else 0
        return self._prices.quote(name, self._quality_of(name), request, partials=partials)

    def _quality_of(self, name: str) -> Quality:
        """The quality that decides the price of a model's images. Others than OpenAI's models are not told one."""
        return self._quality if is_gpt_image(name) else Quality.AUTO

    def _is_streamed(self, name: str) -> bool:
        return self._genuine and is_gpt_image(name)

    async def learn(self) -> None:
        """Ask the service for its models, unless the setting names them. Raises ProviderError."""
        if self._asks:
            names = read_models(await self._json("/models"))
            if names is None:
                raise Unreachable(Reason.ODD_ANSWER, detail="GET /models: no list")
            self._use(names)
        self.outdated = False

    def _use(self, models: tuple[str, ...]) -> None:
        at_once = 1 if self._genuine else MOST_AT_ONCE
        found = engines_of(models, self._quality, self._prices, at_once=at_once)
        self._names = {id_: name for id_, (name, _) in found.items()}
        self.engines: tuple[Engine, ...] = tuple(engine for _, engine in found.values())

    async def prepare(self, request: ImageRequest) -> Handle:
        """Choose a ticket and a seed. If the engine is unknown, ask the service first. Raises Refused."""
        if request.engine not in self._names and self._asks:
            await self.learn()
        self._check_offered(request)
        seed = request.seed or secrets.randbelow(int(SEED.high)) + 1
        return {"ticket": f"easel-{secrets.token_hex(12)}", "seed": seed}

    def _check_offered(self, request: ImageRequest) -> str:
        """The service's name of the model. Raises Refused if it is not offered."""
        name = self._names.get(request.engine)
        if name is None or request.engine in self.retired:
            raise Refused(Reason.RETIRED, detail="a model that is not offered")
        return name

    async def submit(self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None) -> Finished:
        """Send the request once, and wait for its images.

        Raises TooLarge if the pictures have too many bytes for a form.
        """
        ticket, seed = _ticket(handle)
        name = self._check_offered(request)
        wanted = Wanted(
            request,
            name,
            self._quality,
            genuine=self._genuine,
            streamed=self._is_streamed(name),
            seed=seed if name == SD_CPP else None,
        )
        stream = Stream(request.images)
        if wanted.streamed:
            self._streams[ticket] = stream
        try:
            made, detail = await self._made(wanted, pictures, stream)
        finally:
            self._streams.pop(ticket, None)
        return await self._finished(wanted, made, detail)

    async def _made(self, wanted: Wanted, pictures: Pictures | None, stream: Stream) -> tuple[Made, str]:
        """Send the request, and return what it made and what to log about it. Raises ProviderError."""
        form = wanted.form(pictures)
        judge = self._service.judge.about(wanted.request)
        refusals = Refusals(judge, definite=self._genuine or not self.charges, files=form is not None)
        try:
            answer = await self._service.call(
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
        except OutcomeUnknown as error:
            # What has arrived is not lost by a connection that breaks later.
            if not stream.finished:
                raise
            return await self._service.in_thread(read_streamed, stream.finished), error.detail
        if stream.finished:
            return await self._service.in_thread(read_streamed, stream.finished), answer.detail
        if stream.error is not None:
            raise refusals.of_event(stream.error, answer.detail)
        made: Made | None = None
        if answer.ok:
            made = await self._service.in_thread(read_made, answer.body, wanted.request.images)
        if made is None:
            raise self._refusal(refusals, answer, wanted)
        return made, answer.detail

    def _refusal(self, refusals: Refusals, answer: Answer, wanted: Wanted) -> ProviderError:
        """Make the error for a response without images, and remember a model that is gone."""
        error = refusals.of_answer(answer)
        if error.reason is Reason.RETIRED:
            if self._asks:
                self.outdated = True
            else:
                self.retired.add(wanted.request.engine)
        return error

    async def _finished(self, wanted: Wanted, made: Made, detail: str) -> Finished:
        request = wanted.request
        if not made.images:
            if self.charges:
                raise OutcomeUnknown(Reason.IMAGE_MISSING, detail=detail)
            raise Refused(Reason.NOTHING_MADE, detail=detail, fault=True)
        shape = request.size if request.operation.has_source else None
        seeds = [None if wanted.seed is None else wanted.seed + i for i in range(len(made.images))]
        try:
            images = await self._service.in_thread(made.decoded, shape, seeds)
        except ValueError:
            raise OutcomeUnknown(Reason.IMAGE_BROKEN, detail=detail) from None
        quality = self._quality_of(wanted.name)
        return Finished(images, self._prices.cost(wanted.name, quality, request, len(images), made.usage))

    async def progress(self, handle: Handle) -> Waiting:
        """Return the unfinished image that arrived last, if one has."""
        ticket, _ = _ticket(handle)
        stream = self._streams.get(ticket)
        if stream is None or stream.partial is None:
            return Waiting()
        return Waiting(preview=await self._service.in_thread(read_partial, stream.partial))

    async def find(self, handle: Handle) -> Handle | None:
        """Raise OutcomeUnknown, always: None would claim that nothing was charged, which is unknown."""
        raise OutcomeUnknown(Reason.CANNOT_FIND)

    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        return Gone()

    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        if image.data is not None:
            return await keep(self._service, image.data, path, largest=self._largest, tells=not self._genuine)
        if image.url is None:
            raise Refused(Reason.IMAGE_MISSING)
        return await self._downloads.fetch(image.url, path)

    async def check(self) -> ProviderError | None:
        """Ask for the models. An imitator without such a list, or a key that may not read it, is no problem."""
        try:
            await self._json("/models")
        except Refused as error:
            unlisted = error.reason is Reason.NOT_PERMITTED or (error.reason is Reason.NOT_FOUND and not self._asks)
            return None if unlisted else error
        except ProviderError as error:
            return error
        return None

    async def _json(self, path: str) -> Json:
        """The JSON at a path. Raises ProviderError."""
        answer = await self._service.call("GET", path, paid=False)
        if not answer.ok:
            elsewhere = self._service.leads_elsewhere(answer)
            if elsewhere:
                raise Refused(Reason.MOVED, values={"address": elsewhere}, operator=True, setting="OPENAI_URL")
            error = Refusals(self._service.judge, definite=True).of_answer(answer)
            # A question that is not paid for may simply be asked again.
            raise Unreachable(error.reason, detail=error.detail) if isinstance(error, OutcomeUnknown) else error
        try:
            return await answer.json()
        except Unreadable:
            raise Unreachable(Reason.ODD_ANSWER, detail=answer.detail) from None

    async def close(self) -> None:
        await self._service.close()


def _models(settings: SettingsReader, default: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the models to offer. Raises WrongSetting."""
    found = settings.names("OPENAI_MODELS", default)
    if not all(map(is_name, found)):
        raise WrongSetting("OPENAI_MODELS", Takes.NAMES)
    return found


def _quality(settings: SettingsReader) -> Quality:
    """The quality to ask for. Raises WrongSetting."""
    try:
        return Quality(settings.text("OPENAI_QUALITY", Quality.MEDIUM.value).lower())
    except ValueError:
        raise WrongSetting("OPENAI_QUALITY", Takes.CHOICES, choices=tuple(Quality)) from None


def _ticket(handle: Handle) -> tuple[str, int]:
    """The ticket and the seed in a handle. Raises Refused."""
    ticket, seed = handle.get("ticket"), handle.get("seed")
    if not isinstance(ticket, str) or not ticket or not isinstance(seed, int) or isinstance(seed, bool):
        raise Refused(Reason.BAD_HANDLE)
    return ticket, seed

"""The AI Thriving provider: one call, whose response contains the image. Engines: SD 1.6 and Stable Image Core."""

from __future__ import annotations

import math
from base64 import b64decode
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, ValidationError

from bot.providers.answers import Answer, Lenient, Name, Unreadable, Whole, reason, says_filtered
from bot.providers.base import (
    Ability,
    Cost,
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
    checked_names,
)
from bot.providers.errors import OutcomeUnknown, ProviderError, Reason, Refused, Unreachable
from bot.providers.fetching import LARGEST_IMAGE, keep, largest_image
from bot.providers.http import Service
from bot.providers.operations import Pictures, Size
from bot.providers.refusals import says_no_more, sentence
from bot.providers.stable_diffusion import (
    COMMON_SIZES,
    GRID,
    GUIDANCE,
    LONG_PROMPT_LIMIT,
    PROMPT_LIMIT,
    SAMPLERS,
    SEED,
    SQUARE,
    STEPS,
    STYLES,
)

URL = "https://www.aithriving.com"
BASIC = "aithriving/sd-1.6"
CORE = "aithriving/core"
PATHS = {BASIC: "/api/generate/basic/textToImage", CORE: "/api/generate/core"}
GENERATE_SECONDS = 180.0

CORE_PRICE = 6_000
BASIC_HOLD = 2_000
RATIOS = ("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")

_LEAST = (400, 320 * 320 * 10)
_MOST = (2_000, 1536 * 1536 * 50)


def basic_price(size: Size, steps: int) -> int:
    """Estimate the price in millicredits, linear in pixels × steps between the page's two prices, rounded up to 0.1."""
    (low, least), (high, most) = _LEAST, _MOST
    work = max(least, min(most, size.pixels * steps))
    over = (high - low) * (work - least)
    return low + 100 * -(-over // (100 * (most - least)))


def nearest_ratio(size: Size) -> str:
    """The ratio in the provider's list that is nearest to this size."""

    def distance(ratio: str) -> float:
        width, _, height = ratio.partition(":")
        return abs(math.log(size.width / size.height) - math.log(int(width) / int(height)))

    return min(RATIOS, key=distance)


def decode_image(text: str) -> bytes:
    """Decode base64 text. A ``data:…,`` prefix and white space are ignored. Raises ValueError."""
    if text[:5].lower() == "data:":
        text = text.partition(",")[2]
    data = b64decode("".join(text.split()), validate=True)
    if not data:
        raise ValueError("no bytes")
    return data


class Picture(Lenient):
    image: Name = None
    seed: Whole = None
    finish_reason: Name = None


def _first_object(value: object) -> object:
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, dict) else {}


class Reply(Lenient):
    """The response envelope of both engines. ``code`` is 0 for a success, and None if it is missing."""

    code: Whole = None
    message: Any = None
    data: Annotated[Picture, BeforeValidator(_first_object)] = Picture()
    finish_reason: Name = None

    @classmethod
    def read(cls, value: Json) -> Self | None:
        try:
            return cls.model_validate(value)
        except ValidationError:
            return None

    @property
    def filtered(self) -> bool:
        """Whether the content filter blurred the image."""
        return says_filtered(self.data.finish_reason or self.finish_reason)


class Aithriving(Provider):
    """The provider. Everything is one call, so there is nothing to poll, and a lost response cannot be recovered."""

    name: ClassVar[str] = "aithriving"
    key_setting: ClassVar[str] = "AITHRIVING_KEY"

    def __init__(
        self,
        service: Service,
        *,
        styles: tuple[str, ...] = STYLES,
        largest: int = LARGEST_IMAGE,
        credit_value: Decimal = Decimal(1),
        rate: float = 10.0,
        jobs: int = 100,
    ) -> None:
        """``largest`` is the maximum size of an image in bytes."""
        self.label = service.label
        self.credit_value = credit_value
        self.rate = rate
        self.jobs = jobs
        self.retired = set()
        self._service = service
        self._largest = largest
        self.engines = (_basic(styles), _core(styles))

    @classmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        key = settings.secret("AITHRIVING_KEY")
        if key is None:
            return None
        service = Service(
            "AI Thriving",
            settings.url("AITHRIVING_URL", URL),
            secret=key,
            scheme=settings.text("AITHRIVING_AUTH_SCHEME"),
            proxy=settings.proxy,
        )
        return cls(
            service,
            styles=checked_names(settings, "AITHRIVING_STYLES", STYLES),
            largest=largest_image(settings),
            credit_value=settings.number("AITHRIVING_CREDIT_VALUE", 1, low=0, high=1_000_000),
            rate=float(settings.number("AITHRIVING_RATE", 10, low=0.01, high=1000)),
            jobs=int(settings.number("AITHRIVING_JOBS", 100, low=1, high=10_000)),
        )

    def quote(self, request: ImageRequest) -> Quote:
        if request.engine == CORE:
            return Quote(CORE_PRICE, CORE_PRICE, CORE_PRICE, exact=True)
        price = self._cost(request).millicredits
        return Quote(price, price, BASIC_HOLD, exact=False)

    async def prepare(self, request: ImageRequest) -> Handle:
        """Return a handle without any call. It only records the kind of request."""
        return {"engine": request.engine}

    async def submit(self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None) -> Finished:
        answer = await self._service.call(
            "POST",
            PATHS[request.engine],
            paid=True,
            json=body_of(request),
            seconds=GENERATE_SECONDS,
            largest=self._largest // 3 * 4 + (1 << 20),
        )
        try:
            value = await answer.json()
        except Unreadable:
            raise self._service.judge.about(request).by_status(answer, paid=True) from None
        reply = Reply.read(value)
        if reply is None or (reply.code is None and reply.data.image is None):
            raise self._service.judge.about(request).by_status(answer, paid=True)
        if reply.code not in {0, None}:
            raise self._refusal(answer, value, request)
        return await self._finished(answer, reply, request)

    def _refusal(self, answer: Answer, value: Json, request: ImageRequest) -> ProviderError:
        """Make the error for a failure that the service reports. Such a report overrides a 5xx, but not a 4xx."""
        judge = self._service.judge.about(request)
        said = reason(value)
        told = answer.status == 404 and not says_no_more(said)
        if 300 <= answer.status < 500 and answer.status != 408 and not told:
            return judge.by_status(answer, paid=True)
        if answer.status >= 500 and judge.reason_in(said) is Reason.REFUSED:
            return Refused(Reason.BROKEN, said=sentence(judge.plain(said)), detail=answer.detail, fault=True)
        return judge.by_words(said, status=answer.status, detail=answer.detail)

    async def _finished(self, answer: Answer, reply: Reply, request: ImageRequest) -> Finished:
        image = reply.data.image
        if image is None:
            if not answer.ok:
                raise self._service.judge.about(request).by_status(answer, paid=True)
            raise OutcomeUnknown(Reason.IMAGE_MISSING, detail=answer.detail)
        try:
            data = await self._service.in_thread(decode_image, image)
        except ValueError:
            raise OutcomeUnknown(Reason.IMAGE_BROKEN, detail=answer.detail) from None
        told = reply.data.seed
        seed = told if told is not None and told in SEED else request.seed
        made = GeneratedImage(data=data, seed=seed or None, filtered=reply.filtered)
        return Finished((made,), self._cost(request))

    def _cost(self, request: ImageRequest) -> Cost:
        if request.engine == CORE:
            return Cost(CORE_PRICE, exact=True)
        steps = request.steps if request.steps is not None else round(STEPS.default or 30)
        return Cost(basic_price(request.size, steps), exact=False)

    async def find(self, handle: Handle) -> Handle | None:
        """Raise OutcomeUnknown, always: None would claim that nothing was charged, which is unknown."""
        raise OutcomeUnknown(Reason.CANNOT_FIND)

    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        return Gone()

    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        if image.data is None:
            raise Refused(Reason.IMAGE_MISSING)
        return await keep(self._service, image.data, path, largest=self._largest)

    async def check(self) -> ProviderError | None:
        """Check the base URL only: no free request shows whether the key is accepted."""
        try:
            answer = await self._service.look("/")
        except ProviderError as error:
            return error
        if answer.status >= 500:
            return Unreachable(Reason.BROKEN, detail=answer.detail)
        elsewhere = self._service.leads_elsewhere(answer)
        if elsewhere is not None:
            why = Reason.MOVED if elsewhere else Reason.REDIRECTED
            return Refused(why, values={"address": elsewhere}, operator=True, setting="AITHRIVING_URL")
        return None

    async def close(self) -> None:
        await self._service.close()


def body_of(request: ImageRequest) -> dict[str, Json]:
    """Build the JSON body for a request. Fields that are not set are omitted; a seed of 0 would mean a random one."""
    core = request.engine == CORE
    fields: dict[str, Json] = {
        "prompt": ", ".join(part.text for part in request.prompts if part.weight > 0),
        "width": request.size.width,
        "height": request.size.height,
        "aspect_ratio": nearest_ratio(request.size) if core else None,
        "negative_prompt": (request.negative or None) if core else None,
        "seed": request.seed or None,
        "style_preset": request.style,
        "steps": None if core else request.steps,
        "cfg_scale": None if core else _short(request.guidance),
        "sampler": None if core else request.sampler,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _short(value: float | None) -> float | None:
    """Turn a whole number into an integer, because the provider's page calls this field an integer."""
    return int(value) if value is not None and value.is_integer() else value


def _basic(styles: tuple[str, ...]) -> Engine:
    return Engine(
        id=BASIC,
        name="Stable Diffusion 1.6",
        abilities=frozenset({Ability.STYLE, Ability.STEPS, Ability.SEED, Ability.GUIDANCE, Ability.SAMPLER}),
        sizes=COMMON_SIZES,
        grid=GRID,
        default_size=SQUARE,
        images_per_submission=1,
        prompt_limit=PROMPT_LIMIT,
        styles=styles,
        samplers=SAMPLERS,
        steps=STEPS,
        guidance=GUIDANCE,
        seed=SEED,
        price=Quote(_LEAST[0], _MOST[0], BASIC_HOLD, exact=False),
    )


def _core(styles: tuple[str, ...]) -> Engine:
    return Engine(
        id=CORE,
        name="Stable Image Core",
        abilities=frozenset({Ability.NEGATIVE, Ability.STYLE, Ability.SEED}),
        sizes=COMMON_SIZES,
        grid=GRID,
        default_size=SQUARE,
        images_per_submission=1,
        prompt_limit=LONG_PROMPT_LIMIT,
        styles=styles,
        seed=SEED,
        price=Quote(CORE_PRICE, CORE_PRICE, CORE_PRICE, exact=True),
    )

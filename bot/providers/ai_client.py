"""The ai-client provider: opens a thread for each submission, posts an entry to it, and polls its entries."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Self

from bot.providers.ai_client_entries import (
    Opened,
    Ticket,
    is_whole_list,
    own_request,
    read_entries,
    read_ticket,
    result_of,
)
from bot.providers.answers import Answer, Unreadable, unwrap
from bot.providers.base import (
    Ability,
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
    WeightedText,
    checked_names,
)
from bot.providers.errors import ProviderError, Reason, Refused, Unreachable
from bot.providers.fetching import Downloads, largest_image
from bot.providers.hosts import image_hosts
from bot.providers.http import Service
from bot.providers.operations import Pictures
from bot.providers.refusals import Judge
from bot.providers.stable_diffusion import (
    COMMON_SIZES,
    GRID,
    MOST_IMAGES,
    PROMPT_LIMIT,
    SQUARE,
    STEPS,
    STYLES,
    WEIGHTS,
    XL_SIZES,
    takes_only_xl_sizes,
)

URL = "https://app.ai-client.com/api/v1"
VERSION_CODE = "stablediffusion_text2img"
MODELS = ("stable-diffusion-xl-1024-v0-9",)
SUBMIT_SECONDS = 60.0

_NAMES = {
    "stable-diffusion-xl-1024-v0-9": "Stable Diffusion XL 0.9",
    "stable-diffusion-xl-1024-v1-0": "Stable Diffusion XL 1.0",
    "stable-diffusion-v1-5": "Stable Diffusion 1.5",
    "stable-diffusion-v1-6": "Stable Diffusion 1.6",
}
# The id of a thread that cannot exist. Reading its entries is free and shows whether the key is accepted.
_NOBODYS_THREAD = "00000000-0000-4000-8000-000000000000"


class AiClient(Provider):
    """The provider. It reports no seed, and reports the cost only at the end."""

    name: ClassVar[str] = "ai-client"
    key_setting: ClassVar[str] = "AI_CLIENT_TOKEN"
    finds_lost_submits = True
    # The documentation gives no limit except the rate. The poll schedule decides how often a poll is worthwhile.
    shortest_poll = 0.25

    def __init__(
        self,
        service: Service,
        downloads: Downloads,
        *,
        version_code: str = VERSION_CODE,
        models: tuple[str, ...] = MODELS,
        styles: tuple[str, ...] = STYLES,
        credits_per_image: int = 5_000,
        credit_value: Decimal = Decimal(1),
        rate: float = 10.0,
        jobs: int = 100,
        patience: float = 600.0,
        lost_after: float = 60.0,
    ) -> None:
        """``credits_per_image`` is the hold for one image in millicredits. The last two parameters are in seconds."""
        self.label = service.label
        self.credit_value = credit_value
        self.rate = rate
        self.jobs = jobs
        self.patience = patience
        self.lost_after = lost_after
        self._service = service
        self._downloads = downloads
        self._version_code = version_code
        self._credits_per_image = credits_per_image
        self.retired: set[str] = set()
        self.engines = tuple(self._engine(model, styles) for model in models)

    @classmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        token = settings.secret("AI_CLIENT_TOKEN")
        if token is None:
            return None
        service = Service(
            "ai-client",
            settings.url("AI_CLIENT_URL", URL),
            secret=token,
            scheme="Bearer",
            image_hosts=image_hosts(settings),
            proxy=settings.proxy,
        )
        return cls(
            service,
            Downloads(service, largest=largest_image(settings)),
            version_code=settings.text("AI_CLIENT_VERSION_CODE", VERSION_CODE),
            models=checked_names(settings, "AI_CLIENT_ENGINES", MODELS),
            styles=checked_names(settings, "AI_CLIENT_STYLES", STYLES),
            credits_per_image=int(settings.number("AI_CLIENT_CREDITS_PER_IMAGE", 5, low=0, high=10_000) * 1000),
            credit_value=settings.number("AI_CLIENT_CREDIT_VALUE", 1, low=0, high=1_000_000),
            rate=float(settings.number("AI_CLIENT_RATE", 10, low=0.01, high=1000)),
            jobs=int(settings.number("AI_CLIENT_JOBS", 100, low=1, high=10_000)),
            patience=float(settings.number("AI_CLIENT_PATIENCE", 600, low=10, high=86_400)),
            lost_after=float(settings.number("AI_CLIENT_LOST_AFTER", 60, low=5, high=3600)),
        )

    def _engine(self, model: str, styles: tuple[str, ...]) -> Engine:
        xl = takes_only_xl_sizes(model)
        return Engine(
            id=f"{self.name}/{model}",
            name=_NAMES.get(model, model),
            abilities=frozenset({Ability.NEGATIVE, Ability.WEIGHTS, Ability.STYLE, Ability.STEPS}),
            sizes=XL_SIZES if xl else COMMON_SIZES,
            grid=None if xl else GRID,
            default_size=SQUARE,
            images_per_submission=MOST_IMAGES,
            prompt_limit=PROMPT_LIMIT,
            styles=styles,
            steps=STEPS,
            weights=WEIGHTS,
            price=self._quote(1),
        )

    def _quote(self, images: int) -> Quote:
        held = images * self._credits_per_image
        return Quote(low=held, high=held, hold=held, exact=False)

    def quote(self, request: ImageRequest) -> Quote:
        return self._quote(request.images)

    async def prepare(self, request: ImageRequest) -> Handle:
        form = [("ai_version_code", self._version_code)]
        answer = await self._service.call("POST", "/threads", paid=False, form=form)
        opened = Opened.read(unwrap(await self._json(answer)))
        if opened is None:
            raise self._service.judge.by_status(answer, paid=False)
        return Ticket(thread=opened.guid, images=request.images).handle()

    async def submit(
        self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None
    ) -> Handle | Finished:
        ticket = read_ticket(handle)
        answer = await self._service.call(
            "POST", f"/threads/{ticket.thread}/entry", paid=True, form=entry_form(request), seconds=SUBMIT_SECONDS
        )
        if not answer.ok:
            raise self._service.judge.about(request).by_status(answer, paid=True)
        try:
            entry = Opened.read(unwrap(await answer.json()))
        except Unreadable:
            entry = None
        if entry is None:
            raise self._service.judge.by_status(answer, paid=True)
        # If the entry already has an error, the first poll finds it.
        return ticket.model_copy(update={"request": entry.guid}).handle()

    async def find(self, handle: Handle) -> Handle | None:
        ticket = read_ticket(handle)
        answer = await self._entries(ticket)
        if is_missing(answer):
            # We opened this thread, so a missing thread means a problem of the service.
            raise Unreachable(Reason.NOT_LISTED, detail=answer.detail)
        value = await self._json(answer)
        entries = read_entries(unwrap(value), ticket.thread)
        if (request := own_request(entries, ticket.request)) is not None:
            known = Opened.read({"guid": request.guid})
            return ticket.model_copy(update={"request": known.guid if known else None}).handle()
        if entries or not is_whole_list(value, ticket.thread):
            raise Unreachable(Reason.ODD_ANSWER, detail=answer.detail)
        return None

    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        ticket = read_ticket(handle)
        answer = await self._entries(ticket)
        if is_missing(answer):
            return Gone()
        judge = self._service.judge.about(request)
        value = await self._json(answer, judge)
        entries = read_entries(unwrap(value), ticket.thread)
        if own_request(entries, ticket.request) is None and not is_whole_list(value, ticket.thread):
            raise Unreachable(Reason.ODD_ANSWER, detail=answer.detail)
        return result_of(entries, ticket, judge=judge, guess=self._credits_per_image)

    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        if image.url is None:
            raise Refused(Reason.IMAGE_WITHOUT_ADDRESS)
        return await self._downloads.fetch(
            image.url, path, expected_bytes=image.expected_bytes, expected_size=image.size
        )

    async def check(self) -> ProviderError | None:
        try:
            answer = await self._service.call("GET", f"/threads/{_NOBODYS_THREAD}/entries", paid=False)
            if not is_missing(answer):
                await self._json(answer)
        except ProviderError as error:
            return error
        return None

    async def close(self) -> None:
        await self._service.close()

    async def _entries(self, ticket: Ticket) -> Answer:
        return await self._service.call("GET", f"/threads/{ticket.thread}/entries", paid=False)

    async def _json(self, answer: Answer, judge: Judge | None = None) -> Json:
        """Decode the JSON response of a free call. Raises ProviderError for any other status or body."""
        judge = judge or self._service.judge
        if not answer.ok:
            raise judge.by_status(answer, paid=False)
        try:
            return await answer.json()
        except Unreadable:
            raise judge.by_status(answer, paid=False) from None


def is_missing(answer: Answer) -> bool:
    """Whether the service itself reports a missing thread. An HTML page may just as well mean a wrong base URL."""
    kind = (answer.header("Content-Type") or "").lower()
    return answer.status in {404, 410} and "json" in kind


def entry_form(request: ImageRequest) -> list[tuple[str, str]]:
    """Build the form for a request, with the field names from the provider's page."""
    prompts = [*request.prompts]
    if request.negative:
        prompts.append(WeightedText(request.negative, -1))
    form = [
        ("type", "request"),
        ("engine", request.engine.partition("/")[2]),
        ("resolution", str(request.size)),
    ]
    for index, part in enumerate(prompts):
        # Forms are UTF-8, which cannot encode a lone surrogate.
        form.append((f"prompts[{index}][text]", part.text.encode("utf-8", "ignore").decode()))
        form.append((f"prompts[{index}][weight]", f"{part.weight:.6g}"))
    form.append(("images", str(request.images)))
    # The documentation does not say that the steps are optional, so the default number is sent.
    form.append(("steps", str(request.steps if request.steps is not None else round(STEPS.default or 30))))
    if request.style:
        form.append(("style", request.style))
    return form

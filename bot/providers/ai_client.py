"""The ai-client provider: opens a thread for each submission, posts an entry to it, and polls its entries.

It sells several services; the version code with which a thread is opened chooses one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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
from bot.providers.ai_client_versions import (
    DALLE,
    DALLE_CREDITS,
    MIDJOURNEY,
    MIDJOURNEY_CREDITS,
    MODELS,
    PROVIDER,
    SD_CREDITS,
    STABLE_DIFFUSION,
    VERSIONS,
    Version,
    dalle_version,
    midjourney_version,
    stable_diffusion,
)
from bot.providers.answers import Answer, Unreadable, parse_json, reason, unwrap
from bot.providers.base import (
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
)
from bot.providers.credentials import Credentials
from bot.providers.engine_ids import checked_names
from bot.providers.errors import ProviderError, Reason, Refused, Unreachable
from bot.providers.fetching import Downloads, largest_image
from bot.providers.hosts import image_hosts
from bot.providers.http import Service
from bot.providers.operations import Pictures
from bot.providers.refusals import Judge
from bot.providers.settings import SettingsReader, Takes, WrongSetting
from bot.providers.stable_diffusion import STYLES

URL = "https://app.ai-client.com/api/v1"
SUBMIT_SECONDS = 60.0

# The id of a thread that cannot exist. Reading its entries is free and shows whether the key is accepted.
_NOBODYS_THREAD = "00000000-0000-4000-8000-000000000000"
_CODE_FIELD = "ai_version_code"
# A service that restarts may answer 404 to one call and accept the next. So a 404 without a reason counts only after
# this many, with a thread of another code opened after each.
_NOT_FOUND_ENOUGH = 3
_NAMES_VERSION = re.compile(r"\b(version|model|engine|deprecated|retired|discontinued)\b|no longer", re.IGNORECASE)


class AiClient(Provider):
    """The provider. It reports no seed, and reports the cost only at the end."""

    name: ClassVar[str] = PROVIDER
    key_setting: ClassVar[str] = "AI_CLIENT_TOKEN"
    finds_lost_submits = True
    # The documentation gives no limit except the rate. The poll schedule decides how often a poll is worthwhile.
    shortest_poll = 0.25

    def __init__(
        self,
        service: Service,
        downloads: Downloads,
        *,
        versions: Sequence[Version] = (stable_diffusion(),),
        credit_value: Decimal = Decimal(1),
        rate: float = 10.0,
        jobs: int = 100,
        patience: float = 600.0,
        lost_after: float = 60.0,
    ) -> None:
        """``versions`` are the services to use. The last two parameters are in seconds."""
        self.label = service.label
        self.credit_value = credit_value
        self.rate = rate
        self.jobs = jobs
        self.patience = patience
        self.lost_after = lost_after
        self.retired = set()
        self._service = service
        self._downloads = downloads
        self._versions = {engine.id: version for version in versions for engine in version.engines}
        self.engines = tuple(engine for version in versions for engine in version.engines)
        # By version code: how many 404s count, and whether another code was accepted since the last one.
        self._not_found: dict[str, tuple[int, bool]] = {}

    @classmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        token = settings.secret("AI_CLIENT_TOKEN")
        if token is None:
            return None
        service = Service(
            "ai-client",
            settings.url("AI_CLIENT_URL", URL),
            credentials=Credentials.key(token, "Bearer"),
            image_hosts=image_hosts(settings),
            proxy=settings.proxy,
        )
        return cls(
            service,
            Downloads(service, largest=largest_image(settings)),
            versions=_versions(settings),
            credit_value=settings.number("AI_CLIENT_CREDIT_VALUE", 1, low=0, high=1_000_000),
            rate=float(settings.number("AI_CLIENT_RATE", 10, low=0.01, high=1000)),
            jobs=int(settings.number("AI_CLIENT_JOBS", 100, low=1, high=10_000)),
            patience=float(settings.number("AI_CLIENT_PATIENCE", 600, low=10, high=86_400)),
            lost_after=float(settings.number("AI_CLIENT_LOST_AFTER", 60, low=5, high=3600)),
        )

    def _version(self, request: ImageRequest) -> Version:
        """The service that makes this request. Raises Refused if it is not offered any more."""
        version = self._versions.get(request.engine)
        if version is None or request.engine in self.retired:
            raise Refused(Reason.RETIRED, detail="an engine that is switched off")
        return version

    def _known(self, engine: str | None) -> Version:
        """The service of an engine; for an engine that is not offered any more, the first one."""
        return self._versions.get(engine or "") or self._versions[self.engines[0].id]

    def quote(self, request: ImageRequest) -> Quote:
        return self._known(request.engine).quote(request.images)

    async def prepare(self, request: ImageRequest) -> Handle:
        version = self._version(request)
        version.form(request)  # A request that cannot be sent is refused before a thread is opened.
        answer = await self._service.call("POST", "/threads", paid=False, form=[(_CODE_FIELD, version.code)])
        if self._is_retired(version.code, answer):
            self.retired |= {engine for engine, each in self._versions.items() if each is version}
            raise Refused(Reason.RETIRED, detail=answer.detail, operator=True)
        opened = Opened.read(unwrap(await self._json(answer)))
        if opened is None:
            raise self._service.judge.by_status(answer, paid=False)
        self._record_opened(version.code)
        return Ticket(thread=opened.guid, images=request.images).handle()

    def _is_retired(self, code: str, answer: Answer) -> bool:
        """Return whether the service no longer has the version with this code."""
        if answer.status not in {404, 410, 422} or not _is_json(answer):
            return False
        try:
            value = parse_json(answer.body)
        except Unreadable:
            return False
        errors = value.get("errors") if isinstance(value, dict) else None
        if (isinstance(errors, dict) and _CODE_FIELD in errors) or _NAMES_VERSION.search(reason(value)):
            return True
        if answer.status == 422:
            return False
        count, other_opened = self._not_found.get(code, (0, True))
        self._not_found[code] = count + other_opened, False
        return count + other_opened > _NOT_FOUND_ENOUGH

    def _record_opened(self, code: str) -> None:
        self._not_found.pop(code, None)
        for other, (count, _) in self._not_found.items():
            self._not_found[other] = count, True

    async def submit(
        self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None
    ) -> Handle | Finished:
        ticket = read_ticket(handle)
        form = self._version(request).form(request)
        answer = await self._service.call(
            "POST", f"/threads/{ticket.thread}/entry", paid=True, form=form, seconds=SUBMIT_SECONDS
        )
        if not answer.ok:
            error = self._service.judge.about(request).by_status(answer, paid=True)
            if error.reason is Reason.RETIRED:
                self.retired.add(request.engine)  # The version's other engines may still work.
            raise error
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
        version = self._known(None if request is None else request.engine)
        return result_of(entries, ticket, judge=judge, guess=version.credits_per_image)

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
    return answer.status in {404, 410} and _is_json(answer)


def _is_json(answer: Answer) -> bool:
    return "json" in (answer.header("Content-Type") or "").lower()


def _versions(settings: SettingsReader) -> list[Version]:
    """The services that the settings name, in that order. Raises WrongSetting for one that the bot does not know."""
    # This code was the whole setting before there were several services.
    own_code = settings.text("AI_CLIENT_VERSION_CODE", STABLE_DIFFUSION)
    known = {
        STABLE_DIFFUSION: stable_diffusion(
            own_code,
            models=checked_names(settings, "AI_CLIENT_ENGINES", MODELS),
            styles=checked_names(settings, "AI_CLIENT_STYLES", STYLES),
            credits_per_image=_millicredits(settings, "AI_CLIENT_CREDITS_PER_IMAGE", SD_CREDITS),
        ),
        MIDJOURNEY: midjourney_version(_millicredits(settings, "AI_CLIENT_MIDJOURNEY_CREDITS", MIDJOURNEY_CREDITS)),
        DALLE: dalle_version(_millicredits(settings, "AI_CLIENT_DALLE_CREDITS", DALLE_CREDITS)),
    }
    wanted = checked_names(settings, "AI_CLIENT_VERSIONS", (STABLE_DIFFUSION,))
    if not known.keys() >= set(wanted):
        raise WrongSetting("AI_CLIENT_VERSIONS", Takes.VERSIONS, VERSIONS)
    return [known[code] for code in dict.fromkeys(wanted)]


def _millicredits(settings: SettingsReader, name: str, default: int) -> int:
    return int(settings.number(name, default / 1000, low=0, high=10_000) * 1000)

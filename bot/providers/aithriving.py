"""The AI Thriving provider: one call, whose response contains the image. The endpoints are in a table of their own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Self

from bot.providers.aithriving_answers import Reply, decode_shaped, refusal
from bot.providers.aithriving_endpoints import SD3_PATHS, Call, Endpoint, endpoints, engines
from bot.providers.aithriving_prices import Prices
from bot.providers.answers import Answer
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
)
from bot.providers.credentials import Credentials
from bot.providers.engine_ids import checked_names
from bot.providers.errors import Busy, OutcomeUnknown, ProviderError, Reason, Refused, TooLarge, Unreachable
from bot.providers.fetching import LARGEST_IMAGE, keep, largest_image
from bot.providers.http import Service
from bot.providers.operations import Margins, Operation, PictureFile, Pictures
from bot.providers.settings import SettingsReader
from bot.providers.stable_diffusion import SEED, STYLES
from bot.providers.uploads import FilePart, Form

URL = "https://www.aithriving.com"
LARGEST_ANSWER = 48 << 20
"""The size limit of a response in bytes, unless ``IMAGE_MAX_MIB`` allows larger images."""

_NO_SUCH_PATH = frozenset({404, 405})


class Aithriving(Provider):
    """The provider. Everything is one call, so there is nothing to poll, and a lost response cannot be recovered."""

    name: ClassVar[str] = "aithriving"
    key_setting: ClassVar[str] = "AITHRIVING_KEY"

    def __init__(
        self,
        service: Service,
        *,
        styles: tuple[str, ...] = STYLES,
        prices: Prices | None = None,
        sd3_paths: tuple[str, ...] = SD3_PATHS,
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
        self._service = service
        self._largest = largest
        self._prices = prices or Prices()
        table = endpoints(sd3_paths)
        self._endpoints = {(row.engine, row.operation): row for row in table}
        self.engines = engines(table, styles, self._prices.range_of)
        self.retired: set[str] = set()
        # An engine with several operations is retired when its last one is.
        self._retired: set[tuple[str, Operation]] = set()
        # Paths that do not exist, of endpoints that have another one.
        self._absent: set[str] = set()

    @classmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        key = settings.secret("AITHRIVING_KEY")
        if key is None:
            return None
        service = Service(
            "AI Thriving",
            settings.url("AITHRIVING_URL", URL),
            credentials=Credentials.key(key, settings.text("AITHRIVING_AUTH_SCHEME")),
            proxy=settings.proxy,
        )
        return cls(
            service,
            styles=checked_names(settings, "AITHRIVING_STYLES", STYLES),
            prices=Prices.read(settings),
            sd3_paths=checked_names(settings, "AITHRIVING_SD3_PATHS", SD3_PATHS),
            largest=largest_image(settings),
            credit_value=settings.number("AITHRIVING_CREDIT_VALUE", 1, low=0, high=1_000_000),
            rate=float(settings.number("AITHRIVING_RATE", 10, low=0.01, high=1000)),
            jobs=int(settings.number("AITHRIVING_JOBS", 100, low=1, high=10_000)),
        )

    def has_retired(self, engine: Engine) -> bool:
        return engine.id in self.retired or (engine.id, engine.operation) in self._retired

    def quote(self, request: ImageRequest) -> Quote:
        endpoint = self._endpoints.get((request.engine, request.operation))
        # A request of another version is still shown, but would be refused.
        return Quote(0, 0, 0, exact=False) if endpoint is None else self._prices.quote(endpoint, request)

    async def prepare(self, request: ImageRequest) -> Handle:
        """Return a handle without any call. It only records the kind of request."""
        return {"engine": request.engine, "operation": request.operation.value}

    async def submit(self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None) -> Finished:
        """Send the request once.

        Raises TooLarge if the pictures have too many bytes for a form, before or after sending it. Raises Busy after a
        response that says that there is no such path, if there is another one, which the next call uses.
        """
        call = Call(self._endpoint(request), request, pictures)
        if (request.engine, request.operation) in self._retired:
            raise Refused(Reason.RETIRED, detail="an engine that is switched off")
        form = _form(call)
        path = self._path(call.endpoint)
        answer = await self._service.call(
            "POST",
            path,
            paid=True,
            json=None if form else call.endpoint.fields_of(call),
            multipart=form,
            seconds=call.endpoint.seconds,
            largest=max(LARGEST_ANSWER, self._largest // 3 * 4 + (1 << 20)),
        )
        value = await answer.json_if_any()
        reply = Reply.read(value)
        if reply is None or not reply.usable:
            self._check_path(answer, call.endpoint, path)
        try:
            return await self._read(answer, value, reply, call)
        except Refused as error:
            if error.reason is Reason.RETIRED:
                self._retire(request)
            raise

    def _endpoint(self, request: ImageRequest) -> Endpoint:
        """The row for this request. Raises Refused if there is none, for a request of another version."""
        endpoint = self._endpoints.get((request.engine, request.operation))
        if endpoint is None:
            raise Refused(Reason.RETIRED, detail="an unknown engine or operation")
        return endpoint

    async def _read(self, answer: Answer, value: Json, reply: Reply | None, call: Call) -> Finished:
        judge = self._service.judge.about(call.request)
        files = call.endpoint.uploads
        if reply is None or not reply.usable:
            if files and answer.status == 413:
                raise TooLarge(detail=answer.detail)
            raise judge.by_status(answer, paid=True)
        if reply.code not in {0, None}:
            raise refusal(answer, value, judge, files=files)
        return await self._finished(answer, reply, call)

    async def _finished(self, answer: Answer, reply: Reply, call: Call) -> Finished:
        image = reply.data.image
        if image is None:
            if not answer.ok:
                raise self._service.judge.about(call.request).by_status(answer, paid=True)
            raise OutcomeUnknown(Reason.IMAGE_MISSING, detail=answer.detail)
        try:
            data, reshaped = await self._service.in_thread(decode_shaped, image, call.shape)
        except ValueError:
            raise OutcomeUnknown(Reason.IMAGE_BROKEN, detail=answer.detail) from None
        told = reply.data.seed
        seed = told if told is not None and told in SEED else call.request.seed
        made = GeneratedImage(data=data, seed=seed or None, filtered=reply.filtered, reshaped=reshaped)
        return Finished((made,), self._prices.cost(call.endpoint, call.request))

    # --- endpoints that are gone --------------------------------------------------------------------------------

    def _path(self, endpoint: Endpoint) -> str:
        return next(path for path in endpoint.paths if path not in self._absent)

    def _check_path(self, answer: Answer, endpoint: Endpoint, path: str) -> None:
        """Go on to the endpoint's next path if this response, which is not the service's own, says that it is absent.

        Raises Busy, because the request was certainly not accepted, and the service is reachable: for the circuit
        breaker, Unreachable would be a failure of all engines. If no path is left, the engine may be gone, or the
        service may just be being deployed. So the request is refused, but the engine stays on offer, and the next
        request tries the paths again.
        """
        if len(endpoint.paths) == 1 or answer.status not in _NO_SUCH_PATH:
            return
        self._absent.add(path)
        if self._absent.issuperset(endpoint.paths):
            self._absent.difference_update(endpoint.paths)
            raise Refused(Reason.RETIRED, detail=answer.detail, operator=True)
        raise Busy(detail=answer.detail, retry_after=0.0)

    def _retire(self, request: ImageRequest) -> None:
        """Refuse such requests without a call from now on, until a restart."""
        self._retired.add((request.engine, request.operation))
        engine = next(each for each in self.engines if each.id == request.engine)
        # The operations of an engine for words share its model. The others are endpoints that have nothing in common.
        if engine.operation is Operation.TEXT_TO_IMAGE:
            self._retired.update((engine.id, operation) for operation in engine.operations)
        if all((engine.id, operation) in self._retired for operation in engine.operations):
            self.retired.add(engine.id)

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


def _form(call: Call) -> Form | None:
    """Make the form for a request with pictures; None for one without.

    Raises Refused if a part of the request is missing, and TooLarge if the form has more bytes than the endpoint takes.
    """
    endpoint, request, pictures = call.endpoint, call.request, call.pictures
    if not endpoint.uploads:
        return None
    if pictures is None:
        raise Refused(Reason.NO_PICTURE)
    files = [_part(endpoint.picture, pictures.source)]
    if request.operation.has_mask:
        if pictures.mask is None:
            raise Refused(Reason.NOTHING_MARKED)
        files.append(_part("mask", pictures.mask))
    if request.operation is Operation.OUTPAINT:
        margins, most = request.margins or Margins(), endpoint.rules.margin
        if not 0 < margins.largest <= most or margins.smallest < 0:
            raise Refused(Reason.WRONG_MARGINS, values={"most": most})
    form = Form(tuple((name, str(value)) for name, value in endpoint.fields_of(call).items()), tuple(files))
    if form.size > endpoint.rules.bytes:
        raise TooLarge(detail=f"a form of {form.size} bytes")
    return form


def _part(name: str, picture: PictureFile) -> FilePart:
    return FilePart(name, picture.path, picture.media_type, picture.bytes)

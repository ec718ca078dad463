"""The provider protocol: engines, requests, responses and errors of an image service.

Amounts are the provider's own **millicredits** (1,000 are a credit); ``credit_value`` converts them to the bot's. Sizes
are pixels, durations are seconds. This module does not depend on Discord, the database or the environment.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Self, TypeAlias

from bot.providers.errors import ProviderError, Reason
from bot.providers.loras import Loras
from bot.providers.operations import Fit, Margins, Operation, PictureRules, Pictures, Size
from bot.providers.server_states import ServerState
from bot.providers.settings import SettingsReader

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"

Handle: TypeAlias = dict[str, Json]
"""The data with which a provider finds a submission again after a restart: plain JSON, no secrets."""


class Ability(StrEnum):
    """A feature that a request can use besides a prompt, a size and a number of images."""

    NEGATIVE = "negative"
    WEIGHTS = "weights"
    STYLE = "style"
    STEPS = "steps"
    SEED = "seed"
    GUIDANCE = "guidance"
    SAMPLER = "sampler"
    SCHEDULER = "scheduler"
    LORA = "lora"
    HIGH_RES = "high_res"
    STRENGTH = "strength"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The lowest and highest value that an engine accepts, both inclusive, and its default value."""

    low: float
    high: float
    default: float | None = None

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class SizeGrid:
    """Any width and height from ``low`` to ``high`` pixels in steps of ``step``."""

    low: int = 320
    high: int = 1536
    step: int = 64

    def __contains__(self, size: Size) -> bool:
        return all(self.low <= side <= self.high and side % self.step == 0 for side in (size.width, size.height))


@dataclass(frozen=True, slots=True)
class Quote:
    """A price before the request, in the provider's millicredits: from ``low`` to ``high``. ``hold`` is reserved."""

    low: int
    high: int
    hold: int
    exact: bool


FREE = Quote(0, 0, 0, exact=True)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost after the request, in the provider's millicredits. An estimate is always shown as an estimate."""

    millicredits: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Engine:
    """One model of one provider, for one of its operations. ``id`` is ``provider/engine``.

    ``sizes`` are the sizes to offer first; ``grid`` is None if the engine accepts no size except ``sizes``. An
    operation with neither makes images whose size follows from the picture that it starts from; ``picture`` is what it
    requires of that picture. ``scales`` are how many times larger it can make each side of a picture, the usual one
    first; empty unless it upscales. ``images_per_submission`` is the number of images that one paid request can make.
    If it is 1, several images need several requests. ``batch`` is the number of images that the engine always makes
    together: it takes multiples of it only. ``price`` is the price of one image, from the cheapest request to the most
    expensive. ``others`` are the same engine's other operations. Engines of one ``family`` make similar images.
    ``workers`` is the number of machines that offer it now, and ``queue_seconds`` is the length of their queue; None if
    the service does not tell.
    """

    id: str
    name: str
    abilities: frozenset[Ability]
    sizes: tuple[Size, ...]
    default_size: Size
    images_per_submission: int
    prompt_limit: int
    grid: SizeGrid | None = None
    styles: tuple[str, ...] = ()
    samplers: tuple[str, ...] = ()
    schedulers: tuple[str, ...] = ()
    loras: tuple[str, ...] = ()
    steps: Bounds | None = None
    guidance: Bounds | None = None
    seed: Bounds | None = None
    weights: Bounds | None = None
    strength: Bounds | None = None
    high_res: Bounds | None = None
    scales: tuple[int, ...] = ()
    price: Quote | None = None
    operation: Operation = Operation.TEXT_TO_IMAGE
    picture: PictureRules | None = None
    others: tuple[Engine, ...] = ()
    batch: int = 1
    family: str = ""
    workers: int | None = None
    queue_seconds: int | None = None

    def doing(self, operation: Operation) -> Engine | None:
        """Return the engine for this operation, or None if it does not have it."""
        return next((each for each in (self, *self.others) if each.operation is operation), None)

    @property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(each.operation for each in (self, *self.others))

    @property
    def sized(self) -> bool:
        """Whether a request can choose the size."""
        return bool(self.sizes) or self.grid is not None

    @property
    def provider(self) -> str:
        return self.id.partition("/")[0]

    @property
    def model(self) -> str:
        """The provider's own name for the engine: the id without the provider."""
        return self.id.partition("/")[2]

    def takes_size(self, size: Size) -> bool:
        return size in self.sizes or (self.grid is not None and size in self.grid)


@dataclass(frozen=True, slots=True)
class WeightedText:
    """A part of a prompt. A negative weight marks something to avoid."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One paid request, with everything that is sent to the provider. None means the provider's default.

    ``size`` is the size of the image to make. With ``high_res``, the image is drawn again that many times larger; then
    ``result_size`` is its final size. ``strength`` is how much of the picture may change, in percent: 0 is the
    picture itself, 100 ignores it. ``source`` and ``mask`` are ids of stored pictures. ``area`` is the part to repaint,
    as cells of a grid; see :mod:`bot.domain.areas`. ``search`` are the words for what is to be replaced. ``fit`` is how
    the picture is brought into the ratio that the engine needs, if it has another. ``scale`` is how many times larger
    an upscaled picture becomes on each side. ``adult``: the image is for a place that only adults see.
    """

    engine: str
    prompts: tuple[WeightedText, ...]
    size: Size
    images: int = 1
    negative: str | None = None
    style: str | None = None
    steps: int | None = None
    seed: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    scheduler: str | None = None
    lora: Loras | None = None
    high_res: float | None = None
    operation: Operation = Operation.TEXT_TO_IMAGE
    strength: int | None = None
    source: int | None = None
    mask: int | None = None
    area: str | None = None
    search: str | None = None
    margins: Margins | None = None
    fit: Fit | None = None
    scale: int | None = None
    adult: bool = False

    @property
    def result_size(self) -> Size:
        """The size of the finished image. A second pass rounds its sides down to multiples of 8."""
        if self.high_res is None:
            return self.size
        return Size(*(int(side * self.high_res) // 8 * 8 for side in (self.size.width, self.size.height)))


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """An image that the provider has made: at a URL, or as bytes that came with the response.

    ``size`` and ``expected_bytes`` are the provider's claims; only the file itself is reliable. ``filtered`` means that
    the provider reports a blurred or withheld image. ``reshaped`` means that the image was made from a picture, and its
    ratio is not the one that follows from the request.
    """

    url: str | None = None
    data: bytes | None = field(default=None, repr=False)
    seed: int | None = None
    filtered: bool = False
    size: Size | None = None
    expected_bytes: int | None = None
    reshaped: bool = False


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """The facts about a written file: its type and size in pixels, read from its content, and its length in bytes."""

    media_type: str
    size: Size
    bytes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not finished yet.

    ``percent`` is None if the provider does not report progress. ``handle``, if set, replaces the stored handle,
    because this poll added information to it. ``charged`` is the amount that the provider reports as charged for this
    submission so far, in its millicredits. ``place`` is the place in the provider's own queue, where 1 is next, and
    ``seconds_left`` is the provider's own estimate. ``preview`` is the unfinished image, as JPEG, PNG or WebP.
    ``unserved``: no machine can make it at the moment.
    """

    percent: int | None = None
    handle: Handle | None = None
    charged: int = 0
    place: int | None = None
    seconds_left: float | None = None
    preview: bytes | None = field(default=None, repr=False)
    unserved: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """Finished: at least one image, and the cost.

    ``beyond`` is the amount that the provider charged in addition to the cost, in its millicredits, because the same
    request arrived twice. The user does not pay it. ``sure`` is False if the response contradicts itself and may be
    temporary: then it counts only if later polls confirm it. ``abuse`` is as in Refused, because of a withheld image.
    """

    images: tuple[GeneratedImage, ...]
    cost: Cost
    beyond: int = 0
    sure: bool = True
    abuse: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """Failed at the provider. ``said`` is the provider's own explanation, if any, and is safe to show.

    ``charged`` is the amount that the provider charged nevertheless, in its millicredits; the user is not charged.
    ``sure`` is as in Finished, and ``abuse`` as in Refused.
    """

    reason: Reason
    said: str = ""
    charged: int = 0
    sure: bool = True
    abuse: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """Unknown to the provider. Unless it has proof (``sure``), later polls must confirm it: it may be restarting."""

    sure: bool = False


PollResult: TypeAlias = Waiting | Finished | Failed | Gone


class Provider(ABC):
    """One image service with one key.

    Only :meth:`submit` may cost money, and it never repeats itself. Every method that calls the service makes one API
    request (``prepare`` may make none). The caller enforces ``rate``. Downloads do not count.
    """

    name: ClassVar[str]
    key_setting: ClassVar[str] = ""
    """The setting that enables the provider."""
    address_setting: str = ""
    """The setting with the address, if the service may be a server of the operator's; otherwise blank."""
    charges: bool = True
    """Whether requests cost money. If not, a request whose response was lost is simply sent again."""
    learns: ClassVar[bool] = False
    """Whether :meth:`learn` finds out what the service offers. ``engines`` may be empty until then."""
    blocks: ClassVar[bool] = False
    """Whether :meth:`submit` takes until the images are made, and :meth:`progress` reports on it meanwhile."""
    told_progress: ClassVar[bool] = False
    """Whether :meth:`progress` needs no request, because the response to :meth:`submit` tells it while it arrives."""
    cancels: bool = False
    """Whether :meth:`cancel` can stop a submission that was sent."""
    label: str
    """The display name."""
    engines: tuple[Engine, ...]
    outdated: bool = False
    """Whether :meth:`learn` should be called again, because the service refused an engine or an option."""
    retired: set[str]
    """The ids of engines that the service no longer has; empty at start."""
    credit_value: Decimal
    """What one credit of this provider is worth in the bot's credits."""
    rate: float
    poll_rate: float | None = None
    """The maximum numbers of API requests per second, and of polls if the service counts them separately."""
    jobs: int
    """The maximum number of concurrent submissions."""
    shortest_poll: float = 1.0
    """The minimum number of seconds between two polls of one submission."""
    patience: float = 600.0
    """Seconds after which the bot gives up a submission that is still rendering."""
    finds_lost_submits: bool = False
    """Whether :meth:`find` can determine whether a submit without a response arrived, and :meth:`poll` its status."""
    lost_after: float = 60.0
    """Seconds for which the bot looks for a submit without a response. After that, it counts as never arrived."""

    @classmethod
    @abstractmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        """Create the provider from its settings. Returns None if its key is not set.

        Raises the reader's own error for an invalid value, and WrongSetting for one that only the provider can check.
        """

    def has_retired(self, engine: Engine) -> bool:
        """Return whether the service no longer has this engine, or this operation of it."""
        return engine.id in self.retired

    @abstractmethod
    def quote(self, request: ImageRequest) -> Quote:
        """Return the price of this request before it is sent."""

    @abstractmethod
    async def prepare(self, request: ImageRequest) -> Handle:
        """Take the free first step. Returns the handle to store before the paid call."""

    @abstractmethod
    async def submit(
        self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None
    ) -> Handle | Finished:
        """Send the paid request once, with the pictures that it starts from.

        The class of the ProviderError that it raises decides what to do next.
        """

    async def learn(self) -> tuple[Engine, ...]:
        """Ask the service what it offers, replace ``engines``, and return them. Raises ProviderError."""
        return self.engines

    async def progress(self, handle: Handle) -> Waiting:
        """Get the status of a submission while its :meth:`submit` is running. Raises ProviderError."""
        return Waiting()

    async def cancel(self, handle: Handle) -> bool:
        """Ask the service to stop a submission, which may be too late. Returns whether it can stop one at all.

        :meth:`poll` reports the outcome, or :meth:`submit` if it ``blocks``: Failed or Refused with the reason
        CANCELLED, OutcomeUnknown with this reason if it may have been charged, or Finished with the images that were
        ready. Raises ProviderError.
        """
        return False

    @abstractmethod
    async def find(self, handle: Handle) -> Handle | None:
        """Look for a submit whose response was lost. Returns its handle, or None if it certainly did not arrive.

        After None it is paid for again, so None needs proof. Raises Unreachable if the response proves nothing.
        """

    @abstractmethod
    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        """Get the status of a submission. The response may repeat the words of its ``request``."""

    def pushed(self, handle: Handle) -> asyncio.Event | None:
        """Return an event that is set when the service pushes that a submission may have ended. None if it does not."""
        return None

    @abstractmethod
    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        """Stream the image into the file ``path``, replacing it.

        Raises Unreachable if a retry may succeed, NotFound if the image is gone (which may be temporary), and Refused
        if the bytes are not a supported image.
        """

    @abstractmethod
    async def check(self) -> ProviderError | None:
        """Check with a free request whether the service is reachable. Returns the problem, or None."""

    def servers(self) -> tuple[ServerState, ...]:
        """Return what is known about the servers, without asking them. Empty if nothing is known."""
        return ()

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""

"""The provider protocol: engines, requests, answers and errors of an image service.

Amounts are the provider's own **millicredits** (a credit is 1,000); ``credit_value`` turns them into the bot's.
Sizes are pixels, durations are seconds. Nothing here knows Discord, the database or the environment.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol, Self, TypeAlias

from bot.providers.errors import ProviderError, Reason

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"

Handle: TypeAlias = dict[str, Json]
"""What a provider needs to find a submission again after a restart: plain JSON, no secrets."""


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read ``1024x768`` (also with ``×`` or spaces). Raises ValueError."""
        width, separator, height = text.lower().replace("×", "x").replace(" ", "").partition("x")
        if not separator or not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
            raise ValueError(f"not a size: {text!r}")
        if len(width) > 5 or len(height) > 5:
            raise ValueError(f"not a size in pixels: {text!r}")
        return cls(int(width), int(height))

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Ability(StrEnum):
    """What a request may ask of an engine beyond a prompt, a size and a number of images."""

    NEGATIVE = "negative"
    WEIGHTS = "weights"
    STYLE = "style"
    STEPS = "steps"
    SEED = "seed"
    GUIDANCE = "guidance"
    SAMPLER = "sampler"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The lowest and the highest value an engine takes, both included, and what it uses if none is given."""

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
    """A price before the work, in the provider's millicredits: from ``low`` to ``high``; ``hold`` is reserved."""

    low: int
    high: int
    hold: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """A price after the work, in the provider's millicredits; an estimate is shown as one wherever it appears."""

    millicredits: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Engine:
    """One model of one provider. ``id`` is ``provider/engine``; ``sizes`` are the ones to offer first.

    ``grid`` is None where no other size than ``sizes`` is taken. ``images_per_submission`` is how many images one
    paid request can make: 1 means that several images are several requests. ``price`` is what one image costs, from
    the cheapest request to the dearest.
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
    steps: Bounds | None = None
    guidance: Bounds | None = None
    seed: Bounds | None = None
    weights: Bounds | None = None
    price: Quote | None = None

    @property
    def provider(self) -> str:
        return self.id.partition("/")[0]

    @property
    def model(self) -> str:
        """The provider's own name of the engine: the id without the provider."""
        return self.id.partition("/")[2]

    def takes_size(self, size: Size) -> bool:
        return size in self.sizes or (self.grid is not None and size in self.grid)


@dataclass(frozen=True, slots=True)
class WeightedText:
    """A part of a prompt. A weight below 0 says what to avoid."""

    text: str
    weight: float = 1.0


class Operation(StrEnum):
    """What a request asks an engine to do."""

    TEXT_TO_IMAGE = "text_to_image"


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One paid request: everything the provider is told. None means: not given, the provider's default."""

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
    operation: Operation = Operation.TEXT_TO_IMAGE


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """An image that the provider has made: at a URL, or as bytes that came with the answer.

    ``size`` and ``expected_bytes`` are what the provider says of it; the truth is in the file.
    ``filtered``: the provider says that it blurred or withheld it.
    """

    url: str | None = None
    data: bytes | None = field(default=None, repr=False)
    seed: int | None = None
    filtered: bool = False
    size: Size | None = None
    expected_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """What was written to the file: its type as sniffed from the bytes, its true size in pixels, its length."""

    media_type: str
    size: Size
    bytes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not done yet.

    ``percent`` is None where the provider does not report progress. ``handle`` replaces the stored handle where this
    poll has learnt something. ``charged`` is what the provider says it has charged for this submission so far, in its
    millicredits.
    """

    percent: int | None = None
    handle: Handle | None = None
    charged: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """Done: at least one image, and its cost.

    ``beyond`` is what the provider charged on top of the cost, in its millicredits, because the same request arrived
    twice. The user does not pay it. ``sure`` is False where the answer contradicts itself and may change in a moment:
    it counts only if it stays.
    """

    images: tuple[GeneratedImage, ...]
    cost: Cost
    beyond: int = 0
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider says that it could not make it, and may say why in its own words: ``said``, safe to show.

    ``charged`` is what the provider took all the same, in its millicredits; the user is not charged. ``sure`` is False
    where the answer contradicts itself and may change in a moment: it counts only if it stays.
    """

    reason: Reason
    said: str = ""
    charged: int = 0
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Gone:
    """The provider does not know this submission. It counts only if it stays so: a service may just be restarting."""


PollResult: TypeAlias = Waiting | Finished | Failed | Gone


class Takes(StrEnum):
    """What a setting takes that only the provider can judge."""

    NAMES = "names"
    HOSTS = "hosts"


class WrongSetting(ValueError):
    """A setting that only the provider can judge is wrong: its name and what it takes, never its value."""

    def __init__(self, name: str, takes: Takes) -> None:
        super().__init__(f"{name}: {takes}")
        self.name = name
        self.takes = takes


class SettingsReader(Protocol):
    """How a provider reads its settings by name. Each raises the program's own error naming a wrong value."""

    def text(self, name: str, default: str = "") -> str: ...
    def secret(self, name: str) -> str | None: ...
    def url(self, name: str, default: str) -> str: ...
    def number(self, name: str, default: Decimal | float | int, *, low: float, high: float) -> Decimal: ...
    def names(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]: ...
    def proxy(self, url: str) -> str | None: ...


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def checked_names(settings: SettingsReader, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """A list of a service's own names for engines or styles. Raises WrongSetting."""
    found = settings.names(name, default)
    if not all(_NAME.fullmatch(one) for one in found):
        raise WrongSetting(name, Takes.NAMES)
    return found


class Provider(ABC):
    """One image service behind one key.

    Only :meth:`submit` may cost money, and it never repeats itself. Every method that talks to the service is one
    API request (``prepare`` may be none); the caller keeps to ``rate``. Downloads do not count.
    """

    name: ClassVar[str]
    key_setting: ClassVar[str] = ""
    """The setting that turns the provider on."""
    label: str
    """The name to show to people."""
    engines: tuple[Engine, ...]
    credit_value: Decimal
    """What one credit of this provider is worth in the bot's credits."""
    rate: float
    """API requests a second at most."""
    jobs: int
    """Submissions at once at most."""
    shortest_poll: float = 1.0
    """Seconds between two polls of one submission, at least."""
    patience: float = 600.0
    """Seconds after which a submission that is still rendering is given up."""
    finds_lost_submits: bool = False
    """Whether :meth:`find` can tell if a submit whose answer was lost has arrived, and :meth:`poll` its status."""
    lost_after: float = 60.0
    """Seconds for which a submit whose answer was lost is looked for before it counts as one that did not arrive."""

    @classmethod
    @abstractmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        """Make the provider from its settings, or None where its key is not set.

        Raises the reader's own error for a wrong value, and WrongSetting for one that the reader cannot judge.
        """

    @abstractmethod
    def quote(self, request: ImageRequest) -> Quote:
        """The price of this request before it is made."""

    @abstractmethod
    async def prepare(self, request: ImageRequest) -> Handle:
        """Make the free first step and return the handle to store before anything is paid for."""

    @abstractmethod
    async def submit(self, handle: Handle, request: ImageRequest) -> Handle | Finished:
        """Make the paid request, once. Raises ProviderError with the decision that follows."""

    @abstractmethod
    async def find(self, handle: Handle) -> Handle | None:
        """Look whether a submit whose answer was lost has arrived: its handle, or None if it surely has not.

        None is the reason to pay again, so it needs proof. Raises Unreachable where the answer proves nothing.
        """

    @abstractmethod
    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        """Ask for the status of a submission. The answer may repeat the words of its ``request``."""

    @abstractmethod
    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        """Stream the image into the file ``path``, replacing it.

        Raises Unreachable if it may come later, NotFound if it is gone unless that changes, and Refused if these bytes
        are no image that we take.
        """

    @abstractmethod
    async def check(self) -> ProviderError | None:
        """Make a free request to see whether the service can be reached: None, or what is wrong."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""

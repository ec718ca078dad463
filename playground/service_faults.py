"""The faults of the image services that people can switch on in the playground, and off again."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from fakes.services import Fate, Fault, StandIn
from fakes.services.exchange import Exchange
from fakes.services.faults import Act, Reset, Status
from fakes.services.image_variants import blurred
from fakes.services.malformed_answers import InTurn
from fakes.services.openai_faults import refused

SLOW_SECONDS = (45.0, 75.0)
PAID = ("ai-client.entry", "aithriving.*", "openai.generations", "openai.edits")
"""The routes of the calls that make images and cost something."""
REFUSAL = "This prompt is not allowed."


async def _works(exchange: Exchange) -> web.StreamResponse:
    return await exchange.proceed()


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice in the page's menu. ``hint`` says what happens to the images that are requested from now on.

    ``seconds`` is how long an image takes (None: as usual), ``balance`` the account's millicredits (None: unlimited).
    """

    name: str
    label: str
    hint: str
    faults: tuple[Fault, ...] = ()
    seconds: tuple[float, float] | None = None
    balance: int | None = None


def _paid(
    act: Act | Fate, *, aithriving: Act | Fate | None = None, openai: Act | Fate | None = None
) -> tuple[Fault, ...]:
    """The same act for every call of :data:`PAID`, or another one at AI Thriving or OpenAI."""
    others = {"aithriving": aithriving, "openai": openai}
    return tuple(Fault(route, others.get(route.partition(".")[0]) or act, None) for route in PAID)


def choices() -> tuple[Choice, ...]:
    """All choices; the first one is that everything works."""
    half = InTurn(_works, Status(500))
    return (
        Choice("works", "It works", "Images take about ten seconds."),
        Choice("slow", "Slow", "Images take a minute.", seconds=SLOW_SECONDS),
        Choice(
            "error",
            "Error 500",
            "The service reports an internal error. After a minute, Easel checks whether anything was made.",
            _paid(Status(500)),
        ),
        Choice(
            "refuses",
            "Refuses the prompt",
            "The service says no to every prompt.",
            _paid(
                Status(422, {"message": REFUSAL}),
                aithriving=Status(200, {"code": -1, "message": REFUSAL, "data": None}),
                openai=refused(400, "moderation_blocked", REFUSAL),
            ),
        ),
        Choice(
            "nsfw",
            "Finds it NSFW",
            "The service's content filter catches every image.",
            _paid(
                Fate(error="The image was flagged by the content filter."),
                aithriving=Fate(alter=blurred, finish_reason="CONTENT_FILTERED"),
            ),
        ),
        Choice(
            "partly",
            "Makes fewer images",
            "Ask for two images or more: some of them are missing.",
            _paid(Fate(images=1), aithriving=half, openai=half),
        ),
        Choice(
            "loses",
            "Loses its answer",
            "The request arrives and is paid for, but the connection breaks before the answer.",
            _paid(Reset(after_doing=True)),
        ),
        Choice("credits", "Out of credits", "The operator's account at the service is empty.", balance=0),
        Choice("down", "Down", "No request gets an answer.", (Fault("*", Reset(), None),)),
    )


class Switch:
    """Switches a stand-in between the choices."""

    def __init__(self, services: StandIn) -> None:
        self._services = services
        self._usual_seconds = services.renderings.seconds
        self.choices = {choice.name: choice for choice in choices()}
        self.current = next(iter(self.choices))

    def to(self, name: str) -> None:
        """Make the service behave like this choice, and only like it. Raises KeyError for an unknown name."""
        choice = self.choices[name]
        self._services.behave()
        self._services.misbehave(*choice.faults)
        self._services.renderings.seconds = choice.seconds or self._usual_seconds
        self._services.renderings.balance = choice.balance
        self.current = name

"""The users: the commands that they run, and what else they do meanwhile."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bot.ui.cards.layout import RESULT
from chaos.engines import FREE, Free, of_engine
from chaos.photos import photo
from fakes.discord.handle import Handle
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel, Upload
from fakes.discord.people import NotOfferedError, Person
from fakes.discord.seen import Seen, look_at

AI_CLIENT = "ai-client/stable-diffusion-xl-1024-v0-9"
BASIC = "aithriving/sd-1.6"
CORE = "aithriving/core"
SD3 = "aithriving/sd3-large"
ENGINES = (AI_CLIENT, BASIC, CORE, SD3)
VARYING = (BASIC, SD3)
"""Those of them that start from a picture too."""

PEOPLE = 24
HERMITS = 3
"""How many of them do not accept direct messages."""
EDITS: Mapping[str, Mapping[str, str]] = {
    "vary": {"engine": SD3},
    "words": {"find": "paper"},
    "part": {"area": "4x4:6,7,10"},
    "extend": {"by": "wider"},
    "sketch": {},
    "structure": {},
}
"""The subcommands of /edit, with what each needs besides a prompt. Erase has none, so nobody could tell it apart."""
EDIT = "aithriving/edit"
"""An engine of edits. Only its provider matters."""
FREE_ENGINES = frozenset(service.engine for service in FREE.values())
EDITING, OF_RESULTS = 0.25, 0.5
"""The fraction of commands that are edits, and the fraction of those that start from an image of a result."""
FREE_FRACTION = 0.45
"""The fraction of commands for free services, if people use any."""
FREE_CANCELLED = 0.3
"""Cancel is pressed for more of the free commands, because these services can stop."""
LATEST = 40
"""Only this many of the latest commands are edited."""
ATTACHING, LARGE_PHOTOS = 0.5, 0.15
"""The fraction of commands with a photo, of those whose engine takes one, and the fraction of large photos."""
NUMBER = 5
"""Digits of the number in each prompt."""
SHARED_AT_ONCE = 3
_JOB = re.compile(r"easel:[a-z-]+:([0-9]+)")
CONFIRMS = ("easel:confirm:", "easel:post:")
FILTERED = "nsfw"
"""A word that the services' content filter refuses."""


@dataclass(eq=False, slots=True)
class Ask:
    """One command by a user. ``number`` is in its prompt and in no other."""

    number: int
    person: Person
    where: Channel
    engine: str
    images: int
    private: bool
    handle: Handle = field(repr=False)
    asks_first: bool = False
    """Its price is asked for first."""
    presses: list[Handle] = field(default_factory=list, repr=False)
    """Its author's presses of Confirm."""
    hung: set[int] = field(default_factory=set)
    """The ids of presses after which the bot died, and the price still has its button: they are repeated."""
    asked_at: float = field(default_factory=time.monotonic)
    deleted: bool = False
    """Its author deleted the card."""
    cancelled: bool = False
    """Its author pressed Cancel."""
    shared: bool = False
    """Its author pressed Share."""
    attached: bool = False
    """It starts from a photo that its author attached."""
    edited: bool = False
    """Somebody opened the panel of one of its images."""
    keyless: bool = False
    """It was unfinished when the bot started without the key of its provider."""

    @property
    def card(self) -> Seen | None:
        """The job's card in its current version; None if there is none."""
        for press in reversed(self.presses):
            posted = press.interaction.original
            if posted is not None and posted is not press.interaction.message and posted.only_for is None:
                return look_at(posted)
        return self.question

    @property
    def question(self) -> Seen | None:
        """The message that responds to the command: its card, or the price that is asked for first."""
        original = self.handle.interaction.original
        return None if original is None else look_at(original)

    @property
    def unconfirmed(self) -> bool:
        """Whether the price waits for its author."""
        question = self.question
        waits = question is not None and not question.message.deleted and _confirm(question) is not None
        return waits and not any(
            press.interaction.answer is not None and press.interaction.id not in self.hung for press in self.presses
        )

    @property
    def unfinished(self) -> bool:
        """Whether its card shows that it is still in progress, or nothing at all."""
        card = self.card
        return card is None or (not card.message.deleted and not is_over(card))


def is_over(seen: Seen) -> bool:
    """Whether this card is final: a result, or a card that offers to run the job again."""
    return is_result(seen) or any((button.custom_id or "").startswith("easel:again:") for button in seen.buttons)


def is_result(seen: Seen) -> bool:
    """Whether this card shows the outcome of a job: its images, or why there are none."""
    return any(component.get("id") == RESULT for component in seen.message.history[-1].components)


class Crowd:
    """Runs commands and behaves as people do. ``chance`` makes all choices."""

    def __init__(
        self, discord: Discord, chance: random.Random, phrases: Sequence[str] = (), free: Sequence[Free] = ()
    ) -> None:
        """Some prompts contain one of the ``phrases``. Almost half of the commands are for the ``free`` services."""
        self._discord = discord
        self._chance = chance
        self._phrases = phrases
        self._free = tuple(FREE[kind].engine for kind in free)
        self.asks: list[Ask] = []
        self.guilds = [discord.guild(name) for name in ("Studio", "Attic")]
        self._places = [guild.channel(name) for guild in self.guilds for name in ("pictures", "drafts")]
        self._people = [discord.user(f"user{number}") for number in range(PEOPLE)]
        for person in self._people[:HERMITS]:
            person.user.dms_open = False

    @property
    def taken(self) -> int:
        """How many commands have been accepted, at least, judging by their cards."""
        originals = [ask.handle.interaction.original for ask in self.asks]
        return sum(original is not None and not original.loading for original in originals)

    async def ask(
        self,
        *,
        engine: str | None = None,
        images: int | None = None,
        words: str | None = None,
        where: Channel | None = None,
        choices: bool = False,
        attached: bool | None = None,
    ) -> Ask:
        """Run one more command. Arguments that are not given are random; ``words`` are part of its prompt.

        With ``choices``, some prompts have two, so that the price is asked for first. ``attached`` adds a photo.
        """
        chance = self._chance
        number = len(self.asks) + 1
        person = chance.choice(self._people)
        private = chance.random() < 0.2
        if where is None:
            in_dm = person.user.dms_open and chance.random() < 0.1
            where = person.dm if in_dm else chance.choice(self._places)
        engine = engine or self._engine()
        images = images or chance.choices((1, 2, 3), (6, 2, 1))[0]
        asks_first = choices and engine not in {AI_CLIENT, *FREE_ENGINES} and chance.random() < 0.25
        if attached is None:
            attached = engine in VARYING and chance.random() < ATTACHING
        options = {"picture": self._photo(number)} if attached else {}
        prompt = self.prompt(number, words, "{red, blue} " if asks_first else "")
        each, images = (1, 2) if asks_first else (images, images)
        handle = await person.slash(
            where, "imagine", prompt=prompt, engine=engine, images=each, private=private, **options
        )
        asked = Ask(number, person, where, engine, images, private, handle, asks_first=asks_first, attached=attached)
        self.asks.append(asked)
        return asked

    def _engine(self) -> str:
        free = self._free and self._chance.random() < FREE_FRACTION
        return self._chance.choice(self._free if free else ENGINES)

    async def act(self) -> Ask:
        """Run /imagine or /edit."""
        return await (self.edit() if self._chance.random() < EDITING else self.ask(choices=True))

    async def edit(self) -> Ask:
        """Run /edit on an image of a result, or on a photo."""
        chance, number = self._chance, len(self.asks) + 1
        source = next(self.editable(chance), None) if chance.random() < OF_RESULTS else None
        image = None if source is None else _image_of(source[1])
        command, needed = chance.choice(list(EDITS.items()))
        private = chance.random() < 0.2
        if source is None or image is None:
            person, where = chance.choice(self._people), chance.choice(self._places)
            start: dict[str, object] = {"picture": self._photo(number)}
        else:
            of, _ = source
            person, where = chance.choice(self.visitors(of)), of.where
            start, private, of.edited = {"image": image}, private or of.private, True
        handle = await person.slash(
            where, f"edit {command}", prompt=self.prompt(number), private=private, **start, **needed
        )
        asked = Ask(number, person, where, EDIT, 1, private, handle, attached="picture" in start)
        self.asks.append(asked)
        return asked

    def editable(self, chance: random.Random) -> Iterator[tuple[Ask, Seen]]:
        """The latest results that are shown and can be edited, each with its card, in random order."""
        latest = self.asks[-LATEST:]
        for ask in chance.sample(latest, len(latest)):
            card = ask.card
            if card is None or card.message.deleted or card.loading or not is_result(card) or not card.pictures:
                continue
            # A private result that is being shared may become public at any moment.
            if not ask.shared:
                yield ask, card

    def _photo(self, number: int) -> Upload:
        return photo(number, self._chance, large=self._chance.random() < LARGE_PHOTOS)

    def prompt(self, number: int, words: str | None = None, choice: str = "") -> str:
        """The prompt of the command with this number. Its ``words`` are random if they are not given."""
        return f"a kite of {choice}{words or self._words()} with the number {number:0{NUMBER}d}"

    def visitors(self, ask: Ask) -> Sequence[Person]:
        """The people who can press the buttons of a result."""
        everybody = ask.where.guild is not None and not ask.private
        return self._people if everybody else [ask.person]

    def _words(self) -> str:
        chance = self._chance.random()
        if chance < 0.03:
            return FILTERED
        return self._chance.choice(self._phrases) if self._phrases and chance < 0.08 else "paper"

    async def confirm(self) -> None:
        """Press Confirm on every price that is asked for. A press that the dead bot did not answer is repeated."""
        for ask in self.asks:
            waiting = [press for press in ask.presses if press.interaction.id not in ask.hung]
            if ask.unconfirmed and all(press.interaction.late for press in waiting):
                question = ask.question
                button = None if question is None else _confirm(question)
                if question is not None and button is not None:
                    press = await pressed(ask.person, question, button)
                    ask.presses += [] if press is None else [press]

    async def meddle(self) -> None:
        """Let some users delete a card, press Cancel, or respond only after their token's fifteen minutes."""
        chance = self._chance
        for ask in [ask for ask in self.asks[-60:] if ask.unfinished]:
            card = ask.card
            fate = chance.random()
            if card is None or card.loading or ask.unconfirmed:
                continue
            # Only a job's card shows the prompt. A refusal or an apology belongs to no job, and deleting it loses none.
            if fate < 0.03 and not card.private and f"{ask.number:0{NUMBER}d}" in card.text:
                ask.deleted = True
                self._discord.delete(card)
            elif fate < 0.10:
                ask.handle.expire()
            elif fate < (0.16 if of_engine(ask.engine) is None else FREE_CANCELLED) and "Cancel" in card.labels:
                ask.cancelled |= await pressed(ask.person, card, "Cancel") is not None

    def shareable(self) -> Iterator[Ask]:
        """The private results that their authors can share, including those already shared."""
        for ask in self.asks:
            card = ask.card
            # The edits of a private result stay private, so it is not shared in between.
            if ask.edited:
                continue
            if ask.private and ask.where.guild and card and not card.message.deleted and "Share" in card.labels:
                yield ask

    async def share(self, ask: Ask) -> None:
        """Press Share as the author, even if it was shared before."""
        if ask.card is not None:
            ask.shared |= await pressed(ask.person, ask.card, "Share") is not None

    async def share_new(self) -> None:
        """Let a few people press Share who have not done so before."""
        for ask in [ask for ask in self.shareable() if not ask.shared][:SHARED_AT_ONCE]:
            await self.share(ask)

    async def share_some(self) -> None:
        """Let a few people press Share, most of them once more."""
        for ask in list(self.shareable())[-20:]:
            if self._chance.random() < (0.2 if ask.shared else 0.05):
                await self.share(ask)

    def give_up_unanswered(self) -> None:
        """Let the three seconds pass for everything that the bot did not answer before it died.

        A price that still has its button was not confirmed, although the press may have been acknowledged.
        """
        for interaction in self._discord.world.interactions.values():
            if interaction.answer is None:
                interaction.late = True
        for ask in self.asks:
            question = ask.question
            if question is not None and _confirm(question) is not None:
                ask.hung |= {press.interaction.id for press in ask.presses}


def _image_of(card: Seen) -> str | None:
    """The reference to the first image of a result."""
    return next((f"{match[1]}-1" for button in card.buttons if (match := _JOB.match(button.custom_id or ""))), None)


def _confirm(card: Seen) -> str | None:
    """The label of the button that confirms the card's price; None if it asks for none."""
    return next((button.label for button in card.buttons if (button.custom_id or "").startswith(CONFIRMS)), None)


async def pressed(person: Person, card: Seen, label: str) -> Handle | None:
    """Press a button; return None if a real client would not have offered it."""
    try:
        return await person.press(card, label)
    except NotOfferedError:
        return None

"""The users: what they ask for, and what else they do meanwhile."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.wire.handle import Handle
from tests.wire.loopback import Discord
from tests.wire.model import Channel
from tests.wire.people import NotOfferedError, Person
from tests.wire.seen import Seen, look_at

AI_CLIENT = "ai-client/stable-diffusion-xl-1024-v0-9"
BASIC = "aithriving/sd-1.6"
CORE = "aithriving/core"
ENGINES = (AI_CLIENT, BASIC, CORE)

PEOPLE = 24
HERMITS = 3
"""How many of them take no direct messages."""
NUMBER = 5
"""Digits of the number that stands in each prompt."""


@dataclass(eq=False, slots=True)
class Ask:
    """One command of somebody: ``number`` stands in its prompt and in no other."""

    number: int
    person: Person
    where: Channel
    engine: str
    images: int
    private: bool
    handle: Handle = field(repr=False)
    deleted: bool = False
    """Its author took the card away."""

    @property
    def card(self) -> Seen | None:
        """The message that answers, as it stands now; None where nothing came."""
        original = self.handle.interaction.original
        return None if original is None else look_at(original)

    @property
    def unfinished(self) -> bool:
        """Whether its card says that it is still worked on, or nothing at all."""
        card = self.card
        return card is None or (not card.message.deleted and not is_over(card))


def is_over(seen: Seen) -> bool:
    """Whether this is a card on which nothing will change any more."""
    return "Details" in seen.labels or "Again" in seen.labels


class Crowd:
    """Asks for pictures and does what people do. All of it is drawn by ``chance``."""

    def __init__(self, discord: Discord, chance: random.Random) -> None:
        self._discord = discord
        self._chance = chance
        self.asks: list[Ask] = []
        guilds = [discord.guild(name) for name in ("Studio", "Attic")]
        self._places = [guild.channel(name) for guild in guilds for name in ("pictures", "drafts")]
        self._people = [discord.user(f"user{number}") for number in range(PEOPLE)]
        for person in self._people[:HERMITS]:
            person.user.dms_open = False

    @property
    def taken(self) -> int:
        """How many commands have a card that says so, at least."""
        originals = [ask.handle.interaction.original for ask in self.asks]
        return sum(original is not None and not original.loading for original in originals)

    async def ask(self) -> Ask:
        """One more command, from anybody, anywhere, for anything."""
        chance = self._chance
        number = len(self.asks) + 1
        person = chance.choice(self._people)
        private = chance.random() < 0.2
        where = person.dm if person.user.dms_open and chance.random() < 0.1 else chance.choice(self._places)
        engine = chance.choice(ENGINES)
        images = chance.choices((1, 2, 3), (6, 2, 1))[0]
        # The content filter of the services minds this word.
        word = "nsfw" if chance.random() < 0.03 else "paper"
        prompt = f"a {word} kite with the number {number:0{NUMBER}d}"
        handle = await person.slash(where, "imagine", prompt=prompt, engine=engine, images=images, private=private)
        asked = Ask(number, person, where, engine, images, private, handle)
        self.asks.append(asked)
        return asked

    async def meddle(self) -> None:
        """Somebody takes a card away, presses Cancel, or is so slow that the fifteen minutes of a token are over."""
        chance = self._chance
        for ask in [ask for ask in self.asks[-60:] if ask.unfinished]:
            card = ask.card
            fate = chance.random()
            if card is None or card.loading:
                continue
            if fate < 0.03 and not ask.private:
                ask.deleted = True
                self._discord.delete(card)
            elif fate < 0.10:
                ask.handle.expire()
            elif fate < 0.16 and "Cancel" in card.labels:
                try:
                    await ask.person.press(card, "Cancel")
                except NotOfferedError:
                    continue

    def give_up_unanswered(self) -> None:
        """Three seconds are over for whatever nobody answered before the bot died."""
        for interaction in self._discord.world.interactions.values():
            if interaction.answer is None:
                interaction.late = True

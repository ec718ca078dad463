"""The answer to one thing that a user did, as that user sees it."""

from __future__ import annotations

from collections.abc import Callable

from fakes.discord.constants import Answer, Json, Kind
from fakes.discord.model import Interaction, Message, World
from fakes.discord.seen import Seen, look_at


class Handle:
    """An interaction in progress. All waiting here is for changes, never for time."""

    def __init__(self, world: World, interaction: Interaction) -> None:
        self._world = world
        self.interaction = interaction

    @property
    def what(self) -> str:
        data = self.interaction.data
        return f"{self.interaction.user.name}'s {data.get('name') or data.get('custom_id')}"

    async def acknowledged(self) -> Answer:
        """Waits for the first answer and returns its type."""
        return await self._world.changes.until(lambda: self.interaction.answer, f"an answer to {self.what}")

    async def message(self) -> Seen:
        """The message that answers, as it is now; "thinking…" counts (``loading``)."""
        await self.acknowledged()
        return look_at(self._original())

    async def until(self, predicate: Callable[[Seen], bool]) -> Seen:
        """Waits until the message that answers fulfils ``predicate``, and returns it as it was then."""
        await self.acknowledged()
        message = self._original()
        return await watch(self._world, message, predicate, self.what)

    async def answered(self) -> Seen:
        """Waits until the answer no longer says "thinking…"."""
        return await self.until(lambda seen: not seen.loading)

    async def followup(self, number: int = 1) -> Seen:
        """Waits for follow-up ``number`` (1 is the first)."""
        followups = self.interaction.followups
        await self._world.changes.until(lambda: len(followups) >= number, f"follow-up {number} to {self.what}")
        return look_at(followups[number - 1])

    async def modal(self) -> Json:
        """Waits for the answer, which must be a modal."""
        answer = await self.acknowledged()
        assert self.interaction.modal is not None, f"{self.what} was answered with {answer.name}, no modal"
        return self.interaction.modal

    async def choices(self) -> list[Json]:
        """Waits for what autocomplete offers."""
        await self.acknowledged()
        assert self.interaction.kind is Kind.AUTOCOMPLETE
        return self.interaction.choices or []

    def expire(self) -> None:
        """Let the token expire."""
        self.interaction.over = True

    def miss(self) -> None:
        """Let the three seconds pass; the user reads that the application did not respond."""
        self.interaction.late = True

    def _original(self) -> Message:
        message = self.interaction.original
        assert message is not None, f"{self.what} was answered with {self.interaction.answer!r}, no message"
        return message


async def watch(world: World, message: Message, predicate: Callable[[Seen], bool], what: str) -> Seen:
    """Waits until a message fulfils ``predicate``. Versions between two checks count too."""
    looked = 0
    last: Seen | None = None

    def look() -> Seen | None:
        nonlocal looked, last
        while looked < len(message.history):
            last = look_at(message, looked)
            looked += 1
            if predicate(last):
                return last
        return None

    looked = len(message.history) - 1
    return await world.changes.until(look, lambda: f"a change of {what}; it says {last}")

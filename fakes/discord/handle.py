"""The response to one user action, as that user sees it."""

from __future__ import annotations

from collections.abc import Callable

from fakes.discord.constants import Answer, Json, Kind
from fakes.discord.model import Interaction, Message, World
from fakes.discord.seen import Seen, look_at


class Handle:
    """An interaction in progress. Every wait is for a change, never for time."""

    def __init__(self, world: World, interaction: Interaction) -> None:
        self._world = world
        self.interaction = interaction

    @property
    def what(self) -> str:
        data = self.interaction.data
        return f"{self.interaction.user.name}'s {data.get('name') or data.get('custom_id')}"

    async def acknowledged(self) -> Answer:
        """Wait for the first response and return its type."""
        return await self._world.changes.until(lambda: self.interaction.answer, f"an answer to {self.what}")

    async def message(self) -> Seen:
        """The message that responds, in its current state; "thinking…" counts (``loading``)."""
        await self.acknowledged()
        return look_at(self._original())

    async def until(self, predicate: Callable[[Seen], bool]) -> Seen:
        """Wait until the responding message satisfies ``predicate``, and return that version of it."""
        await self.acknowledged()
        message = self._original()
        return await watch(self._world, message, predicate, self.what)

    async def answered(self) -> Seen:
        """Wait until the response no longer says "thinking…"."""
        return await self.until(lambda seen: not seen.loading)

    async def followup(self, number: int = 1) -> Seen:
        """Wait for follow-up ``number`` (1 is the first)."""
        followups = self.interaction.followups
        await self._world.changes.until(lambda: len(followups) >= number, f"follow-up {number} to {self.what}")
        return look_at(followups[number - 1])

    async def modal(self) -> Json:
        """Wait for the response, which must be a modal."""
        answer = await self.acknowledged()
        assert self.interaction.modal is not None, f"{self.what} was answered with {answer.name}, no modal"
        return self.interaction.modal

    async def choices(self) -> list[Json]:
        """Wait for the autocomplete suggestions."""
        await self.acknowledged()
        assert self.interaction.kind is Kind.AUTOCOMPLETE
        return self.interaction.choices or []

    def expire(self) -> None:
        """Expire the token."""
        self.interaction.over = True

    def miss(self) -> None:
        """Let the three seconds pass; the user sees that the application did not respond."""
        self.interaction.late = True

    def _original(self) -> Message:
        message = self.interaction.original
        assert message is not None, f"{self.what} was answered with {self.interaction.answer!r}, no message"
        return message


async def watch(world: World, message: Message, predicate: Callable[[Seen], bool], what: str) -> Seen:
    """Wait until a message satisfies ``predicate``. Versions between two checks count too."""
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

"""Starts jobs from commands and forms. In a burst, all commands are acknowledged before any is processed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Protocol

from bot.clock import Clock
from bot.domain.form_data import Draft
from bot.domain.options import ImagineOptions
from bot.domain.requests import Plan
from bot.errors import Problem, UserError
from bot.jobs.new_jobs import TooManyJobs
from bot.jobs.refusals import CommandRefused, Refusal, Refusals
from bot.jobs.service import JobService
from bot.jobs.view import asks_in_place
from bot.ui.cards.layout import Card
from bot.ui.cards.proposal import same_seed_card
from bot.ui.client import Interaction
from bot.ui.delivery.progress import JobCards
from bot.ui.interactions import (
    RefusedWithCard,
    card_address,
    missing_permissions,
    origin_of,
    promise,
    take_back,
)
from bot.ui.pictures import IncomingPicture
from bot.ui.questions import SameSeedQuestions

ACKNOWLEDGE_TIMEOUT = 1.0
"""The time-out in seconds for a command that waits until the others of a burst are acknowledged."""

CHECKED_PER_TURN = 4
"""The number of commands checked in one turn of the event loop: a check takes about half a millisecond.

With one per turn, a burst would need a turn for each command, and turns are long while images are received or sent.
With more, the first commands of a large burst would wait for the others.
"""


class Turnstile:
    """Lets tasks pass in their order, at most ``per_turn`` of them in each turn of the event loop."""

    def __init__(self, per_turn: int) -> None:
        self._per_turn = per_turn
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Wait for this task's turn."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._open, loop)
        place = loop.create_future()
        self._waiting.append(place)
        await place

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(min(self._per_turn, len(self._waiting))):
            place = self._waiting.popleft()
            # A cancelled task leaves its place behind.
            if not place.done():
                place.set_result(None)
        if self._waiting:
            loop.call_soon(self._open, loop)


class AckFirst:
    """Acknowledges every command of a burst before any of them is processed.

    Without it, 500 simultaneous commands would be checked one after the other in a single turn of the event loop, and
    the first acknowledgement would be sent after the last check.
    """

    def __init__(self, timeout: float = ACKNOWLEDGE_TIMEOUT) -> None:
        self._timeout = timeout
        self._entrance = Turnstile(CHECKED_PER_TURN)
        # Another one, so that new commands do not queue behind those that wait to be processed.
        self._exit = Turnstile(1)
        self._unacknowledged = 0
        self._all_acknowledged = asyncio.Event()
        self._all_acknowledged.set()

    @contextmanager
    def unacknowledged(self) -> Iterator[None]:
        """Count a command as not yet acknowledged within the block."""
        self._unacknowledged += 1
        self._all_acknowledged.clear()
        try:
            yield
        finally:
            self._unacknowledged -= 1
            if not self._unacknowledged:
                self._all_acknowledged.set()

    async def enter(self) -> None:
        """Let a command in to be checked, a few per turn of the event loop."""
        await self._entrance.enter()

    async def wait(self) -> None:
        """Wait until every command is acknowledged, or for the timeout. One caller returns per loop turn."""
        if self._unacknowledged:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await self._all_acknowledged.wait()
            await self._exit.enter()

    async def defer(self, interaction: Interaction, *, private: bool) -> int:
        """Defer the first answer and return the id of its message. Whether it is private cannot change later."""
        with self.unacknowledged():
            response = await interaction.response.defer(thinking=True, ephemeral=private)
        await self.wait()
        message_id = response.message_id if response is not None else None
        return (await interaction.original_response()).id if message_id is None else message_id


class Remember(Protocol):
    """Makes the card of a refusal: :meth:`~bot.ui.refused_commands.RefusedCommands.card`."""

    def __call__(
        self,
        refused: Refusal,
        *,
        user_id: int,
        draft: Draft | None = None,
        parent_id: int | None = None,
        incoming: Incoming | None = None,
    ) -> Card: ...


@dataclass(frozen=True, slots=True)
class Incoming:
    """The options of a command whose pictures are received after the first answer."""

    options: ImagineOptions
    picture: IncomingPicture
    mask: IncomingPicture | None = None

    @property
    def expected(self) -> ImagineOptions:
        """The options with what is known of the pictures before they are received."""
        mask = None if self.mask is None else self.mask.expected
        return replace(self.options, source=self.picture.expected, mask=mask)

    async def receive(self) -> ImagineOptions:
        """The options with the stored pictures. Raises UserError and StorageError."""
        source = await self.picture.receive()
        mask = None if self.mask is None else await self.mask.receive()
        return replace(self.options, source=source, mask=mask)


class JobStarter:
    """Checks a request, acknowledges it, and starts the job."""

    def __init__(
        self,
        *,
        service: JobService,
        refusals: Refusals,
        remember: Remember,
        cards: JobCards,
        ack_first: AckFirst,
        clock: Clock,
    ) -> None:
        """``remember`` makes the card of a refusal."""
        self._service = service
        self._refusals = refusals
        self._remember = remember
        self._cards = cards
        self._ack_first = ack_first
        self.questions = SameSeedQuestions()
        self._clock = clock

    async def run(
        self,
        interaction: Interaction,
        options: ImagineOptions,
        *,
        complete: bool = False,
        parent_id: int | None = None,
        draft: Draft | None = None,
        named_price: int | None = None,
        picture: IncomingPicture | None = None,
        mask: IncomingPicture | None = None,
    ) -> int | None:
        """Check the options and start the job, see :meth:`start`. Raises UserError, see :meth:`planned`.

        ``picture`` and ``mask`` replace those of the options. They are received after the first answer.
        """
        incoming = None
        if picture is not None:
            incoming = Incoming(options, picture, mask)
            options = incoming.expected
        plan = await self.planned(
            interaction, options, complete=complete, parent_id=parent_id, draft=draft, incoming=incoming
        )
        return await self.start(interaction, plan, parent_id=parent_id, named_price=named_price, incoming=incoming)

    async def planned(
        self,
        interaction: Interaction,
        options: ImagineOptions,
        *,
        complete: bool = False,
        parent_id: int | None = None,
        draft: Draft | None = None,
        incoming: Incoming | None = None,
    ) -> Plan:
        """Turn the options into requests. Raises UserError with all problems and what could be made instead.

        Options that are not ``complete`` are completed from the person's defaults. ``parent_id`` is the job that they
        continue, and ``draft`` the submitted form that they come from. The pictures in ``incoming`` are received if an
        offer of the refusal is accepted. Limits are read from the database only if the options are refused.
        """
        with self._ack_first.unacknowledged():
            await self._ack_first.enter()
            origin = origin_of(interaction)
            interaction.extras[_TYPED] = _Typed(options, complete, draft, incoming)
            missing = missing_permissions(interaction, private=options.private)
            try:
                plan = await self._service.checked(origin, options, complete=complete)
            except CommandRefused as error:
                raise await self.refused(interaction, error, missing=missing, parent_id=parent_id) from error
            if missing:
                without = CommandRefused(
                    *missing, plan=plan, options=options, completed=plan.options, complete=complete
                )
                raise await self.refused(interaction, without, missing=missing, parent_id=parent_id)
            return plan

    async def refused(
        self,
        interaction: Interaction,
        error: CommandRefused,
        *,
        missing: Sequence[Problem] = (),
        parent_id: int | None = None,
    ) -> UserError:
        """Return the refusal to raise: with all problems, what could be made instead, and the command to edit.

        ``missing`` are reasons why the bot may not show public images here.
        """
        # The refusal is private.
        await promise(interaction)
        return await self._explained(interaction, error, missing=missing, parent_id=parent_id)

    async def _explained(
        self,
        interaction: Interaction,
        error: CommandRefused,
        *,
        missing: Sequence[Problem] = (),
        parent_id: int | None = None,
    ) -> UserError:
        refused = await self._refusals.explained(origin_of(interaction), error, missing=missing)
        typed = interaction.extras.get(_TYPED)
        draft, incoming = (typed.draft, typed.incoming) if isinstance(typed, _Typed) else (None, None)
        card = self._remember(refused, user_id=interaction.user.id, draft=draft, parent_id=parent_id, incoming=incoming)
        return RefusedWithCard(refused, card)

    async def start(
        self,
        interaction: Interaction,
        plan: Plan,
        *,
        parent_id: int | None = None,
        asked: bool = False,
        repeats: bool = False,
        named_price: int | None = None,
        incoming: Incoming | None = None,
    ) -> int | None:
        """Acknowledge at once, store the job, and show its card. Returns the job's id; None if no job was stored.

        If the price must be confirmed, the question is private; with ``repeats``, it also warns that these images exist
        already. A price above ``named_price`` (millicredits), which the pressed button named, must be confirmed too:
        defaults may have changed since. A command that repeats an earlier one with a fixed seed is questioned as well,
        unless the person was ``asked`` before. If a limit is reached after the first answer, a private refusal replaces
        the card; and if the pictures in ``incoming`` turn out to be unusable.
        """
        origin = origin_of(interaction)
        dearer = named_price is not None and self._service.cost(plan).high > named_price
        proposed = dearer or self._service.asks_first(origin, plan)
        same = None if asked else self._service.recent.same(origin.user_id, plan)
        in_place = asks_in_place(
            private=plan.options.private, server_id=origin.server_id, bot_present=origin.bot_present
        )
        private = plan.options.private or (same is not None) or (proposed and not in_place)
        # The token's lifetime begins before the first answer.
        address = card_address(interaction, self._clock, origin.channel_id, None)
        card = replace(address, message_id=await self._ack_first.defer(interaction, private=private))
        try:
            if incoming is not None:
                plan = await self._received(interaction, incoming)
            if same is not None and not proposed:
                if await self._ask_about(interaction, plan, same):
                    return None
                # The answer is private already, so the job can only be posted by a later press.
                proposed = not in_place
            job_id = await self._service.imagine(
                origin, plan, card, parent_id=parent_id, proposed=proposed, repeats=repeats or same is not None
            )
        except CommandRefused as error:
            await take_back(
                interaction, await self._explained(interaction, error, parent_id=parent_id), private=private
            )
            return None
        except UserError as error:
            await take_back(interaction, await self._limited(interaction, error, plan, parent_id), private=private)
            return None
        await self._cards.show(job_id)
        return job_id

    async def _received(self, interaction: Interaction, incoming: Incoming) -> Plan:
        """Receive the pictures and plan the job with them. Raises UserError."""
        options = await incoming.receive()
        typed = interaction.extras.get(_TYPED)
        complete = isinstance(typed, _Typed) and typed.complete
        if isinstance(typed, _Typed):
            interaction.extras[_TYPED] = replace(typed, options=options, incoming=None)
        return await self._service.checked(origin_of(interaction), options, complete=complete)

    async def _limited(
        self, interaction: Interaction, error: UserError, plan: Plan, parent_id: int | None
    ) -> UserError:
        """The refusal of a plan that was accepted, but exceeds a limit or cannot be stored."""
        if isinstance(error, TooManyJobs):
            return error
        typed = interaction.extras.get(_TYPED)
        options, complete = (typed.options, typed.complete) if isinstance(typed, _Typed) else (plan.options, True)
        refused = CommandRefused(*error.problems, plan=plan, options=options, completed=plan.options, complete=complete)
        return await self._explained(interaction, refused, parent_id=parent_id)

    async def _ask_about(self, interaction: Interaction, plan: Plan, job_id: int) -> bool:
        """Ask whether to make the images of this job again. Returns False if it does not have them any more."""
        try:
            job = await self._service.with_the_same(job_id, plan)
        except UserError:
            return False  # Deleted meanwhile.
        if job is None:
            return False
        await self.questions.ask(interaction, same_seed_card(job, self._service.cost(plan), images=plan.images))
        return True


_TYPED = "typed"


@dataclass(frozen=True, slots=True)
class _Typed:
    """The options of an interaction before they were completed, and the form that they come from.

    ``incoming`` has the pictures that were not received yet.
    """

    options: ImagineOptions
    complete: bool
    draft: Draft | None
    incoming: Incoming | None

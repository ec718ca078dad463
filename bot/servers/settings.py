"""What the admins of each server set: rules and limits. Kept in memory, so that a command can be judged at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bot.clock import Clock
from bot.domain.characters import typed
from bot.domain.options import Defaults, ImagineOptions, Unreadable
from bot.domain.periods import Period, current, milliseconds
from bot.domain.place import Origin
from bot.domain.requests import Plan
from bot.domain.rules import ANY_PLACE, NO_RULES, WHO, Place, Privacy, Rules, texts_of
from bot.errors import UserError
from bot.jobs.limits import InForce, LimitKind, Limits, LimitUse, in_force, too_many_images, uses_of
from bot.text import credits_text
from storage import jobs as job_rows
from storage import ledger, quotas, server_settings
from storage.database import AsyncConnection, Database
from storage.ledger import Balance
from storage.quotas import Quota, Subject
from storage.server_settings import AdminAct

log = structlog.get_logger(__name__)

CREDITS_AT_MOST = 1_000_000_000_000
"""Millicredits that a limit or a grant can be."""
NOTE_AT_MOST = 200


def require_manager(origin: Origin) -> int:
    """The server's id. Raises UserError for whoever may not manage it: Discord's own setting can be changed."""
    if origin.server_id is None:
        raise UserError("This is about a server. Use it in one.")
    if not origin.manage_server:
        raise UserError("Only members with the permission Manage Server can do that.")
    return origin.server_id


@dataclass(frozen=True, slots=True)
class MemberLimits:
    """What holds for one member of a server, and how much of it is used.

    ``uses`` are the credit limits that the server's admins set; ``spent`` is what the member spent and has held in
    this period (millicredits, without grants), which renews at ``renews_at`` (Unix milliseconds).
    """

    limits: InForce
    uses: tuple[LimitUse, ...]
    period: Period
    renews_at: int
    spent: int
    unfinished: int
    grants: Balance


class Servers:
    """Every server's rules and limits, and the verbs by which admins change them.

    ``operator`` are the operator's limits. A server cannot allow more than these.
    """

    def __init__(self, database: Database, operator: Limits, clock: Clock) -> None:
        self.operator = operator
        self._database = database
        self._clock = clock
        self._rules: dict[int, Rules] = {}
        self._quotas: dict[int, list[Quota]] = {}
        self._turn = asyncio.Lock()
        self.place: Callable[[Origin], Place] = lambda _: ANY_PLACE
        """Returns the server as one person sees it. The client replaces this with one that knows Discord's cache."""

    async def load(self) -> None:
        """Read what is stored. Raises StorageError."""
        async with self._database.read() as connection:
            stored = await server_settings.every(connection)
            self._quotas = await quotas.every(connection)
        self._rules = {server_id: _read(server_id, settings) for server_id, settings in stored.items()}

    # --- judging ------------------------------------------------------------------------------------------------

    def rules(self, server_id: int | None) -> Rules:
        """The rules of the server; none in direct messages."""
        return NO_RULES if server_id is None else self._rules.get(server_id, NO_RULES)

    def imposed(self, origin: Origin, options: ImagineOptions) -> ImagineOptions:
        """The options with what the server forces."""
        return self.rules(origin.server_id).imposed(options)

    def problems(
        self, origin: Origin, options: ImagineOptions, plan: Plan | None, *, engines: Collection[str] = ()
    ) -> list[str]:
        """Why the server does not let the person make this here, each a sentence; without any I/O.

        ``engines`` are the ids of those that are offered.
        """
        if origin.server_id is None:
            return []
        place = self.place(origin)
        found = self.rules(origin.server_id).problems(origin, options, plan, engines=engines, place=place)
        if plan is not None:
            found += too_many_images(self.in_force(origin), plan.images)
        return found

    def in_force(self, origin: Origin) -> InForce:
        """The limits that hold for the person in this place."""
        return self._limits(origin.server_id, origin.user_id, origin.role_ids)

    def shared_limits(self, server_id: int | None) -> InForce:
        """The limits on all people of the server together; None: on all people of the bot."""
        return self._limits(server_id, None, frozenset())

    def _limits(self, server_id: int | None, user_id: int | None, role_ids: frozenset[int]) -> InForce:
        return in_force(
            self.operator,
            user_id=user_id,
            role_ids=role_ids,
            server_id=server_id,
            quotas=self._quotas.get(server_id or 0, ()),
            period=self.rules(server_id).period,
        )

    def problems_of_sharing(self, origin: Origin, options: ImagineOptions) -> list[str]:
        """Why the server does not let the person show a result of theirs here, each a sentence."""
        rules = self.rules(origin.server_id)
        found = rules.problems_of_place(origin, self.place(origin))
        if rules.privacy is Privacy.FORCED:
            found.append(f"Results are always private in this server. {WHO}")
        return found + rules.problems_of_words(origin, texts_of(options, None))

    def layers(self, origin: Origin, own: Defaults, engines: Sequence[str], usual: str) -> tuple[Defaults, ...]:
        """The defaults that complete a command: the person's ``own``, then the server's."""
        rules = self.rules(origin.server_id)
        if rules is NO_RULES:
            return (own,)
        return rules.permitted(own), rules.defaults(engines, usual)

    # --- changing -----------------------------------------------------------------------------------------------

    async def set_rules(self, origin: Origin, changes: Mapping[str, Any], *, by: str = "server set") -> Rules:
        """Change the rules of these names, ``by`` this command. The values have been checked.

        Raises UserError for whoever may not.
        """
        server_id = require_manager(origin)
        async with self._turn:
            before = self.rules(server_id)
            after = replace(before, **changes)
            changed = {name: value for name, value in changes.items() if getattr(before, name) != value}
            if changed:
                async with self._database.write() as tx:
                    await server_settings.put(tx, server_id, after.to_json(), at=self._clock.now())
                    await self._note(tx, origin, server_id, by, changed)
                # Once it is stored, and not before: what counts now has to count after a restart.
                self._rules[server_id] = after
        return after

    async def set_quota(self, origin: Origin, subject: Subject, subject_id: int, **limits: int | None) -> Quota:
        """Set some of ``credits``, ``images`` and ``jobs`` of the subject, and keep the others.

        Raises UserError for a limit that makes no sense and for whoever may not.
        """
        server_id = require_manager(origin)
        _sensible(limits)
        async with self._turn:
            known = self._quota(server_id, subject, subject_id)
            quota = replace(
                known,
                credits=limits.get("credits", known.credits),
                images=limits.get("images", known.images),
                jobs=limits.get("jobs", known.jobs),
            )
            details = {**_named(subject, subject_id), **limits}
            await self._put_quota(origin, server_id, quota, "quota set", details)
        return quota

    async def clear_quota(self, origin: Origin, subject: Subject, subject_id: int) -> Quota:
        """Forget the limits of the subject and return what they were. Raises UserError where there are none."""
        server_id = require_manager(origin)
        async with self._turn:
            before = self._quota(server_id, subject, subject_id)
            if before.empty:
                raise UserError("There is no such limit.")
            gone = Quota(subject, subject_id)
            await self._put_quota(origin, server_id, gone, "quota clear", _named(subject, subject_id))
        return before

    async def grant(self, origin: Origin, user_id: int, amount: int, note: str | None) -> Balance:
        """Give a person extra credits (millicredits), or take some back, and return what they have then.

        Raises UserError where more would be taken than is left, and for whoever may not.
        """
        server_id = require_manager(origin)
        if not 0 < abs(amount) <= CREDITS_AT_MOST:
            raise UserError(f"A grant is more than 0 credits, up to {credits_text(CREDITS_AT_MOST)}.")
        note = (typed(note) or "")[:NOTE_AT_MOST] or None
        now = self._clock.now()
        async with self._database.write() as tx:
            before = await ledger.balance(tx, user_id=user_id, server_id=server_id)
            if before.left + amount < 0:
                raise UserError(f"Only {credits_text(before.left)} of their extra credits are left to be taken back.")
            give = ledger.grant if amount > 0 else ledger.adjust
            await give(tx, user_id=user_id, server_id=server_id, amount=amount, note=note, at=now)
            details = {**_named(Subject.USER, user_id), "amount": amount, "note": note}
            await self._note(tx, origin, server_id, "quota grant", details)
        return Balance(before.given + amount, before.used)

    # --- looking ------------------------------------------------------------------------------------------------

    def quotas(self, server_id: int) -> list[Quota]:
        """The limits of the server."""
        return list(self._quotas.get(server_id, ()))

    async def member_limits(self, origin: Origin, user_id: int, role_ids: frozenset[int]) -> MemberLimits:
        """A member's limits and how much of them is used. Raises UserError if ``origin`` may not manage the server."""
        server_id = require_manager(origin)
        now, period = self._clock.now(), self.rules(server_id).period
        limits = self._limits(server_id, user_id, role_ids)
        since, renews = current(period, now)
        async with self._database.read() as connection:
            return MemberLimits(
                limits=limits,
                uses=await uses_of(
                    connection,
                    limits.of(LimitKind.SERVER_USER, LimitKind.SERVER),
                    user_id=user_id,
                    server_id=server_id,
                    now=now,
                ),
                period=period,
                renews_at=milliseconds(renews),
                spent=await ledger.without_grants(
                    connection, since=milliseconds(since), user_id=user_id, server_id=server_id
                ),
                unfinished=await job_rows.unfinished_jobs(connection, user_id, server_id=server_id),
                grants=await ledger.balance(connection, user_id=user_id, server_id=server_id),
            )

    async def balance(self, origin: Origin, user_id: int) -> Balance:
        """The extra credits of a member. Raises UserError if ``origin`` may not manage the server."""
        server_id = require_manager(origin)
        async with self._database.read() as connection:
            return await ledger.balance(connection, user_id=user_id, server_id=server_id)

    async def acts(self, origin: Origin, *, before: int | None = None, limit: int) -> list[AdminAct]:
        """The latest changes by admins, newest first. Raises UserError if ``origin`` may not manage the server."""
        server_id = require_manager(origin)
        async with self._database.read() as connection:
            return await server_settings.acts(connection, server_id, before=before, limit=limit)

    # --- the record ---------------------------------------------------------------------------------------------

    def _quota(self, server_id: int, subject: Subject, subject_id: int) -> Quota:
        wanted = subject, subject_id
        known = self._quotas.get(server_id, ())
        return next((one for one in known if (one.subject, one.subject_id) == wanted), Quota(*wanted))

    async def _put_quota(
        self, origin: Origin, server_id: int, quota: Quota, what: str, details: dict[str, Any]
    ) -> None:
        async with self._database.write() as tx:
            await quotas.put(tx, server_id, quota, at=self._clock.now())
            await self._note(tx, origin, server_id, what, details)
            known = await quotas.of_server(tx, server_id)
        self._quotas[server_id] = known

    async def _note(
        self, tx: AsyncConnection, origin: Origin, server_id: int, what: str, details: Mapping[str, Any]
    ) -> None:
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in details.items()}
        at = self._clock.now()
        await server_settings.note(tx, server_id=server_id, user_id=origin.user_id, what=what, details=plain, at=at)
        log.info("admin.changed", server=server_id, user=origin.user_id, what=what)


def _sensible(limits: Mapping[str, int | None]) -> None:
    problems = []
    if not limits:
        problems.append("Say which limit: credits, images or jobs.")
    most = {"credits": CREDITS_AT_MOST, "images": 10, "jobs": 1000}
    least = {"credits": 0, "images": 1, "jobs": 1}
    for name, value in limits.items():
        if value is not None and not least[name] <= value <= most[name]:
            shown = credits_text(most[name]) if name == "credits" else f"{most[name]:,} {name}"
            problems.append(f"A limit of {name} is from {least[name]} to {shown}.")
    if problems:
        raise UserError(*problems)


def _named(subject: Subject, subject_id: int) -> dict[str, Any]:
    # As text: a number of this size would not survive every reader of JSON.
    return {"subject": subject.value} | ({"id": str(subject_id)} if subject_id else {})


def _read(server_id: int, stored: Mapping[str, Any]) -> Rules:
    try:
        return Rules.from_json(stored)
    except Unreadable:
        log.exception("server.rules_unreadable", server=server_id)
        return NO_RULES

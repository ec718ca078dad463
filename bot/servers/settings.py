"""The rules and limits that each server's admins set, cached in memory so that checks need no I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bot.clock import Clock
from bot.domain.characters import typed
from bot.domain.options import IMAGES_PER_JOB, Defaults, ImagineOptions, Unreadable
from bot.domain.periods import Period, current, milliseconds
from bot.domain.place import Origin
from bot.domain.requests import Plan
from bot.domain.rules import ALWAYS_PRIVATE, NO_RULES, Place, Privacy, Rules, texts_of
from bot.errors import Problem, UserError
from bot.jobs.limits import InForce, LimitKind, Limits, LimitUse, in_force, too_many_images, uses_of
from bot.providers.base import Engine
from bot.text import Text, message
from storage import jobs as job_rows
from storage import ledger, settings
from storage.database import AsyncConnection, Database
from storage.ledger import Balance
from storage.settings import AdminAct, Quota, Subject

log = structlog.get_logger(__name__)

CREDITS_AT_MOST = 1_000_000_000_000
"""The maximum of a limit or a grant, in millicredits."""
NOTE_AT_MOST = 200
SERVERS_LIMITS = (LimitKind.SERVER_USER, LimitKind.SERVER, LimitKind.FREE_USER, LimitKind.FREE_SERVER)
"""The limits on credits and free images that a server's admins set."""
JOBS_AT_MOST = 1000
FREE_IMAGES_AT_MOST = 1_000_000

ONLY_IN_SERVERS = message("servers.only_in_servers", "This only works in a server.")
NOT_A_MANAGER = message("servers.not_a_manager", "Only members with the Manage Server permission can do this.")
NO_SUCH_LIMIT = message("servers.no_such_limit", "There is no such limit. /quota show lists them all.")
WHICH_LIMIT = message("servers.which_limit", "Choose a limit: credits, free images, images a job or jobs.")
CREDITS_RANGE = message("servers.credits_range", "A limit on credits is between 0 and {most:credits}.")
IMAGES_RANGE = message("servers.images_range", "A limit on images is between 1 and {most}.")
FREE_IMAGES_RANGE = message("servers.free_images_range", "A limit on free images is between 0 and {most}.")
JOBS_RANGE = message("servers.jobs_range", "A limit on jobs is between 1 and {most}.")
GRANT_RANGE = message("servers.grant_range", "A grant is more than 0 and up to {most:credits}.")
TOO_LITTLE_LEFT = message(
    "servers.too_little_left", "You can take back at most {left:credits}: that's what is left of their extra credits."
)


def require_manager(origin: Origin) -> int:
    """Return the server's id. Raises UserError if the person may not manage the server.

    Discord alone does not ensure this: an admin can make the commands visible to everybody.
    """
    if origin.server_id is None:
        raise UserError(ONLY_IN_SERVERS)
    if not origin.manage_server:
        raise UserError(NOT_A_MANAGER)
    return origin.server_id


@dataclass(frozen=True, slots=True)
class MemberLimits:
    """The limits of one member of a server, and their use.

    ``uses`` are the limits on credits and free images that the server's admins set. ``spent`` is what the member spent
    and has held in this period (millicredits, without grants). The period ends at ``renews_at`` (Unix milliseconds).
    """

    limits: InForce
    uses: tuple[LimitUse, ...]
    period: Period
    renews_at: int
    spent: int
    unfinished: int
    grants: Balance


class Servers:
    """Reads, checks and changes every server's rules and limits.

    ``operator`` are the operator's limits. A server cannot exceed them. ``place`` returns the server as one person sees
    it.
    """

    def __init__(
        self,
        database: Database,
        operator: Limits,
        clock: Clock,
        *,
        place: Callable[[Origin], Place],
    ) -> None:
        self.operator = operator
        self._database = database
        self._clock = clock
        self._rules: dict[int, Rules] = {}
        self._quotas: dict[int, list[Quota]] = {}
        self._turn = asyncio.Lock()
        self.place = place

    async def load(self) -> None:
        """Read the stored rules and limits. Raises StorageError."""
        async with self._database.read() as connection:
            stored = await settings.of_servers(connection)
            self._quotas = await settings.quotas(connection)
        self._rules = {server_id: _read(server_id, settings) for server_id, settings in stored.items()}

    # --- checks -------------------------------------------------------------------------------------------------

    def rules(self, server_id: int | None) -> Rules:
        """The rules of the server. Direct messages have empty rules."""
        return NO_RULES if server_id is None else self._rules.get(server_id, NO_RULES)

    def problems(
        self, origin: Origin, options: ImagineOptions, plan: Plan | None, *, engines: Mapping[str, Engine]
    ) -> list[Text]:
        """Return why the server does not let the person make this here. Does no I/O.

        ``engines`` are the bot's engines, by id.
        """
        if origin.server_id is None:
            return []
        place = self.place(origin)
        found = self.rules(origin.server_id).problems(origin, options, plan, engines=engines, place=place)
        if plan is not None and not found:
            found += too_many_images(self.in_force(origin), plan.images)
        return found

    def in_force(self, origin: Origin) -> InForce:
        """Return the limits that apply to the person in this place."""
        return self._limits(origin.server_id, origin.user_id, origin.role_ids)

    def shared_limits(self, server_id: int | None) -> InForce:
        """Return the shared limits of all people in the server, or (None) of all people who use the bot."""
        return self._limits(server_id, None, frozenset())

    def _limits(self, server_id: int | None, user_id: int | None, role_ids: frozenset[int]) -> InForce:
        return in_force(
            self.operator,
            user_id=user_id,
            role_ids=role_ids,
            server_id=server_id,
            quotas=self._quotas.get(server_id or 0, ()),
            period=self.rules(server_id).period,
            server_period=self.rules(server_id).server_period,
        )

    def problems_of_place(self, origin: Origin) -> list[Text]:
        """Return why the person may make no images here at all."""
        return self.rules(origin.server_id).problems_of_place(origin, self.place(origin))

    def spending_is_limited(self, server_id: int) -> bool:
        """Return whether the operator or the server's admins limit what its members can spend."""
        quotas = [quota for quota in self._quotas.get(server_id, ()) if quota.subject is Subject.DEFAULT]
        each = [self.operator.user_daily, *(quota.credits for quota in quotas)]
        return bool(self.shared_limits(server_id).credits) or any(amount is not None for amount in each)

    def problems_of_sharing(self, origin: Origin, options: ImagineOptions) -> list[Text]:
        """Return why the server does not let the person share a result here."""
        rules = self.rules(origin.server_id)
        found = rules.problems_of_place(origin, self.place(origin))
        if rules.privacy is Privacy.FORCED:
            found.append(ALWAYS_PRIVATE())
        if options.source is not None:
            found += rules.problems_of_picture(options.source.kind)
        return found + rules.problems_of_words(origin, texts_of(options, None))

    def layers(self, origin: Origin, own: Defaults, engines: Sequence[str], usual: str) -> tuple[Defaults, ...]:
        """Return the defaults that complete a command: the person's ``own``, then the server's."""
        rules = self.rules(origin.server_id)
        if rules is NO_RULES:
            return (own,)
        return rules.permitted(own), rules.defaults(engines, usual)

    # --- changing -----------------------------------------------------------------------------------------------

    async def set_rules(self, origin: Origin, changes: Mapping[str, Any], *, by: str = "server set") -> Rules:
        """Change rules by name. ``by`` is the command that does it. The values must be checked already.

        Raises UserError if ``origin`` may not manage the server.
        """
        server_id = require_manager(origin)
        async with self._turn:
            before = self.rules(server_id)
            after = replace(before, **changes)
            changed = {name: value for name, value in changes.items() if getattr(before, name) != value}
            if changed:
                async with self._database.write() as tx:
                    await settings.set_server(tx, server_id, after.to_json(), at=self._clock.now())
                    await self._note(tx, origin, server_id, by, changed)
                # Cached only after it is stored, so that the same rules apply after a restart.
                self._rules[server_id] = after
        return after

    async def set_quota(
        self,
        origin: Origin,
        subject: Subject,
        subject_id: int,
        *,
        credits: int | None = None,  # noqa: A002 - the name that people type
        images: int | None = None,
        jobs: int | None = None,
        free_images: int | None = None,
    ) -> Quota:
        """Set limits of the subject. None keeps the current value.

        Raises UserError for an invalid limit, and if ``origin`` may not manage the server.
        """
        server_id = require_manager(origin)
        given = {"credits": credits, "images": images, "jobs": jobs, "free_images": free_images}
        limits: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        _check_limits(limits)
        async with self._turn:
            known = self._quota(server_id, subject, subject_id)
            quota = replace(known, **limits)
            details = {**_named(subject, subject_id), **limits}
            await self._put_quota(origin, server_id, quota, "quota set", details)
        return quota

    async def set_credits(self, origin: Origin, subject: Subject, amount: int | None, *, by: str) -> Quota:
        """Limit the credits of all members or of each to ``amount`` (millicredits; None: no limit).

        Its other limits stay. ``by`` is the command that does it.

        Raises UserError for an invalid limit, and if ``origin`` may not manage the server.
        """
        server_id = require_manager(origin)
        if amount is not None:
            _check_limits({"credits": amount})
        async with self._turn:
            known = self._quota(server_id, subject, 0)
            quota = replace(known, credits=amount)
            if quota != known:
                details = {**_named(subject, 0), **({"removed": "credits"} if amount is None else {"credits": amount})}
                await self._put_quota(origin, server_id, quota, by, details)
        return quota

    async def clear_quota(self, origin: Origin, subject: Subject, subject_id: int) -> Quota:
        """Delete the limits of the subject and return them. Raises UserError if there are none."""
        server_id = require_manager(origin)
        async with self._turn:
            before = self._quota(server_id, subject, subject_id)
            if before.empty:
                raise UserError(NO_SUCH_LIMIT)
            gone = Quota(subject, subject_id)
            await self._put_quota(origin, server_id, gone, "quota clear", _named(subject, subject_id))
        return before

    async def grant(self, origin: Origin, user_id: int, amount: int, note: str | None) -> Balance:
        """Grant a person extra credits (millicredits), or take some back. Returns the new balance.

        Raises UserError if the balance is too low to take so much, and if ``origin`` may not manage the server.
        """
        server_id = require_manager(origin)
        if not 0 < abs(amount) <= CREDITS_AT_MOST:
            raise UserError(GRANT_RANGE(most=CREDITS_AT_MOST))
        note = (typed(note) or "")[:NOTE_AT_MOST] or None
        now = self._clock.now()
        async with self._database.write() as tx:
            before = await ledger.balance(tx, user_id=user_id, server_id=server_id)
            if before.left + amount < 0:
                raise UserError(TOO_LITTLE_LEFT(left=before.left))
            give = ledger.grant if amount > 0 else ledger.adjust
            await give(tx, user_id=user_id, server_id=server_id, amount=amount, note=note, at=now)
            details = {**_named(Subject.USER, user_id), "amount": amount, "note": note}
            await self._note(tx, origin, server_id, "quota grant", details)
        return Balance(before.given + amount, before.used)

    # --- reading ------------------------------------------------------------------------------------------------

    def quotas(self, server_id: int) -> list[Quota]:
        """The limits of the server."""
        return list(self._quotas.get(server_id, ()))

    async def member_limits(self, origin: Origin, user_id: int, role_ids: frozenset[int]) -> MemberLimits:
        """Read a member's limits and their use. Raises UserError if ``origin`` may not manage the server."""
        server_id = require_manager(origin)
        now, period = self._clock.now(), self.rules(server_id).period
        limits = self._limits(server_id, user_id, role_ids)
        since, renews = current(period, now)
        async with self._database.read() as connection:
            return MemberLimits(
                limits=limits,
                uses=await uses_of(
                    connection,
                    limits.of(*SERVERS_LIMITS),
                    user_id=user_id,
                    server_id=server_id,
                    now=now,
                ),
                period=period,
                renews_at=milliseconds(renews),
                spent=await ledger.without_grants(
                    connection, since=milliseconds(since), user_id=user_id, server_id=server_id
                ),
                unfinished=await job_rows.count_running(connection, user_id, server_id=server_id),
                grants=await ledger.balance(connection, user_id=user_id, server_id=server_id),
            )

    async def balance(self, origin: Origin, user_id: int) -> Balance:
        """Read the extra credits of a member. Raises UserError if ``origin`` may not manage the server."""
        server_id = require_manager(origin)
        async with self._database.read() as connection:
            return await ledger.balance(connection, user_id=user_id, server_id=server_id)

    async def acts(self, origin: Origin, *, before: int | None = None, limit: int) -> list[AdminAct]:
        """Read the latest changes by admins, newest first. Raises UserError if ``origin`` may not manage the server."""
        server_id = require_manager(origin)
        async with self._database.read() as connection:
            return await settings.acts(connection, server_id, before=before, limit=limit)

    # --- the record ---------------------------------------------------------------------------------------------

    def _quota(self, server_id: int, subject: Subject, subject_id: int) -> Quota:
        wanted = subject, subject_id
        known = self._quotas.get(server_id, ())
        return next((one for one in known if (one.subject, one.subject_id) == wanted), Quota(*wanted))

    async def _put_quota(
        self, origin: Origin, server_id: int, quota: Quota, what: str, details: dict[str, Any]
    ) -> None:
        async with self._database.write() as tx:
            await settings.set_quota(tx, server_id, quota, at=self._clock.now())
            await self._note(tx, origin, server_id, what, details)
            known = await settings.quotas_of(tx, server_id)
        self._quotas[server_id] = known

    async def _note(
        self, tx: AsyncConnection, origin: Origin, server_id: int, what: str, details: Mapping[str, Any]
    ) -> None:
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in details.items()}
        at = self._clock.now()
        await settings.log_act(tx, server_id=server_id, user_id=origin.user_id, what=what, details=plain, at=at)
        log.info("admin.changed", server=server_id, user=origin.user_id, what=what)


def _check_limits(limits: Mapping[str, int]) -> None:
    problems: list[Problem] = [] if limits else [WHICH_LIMIT]
    ranges = {
        "credits": (0, CREDITS_AT_MOST, CREDITS_RANGE),
        "images": (1, IMAGES_PER_JOB, IMAGES_RANGE),
        "jobs": (1, JOBS_AT_MOST, JOBS_RANGE),
        "free_images": (0, FREE_IMAGES_AT_MOST, FREE_IMAGES_RANGE),
    }
    for name, value in limits.items():
        least, most, problem = ranges[name]
        if not least <= value <= most:
            problems.append(problem(most=most))
    if problems:
        raise UserError(*problems)


def _named(subject: Subject, subject_id: int) -> dict[str, Any]:
    # The id is text, because some JSON readers round numbers of this size.
    return {"subject": subject.value} | ({"id": str(subject_id)} if subject_id else {})


def _read(server_id: int, stored: Mapping[str, Any]) -> Rules:
    try:
        return Rules.from_json(stored)
    except Unreadable:
        log.exception("server.rules_unreadable", server=server_id)
        return NO_RULES

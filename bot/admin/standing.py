"""What holds for one person in a server at this moment, and how much of it is used."""

from __future__ import annotations

from dataclasses import dataclass

from bot.admin.servers import Servers, require_manager
from bot.generation.clock import Clock
from bot.generation.limits import Limits
from bot.generation.quotas import Allowance, allowance
from bot.origin import Origin
from bot.periods import Period, current, milliseconds
from storage import jobs as job_rows
from storage import ledger
from storage.database import Database
from storage.ledger import Balance


@dataclass(frozen=True, slots=True)
class Standing:
    """Amounts are millicredits; ``used`` is without what grants paid for, ``everybody`` all people of the server.

    ``renews_at`` is Unix milliseconds.
    """

    allowance: Allowance
    period: Period
    renews_at: int
    used: int
    everybody: int
    unfinished: int
    grants: Balance


class Standings:
    """Looks up what is left to people, for their admins."""

    def __init__(self, database: Database, servers: Servers, limits: Limits, clock: Clock) -> None:
        self._database = database
        self._servers = servers
        self._clock = clock
        self.limits = limits
        """The operator's, within which all others hold."""

    async def of(self, origin: Origin, user_id: int, role_ids: frozenset[int]) -> Standing:
        """How a person stands. Raises UserError for whoever may not know."""
        server_id = require_manager(origin)
        period = self._servers.rules(server_id).period
        start, renews = current(period, self._clock.now())
        since = milliseconds(start)
        async with self._database.read() as connection:
            return Standing(
                allowance=allowance(self._servers.quotas(server_id), user_id=user_id, role_ids=role_ids),
                period=period,
                renews_at=milliseconds(renews),
                used=await ledger.without_grants(connection, since=since, user_id=user_id, server_id=server_id),
                everybody=await ledger.spent_and_held(connection, since=since, server_id=server_id),
                unfinished=await job_rows.unfinished_jobs(connection, user_id, server_id=server_id),
                grants=await ledger.balance(connection, user_id=user_id, server_id=server_id),
            )

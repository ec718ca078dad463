"""The ledger under any sequence of events: its sums always match a simple model."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from storage import ledger, tables
from storage.database import AsyncConnection, Database, StorageError
from storage.ledger import Totals
from tests.storage.rows import NOW, address

Result = TypeVar("Result")

USERS = (1, 2)
SERVERS = (10, None)
PERIODS = (NOW, NOW + 1000)
amounts = st.integers(min_value=0, max_value=10**9)


@dataclass
class Expected:
    """The model's expectation for one submission."""

    user_id: int
    server_id: int | None
    counted_at: int
    held: int
    captured: int = 0
    exact: bool = True
    is_captured: bool = False


class LedgerMachine(RuleBasedStateMachine):
    """Holds, captures, releases and grants in any order, with restarts in between."""

    template: ClassVar[Path]
    opened = Bundle("opened")
    ended = Bundle("ended")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "easel.db"
        shutil.copy(self.template, path)
        self.url = address(path)
        self.runner = asyncio.Runner()
        self.database = self.run(Database.open(self.url))
        self.expected: dict[int, Expected] = {}
        self.seen: Sequence[Any] = []

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    @rule(
        target=opened,
        user_id=st.sampled_from(USERS),
        server_id=st.sampled_from(SERVERS),
        at=st.sampled_from(PERIODS),
        amount=amounts,
    )
    def hold(self, user_id: int, server_id: int | None, at: int, amount: int) -> int:
        submission_id = len(self.expected) + 1
        self.run(self.write_hold(submission_id, user_id, server_id, at, amount))
        self.expected[submission_id] = Expected(user_id, server_id, at, held=amount)
        return submission_id

    @rule(target=ended, submission_id=consumes(opened), amount=amounts, exact=st.booleans())
    def capture(self, submission_id: int, amount: int, exact: bool) -> int:
        self.run(self.write_capture(submission_id, amount, exact))
        one = self.expected[submission_id]
        one.held, one.captured, one.exact, one.is_captured = 0, amount, exact, True
        return submission_id

    @rule(target=ended, submission_id=consumes(opened))
    def release(self, submission_id: int) -> int:
        self.run(self.write_release(submission_id))
        self.expected[submission_id].held = 0
        return submission_id

    @rule(submission_id=ended, amount=amounts)
    def end_it_again(self, submission_id: int, amount: int) -> None:
        for again in (self.write_capture(submission_id, amount, exact=True), self.write_release(submission_id)):
            with pytest.raises(StorageError):
                self.run(again)

    @rule(submission_id=opened)
    def hold_it_again(self, submission_id: int) -> None:
        with pytest.raises(StorageError):
            self.run(self.write_hold(submission_id, 1, None, NOW, 1))

    @rule(submission_id=opened, amount=amounts)
    def capture_and_fail_before_the_end(self, submission_id: int, amount: int) -> None:
        async def fail() -> None:
            async with self.database.write() as tx:
                await ledger.capture(tx, submission_id, amount=amount, exact=True, raw_amount=None, at=NOW)
                raise LookupError

        with pytest.raises(LookupError):
            self.run(fail())

    @rule(amount=amounts)
    def grant(self, amount: int) -> None:
        async def give() -> None:
            async with self.database.write() as tx:
                await ledger.grant(tx, user_id=1, server_id=None, amount=amount, note=None, at=NOW)

        self.run(give())

    @rule()
    def restart(self) -> None:
        self.run(self.database.close())
        self.database = self.run(Database.open(self.url))

    @invariant()
    def the_sums_are_right(self) -> None:
        self.run(self.check())

    def teardown(self) -> None:
        self.run(self.database.close())
        self.runner.close()
        self.folder.cleanup()

    async def check(self) -> None:
        async with self.database.read() as conn:
            entries = (await conn.execute(select(tables.ledger).order_by(tables.ledger.c.id))).all()
            assert entries[: len(self.seen)] == self.seen, "an entry was changed or deleted"
            self.seen = entries
            for user_id, since in ((None, None), *zip(USERS, PERIODS, strict=True)):
                await self.compare(conn, user_id, since)

    async def compare(self, conn: AsyncConnection, user_id: int | None, since: int | None) -> None:
        ours = [
            one
            for one in self.expected.values()
            if user_id in (None, one.user_id) and (since is None or one.counted_at >= since)
        ]
        exact = sum(one.captured for one in ours if one.exact)
        estimated = sum(one.captured for one in ours if not one.exact)
        held = sum(one.held for one in ours)
        captures = sum(one.is_captured for one in ours)
        totals = await ledger.totals(conn, since=since, user_id=user_id)
        assert totals == Totals(exact + estimated, exact, estimated, held, captures)
        both = await ledger.spent_and_held(conn, since=since or 0, user_id=user_id)
        assert both == exact + estimated + held

    async def write_hold(self, submission_id: int, user_id: int, server_id: int | None, at: int, amount: int) -> None:
        async with self.database.write() as tx:
            held = ledger.Hold(submission_id, "an engine", amount)
            await ledger.hold(tx, held, user_id=user_id, server_id=server_id, at=at)

    async def write_capture(self, submission_id: int, amount: int, exact: bool) -> None:
        async with self.database.write() as tx:
            await ledger.capture(tx, submission_id, amount=amount, exact=exact, raw_amount=amount, at=NOW + 5000)

    async def write_release(self, submission_id: int) -> None:
        async with self.database.write() as tx:
            await ledger.release(tx, submission_id, at=NOW + 5000)


@pytest.mark.slow
def test_the_ledger_holds_under_any_sequence(migrated: Path) -> None:
    LedgerMachine.template = migrated
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )

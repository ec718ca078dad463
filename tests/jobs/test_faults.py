"""Every provider fault in the table, on all engines, with the real adapters, jobs, worker and database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.services import Fault, StandIn
from fakes.services.faults import Act, Body, Reset, Status
from storage import reconcile
from tests.jobs.conftest import Workshop
from tests.jobs.fault_scene import (
    PRICES,
    ROUTES,
    FaultScene,
    OpenWorkshop,
    ask,
    provider_at,
)
from tests.jobs.fault_table import DONE, ROWS, UNKNOWN, Case, Row
from tests.providers.workbench import BASIC, CORE, XL

CASES = [
    pytest.param(row, engine, case, id=f"{row.name} - {engine.partition('/')[2]}")
    for row in ROWS
    for engine, case in ((XL, row.polled), (BASIC, row.direct), (CORE, row.direct))
    if case is not None
]


@pytest.mark.parametrize(("row", "engine", "case"), CASES)
@pytest.mark.slow
async def test_the_table(
    row: Row,
    engine: str,
    case: Case,
    stand_in: StandIn,
    open_workshop: OpenWorkshop,
    pass_time: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    scene = FaultScene(stand_in, open_workshop, pass_time, monkeypatch, caplog, tmp_path)
    await scene.plays(row, case, engine, routes=ROUTES[engine], price=PRICES[engine])


# --- a lost response, and the list of requests after it --------------------------------------------------------------

LIST, PAID = ROUTES[XL]["poll"], ROUTES[XL]["paid"]
MALFORMED = {
    "a message": Body('{"message": "Server busy"}'),
    "null": Body("null"),
    "an empty object": Body("{}"),
    "an odd element": Body('{"data": [null]}'),
    "a thread that is not known": Status(404),
    "a thread that is gone": Status(410),
}


async def sent_and_lost(stand_in: StandIn, open_workshop: OpenWorkshop, *faults: Fault) -> tuple[Workshop, int]:
    stand_in.misbehave(Fault(PAID, Reset(after_doing=True)))
    for fault in faults:
        stand_in.misbehave(fault)
    workshop: Workshop = await open_workshop(provider_at(stand_in.url, XL))
    job_id = await ask(workshop, XL)
    await workshop.finish()
    return workshop, job_id


@pytest.mark.slow
@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
async def test_an_inconclusive_answer_never_causes_a_second_payment(
    stand_in: StandIn, open_workshop: OpenWorkshop, malformed: Act
) -> None:
    workshop, job_id = await sent_and_lost(stand_in, open_workshop, Fault(LIST, malformed, times=20))
    assert (await workshop.submission(job_id)).status is DONE
    assert len(stand_in.calls_to(PAID)) == 1
    assert (await workshop.totals()).spent == stand_in.charged == PRICES[XL]


@pytest.mark.slow
@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
async def test_without_conclusive_answers_the_outcome_is_unknown(
    stand_in: StandIn, open_workshop: OpenWorkshop, malformed: Act
) -> None:
    workshop, job_id = await sent_and_lost(stand_in, open_workshop, Fault(LIST, malformed, times=None))
    submission = await workshop.submission(job_id)
    assert submission.status is UNKNOWN
    assert submission.handle is not None
    assert len(stand_in.calls_to(PAID)) == 1


async def test_a_late_arrival_is_not_charged_to_the_user_and_is_reported(
    stand_in: StandIn, open_workshop: OpenWorkshop
) -> None:
    empty = Fault(LIST, Body('{"data": []}'), times=None, match=lambda _: len(stand_in.calls_to(PAID)) < 2)
    workshop, job_id = await sent_and_lost(stand_in, open_workshop, empty)
    view = await workshop.view(job_id)
    assert view.submissions[0].record.status is DONE
    assert view.captured == PRICES[XL]
    assert stand_in.charged == 2 * PRICES[XL]
    async with workshop.database.read() as connection:
        books = await reconcile.reconcile(connection)
    assert books.differences == []
    assert [(one.job_id, one.charged, one.captured) for one in books.beyond] == [(job_id, 10_000, 5_000)]

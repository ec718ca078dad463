"""The AI Horde: refusals by their codes, lost responses, and the budget for results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.providers.ai_horde import AiHorde
from bot.providers.ai_horde_answers import MAINTENANCE_SECONDS, TIMEOUT_SECONDS, TOO_FAST_SECONDS, TOO_MANY_SECONDS
from bot.providers.ai_horde_budget import CallBudget
from bot.providers.base import Finished, Gone, Json, Waiting
from bot.providers.errors import (
    Busy,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    Reason,
    Refused,
    TooLarge,
    Unreachable,
)
from bot.providers.operations import Pictures, Size
from fakes.services import Fault, StandIn
from fakes.services.ai_horde import LIFETIME, MOST_SUSPICIONS, STATUS_CALLS
from fakes.services.faults import Body, Half, Redirect, Reset, Rewrite, Status
from tests.providers.ai_horde_workbench import (
    CHECK,
    DELETE,
    STATUS,
    SUBMIT,
    answering,
    body_of,
    finished,
    queued,
    varied,
    wanted,
)
from tests.providers.form_server import picture_file
from tests.providers.workbench import SECRET, refusal

PassTime = Callable[[float], None]


def told(code: str, message: str = "No.") -> Json:
    return {"message": message, "rc": code}


# --- refusals by their codes ------------------------------------------------------------------------------------------


async def test_a_bad_prompt_is_the_persons_and_says_so(ai_horde: AiHorde, stand_in: StandIn) -> None:
    error = await refusal(queued(ai_horde, wanted(prompts=wanted().prompts, negative="gore")))
    assert isinstance(error, Refused)
    assert (error.reason, error.abuse, error.operator, error.said) == (Reason.MODERATED, True, False, "")


async def test_an_address_that_is_timed_out_waits_long_and_alarms(ai_horde: AiHorde, stand_in: StandIn) -> None:
    stand_in.horde.suspicions = MOST_SUSPICIONS
    with capture_logs() as logs:
        error = await refusal(queued(ai_horde))
    assert isinstance(error, Busy)
    assert error.retry_after == TIMEOUT_SECONDS
    assert [(line["event"], line["log_level"]) for line in logs] == [("ai_horde.address_blocked", "error")]


async def test_maintenance_is_a_400_that_passes(ai_horde: AiHorde, stand_in: StandIn) -> None:
    stand_in.horde.maintenance = True
    error = await refusal(queued(ai_horde))
    assert isinstance(error, Busy)
    assert error.retry_after == MAINTENANCE_SECONDS


async def test_a_key_that_nobody_has(ai_horde: AiHorde, stand_in: StandIn) -> None:
    stand_in.horde.accounts.clear()
    error = await refusal(queued(ai_horde))
    assert isinstance(error, Refused)
    assert (error.reason, error.operator, error.setting) == (Reason.WRONG_KEY, True, "AI_HORDE_KEY")


async def test_too_many_images_at_once(slow_ai_horde: AiHorde, slow_stand_in: StandIn) -> None:
    slow_stand_in.horde.workers = 0
    for _ in range(7):
        await queued(slow_ai_horde, wanted(images=4))
    error = await refusal(queued(slow_ai_horde, wanted(images=4)))
    assert isinstance(error, Busy)
    assert error.retry_after == TOO_MANY_SECONDS


async def test_a_large_request_is_made_smaller_without_kudos(
    ai_horde: AiHorde, stand_in: StandIn, tmp_path: Path
) -> None:
    made = await finished(ai_horde, stand_in, wanted(size=Size(2048, 1024), steps=80))
    fetched = await ai_horde.fetch(made.images[0], tmp_path / "x")
    assert fetched.size.pixels <= 1024 * 1024
    assert body_of(stand_in.calls_to(SUBMIT)[0])["params"]["width"] == 2048


@pytest.mark.parametrize(
    ("act", "kind", "reason", "operator"),
    [
        (Status(403, told("KudosUpfront")), Refused, Reason.TOO_DEMANDING, False),
        (Status(403, told("SharedKeyInsufficientKudos")), Refused, Reason.TOO_DEMANDING, False),
        (Status(403, told("SharedKeyEmpty")), Refused, Reason.NO_CREDITS, True),
        (Status(403, told("SharedKeyExpired")), Refused, Reason.WRONG_KEY, True),
        (Status(403, told("BannedClientAgent")), Refused, Reason.REFUSED, True),
        (Status(403, told("NotTrusted")), Refused, Reason.REFUSED, True),
        (Status(400, told("TooManySteps", "Too many sampling steps")), Refused, Reason.REFUSED, False),
        (Status(400, {"errors": {"params.n": "21 is not in range"}, "message": "x"}), Refused, Reason.REFUSED, False),
        (Status(400, told("NoValidWorkers")), Refused, Reason.NO_WORKER, False),
        (Status(400, told("SourceImageResolutionExceeded")), TooLarge, Reason.UPLOAD_TOO_LARGE, None),
        (Status(413, "<html>", content_type="text/html"), TooLarge, Reason.UPLOAD_TOO_LARGE, None),
        (Status(404, "<html>", content_type="text/html"), NotFound, Reason.NOT_FOUND, True),
        (Redirect(), Refused, Reason.REDIRECTED, True),
    ],
)
async def test_other_refusals(
    ai_horde: AiHorde, stand_in: StandIn, act: Any, kind: type[ProviderError], reason: Reason, operator: bool | None
) -> None:
    stand_in.misbehave(Fault(SUBMIT, act))
    error = await refusal(queued(ai_horde))
    assert (type(error), error.reason, getattr(error, "operator", None)) == (kind, reason, operator)
    assert not getattr(error, "abuse", False)


async def test_a_refusal_does_not_repeat_the_prompt(ai_horde: AiHorde, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(SUBMIT, Status(400, told("InvalidPrompt", "a lighthouse on a cliff is too long"))))
    error = await refusal(queued(ai_horde))
    assert error.said
    assert "lighthouse" not in f"{error.said} {error.detail}"


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, {"message": "2 per 1 second"}, TOO_FAST_SECONDS),
        ({"Retry-After": "12"}, {"message": "2 per 1 second"}, 12.0),
        ({}, told("TooManyPrompts"), TOO_MANY_SECONDS),
        ({"Retry-After": "0"}, {}, 1.0),
    ],
)
async def test_a_rate_limit(
    ai_horde: AiHorde, stand_in: StandIn, headers: dict[str, str], body: Json, seconds: float
) -> None:
    stand_in.misbehave(Fault(SUBMIT, Status(429, body, headers)))
    error = await refusal(queued(ai_horde))
    assert isinstance(error, Busy)
    assert error.retry_after == seconds


async def test_a_source_that_is_no_picture(ai_horde: AiHorde, tmp_path: Path) -> None:
    bad = Pictures(picture_file(tmp_path, data=b"no picture at all"))
    error = await refusal(queued(ai_horde, varied(), bad))
    assert (type(error), error.reason) == (Refused, Reason.REFUSED)


async def test_a_source_that_is_gone(ai_horde: AiHorde, stand_in: StandIn, tmp_path: Path) -> None:
    files = Pictures(picture_file(tmp_path))
    files.source.path.unlink()
    assert isinstance(await refusal(queued(ai_horde, varied(), files)), Unreachable)
    assert not stand_in.calls_to(SUBMIT)


async def test_a_warning_is_logged_by_its_code(ai_horde: AiHorde, stand_in: StandIn) -> None:
    codes: Json = [{"code": "StepsTooFew", "message": "few"}, "SamplerMismatch", 7, {"code": "two words"}]
    stand_in.misbehave(answering(SUBMIT, warnings=codes))
    with capture_logs() as logs:
        await queued(ai_horde)
    assert [line["codes"] for line in logs] == [["StepsTooFew", "SamplerMismatch"]]


# --- lost responses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        Reset(after_doing=True),
        Half(),
        Status(502, "<html>", content_type="text/html", after_doing=True),
        Body("<html>"),
        Rewrite(lambda _: {"id": "../x"}),
        Rewrite(lambda _: {"id": 7}),
    ],
    ids=["reset", "half", "502", "page", "path", "number"],
)
async def test_a_lost_response_leaves_the_outcome_unknown(ai_horde: AiHorde, stand_in: StandIn, act: Any) -> None:
    stand_in.misbehave(Fault(SUBMIT, act))
    handle = await ai_horde.prepare(wanted())
    assert isinstance(await refusal(ai_horde.submit(handle, wanted())), OutcomeUnknown)
    assert not ai_horde.finds_lost_submits
    assert isinstance(await refusal(ai_horde.find(handle)), OutcomeUnknown)
    again = await ai_horde.submit(handle, wanted())
    await stand_in.horde.ended(again["id"])
    assert isinstance(await ai_horde.poll(again), Finished)


@pytest.mark.parametrize("route", [CHECK, STATUS])
@pytest.mark.parametrize(
    "act",
    [
        Status(500),
        Reset(),
        Half(),
        Body("x"),
        Rewrite(lambda _: []),
        Rewrite(lambda _: {"message": "x"}),
        Status(502, "<html>", content_type="text/html"),
    ],
    ids=["500", "reset", "half", "page", "list", "other", "502"],
)
async def test_an_unusable_state_is_asked_for_again(ai_horde: AiHorde, stand_in: StandIn, route: str, act: Any) -> None:
    handle = await queued(ai_horde)
    await stand_in.horde.ended(handle["id"])
    stand_in.misbehave(Fault(route, act))
    assert isinstance(await refusal(ai_horde.poll(handle)), Unreachable)
    assert isinstance(await ai_horde.poll(handle), Finished)


@pytest.mark.parametrize("route", [CHECK, STATUS])
async def test_a_request_that_is_forgotten_is_gone(ai_horde: AiHorde, stand_in: StandIn, route: str) -> None:
    handle = await queued(ai_horde)
    await stand_in.horde.ended(handle["id"])
    stand_in.misbehave(Fault(route, Status(404, told("RequestNotFound"))))
    assert await ai_horde.poll(handle) == Gone()


async def test_a_page_that_is_missing_proves_nothing(ai_horde: AiHorde, stand_in: StandIn) -> None:
    handle = await queued(ai_horde)
    stand_in.misbehave(Fault(CHECK, Status(404, "<html>", content_type="text/html")))
    assert isinstance(await refusal(ai_horde.poll(handle)), NotFound)


async def test_looking_does_not_prolong_the_life_of_a_request(slow_ai_horde: AiHorde, pass_time: PassTime) -> None:
    handle = await queued(slow_ai_horde)
    pass_time(LIFETIME - 60)
    assert isinstance(await slow_ai_horde.poll(handle), Waiting)
    pass_time(61)
    assert await slow_ai_horde.poll(handle) == Gone()


async def test_a_busy_check_says_for_how_long(ai_horde: AiHorde, stand_in: StandIn) -> None:
    handle = await queued(ai_horde)
    stand_in.misbehave(Fault(CHECK, Status(429, {"message": "10 per 1 second"})))
    error = await refusal(ai_horde.poll(handle))
    assert isinstance(error, Busy)
    assert error.retry_after == TOO_FAST_SECONDS


# --- the budget for results -------------------------------------------------------------------------------------------


async def test_each_request_has_its_own_budget(ai_horde: AiHorde, stand_in: StandIn) -> None:
    handles = []
    for _ in range(STATUS_CALLS + 2):
        handle = await queued(ai_horde)
        await stand_in.horde.ended(handle["id"])
        handles.append(handle)
    assert all([isinstance(await ai_horde.poll(handle), Finished) for handle in handles])


async def test_results_beyond_the_budget_wait(ai_horde: AiHorde, stand_in: StandIn, pass_time: PassTime) -> None:
    handle = await queued(ai_horde)
    await stand_in.horde.ended(handle["id"])
    stand_in.misbehave(Fault(STATUS, Status(500), times=STATUS_CALLS))
    for _ in range(STATUS_CALLS):
        await refusal(ai_horde.poll(handle))
    assert await ai_horde.poll(handle) == Waiting(percent=100)
    assert len(stand_in.calls_to(STATUS)) == STATUS_CALLS
    pass_time(61)
    assert isinstance(await ai_horde.poll(handle), Finished)


@pytest.mark.parametrize("told_seconds", ["0", "1", "60"])
async def test_too_many_waiting_images_are_no_matter_of_a_second(
    ai_horde: AiHorde, stand_in: StandIn, told_seconds: str
) -> None:
    """The header is about calls per second."""
    headers = {"Retry-After": told_seconds}
    stand_in.misbehave(Fault(SUBMIT, Status(429, told("TooManyPrompts"), headers=headers)))
    error = await refusal(queued(ai_horde))
    assert isinstance(error, Busy)
    assert error.retry_after == TOO_MANY_SECONDS


async def test_a_budget_that_others_use_as_well(ai_horde: AiHorde, stand_in: StandIn, pass_time: PassTime) -> None:
    handle = await queued(ai_horde)
    await stand_in.horde.ended(handle["id"])
    stand_in.misbehave(Fault(STATUS, Status(429, {"message": "10 per 1 minute"})))
    assert await ai_horde.poll(handle) == Waiting(percent=100)
    assert await ai_horde.poll(handle) == Waiting(percent=100)
    assert len(stand_in.calls_to(STATUS)) == 1
    pass_time(61)
    assert isinstance(await ai_horde.poll(handle), Finished)


def test_a_budget_is_for_any_minute() -> None:
    budget = CallBudget(2, 60)
    assert [budget.take(now) for now in (0, 30, 59, 60, 61, 90, 91)] == [True, True, False, True, False, True, False]
    budget.exhaust(200)
    assert [budget.take(now) for now in (200, 259, 260)] == [False, False, True]


# --- other problems ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handle", [{}, {"id": 7}, {"id": "../x"}, {"id": "é"}, {"id": ""}, {"model": "x"}])
async def test_an_unreadable_handle(ai_horde: AiHorde, handle: dict[str, Json]) -> None:
    assert (await refusal(ai_horde.poll(handle))).reason is Reason.BAD_HANDLE
    assert (await refusal(ai_horde.cancel(handle))).reason is Reason.BAD_HANDLE


async def test_a_service_that_is_off(ai_horde: AiHorde, stand_in: StandIn) -> None:
    handle = await queued(ai_horde)
    await stand_in.stop()
    assert isinstance(await refusal(ai_horde.poll(handle)), Unreachable)
    assert isinstance(await refusal(queued(ai_horde)), Unreachable)
    assert SECRET not in repr(ai_horde)
    assert DELETE not in [call.route for call in stand_in.calls]

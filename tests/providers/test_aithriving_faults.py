"""AI Thriving: refusals and missing responses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.providers.aithriving import Aithriving
from bot.providers.base import Finished, Json
from bot.providers.errors import Busy, OutcomeUnknown, ProviderError, Reason, Refused, Unreachable
from fakes.services import Fault, StandIn
from fakes.services.answer_edits import code_is, refused, replaced, without
from fakes.services.faults import Body, Endless, Half, Hang, Redirect, Reset, Rewrite, Status
from tests.providers.workbench import (
    BOTH,
    CORE,
    ROUTES,
    asked,
    fails,
    made,
    make_aithriving,
)

# --- codes and statuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, "0", 0.0, "0.0"])
async def test_code_0_in_all_its_spellings(aithriving: Aithriving, stand_in: StandIn, code: Json) -> None:
    stand_in.misbehave(Fault("aithriving.core", Rewrite(code_is(code))))
    assert len((await made(aithriving, asked(CORE))).images) == 1


@pytest.mark.parametrize(
    "change", [without("code"), without("message"), code_is(None)], ids=["code", "message", "null"]
)
async def test_an_image_without_any_other_field(
    aithriving: Aithriving, stand_in: StandIn, change: Callable[[Json], Json]
) -> None:
    stand_in.misbehave(Fault("aithriving.core", Rewrite(change)))
    assert len((await made(aithriving, asked(CORE))).images) == 1


@pytest.mark.parametrize("status", [200, 400, 403, 404, 422, 500, 502])
@pytest.mark.parametrize("code", [-1, "-1", 7])
async def test_code_minus_1_is_a_free_refusal_whatever_the_status(
    aithriving: Aithriving, stand_in: StandIn, status: int, code: Json
) -> None:
    stand_in.misbehave(Fault("aithriving.core", Status(status, {"code": code, "message": "the moon is down"})))
    error = await fails(aithriving)
    assert isinstance(error, Refused)
    assert error.said == "the moon is down."
    assert not error.operator


@pytest.mark.parametrize(
    ("status", "kind", "operator"),
    [(401, Refused, True), (402, Refused, True), (429, Busy, None), (302, Refused, True)],
)
async def test_a_specific_status_counts_beside_code_minus_1(
    aithriving: Aithriving, stand_in: StandIn, status: int, kind: type[ProviderError], operator: bool | None
) -> None:
    stand_in.misbehave(Fault("aithriving.core", Status(status, {"code": -1, "message": "no"}, {"Retry-After": "9"})))
    error = await fails(aithriving)
    assert type(error) is kind
    assert getattr(error, "operator", None) is operator
    assert getattr(error, "retry_after", 9) == 9


@pytest.mark.parametrize(
    ("message", "kind", "operator"),
    [
        ("Insufficient credits.", Refused, True),
        ("The prompt was flagged by our content moderation system.", Refused, False),
        ("Invalid API key.", Refused, True),
        ("Too many requests.", Busy, None),
        ("Failed to generate image", Refused, False),
    ],
)
async def test_messages_are_classified_by_their_words(
    aithriving: Aithriving, stand_in: StandIn, message: str, kind: type[ProviderError], operator: bool | None
) -> None:
    stand_in.misbehave(Fault("aithriving.core", Rewrite(refused(message))))
    error = await fails(aithriving)
    assert type(error) is kind
    assert getattr(error, "operator", None) is operator


async def test_no_credits_wrong_key_and_filtered_words_as_the_service_reports_them(
    aithriving: Aithriving, stand_in: StandIn
) -> None:
    stand_in.renderings.balance = 0
    assert (await fails(aithriving)).reason is Reason.NO_CREDITS
    stand_in.renderings.balance = None
    stand_in.services.filtered_words = frozenset({"lighthouse"})
    assert (await fails(aithriving)).reason is Reason.MODERATED
    stand_in.keys = frozenset({"another"})
    assert (await fails(aithriving)).reason is Reason.WRONG_KEY
    assert stand_in.charged == 0


@pytest.mark.parametrize("message", [None, "", [], {"text": "the moon is down"}, 7])
async def test_a_message_of_any_shape(aithriving: Aithriving, stand_in: StandIn, message: Json) -> None:
    stand_in.misbehave(Fault("aithriving.core", Status(200, {"code": -1, "message": message})))
    error = await fails(aithriving)
    assert isinstance(error, Refused)
    assert error.said.isprintable()


@pytest.mark.parametrize(
    "answer",
    [
        {"code": 0, "message": "success"},
        {"code": 0, "message": "success", "data": None},
        {"code": 0, "message": "success", "data": {}},
        {"code": 0, "message": "success", "data": []},
        {"code": 0, "message": "success", "data": "x"},
        {"code": 0, "message": "success", "data": {"image": None}},
        {"code": 0, "message": "success", "data": {"image": ["x"]}},
        {"message": "success"},
        {},
        [],
        None,
        "success",
    ],
)
async def test_a_success_without_an_image_never_counts_as_a_refusal(
    aithriving: Aithriving, stand_in: StandIn, answer: Json
) -> None:
    stand_in.misbehave(Fault("aithriving.core", Rewrite(replaced(answer))))
    assert isinstance(await fails(aithriving), OutcomeUnknown)


async def test_data_as_a_list_of_one(aithriving: Aithriving, stand_in: StandIn) -> None:
    def listed(answer: Json) -> Json:
        assert isinstance(answer, dict)
        return answer | {"data": [answer["data"]]}

    stand_in.misbehave(Fault("aithriving.core", Rewrite(listed)))
    assert len((await made(aithriving, asked(CORE))).images) == 1


# --- no response, or an unusable one ----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    "act",
    [
        Reset(),
        Reset(after_doing=True),
        Half(),
        Half(reset=True),
        Body("<html>", "text/html"),
        Body(b"\x00\xff", "application/octet-stream"),
        Status(500, "<html>", content_type="text/html"),
        Status(502, "<html>", content_type="text/html", after_doing=True),
        Status(503),
        Status(504, {"message": "Gateway Timeout"}),
        Endless(declared=True),
    ],
    ids=["reset", "reset after", "half", "half reset", "html", "noise", "500", "502", "503", "504", "endless"],
)
async def test_a_request_that_was_sent_but_not_answered_is_never_sent_again(
    stand_in: StandIn, engine: str, act: Any
) -> None:
    if isinstance(act, Status) and act.code == 503:
        act = Status(503, {"message": "Service Unavailable"}, {"Retry-After": "5"})
    provider = make_aithriving(stand_in.url)
    stand_in.misbehave(Fault(ROUTES[engine], act))
    assert isinstance(await fails(provider, engine), OutcomeUnknown)
    await provider.close()
    assert len(stand_in.calls) == 1


async def test_a_slow_call_is_given_at_least_two_minutes(
    aithriving: Aithriving, stand_in: StandIn, pass_time: Callable[[float], None]
) -> None:
    stand_in.misbehave(Fault("aithriving.core", Hang(after_doing=True)))
    call = asyncio.create_task(fails(aithriving))
    await stand_in.called("aithriving.core")
    pass_time(120)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not call.done()
    pass_time(1000)
    assert isinstance(await call, OutcomeUnknown)
    assert len(stand_in.calls) == 1


async def test_a_refused_connection_means_that_nothing_was_sent(aithriving: Aithriving, stand_in: StandIn) -> None:
    await stand_in.stop()
    assert isinstance(await fails(aithriving), Unreachable)


async def test_too_many_requests_give_the_retry_after(aithriving: Aithriving, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault("aithriving.core", Status(429, "slow down", {"Retry-After": "3"}, "text/plain")))
    error = await fails(aithriving)
    assert isinstance(error, Busy)
    assert error.retry_after == 3


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(aithriving: Aithriving, stand_in: StandIn, code: int) -> None:
    stand_in.misbehave(Fault("aithriving.core", Redirect(f"{stand_in.url}/api/generate/core", code)))
    error = await fails(aithriving)
    assert isinstance(error, Refused)
    assert error.operator
    assert len(stand_in.calls) == 1


async def test_one_of_several_fails_alone(aithriving: Aithriving, stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.misbehave(Fault("aithriving.core", Status(500, {"code": -1, "message": "no"}), skip=1))
    results = await asyncio.gather(
        *(made(aithriving, asked(CORE, seed=seed)) for seed in (1, 2, 3)), return_exceptions=True
    )
    assert [type(result) for result in results].count(Finished) == 2
    assert sum(isinstance(result, Refused) for result in results) == 1
    assert stand_in.charged == 12_000

"""OpenAI-compatible services: refusals, lost answers and odd answers, and what follows from each."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from bot.providers.base import Gone, Handle, ImageRequest, Json, WeightedText
from bot.providers.errors import Busy, NotFound, OutcomeUnknown, ProviderError, Reason, Refused, TooLarge, Unreachable
from fakes.services import Fate, Fault, StandIn
from fakes.services.faults import Act, Body, Endless, Half, Hang, Redirect, Reset, Slow, Status
from fakes.services.openai_faults import refused
from fakes.services.openai_images import Kind
from tests.doubles.provider import png
from tests.providers.openai_workbench import (
    EDITS,
    GENERATIONS,
    GPT,
    MODELS,
    PRICED,
    SD_CPP,
    failing,
    fails,
    made,
    openai_at,
    own_server_at,
    pictures,
    varied,
)
from tests.providers.workbench import SECRET, TRICKS, asked, refusal

PAGE = Status(502, "<html>Bad Gateway</html>", content_type="text/html")


async def failing_for_nothing(stand_in: StandIn, act: Act) -> ProviderError:
    """The error of a request to a server of one's own that ends like this."""
    stand_in.misbehave(Fault(GENERATIONS, act, times=None))
    async with own_server_at(stand_in) as provider:
        return await fails(provider, asked(SD_CPP))


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "kind", "reason", "operator"),
    [
        (refused(400, "moderation_blocked"), Refused, Reason.MODERATED, False),
        (refused(400, "content_policy_violation"), Refused, Reason.MODERATED, False),
        (refused(400, "billing_hard_limit_reached"), Refused, Reason.NO_CREDITS, True),
        (refused(429, "billing_hard_limit_reached"), Refused, Reason.NO_CREDITS, True),
        (refused(429, "insufficient_quota", kind="insufficient_quota"), Refused, Reason.NO_CREDITS, True),
        (refused(429, None, kind="insufficient_quota"), Refused, Reason.NO_CREDITS, True),
        (refused(401, "invalid_api_key"), Refused, Reason.WRONG_KEY, True),
        (refused(401, None), Refused, Reason.WRONG_KEY, True),
        (refused(403, None, "Your organization must be verified."), Refused, Reason.NOT_PERMITTED, True),
        (refused(403, "unsupported_country_region_territory"), Refused, Reason.NOT_PERMITTED, True),
        (refused(404, "model_not_found"), Refused, Reason.RETIRED, True),
        (refused(400, "invalid_value"), Refused, Reason.REFUSED, False),
        (refused(404, None, ""), NotFound, Reason.NOT_FOUND, True),
        (refused(429, "rate_limit_exceeded"), Busy, Reason.BUSY, False),
        (refused(429, None), Busy, Reason.BUSY, False),
        (refused(503, "slow_down"), Busy, Reason.BUSY, False),
        (Redirect(), Refused, Reason.REDIRECTED, True),
    ],
)
async def test_a_refusal_is_free(
    stand_in: StandIn, act: Act, kind: type[ProviderError], reason: Reason, operator: bool
) -> None:
    problem = await failing(stand_in, act)
    assert (type(problem), problem.reason) == (kind, reason)
    assert getattr(problem, "operator", False) == operator
    assert not stand_in.bills


async def test_an_empty_account(stand_in: StandIn) -> None:
    stand_in.renderings.balance = 0
    async with openai_at(stand_in) as provider:
        problem = await fails(provider)
    assert problem.reason is Reason.NO_CREDITS


async def test_an_account_that_is_not_verified(stand_in: StandIn) -> None:
    stand_in.openai.verified = False
    async with openai_at(stand_in) as provider:
        problem = await fails(provider)
        assert await provider.check() is None
    assert problem.reason is Reason.NOT_PERMITTED


async def test_a_model_that_is_gone_is_no_longer_offered(stand_in: StandIn) -> None:
    stand_in.openai.models = ()
    async with openai_at(stand_in) as provider:
        (engine,) = provider.engines
        assert (await fails(provider)).reason is Reason.RETIRED
        assert provider.has_retired(engine)
        assert (await fails(provider)).reason is Reason.RETIRED
    assert len(stand_in.calls_to(GENERATIONS)) == 1


async def test_a_server_of_ones_own_without_a_model_is_asked_again(stand_in: StandIn) -> None:
    async with own_server_at(stand_in) as provider:
        stand_in.misbehave(Fault(GENERATIONS, refused(404, "model_not_found")))
        await fails(provider, asked(SD_CPP))
        assert provider.outdated
        assert not provider.retired


@pytest.mark.parametrize(
    ("said", "abuse"),
    [
        ("It was rejected. safety_violations=[sexual].", False),
        ("It was rejected. safety_violations=[sexual, sexual/minors].", True),
        ("It was rejected. It mentions minors.", False),
    ],
)
async def test_who_is_stopped_after_a_moderated_request(stand_in: StandIn, said: str, abuse: bool) -> None:
    problem = await failing(stand_in, refused(400, "moderation_blocked", said, kind="image_generation_user_error"))
    assert isinstance(problem, Refused)
    assert problem.abuse == abuse
    assert problem.said


async def test_a_moderated_prompt_and_a_moderated_image(stand_in: StandIn) -> None:
    async with openai_at(stand_in) as provider:
        assert (await fails(provider, asked(GPT, prompts=(WeightedText("gore"),)))).reason is Reason.MODERATED
        stand_in.misbehave(Fault(GENERATIONS, Fate(error="safety_violations=[violence]")))
        assert (await fails(provider)).reason is Reason.MODERATED
    assert not stand_in.bills


@pytest.mark.parametrize("prompt", TRICKS.values())
async def test_words_of_the_prompt_are_no_reason(stand_in: StandIn, prompt: str) -> None:
    problem = await failing(stand_in, refused(400, "invalid_value", f"Invalid prompt: {prompt}"))
    assert isinstance(problem, Refused)
    assert problem.reason in {Reason.REFUSED, Reason.MODERATED, Reason.NO_CREDITS, Reason.WRONG_KEY}
    async with openai_at(stand_in) as provider:
        own = await fails(provider, asked(GPT, prompts=(WeightedText(prompt),)))
    assert own.reason is Reason.REFUSED


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "-1"}, None),
        ({"retry-after-ms": "soon"}, None),
        ({}, None),
    ],
)
async def test_how_long_to_wait(stand_in: StandIn, headers: dict[str, str], wait: float | None) -> None:
    problem = await failing(stand_in, refused(429, "rate_limit_exceeded", headers=headers))
    assert isinstance(problem, Busy)
    assert problem.retry_after == wait


async def test_the_id_of_a_request_is_in_the_log(stand_in: StandIn) -> None:
    problem = await failing(stand_in, refused(400, None, headers={"x-request-id": "req_1"}))
    assert "req_1" in problem.detail


async def test_the_key_is_never_shown(stand_in: StandIn) -> None:
    problem = await failing(stand_in, refused(400, None, f"Your key {SECRET} made this."))
    assert isinstance(problem, Refused)
    assert "key" in problem.said
    assert SECRET not in problem.said
    async with openai_at(stand_in) as provider:
        assert SECRET not in repr(provider._service._credentials)


async def test_pictures_that_are_too_large_for_the_service(stand_in: StandIn, tmp_path: Any) -> None:
    stand_in.misbehave(Fault(EDITS, Status(413)))
    async with openai_at(stand_in) as provider:
        assert isinstance(await fails(provider, varied(), pictures(tmp_path)), TooLarge)


async def test_a_bare_text_as_an_error(stand_in: StandIn) -> None:
    problem = await failing_for_nothing(stand_in, Status(400, {"error": "prompt required"}))
    assert isinstance(problem, Refused)
    assert (problem.reason, problem.said) == (Reason.REFUSED, "prompt required.")


# --- lost answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        Reset(),
        Reset(after_doing=True),
        Half(),
        Half(reset=True),
        Status(500, after_doing=True),
        refused(500, None, kind="server_error"),
        refused(503, None),
        Status(408),
        Status(504, after_doing=True),
        PAGE,
        Endless(content_type="application/json"),
        Endless(declared=True, content_type="application/json"),
        Body(b""),
        Body("<html>"),
        Body(b"[]"),
        Body(b"null"),
        Body(b'{"data": 7}'),
        Body(b'{"data": []}'),
        Body(b'{"data": [{}]}'),
        Body(b'{"data": [{"b64_json": "%%%"}]}'),
        Body(b'{"data": [{"url": "http://' + b"x" * 10_000 + b'"}]}'),
    ],
)
async def test_a_lost_answer_of_a_service_that_charges(stand_in: StandIn, act: Act) -> None:
    problem = await failing(stand_in, act, partials=0)
    assert isinstance(problem, OutcomeUnknown)


@pytest.mark.parametrize("broken", [{}, {"b64_json": "%"}, {"b64_json": None, "url": ""}, 7])
async def test_a_broken_image_costs_no_other_one(stand_in: StandIn, broken: Json) -> None:
    good: Json = {"b64_json": b64encode(png()).decode()}
    stand_in.misbehave(Fault(GENERATIONS, Status(200, {"data": [broken, good, good, good]}), times=None))
    async with own_server_at(stand_in) as provider:
        images = (await made(provider, asked(SD_CPP, images=3, seed=7))).images
    assert [(image.data, image.seed) for image in images] == [(png(), 8), (png(), 9)]


async def test_a_lost_answer_cannot_be_found(stand_in: StandIn) -> None:
    async with openai_at(stand_in) as provider:
        handle = await provider.prepare(asked(GPT))
        assert isinstance(await refusal(provider.find(handle)), OutcomeUnknown)
        assert isinstance(await provider.poll(handle), Gone)
        assert not provider.finds_lost_submits


async def test_a_service_that_is_away_was_sent_nothing() -> None:
    async with openai_at("http://127.0.0.1:1") as provider:
        assert isinstance(await fails(provider), Unreachable)


async def test_a_submit_is_given_up_after_the_patience(stand_in: StandIn, pass_time: Callable[[float], None]) -> None:
    async with openai_at(stand_in, patience=300) as provider:
        stand_in.misbehave(Fault(GENERATIONS, Hang()))
        call = asyncio.create_task(fails(provider))
        await stand_in.called(GENERATIONS)
        pass_time(290)
        for _ in range(50):
            await asyncio.sleep(0)
        assert not call.done()
        pass_time(20)
        problem = await call
    assert isinstance(problem, OutcomeUnknown)
    assert problem.reason is not Reason.CANCELLED


@pytest.mark.parametrize(
    ("act", "kind", "reason"),
    [
        (Status(500, {"error": "it crashed"}), Refused, Reason.BROKEN),
        (Status(500, {"error": "CUDA out of memory"}), Refused, Reason.OUT_OF_MEMORY),
        (Status(503, {"error": "loading"}), Busy, Reason.BUSY),
        (Status(200, {"data": []}), Refused, Reason.NOTHING_MADE),
        (Reset(after_doing=True), OutcomeUnknown, Reason.NO_ANSWER),
        (PAGE, OutcomeUnknown, Reason.NO_ANSWER),
    ],
)
async def test_failures_of_a_server_of_ones_own(
    stand_in: StandIn, act: Act, kind: type[ProviderError], reason: Reason
) -> None:
    problem = await failing_for_nothing(stand_in, act)
    assert (type(problem), problem.reason) == (kind, reason)


async def test_a_slow_answer_is_awaited(stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(GENERATIONS, Slow(0.01, pieces=3)))
    async with openai_at(stand_in, partials=0) as provider:
        assert (await made(provider)).images


# --- what does not depend on one request ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "usage",
    [
        None,
        7,
        {},
        {"input_tokens": -1, "output_tokens": 5},
        {"input_tokens": 5, "output_tokens": 0},
        {"input_tokens": 5, "output_tokens": 10**9},
        {"input_tokens": "x", "output_tokens": 5},
    ],
)
async def test_odd_numbers_of_tokens(stand_in: StandIn, usage: Json) -> None:
    image: Json = {"b64_json": b64encode(png()).decode()}
    stand_in.misbehave(Fault(GENERATIONS, Status(200, {"data": [image], "usage": usage})))
    async with openai_at(stand_in) as provider:
        cost = (await made(provider)).cost
    assert (cost.millicredits, cost.exact) == (4_200, False)


@pytest.mark.parametrize("details", [None, [], {"text_tokens": 1}, {"text_tokens": 9, "image_tokens": 9}])
async def test_tokens_of_an_unknown_kind_count_as_the_expensive_one(stand_in: StandIn, details: Json) -> None:
    usage: Json = {"input_tokens": 10, "output_tokens": 1_000, "input_tokens_details": details}
    image: Json = {"b64_json": b64encode(png()).decode()}
    stand_in.misbehave(Fault(GENERATIONS, Status(200, {"data": [image], "usage": usage})))
    async with openai_at(stand_in) as provider:
        cost = (await made(provider)).cost
    assert (cost.millicredits, cost.exact) == (4_010, False)


@pytest.mark.parametrize(
    ("act", "kind", "reason"),
    [
        (Status(401), Refused, Reason.WRONG_KEY),
        (Status(500), Unreachable, Reason.BROKEN),
        (Reset(), Unreachable, Reason.UNREACHABLE),
        (Body("<html>"), Unreachable, Reason.UNREADABLE_ANSWER),
        (Redirect("https://example.com/v1/models"), Refused, Reason.MOVED),
    ],
)
async def test_what_a_check_finds(stand_in: StandIn, act: Act, kind: type[ProviderError], reason: Reason) -> None:
    stand_in.misbehave(Fault(MODELS, act))
    async with openai_at(stand_in) as provider:
        problem = await provider.check()
    assert (type(problem), problem.reason if problem else None) == (kind, reason)


@pytest.mark.parametrize("status", [403, 404])
async def test_a_list_of_models_is_only_needed_to_learn(stand_in: StandIn, status: int) -> None:
    stand_in.misbehave(Fault(MODELS, Status(status), times=None))
    async with openai_at(stand_in) as named:
        assert await named.check() is None
        assert [engine.id for engine in await named.learn()] == [GPT]
    async with openai_at(stand_in, models=()) as asking:
        assert await asking.check() is not None
        assert isinstance(await refusal(asking.learn()), Refused)


@pytest.mark.parametrize("body", [b"[7]", b'{"data": [{"id": 7}, {"id": "\\n"}, {}, {"id": ""}]}'])
async def test_models_that_have_no_name(stand_in: StandIn, body: bytes) -> None:
    stand_in.misbehave(Fault(MODELS, Body(body)))
    async with openai_at(stand_in, models=()) as provider:
        assert await provider.learn() == ()


async def test_a_list_of_models_that_is_none(stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(MODELS, Body(b'{"data": 7}')))
    async with openai_at(stand_in, models=()) as provider:
        problem = await refusal(provider.learn())
    assert (type(problem), problem.reason) == (Unreachable, Reason.ODD_ANSWER)


async def test_a_free_service_is_asked_for_an_unknown_model_once_more(stand_in: StandIn) -> None:
    stand_in.openai.kind = Kind.SD_CPP
    async with openai_at(stand_in, models=()) as provider:
        assert (await made(provider, asked(SD_CPP))).images
        assert (await fails(provider, asked("openai/other"))).reason is Reason.RETIRED
    async with openai_at(stand_in, models=()) as restarted:
        handle: Handle = {"ticket": "easel-1", "seed": 1}
        assert (await restarted.submit(handle, asked(SD_CPP))).images


@pytest.mark.parametrize("handle", [{}, {"ticket": "", "seed": 1}, {"ticket": "x"}, {"ticket": "x", "seed": True}])
async def test_a_handle_of_another_version_is_refused(handle: dict[str, Json]) -> None:
    request: ImageRequest = asked(GPT)
    async with openai_at("http://127.0.0.1:1", models=(PRICED,)) as provider:
        for call in (provider.submit(handle, request), provider.progress(handle), provider.cancel(handle)):
            assert (await refusal(call)).reason is Reason.BAD_HANDLE

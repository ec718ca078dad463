"""Text that a service repeats from the request is not treated as its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.providers.ai_client import AiClient
from bot.providers.aithriving import Aithriving
from bot.providers.answers import Answer
from bot.providers.base import Failed, WeightedText
from bot.providers.echoes import GAP, LONGEST, OwnWords
from bot.providers.errors import Busy, ProviderError, Reason, Refused
from bot.providers.refusals import Judge
from fakes.services import Echo, Fate, Fault, StandIn
from fakes.services.malformed_answers import HOW
from tests.providers.workbench import CORE, SECRET, TRICKS, asked, made, polled, refusal, sent


def request(prompt: str, **changes: Any) -> Any:
    return asked(CORE, prompts=(WeightedText(prompt),), **changes)


def about(prompt: str, **changes: Any) -> Judge:
    return Judge((SECRET,)).about(request(prompt, **changes))


def answer(status: int, message: str) -> Answer:
    body = json.dumps({"message": message}).encode()
    return Answer(status, {"Content-Type": "application/json"}, body, "POST /x")


def concerns_this_one_alone(error: ProviderError) -> bool:
    return isinstance(error, Refused) and not error.operator and not error.fault and error.reason is Reason.REFUSED


# --- classification ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", TRICKS.values(), ids=TRICKS)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("says", ["We cannot draw “{}”.", "{}", "{} is not possible", 'Bad prompt: "{}"', "[{}]"])
@pytest.mark.parametrize("status", [200, 400, 403, 413, 422])
def test_a_repeated_prompt_does_not_affect_the_classification(prompt: str, how: str, says: str, status: int) -> None:
    message = says.format(HOW[how](prompt))
    judge = about(prompt)
    error = judge.by_words(message) if status == 200 else judge.by_status(answer(status, message), paid=True)
    assert concerns_this_one_alone(error), error.said


@pytest.mark.parametrize("field", ["negative", "style"])
def test_other_repeated_fields_do_not_affect_it_either(field: str) -> None:
    judge = about("a fox", **{field: "too many requests"})
    assert judge.reason_in("Not accepted: too many requests") is Reason.REFUSED


def test_prompts_of_several_parts_are_recognised_as_one() -> None:
    parts = (WeightedText("a wall that says too many"), WeightedText("requests"))
    judge = Judge((SECRET,)).about(asked(CORE, prompts=parts))
    assert judge.reason_in("Cannot draw: a wall that says too many, requests") is Reason.REFUSED
    assert judge.reason_in("Cannot draw: Too many, requests") is Reason.REFUSED


@pytest.mark.parametrize(
    ("prompt", "message", "reason"),
    [
        ("many birds over a key", "Too many requests.", Reason.BUSY),
        ("a slow river", "Rate limit exceeded, slow down", Reason.BUSY),
        ("too many requests", "Insufficient credits.", Reason.NO_CREDITS),
        ("the key to a garden", "Invalid API key.", Reason.WRONG_KEY),
        ("a safe", "“a safe” was flagged by our moderation", Reason.MODERATED),
        ("too many requests", "Prompt “too many requests”: Invalid API key.", Reason.WRONG_KEY),
    ],
)
def test_the_services_own_words_still_count(prompt: str, message: str, reason: Reason) -> None:
    assert about(prompt).reason_in(message) is reason


@pytest.mark.parametrize("prompt", ["too many requests", "a fox"])
def test_the_status_comes_before_the_words(prompt: str) -> None:
    judge = about(prompt)
    assert isinstance(judge.by_status(answer(429, f"No more of {prompt}"), paid=True), Busy)
    assert judge.by_status(answer(402, prompt), paid=True).reason is Reason.NO_CREDITS
    assert judge.by_status(answer(401, prompt), paid=True).reason is Reason.WRONG_KEY
    for status in (400, 409, 413, 422):
        for words in ("Too many requests", "Server error", "Slow down"):
            assert concerns_this_one_alone(Judge((SECRET,)).by_status(answer(status, words), paid=True))


@pytest.mark.parametrize("words", ["Invalid API key", "Insufficient credits"])
def test_words_about_a_field_do_not_concern_the_account(words: str) -> None:
    assert concerns_this_one_alone(Judge((SECRET,)).by_status(answer(422, words), paid=True))


def test_a_403_with_its_own_reason_does_not_concern_the_key() -> None:
    judge = Judge((SECRET,))
    assert concerns_this_one_alone(judge.by_status(answer(403, "This prompt cannot be drawn"), paid=True))
    for bare in ("", "Forbidden", "Access denied.", "This action is unauthorized."):
        assert judge.by_status(answer(403, bare), paid=True).reason is Reason.WRONG_KEY


# --- display ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "said", "shown"),
    [
        ("a red fox", 'We cannot draw "a red fox" now', f'We cannot draw "{GAP}" now'),
        ("a red fox", "We cannot draw A RED  FOX, sorry", f"We cannot draw {GAP}, sorry"),
        ('a "red" café', r"No: a \"red\" caf\u00e9", f"No: {GAP}"),
        ('a "red" café', "No: a &quot;red&quot; café", f"No: {GAP}"),
        ("a red fox in the long green grass", "Prompt a red fox in the lo… is wrong", f"Prompt {GAP}… is wrong"),
        ("狐狸在雪地里奔跑着", "不能画狐狸在雪地里奔跑着", "不能画狐狸在雪地里奔跑着"),
        ("狐狸在雪地里奔跑着", "不能画「狐狸在雪地里奔跑着」", f"不能画「{GAP}」"),
        # One word, or a few common ones, are as likely the service's own.
        ("fox", "The word fox is not allowed", "The word fox is not allowed"),
        ("a picture of the sea at night", "This is a picture of the enemy", "This is a picture of the enemy"),
    ],
)
def test_a_repeated_prompt_is_replaced_by_a_gap(prompt: str, said: str, shown: str) -> None:
    assert about(prompt).plain(said) == shown


def test_the_words_after_a_long_prompt_are_shown() -> None:
    prompt = " ".join(f"word{number}" for number in range(150))
    assert about(prompt).plain(f"Prompt “{prompt}” is too long.") == f"Prompt “{GAP}” is too long."


@given(prompt=st.text(max_size=60), said=st.text(max_size=60))
def test_any_text_can_be_compared(prompt: str, said: str) -> None:
    judge = about(prompt, negative=said)
    assert judge.plain(said + prompt).isprintable()
    assert isinstance(judge.by_words(said + prompt), ProviderError)


def test_the_compared_length_is_limited() -> None:
    assert len(OwnWords(request("a fox " * 10_000)).taken_out_of("x " * 10_000)) == LONGEST


# --- the providers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", TRICKS.values(), ids=TRICKS)
@pytest.mark.parametrize("code", [200, 400, 403, 422, 500])
async def test_a_refusal_by_ai_thriving(aithriving: Aithriving, stand_in: StandIn, prompt: str, code: int) -> None:
    stand_in.misbehave(Fault("*", Echo(code)))
    error = await refusal(made(aithriving, request(prompt)))
    assert isinstance(error, Refused)
    assert not error.operator
    assert error.fault is (code == 500)
    assert prompt not in error.said


@pytest.mark.parametrize("prompt", TRICKS.values(), ids=TRICKS)
@pytest.mark.parametrize("code", [400, 403, 422])
async def test_a_refusal_by_ai_client(ai_client: AiClient, stand_in: StandIn, prompt: str, code: int) -> None:
    stand_in.misbehave(Fault("ai-client.entry", Echo(code)))
    error = await refusal(sent(ai_client, asked(prompts=(WeightedText(prompt),))))
    assert concerns_this_one_alone(error)
    assert prompt not in error.said


@pytest.mark.parametrize("prompt", TRICKS.values(), ids=TRICKS)
async def test_polls_of_ai_client(ai_client: AiClient, stand_in: StandIn, prompt: str) -> None:
    wanted = asked(prompts=(WeightedText(prompt),))
    stand_in.misbehave(Fault("ai-client.entry", Fate(error="Cannot draw “{prompt}”.")))
    handle = await sent(ai_client, wanted)
    told = await ai_client.poll(handle, wanted)
    assert told == Failed(Reason.REFUSED, f"Cannot draw “{GAP}”.")
    stand_in.misbehave(Fault("ai-client.entries", Echo(400)))
    assert concerns_this_one_alone(await refusal(ai_client.poll(handle, wanted)))


async def test_an_errors_text_contains_nothing_from_the_service(ai_client: AiClient, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault("ai-client.entry", Echo(422, "MOON {prompt}")))
    error = await refusal(polled(ai_client))
    assert "MOON" in error.said
    assert "MOON" not in f"{error} {error!r} {error.detail} {error.reason}"

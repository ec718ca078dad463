"""From words and statuses to decisions."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.providers.answers import Answer
from bot.providers.base import Busy, NotFound, OutcomeUnknown, ProviderError, Refused, Unreachable
from bot.providers.refusals import Ground, Judge, ground

SECRET = "sk-5ecret"
JUDGE = Judge("Painter", SECRET)


def answer(status: int, body: object = None, **headers: str) -> Answer:
    kind = {"Content-Type": "application/json"} if body is not None else {"Content-Type": "text/html"}
    data = json.dumps(body).encode() if body is not None else b"<html><h1>Something</h1></html>"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, kind | named, data, "POST /x")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Insufficient credits.", Ground.CREDITS),
        ("You do not have enough credits.", Ground.CREDITS),
        ("Your account balance is 0", Ground.CREDITS),
        ("Payment required", Ground.CREDITS),
        ("quota exceeded", Ground.CREDITS),
        ("The prompt was flagged by our content moderation system.", Ground.MODERATION),
        ("NSFW content detected", Ground.MODERATION),
        ("Your request was rejected by the safety system", Ground.MODERATION),
        ("violates our content policy", Ground.MODERATION),
        ("Invalid API key.", Ground.KEY),
        ("invalid token", Ground.KEY),
        ("Your token has expired, the token is invalid", Ground.KEY),
        ("Unauthenticated.", Ground.KEY),
        ("This action is unauthorized.", Ground.KEY),
        ("Authentication failed", Ground.KEY),
        ("Too many requests.", Ground.RATE),
        ("Too Many Attempts.", Ground.RATE),
        ("Rate limit exceeded", Ground.RATE),
        ("rate-limited, slow down", Ground.RATE),
        ("Authentication: too many requests", Ground.RATE),
        # words that hold others
        ("Failed to generate the image", Ground.OTHER),
        ("moderately long prompts only", Ground.OTHER),
        ("The prompt has too many tokens", Ground.OTHER),
        ("width must be between 320 and 1536 and divisible by 64.", Ground.OTHER),
        ("The accreditation is wrong", Ground.OTHER),
        ("an unbalanced bracket", Ground.OTHER),
        ("The monkey is missing", Ground.OTHER),
        ("", Ground.OTHER),
    ],
)
def test_words_are_sorted(text: str, kind: Ground) -> None:
    assert ground(text) is kind


@pytest.mark.parametrize(
    ("text", "kind", "operator"),
    [
        ("Insufficient credits.", Refused, True),
        ("Invalid API key.", Refused, True),
        ("flagged by moderation", Refused, False),
        ("the moon is down", Refused, False),
        ("Too many requests.", Busy, None),
    ],
)
def test_words_decide(text: str, kind: type[ProviderError], operator: bool | None) -> None:
    error = JUDGE.by_words(text)
    assert type(error) is kind
    if isinstance(error, Refused):
        assert error.operator is operator


def test_unknown_words_are_shown_as_they_are() -> None:
    assert "the moon is down." in JUDGE.by_words("the moon is down").message


def test_words_of_moderation_are_shown_too() -> None:
    assert "Flagged: nsfw." in JUDGE.by_words("Flagged: nsfw.").message


@pytest.mark.parametrize("text", ["", "   ", "<br>"])
def test_a_refusal_without_words_is_a_sentence_all_the_same(text: str) -> None:
    assert JUDGE.by_words(text).message.endswith("no reason.")


@pytest.mark.parametrize(
    ("status", "body", "paid", "free"),
    [
        (200, None, OutcomeUnknown, Unreachable),
        (204, None, OutcomeUnknown, Unreachable),
        (301, None, Refused, Refused),
        (302, None, Refused, Refused),
        (307, None, Refused, Refused),
        (400, {"message": "bad"}, Refused, Refused),
        (400, None, Refused, Refused),
        (400, {"message": "Too many requests"}, Refused, Refused),
        (401, {"message": "Unauthenticated."}, Refused, Refused),
        (402, {"message": "no money"}, Refused, Refused),
        (403, {"message": "no"}, Refused, Refused),
        (404, None, NotFound, NotFound),
        (405, None, Refused, Refused),
        (408, None, OutcomeUnknown, Unreachable),
        (410, None, NotFound, NotFound),
        (413, None, Refused, Refused),
        (422, {"message": "The given data was invalid."}, Refused, Refused),
        (425, None, Busy, Busy),
        (429, None, Busy, Busy),
        (500, {"message": "Server Error"}, OutcomeUnknown, Unreachable),
        (502, None, OutcomeUnknown, Unreachable),
        (503, None, OutcomeUnknown, Unreachable),
        (504, None, OutcomeUnknown, Unreachable),
        (524, None, OutcomeUnknown, Unreachable),
        (666, None, OutcomeUnknown, Unreachable),
    ],
)
def test_the_status_decides(status: int, body: object, paid: type[ProviderError], free: type[ProviderError]) -> None:
    assert type(JUDGE.by_status(answer(status, body), paid=True)) is paid
    assert type(JUDGE.by_status(answer(status, body), paid=False)) is free


@pytest.mark.parametrize(
    ("status", "body", "operator"),
    [
        (302, None, True),
        (400, {"message": "bad size"}, False),
        (400, {"message": "You have no credits left"}, True),
        (401, None, True),
        (402, None, True),
        (403, {"message": "Not enough credits"}, True),
        (403, {"message": "Blocked by content moderation"}, False),
        (403, None, True),
        (404, {"message": "Not Found"}, True),
        (405, None, True),
        (410, {"message": "This model was retired"}, True),
        (422, {"errors": {"size": ["bad"]}}, False),
    ],
)
def test_who_can_mend_a_refusal(status: int, body: object, operator: bool) -> None:
    error = JUDGE.by_status(answer(status, body), paid=True)
    assert isinstance(error, Refused)
    assert error.operator is operator


def test_busy_takes_retry_after_by_the_clock_of_the_service() -> None:
    error = JUDGE.by_status(
        answer(429, Retry_After="Sun, 01 Jun 2025 12:00:30 GMT", Date="Sun, 01 Jun 2025 12:00:00 GMT"), paid=True
    )
    assert isinstance(error, Busy)
    assert error.retry_after == 30


@pytest.mark.parametrize(("value", "seconds"), [("12", 12), ("soon", None)])
def test_busy_with_and_without_a_usable_retry_after(value: str, seconds: float | None) -> None:
    error = JUDGE.by_status(answer(429, Retry_After=value), paid=True)
    assert isinstance(error, Busy)
    assert error.retry_after == seconds


def test_a_service_that_is_down_for_a_while_may_say_how_long() -> None:
    error = JUDGE.by_status(answer(503, Retry_After="120"), paid=False)
    assert isinstance(error, Busy)
    assert error.retry_after == 120


def test_a_paid_503_is_never_taken_for_a_no() -> None:
    assert isinstance(JUDGE.by_status(answer(503, Retry_After="120"), paid=True), OutcomeUnknown)


def test_field_errors_are_shown() -> None:
    body = {"message": "Invalid.", "errors": {"resolution": ["The resolution is wrong."], "steps": ["Too many."]}}
    assert "The resolution is wrong. Too many." in JUDGE.by_status(answer(422, body), paid=True).message


@given(
    status=st.integers(100, 999),
    words=st.text(max_size=60),
    paid=st.booleans(),
    key=st.sampled_from(["message", "error", "detail"]),
)
@pytest.mark.slow
def test_no_error_holds_the_key(status: int, words: str, paid: bool, key: str) -> None:
    error = JUDGE.by_status(answer(status, {key: f"{words} Bearer {SECRET} {words}"}), paid=paid)
    assert SECRET not in f"{error} {error.detail} {error.message} {error!r}"
    assert error.message.isprintable()


def test_the_detail_tells_nothing_of_what_the_answer_says() -> None:
    error = JUDGE.by_status(answer(422, {"message": "the prompt 'a secret garden' is too long"}), paid=True)
    assert "garden" in error.message
    assert "garden" not in error.detail
    assert "422" in error.detail

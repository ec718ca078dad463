"""Classifying refusals by their words and statuses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.providers.answers import Answer
from bot.providers.errors import Busy, NotFound, OutcomeUnknown, ProviderError, Reason, Refused, Unreachable
from bot.providers.refusals import Judge, reason_in

SECRET = "sk-5ecret"
JUDGE = Judge((SECRET,))


def answer(status: int, body: object = None, **headers: str) -> Answer:
    kind = {"Content-Type": "application/json"} if body is not None else {"Content-Type": "text/html"}
    data = json.dumps(body).encode() if body is not None else b"<html><h1>Something</h1></html>"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, kind | named, data, "POST /x")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Insufficient credits.", Reason.NO_CREDITS),
        ("You do not have enough credits.", Reason.NO_CREDITS),
        ("Your account balance is 0", Reason.NO_CREDITS),
        ("Payment required", Reason.NO_CREDITS),
        ("quota exceeded", Reason.NO_CREDITS),
        ("The prompt was flagged by our content moderation system.", Reason.MODERATED),
        ("NSFW content detected", Reason.MODERATED),
        ("Your request was rejected by the safety system", Reason.MODERATED),
        ("violates our content policy", Reason.MODERATED),
        ("Invalid API key.", Reason.WRONG_KEY),
        ("invalid token", Reason.WRONG_KEY),
        ("Your token has expired, the token is invalid", Reason.WRONG_KEY),
        ("Unauthenticated.", Reason.WRONG_KEY),
        ("This action is unauthorized.", Reason.WRONG_KEY),
        ("Authentication failed", Reason.WRONG_KEY),
        ("Too many requests.", Reason.BUSY),
        ("Too Many Attempts.", Reason.BUSY),
        ("Rate limit exceeded", Reason.BUSY),
        ("rate-limited, slow down", Reason.BUSY),
        ("Authentication: too many requests", Reason.BUSY),
        ("The specified engine (ID sd) was not found.", Reason.RETIRED),
        ("This model has been deprecated", Reason.RETIRED),
        ("unknown engine", Reason.RETIRED),
        ("Model not found", Reason.RETIRED),
        ("This endpoint is no longer supported.", Reason.RETIRED),
        ("content_moderation", Reason.MODERATED),
        # words that contain others
        ("The engineer was not found", Reason.REFUSED),
        ("The object was not found", Reason.REFUSED),
        ("The model is unavailable", Reason.BROKEN),
        ("The engine failed", Reason.REFUSED),
        ("Bad size. Note that the v1 API is deprecated.", Reason.REFUSED),
        ("Failed to generate the image", Reason.REFUSED),
        ("moderately long prompts only", Reason.REFUSED),
        ("The prompt has too many tokens", Reason.REFUSED),
        ("width must be between 320 and 1536 and divisible by 64.", Reason.REFUSED),
        ("The accreditation is wrong", Reason.REFUSED),
        ("an unbalanced bracket", Reason.REFUSED),
        ("The monkey is missing", Reason.REFUSED),
        ("", Reason.REFUSED),
    ],
)
def test_words_are_classified(text: str, kind: Reason) -> None:
    assert reason_in(text) is kind


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


def test_unknown_words_are_shown_unchanged() -> None:
    error = JUDGE.by_words("the moon is down")
    assert (error.reason, error.said) == (Reason.REFUSED, "the moon is down.")


def test_words_about_moderation_are_shown_too() -> None:
    error = JUDGE.by_words("Flagged: nsfw.")
    assert (error.reason, error.said) == (Reason.MODERATED, "Flagged: nsfw.")


@pytest.mark.parametrize("text", ["", "   ", "<br>"])
def test_a_refusal_without_words_has_no_quote(text: str) -> None:
    error = JUDGE.by_words(text)
    assert (error.reason, error.said) == (Reason.REFUSED, "")


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
        (410, {"message": "Gone for good"}, True),
        (422, {"errors": {"size": ["bad"]}}, False),
    ],
)
def test_who_can_fix_a_refusal(status: int, body: object, operator: bool) -> None:
    error = JUDGE.by_status(answer(status, body), paid=True)
    assert isinstance(error, Refused)
    assert error.operator is operator


def test_retry_after_uses_the_clock_of_the_service() -> None:
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


def test_a_service_in_an_outage_may_send_a_retry_after() -> None:
    error = JUDGE.by_status(answer(503, Retry_After="120"), paid=False)
    assert isinstance(error, Busy)
    assert error.retry_after == 120


def test_a_paid_503_never_counts_as_a_refusal() -> None:
    assert isinstance(JUDGE.by_status(answer(503, Retry_After="120"), paid=True), OutcomeUnknown)


def test_field_errors_are_shown() -> None:
    body = {"message": "Invalid.", "errors": {"resolution": ["The resolution is wrong."], "steps": ["Too many."]}}
    assert JUDGE.by_status(answer(422, body), paid=True).said == "The resolution is wrong. Too many."


@given(
    status=st.integers(100, 999),
    words=st.text(max_size=60),
    paid=st.booleans(),
    key=st.sampled_from(["message", "error", "detail"]),
)
@pytest.mark.slow
def test_no_error_contains_the_key(status: int, words: str, paid: bool, key: str) -> None:
    error = JUDGE.by_status(answer(status, {key: f"{words} Bearer {SECRET} {words}"}), paid=paid)
    assert SECRET not in f"{error} {error.detail} {error.said} {error!r}"
    assert error.said.isprintable()


def test_the_detail_contains_nothing_from_the_response() -> None:
    error = JUDGE.by_status(answer(422, {"message": "the prompt 'a secret garden' is too long"}), paid=True)
    assert "garden" in error.said
    assert "garden" not in error.detail
    assert "422" in error.detail

"""Every card shows what it should."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.money import Price
from bot.jobs.provider_text import MISSING_IMAGES
from bot.jobs.results import JobDetails
from bot.jobs.store import CANCELLED
from bot.jobs.view import JobView, Progress, SubmissionView
from bot.providers.base import WeightedText
from bot.text import Text
from bot.ui.cards import details, waiting
from bot.ui.cards import job as cards
from bot.ui.cards.details import details_card
from bot.ui.cards.event_log import log_card
from bot.ui.cards.help import EXAMPLES, SUBJECTS, help_card, subject_card
from bot.ui.cards.job import ShownImage, cost_text, failure_card, result_card
from bot.ui.cards.job_text import alt_text
from bot.ui.cards.layout import Card, text, within
from bot.ui.cards.server import value_text
from bot.ui.cards.waiting import changes_at, waiting_card
from bot.ui.cards.wording import units
from storage.records import Event, EventReason, JobStatus, SubmissionStatus
from tests.doubles.cards import check, everything, labels, said
from tests.doubles.texts import shows
from tests.doubles.views import NOW, image, job, request, submission, view

COMPONENTS_V2 = 1 << 15


def test_a_waiting_card_shows_queue_place_price_and_author() -> None:
    card = waiting_card(view(submission(held=6000), progress=Progress(queue_position=3)))
    first, settings, happening, price = said(card).split("\n")
    assert (first, settings) == ("a lighthouse", "-# Brush · 512x512")
    assert happening == f"**{cards.SUBMISSION_STATUS[SubmissionStatus.QUEUED]}** · {waiting.IN_QUEUE(position=3)}"
    assert price == f"-# <@7> · {waiting.EXACT_HOLD(held=6000)}"
    assert labels(card) == ["Cancel"]


def test_a_job_whose_unfinished_image_is_shown_is_being_made() -> None:
    card = waiting_card(view(submission(status=SubmissionStatus.SUBMITTING, held=6000)), preview="preview.png")
    assert str(cards.SUBMISSION_STATUS[SubmissionStatus.RENDERING]()) in said(card)


@pytest.mark.parametrize(
    ("status", "progress", "words"),
    [
        (SubmissionStatus.QUEUED, Progress(queue_position=1), waiting.NEXT_IN_QUEUE()),
        (SubmissionStatus.RENDERING, Progress(service_position=1), waiting.NEXT_AT_SERVICE()),
        (SubmissionStatus.RENDERING, Progress(service_position=7, unserved=True), waiting.UNSERVED()),
        (SubmissionStatus.RENDERING, Progress(service_position=7), waiting.QUEUED_AT_SERVICE(position=7)),
        (SubmissionStatus.RENDERING, Progress(seconds_left=12.4, usual_seconds=3.6), waiting.LEFT(time=10)),
        (SubmissionStatus.SUBMITTING, Progress(), cards.SUBMISSION_STATUS[SubmissionStatus.SUBMITTING]()),
        (SubmissionStatus.RENDERING, Progress(), cards.SUBMISSION_STATUS[SubmissionStatus.RENDERING]()),
        (SubmissionStatus.RENDERING, Progress(percent=40), "▰▰▰▰▱▱▱▱▱▱▱▱ 40%"),
        (
            SubmissionStatus.SUBMITTING,
            Progress(percent=40),
            cards.SUBMISSION_STATUS[SubmissionStatus.RENDERING](),
        ),
        (
            SubmissionStatus.RENDERING,
            Progress(at=NOW, started_at=NOW - 7000),
            waiting.STARTED(when=f"<t:{NOW // 1000 - 7}:R>"),
        ),
        (SubmissionStatus.RENDERING, Progress(at=NOW, usual_seconds=12.4), waiting.USUALLY(time=10)),
        (SubmissionStatus.RENDERING, Progress(at=NOW, usual_seconds=3.6), waiting.USUALLY(time=4)),
        (SubmissionStatus.RENDERING, Progress(at=NOW, usual_seconds=12.4, overdue_at=NOW), waiting.OVERDUE()),
        (SubmissionStatus.RENDERING, Progress(fetching=True), waiting.FETCHING()),
    ],
)
def test_progress_is_shown_in_words(status: SubmissionStatus, progress: Progress, words: Text | str) -> None:
    card = waiting_card(view(submission(status=status, held=6000), progress=progress))
    assert str(words) in said(card)
    assert labels(card) == (["Cancel"] if status is SubmissionStatus.QUEUED else [])


def test_a_request_that_was_sent_before_is_not_shown_as_queued() -> None:
    lost = submission(status=SubmissionStatus.QUEUED, held=6000, sendings=1)
    spoken = said(waiting_card(view(lost)))
    assert shows(spoken, waiting.SENT_AGAIN)
    assert not shows(spoken, cards.SUBMISSION_STATUS[SubmissionStatus.QUEUED])


def test_a_job_of_an_unconfigured_provider_says_so_and_can_be_cancelled() -> None:
    sent = replace(submission(status=SubmissionStatus.RENDERING, held=6000), provider_missing=True)
    card = waiting_card(view(sent))
    assert shows(said(card), waiting.PROVIDER_MISSING)
    assert shows(said(card), waiting.PROVIDER_OFF(providers=["scripted"]))
    assert labels(card) == ["Cancel"]


def test_no_estimate_is_shown_after_rendering() -> None:
    rendering = submission(status=SubmissionStatus.RENDERING, held=6000)
    spoken = said(waiting_card(view(rendering, progress=Progress(percent=99, usual_seconds=9, fetching=True))))
    assert f"**{waiting.FETCHING}**\n-#" in spoken


def test_a_busy_provider_is_named_as_the_reason_to_wait() -> None:
    queued = submission(status=SubmissionStatus.QUEUED, attempts=1, next_attempt_at=NOW + 9000)
    known = view(queued, progress=Progress(at=NOW))
    assert shows(said(waiting_card(known)), waiting.RETRY(when=f"<t:{NOW // 1000 + 9}:R>"))
    assert changes_at(known) == NOW + 9000 - waiting.NOW


@pytest.mark.parametrize("at", [NOW + 9000 - waiting.NOW, NOW + 9000, NOW + 60_000])
def test_a_retry_is_never_shown_as_a_time_in_the_past(at: int) -> None:
    queued = submission(status=SubmissionStatus.QUEUED, attempts=1, next_attempt_at=NOW + 9000)
    held_back = Progress(at=at, outage_until=NOW + 9000)
    for known, words in (
        (view(queued, progress=Progress(at=at)), waiting.RETRY_NOW),
        (view(queued, progress=held_back), waiting.OUTAGE_OVER),
    ):
        assert shows(said(waiting_card(known)), words)
        assert ":R>" not in said(waiting_card(known))
        assert changes_at(known) is None


def test_a_card_changes_when_its_job_becomes_overdue() -> None:
    rendering = submission(status=SubmissionStatus.RENDERING)
    known = view(rendering, progress=Progress(at=NOW, usual_seconds=12, overdue_at=NOW + 20_000))
    assert changes_at(known) == NOW + 20_000
    assert not shows(said(waiting_card(known)), waiting.OVERDUE)
    assert changes_at(view(rendering, progress=replace(known.progress, at=NOW + 20_000))) is None
    assert changes_at(view(rendering, progress=replace(known.progress, fetching=True))) is None


def test_several_requests_are_counted_by_status() -> None:
    card = waiting_card(
        view(
            submission(1, SubmissionStatus.DONE, captured=6000),
            submission(2, SubmissionStatus.RENDERING, held=6000),
            submission(3, SubmissionStatus.QUEUED, held=6000),
            submission(4, SubmissionStatus.FAILED),
        )
    )
    spoken = said(card)
    assert shows(spoken, waiting.DONE_OF(done=1, all=4))
    for status in (SubmissionStatus.RENDERING, SubmissionStatus.QUEUED, SubmissionStatus.FAILED):
        assert f"{cards.SUBMISSION_STATUS[status]}: 1" in spoken
    assert shows(spoken, waiting.EXACT_HOLD(held=12_000))
    assert "4 images" in said(card)


def test_an_estimate_is_marked_before_and_after() -> None:
    before = waiting_card(view(submission(held=2000), quoted_exactly=False))
    assert shows(said(before), waiting.ESTIMATED_HOLD(held=2000))
    done = view(submission(status=SubmissionStatus.DONE, captured=1200, exact=False, images=[image(1)]))
    assert "1.2 credits" in cost_text(done) != "1.2 credits"
    assert cost_text(done) in said(result_card(done, []))


def test_a_restart_is_mentioned() -> None:
    assert shows(said(waiting_card(view(of=job(resumed_at=NOW)))), waiting.RESUMED)


def result_view(**known: Any) -> JobView:
    asked = known.pop("asked", request(style="plain", seed=7))
    done = submission(
        status=SubmissionStatus.DONE,
        asked=asked,
        images=known.pop("images", [image(1, seed=7)]),
        captured=6000,
        sent_at=NOW,
        finished_at=NOW + 9000,
        told=known.pop("told", None),
    )
    return view(done, of=job(JobStatus.READY, **known))


def test_a_result_shows_images_settings_and_cost() -> None:
    shown = result_view(spoiler=True)
    card = result_card(shown, [ShownImage(shown.images[0], "easel-12-1.png")])
    assert said(card) == "a lighthouse\n-# <@7> · Brush · 512x512 · 6 credits · 9\xa0s"
    assert labels(card) == ["Edit picture", "Edit prompt", "Again", "New seed", "Details", "Delete"]
    (gallery,) = [part for part in everything(card) if part["type"] == 12]
    (item,) = gallery["items"]
    assert item["media"]["url"] == "attachment://easel-12-1.png"
    assert (item["description"], item["spoiler"]) == ("a lighthouse", True)


def test_a_new_seed_is_offered_only_if_one_was_fixed() -> None:
    shown = result_view(asked=request())
    assert labels(result_card(shown, [])) == ["Edit picture", "Edit prompt", "Again", "Details", "Delete"]


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("private", [False, True])
def test_the_buttons_of_a_result_fit_on_a_phone(seed: int | None, private: bool) -> None:
    shown = result_view(asked=request(seed=seed), private=private)
    rows = [part["components"] for part in everything(result_card(shown, [])) if part["type"] == 1]
    assert len(rows) == (2 if seed is None and not private else 3)
    for row in rows:
        assert len(row) <= 3
        # A button without a label is as wide as five letters.
        assert sum(len(button["label"]) + 5 for button in row) <= 36
    primary = [button["label"] for row in rows for button in row if button["style"] == 1]
    assert primary == ["Again" if seed is None else "New seed"]


def test_reencoded_images_are_mentioned() -> None:
    shown = result_view(images=[image(1), image(2, filtered=True)], told=MISSING_IMAGES(count=1, asked=3))
    first, second = shown.images
    spoken = said(result_card(shown, [ShownImage(first, "1.webp", reencoded=True), ShownImage(second, "2.png")]))
    assert shows(spoken, MISSING_IMAGES(count=1, asked=3))
    assert shows(spoken, cards.FILTERED(count=1, numbers=["2"]))
    assert shows(spoken, cards.REENCODED(count=1, numbers=["1"]))


def test_a_partly_failed_job_shows_free_failures() -> None:
    done = submission(1, SubmissionStatus.DONE, images=[image(1)], captured=6000)
    failed = [submission(number, SubmissionStatus.FAILED, told="The words were refused.") for number in (2, 3)]
    dropped = submission(4, SubmissionStatus.CANCELLED, told=CANCELLED())
    spoken = said(result_card(view(done, *failed, dropped), []))
    assert shows(spoken, cards.SOME_FAILED(number=2, all=4, reason="The words were refused."))
    assert shows(spoken, cards.SOME_CANCELLED(number=1, all=4))


def test_the_alt_text_is_the_images_own_prompt() -> None:
    parts = (WeightedText("a **red** car"), WeightedText("fog", -0.5))
    red = submission(1, SubmissionStatus.DONE, asked=request(prompts=parts), images=[image(1, submission_id=1)])
    blue = submission(2, SubmissionStatus.DONE, asked=request("a blue car"), images=[image(2, submission_id=2)])
    shown = view(red, blue, prompt="a {**red**, blue} car")
    assert alt_text(shown, shown.images[0], 1) == "a **red** car, fog (-0.5) (image 1 of 2)"
    assert alt_text(shown, shown.images[1], 2) == "a blue car (image 2 of 2)"
    assert said(waiting_card(shown)).startswith("a {\\*\\*red\\*\\*, blue} car\n")


def test_a_failure_says_once_that_it_was_free() -> None:
    failed = submission(status=SubmissionStatus.FAILED, told="The service is away.")
    assert f"The service is away.\n{cards.NOT_CHARGED}" in said(failure_card(view(failed)))
    assert labels(failure_card(view(failed))) == ["Again", "Edit prompt", "Details", "Delete"]


def test_a_cancelled_job_is_not_called_a_failure() -> None:
    spoken = said(failure_card(view(submission(status=SubmissionStatus.CANCELLED, told=CANCELLED()))))
    assert f"**{cards.CANCELLED}**\n{cards.NOT_CHARGED}" in spoken
    assert not shows(spoken, cards.NOT_MADE)


def test_details_show_settings_cost_time_and_seed_and_the_log_every_step() -> None:
    shown = result_view(asked=request(seed=7, steps=30), parent_id=11)
    events = [
        Event(1, 1, None, SubmissionStatus.QUEUED, NOW, EventReason.ASKED),
        Event(2, 1, SubmissionStatus.QUEUED, SubmissionStatus.SUBMITTING, NOW, EventReason.SENT),
        Event(3, 1, SubmissionStatus.SUBMITTING, SubmissionStatus.RENDERING, NOW + 1000, EventReason.ACCEPTED),
    ]
    found = JobDetails(shown, mine=True, events=events, parent=11, children=(13, 14), hidden=0, kept_until=NOW)
    card = details_card(found)
    assert labels(card) == ["Log", "Tree", "Made from job 11", "Led to job 13", "Led to job 14"]
    spoken = said(card)
    for words in (
        str(details.SETTINGS(settings="Brush · 512x512 · 30 steps")),
        str(details.COST(cost="6 credits")),
        str(details.TIME(time="9\xa0s")),
        str(details.SEED_OF_ONE(seed=7)),
        str(details.THREAD(title="lighthouses")),
        "```/imagine prompt:a lighthouse```",
        f"-# <@7> · {cards.JOB_STATUS[JobStatus.READY]} · <t:{NOW // 1000}:f> · {details.NUMBER(job=12)}",
    ):
        assert words in spoken
    sent = cards.SUBMISSION_STATUS[SubmissionStatus.SUBMITTING]
    assert f"-# <t:{NOW // 1000}:T> {sent}" not in spoken
    log = log_card(found)
    assert f"-# <t:{NOW // 1000}:T> {sent}" in said(log)
    assert labels(log) == ["Back to details"]


def test_a_removed_engine_is_shown_by_its_id() -> None:
    assert "scripted/brush" in said(waiting_card(replace(view(), engines=())))


# --- lists --------------------------------------------------------------------------------------------------------


def test_a_long_list_ends_with_the_number_of_omitted_values() -> None:
    text = value_text("engines", [f"scripted/number-{number}" for number in range(60)], 400)
    assert units(text) <= 400
    shown, more = re.findall(r"scripted/number-\d+", text), re.search(r"and (\d+) more$", text)
    assert more is not None
    assert len(shown) + int(more[1]) == 60


@pytest.mark.parametrize(
    ("submissions", "told"),
    [
        ((submission(held=6000),), "6 credits on hold"),
        (
            (submission(1, SubmissionStatus.DONE, captured=5000), submission(2, held=6000)),
            "5 credits, 6 credits on hold",
        ),
        ((submission(1, SubmissionStatus.DONE, captured=900, exact=False),), "about 0.9 credits (estimate)"),
        ((submission(1, SubmissionStatus.FAILED),), "not charged"),
    ],
)
def test_the_cost_is_shown_before_during_and_after(submissions: tuple[SubmissionView, ...], told: str) -> None:
    assert cost_text(view(*submissions)) == told


@pytest.mark.usefixtures("any_language")
def test_help_fits_with_the_longest_ids() -> None:
    def mention(name: str) -> str:
        return f"</{name}:{2**63}>"

    prices = dict.fromkeys(EXAMPLES, Price(1_234_567_891, 9_234_567_891, exact=False))
    check(help_card(mention, prices, manages=True))
    for subject in SUBJECTS:
        check(subject_card(subject, mention, manages=True))


@given(st.lists(st.text(min_size=1, max_size=50), max_size=40), st.integers(min_value=20, max_value=500))
def test_omitted_lines_are_counted(lines: list[str], room: int) -> None:
    kept = within(lines, room)
    assert units("\n".join(kept)) <= room
    if kept != lines:
        assert kept[-1] == f"… and {len(lines) - len(kept) + 1} more."


def test_cards_are_compared_by_content() -> None:
    assert Card(text("a")).content == Card(text("a")).content != Card(text("b")).content
    assert Card(text("a")).is_finished()

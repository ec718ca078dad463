"""Every card fits Discord's limits for any text of people and services."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.money import Price
from bot.jobs.limits import TOO_MANY_JOBS_HERE
from bot.jobs.made_from import MadeFrom
from bot.jobs.new_jobs import LISTED, TooManyJobs
from bot.jobs.results import JobDetails
from bot.jobs.view import JobView, Progress
from bot.providers.loras import Lora, Loras
from bot.providers.operations import Margins, Operation, Size
from bot.ui.cards.details import details_card
from bot.ui.cards.event_log import log_card
from bot.ui.cards.job import ShownImage, failure_card, result_card
from bot.ui.cards.layout import notice, refusal
from bot.ui.cards.proposal import lapsed_card, proposal_card, same_seed_card
from bot.ui.cards.refusal import too_many_jobs_card
from bot.ui.cards.waiting import waiting_card
from storage.records import DeliveryMethod, DeliveryReason, Event, JobStatus, SourceKind, SubmissionStatus
from tests.doubles.cards import check, said
from tests.doubles.views import NOW, image, job, request, submission, view

pytestmark = pytest.mark.slow

prompts = st.one_of(
    st.text(min_size=1, max_size=2000),
    st.sampled_from(["*", "<@1>", "🦊", "-# ", "\n# x\n", "\\", "`"]).map(lambda mark: (mark * 2000)[:2000]),
)


def many(prompt: str, sentence: str) -> JobView:
    """The largest job: ten requests with different prompts and outcomes, everything else at its maximum length."""
    statuses = [*SubmissionStatus, SubmissionStatus.DONE, SubmissionStatus.FAILED, SubmissionStatus.UNKNOWN]
    submissions = [
        submission(
            number,
            status,
            asked=request(
                f"{prompt}{number}"[-2000:],
                style=sentence[:100] or None,
                negative=prompt,
                seed=2**32 - 2 - number,
                guidance=7.25,
                steps=50,
                sampler="K_DPMPP_2S_ANCESTRAL",
                scheduler=sentence[:100] or None,
                lora=Loras(tuple(Lora(f"{sentence}{place}"[-100:], 0.25) for place in range(4))),
                high_res=1.25,
                size=Size(1536 - number, 1536),
            ),
            images=[image(number, submission_id=number, seed=2**32 - number, filtered=True)],
            held=5000,
            captured=1234 if status is SubmissionStatus.DONE else None,
            exact=False,
            told=f"{sentence}{number}",
            attempts=3,
            next_attempt_at=NOW,
            sent_at=NOW,
            finished_at=NOW + 123_456,
        )
        for number, status in enumerate(statuses, 1)
    ]
    return view(
        *submissions,
        prompt=prompt,
        title=sentence,
        progress=Progress(queue_position=12345, percent=100, at=NOW, started_at=NOW, usual_seconds=3599),
        engines=(),
        quoted_exactly=False,
        of=job(
            resumed_at=NOW,
            delivered_by=DeliveryMethod.DIRECT_MESSAGE,
            delivery_reasons=tuple(DeliveryReason),
            parent_id=11,
            user_id=2**63 - 1,
            id=10**17,
        ),
    )


def as_edit(shown: JobView, words: str) -> JobView:
    """The same job as an edit of somebody's image, with every fact that its card can have."""
    area = "8x8:" + ",".join(map(str, range(1, 65)))
    margins = Margins(2000, 1999, 1998, 1997)
    submissions = tuple(
        replace(each, request=replace(each.request, area=area, margins=margins, search=words, strength=number))
        for number, each in enumerate(shown.submissions)
    )
    options = replace(shown.options, operation=Operation.SEARCH_AND_REPLACE, search=words)
    source = job(JobStatus.DELIVERED, id=10**17 + 1, user_id=2**63 - 2, channel_id=100, message_id=10**19)
    made_from = MadeFrom(SourceKind.RESULT, source.user_id, source, 10, 10)
    return replace(shown, options=options, submissions=submissions, made_from=made_from)


@pytest.mark.usefixtures("any_language")
@pytest.mark.slow
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompts, prompts)
def test_the_fullest_cards_are_within_the_limits(prompt: str, sentence: str) -> None:
    shown = many(prompt, sentence)
    images = [ShownImage(each, f"easel-12-{each.id}.webp", reencoded=True) for each in shown.images]
    events = [Event(number, 1 + number % 10, None, SubmissionStatus.DONE, NOW, sentence) for number in range(200)]
    compared = replace(shown, options=replace(shown.options, engines=tuple("abcdefghij"), style=prompt, seed=7))
    planned = replace(
        compared,
        job=replace(shown.job, status=JobStatus.PROPOSED),
        submissions=(),
        planned=shown.requests,
        prices=tuple(Price(400, 123_456_789, exact=False) for _ in shown.requests),
    )
    secret = replace(compared, job=replace(shown.job, private=True))
    running = [replace(shown, job=replace(shown.job, id=10**17 + number)) for number in range(LISTED)]
    known = JobDetails(
        shown, mine=True, events=events, parent=11, children=tuple(range(10**17, 10**17 + 9)), hidden=3, kept_until=NOW
    )
    edited = as_edit(shown, prompt[:400])
    for card in (
        waiting_card(edited),
        result_card(edited, images, notes=["<@1>, this took longer than its first card could wait."]),
        failure_card(edited, notes=["This could not be shown in <#1>."]),
        details_card(replace(known, view=edited)),
        waiting_card(shown),
        waiting_card(compared, images, ending=sentence[:100] or "over"),
        proposal_card(planned),
        proposal_card(replace(planned, options=shown.options)),
        proposal_card(replace(planned, job=replace(planned.job, options={"repeats": True}))),
        lapsed_card(planned),
        too_many_jobs_card(TooManyJobs(*[TOO_MANY_JOBS_HERE(count=9, most=9)] * 3, running=running)),
        same_seed_card(shown.job, Price(400, 123_456_789, exact=False), images=10),
        result_card(secret, images, notes=["<@1>, this took longer than its first card could wait."]),
        result_card(shown, images, notes=["<@1>, this took longer than its first card could wait."]),
        failure_card(shown, notes=["This could not be shown in <#1>."]),
        details_card(known),
        log_card(known),
        refusal([sentence] * 30),
        notice("A sentence."),
    ):
        check(card)


@given(prompts)
def test_typed_text_cannot_break_a_line(prompt: str) -> None:
    card = waiting_card(view(submission(asked=request(prompt)), prompt=prompt))
    first = said(card).split("\n")
    assert first[1].startswith("-# Brush")

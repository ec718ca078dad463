"""Results are distinguished from all other cards of a job."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest
from discord.components import _component_factory

from bot.jobs.view import JobView
from bot.ui.cards.buttons import DETAILS
from bot.ui.cards.job import ShownImage, elsewhere_card, failure_card, result_card
from bot.ui.cards.layout import CARD, RESULT, Card, text
from bot.ui.cards.proposal import lapsed_card
from bot.ui.cards.waiting import waiting_card
from bot.ui.delivery.messages import is_result, jobs_named
from storage.records import DeliveryReason, SubmissionStatus
from tests.doubles.views import image, submission, view

DONE = SubmissionStatus.DONE


def sent(card: Card, *, mark: int | None = None) -> discord.Message:
    """The card as a message from Discord; ``mark`` replaces its container's id."""
    components: Any = card.to_components()  # type: ignore[no-untyped-call]  # the library leaves it untyped
    if mark is not None:
        components[0]["id"] = mark
    return cast("discord.Message", SimpleNamespace(components=[_component_factory(each) for each in components]))


def finished() -> JobView:
    return view(submission(1, DONE, images=[image(1, position=0)]))


def results() -> list[Card]:
    shown = [ShownImage(each, "1.png") for each in finished().images]
    return [
        result_card(finished(), shown),
        result_card(finished(), [], notes=["none could be sent"]),
        failure_card(view(submission(1, SubmissionStatus.FAILED))),
    ]


def others() -> list[Card]:
    reasons = [DeliveryReason.NO_FILES]
    return [
        waiting_card(view(submission(1, SubmissionStatus.RENDERING))),
        lapsed_card(view(submission(1, SubmissionStatus.QUEUED))),
        elsewhere_card(finished(), sent=None, url=None, reasons=reasons),
    ]


@pytest.mark.parametrize("card", results())
def test_a_result_is_recognised_by_its_mark(card: Card) -> None:
    assert is_result(sent(card), 12)
    assert not is_result(sent(card), 13), "another job's"
    assert jobs_named(sent(card)) == {12}


@pytest.mark.parametrize("card", others())
def test_no_other_card_is_taken_for_a_result(card: Card) -> None:
    assert not is_result(sent(card), 12)


def test_a_button_does_not_make_a_waiting_card_a_result() -> None:
    details = discord.ui.ActionRow[Any](DETAILS.on(12))
    assert not is_result(sent(Card(text("Rendering"), details)), 12)
    assert is_result(sent(Card(text("a fox"), details, mark=RESULT)), 12)


@pytest.mark.parametrize("card", results())
def test_results_of_versions_without_marks_are_recognised_by_a_button(card: Card) -> None:
    assert is_result(sent(card, mark=1), 12)


@pytest.mark.parametrize("card", others())
def test_other_cards_of_versions_without_marks_are_no_results(card: Card) -> None:
    assert not is_result(sent(card, mark=1), 12)


def test_the_marks_are_valid_component_ids() -> None:
    assert 1 < CARD < RESULT < 2**31

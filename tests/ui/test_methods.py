"""Each answer of Discord's leads to the way that the design says."""

from __future__ import annotations

import pytest

from bot.ui.delivery import methods
from bot.ui.delivery.methods import LEFT, Reason, Step
from storage.records import Job
from tests.doubles.views import NOW, job
from tests.ui.conftest import refused


@pytest.mark.parametrize(
    ("step", "status", "code", "why"),
    [
        (Step.TOKEN, 401, 50027, Reason.TOKEN_OVER),
        (Step.TOKEN, 401, 0, Reason.TOKEN_OVER),
        (Step.TOKEN, 404, 10015, Reason.TOKEN_OVER),
        (Step.TOKEN, 404, 10008, Reason.MESSAGE_GONE),
        (Step.BOT_EDIT, 404, 10008, Reason.MESSAGE_GONE),
        (Step.BOT_EDIT, 404, 10003, Reason.PLACE_GONE),
        (Step.POST, 404, 10004, Reason.PLACE_GONE),
        (Step.BOT_EDIT, 403, 50001, Reason.NOT_ALLOWED),
        (Step.POST, 403, 50013, Reason.NOT_ALLOWED),
        (Step.DM, 403, 50007, Reason.NO_DMS),
        (Step.DM, 403, 50001, Reason.NO_DMS),
        (Step.DM, 404, 10013, Reason.NO_DMS),
        (Step.TOKEN, 403, 50013, Reason.NO_FILES),
        (Step.BOT_EDIT, 403, 50013, Reason.NO_FILES),
        (Step.TOKEN, 403, 400001, Reason.NO_FILES),
        (Step.POST, 400, 20009, Reason.NO_FILES),
        (Step.TOKEN, 400, 40005, Reason.TOO_LARGE),
        (Step.BOT_EDIT, 413, 0, Reason.TOO_LARGE),
        (Step.BOT_EDIT, 403, 50005, Reason.REFUSED),
        (Step.TOKEN, 400, 50035, Reason.REFUSED),
        (Step.TOKEN, 500, 0, None),
        (Step.TOKEN, 429, 0, None),
        (Step.BOT_EDIT, 401, 0, None),
    ],
)
def test_a_refusal_has_a_reason(step: Step, status: int, code: int, why: Reason | None) -> None:
    assert methods.reason(step, refused(status, code)) is why


@pytest.mark.parametrize(
    ("why", "left"),
    [
        (Reason.TOKEN_OVER, [Step.BOT_EDIT, Step.POST, Step.DM]),
        (Reason.MESSAGE_GONE, []),
        (Reason.PLACE_GONE, [Step.DM]),
        (Reason.NOT_ALLOWED, [Step.DM]),
        (Reason.NOT_PRESENT, [Step.DM]),
        (Reason.NO_FILES, [Step.DM]),
        (Reason.NO_DMS, []),
        (Reason.MAYBE_POSTED, []),
    ],
)
def test_a_reason_leaves_these_ways(why: Reason, left: list[Step]) -> None:
    later = methods.PUBLIC[1:]
    assert [step for step in later if step in LEFT[why]] == left


def test_every_reason_is_in_the_table() -> None:
    assert set(LEFT) == set(Reason)


def test_what_is_private_never_goes_to_a_channel() -> None:
    assert methods.ladder(job(private=True)) == (Step.TOKEN, Step.DM)
    assert methods.ladder(job()) == tuple(Step)


@pytest.mark.parametrize(
    ("step", "known", "why"),
    [
        (Step.TOKEN, job(), None),
        # Whether it is over is for Discord to say: its clock and the machine's need not agree.
        (Step.TOKEN, job(token_expires_at=NOW - 900_000), None),
        (Step.TOKEN, job(interaction_token=None), Reason.TOKEN_OVER),
        (Step.TOKEN, job(message_id=None), Reason.MESSAGE_UNKNOWN),
        (Step.BOT_EDIT, job(), None),
        (Step.BOT_EDIT, job(message_id=None), Reason.MESSAGE_UNKNOWN),
        (Step.BOT_EDIT, job(bot_present=False), Reason.NOT_PRESENT),
        (Step.POST, job(message_id=None), None),
        (Step.POST, job(bot_present=False), Reason.NOT_PRESENT),
        (Step.DM, job(bot_present=False, message_id=None, interaction_token=None), None),
    ],
)
def test_a_way_that_is_known_to_be_closed_is_not_tried(step: Step, known: Job, why: Reason | None) -> None:
    assert methods.closed(step, known) is why

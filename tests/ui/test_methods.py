"""Discord's errors and the fallbacks after each."""

from __future__ import annotations

import pytest

from bot.ui.delivery import methods
from bot.ui.delivery.methods import BOT_EDIT, DIRECT_MESSAGE, NEW_MESSAGE, NEXT_AFTER, TOKEN
from storage.records import DeliveryMethod, DeliveryReason, Job
from tests.doubles.views import NOW, job
from tests.ui.conftest import refused


@pytest.mark.parametrize(
    ("method", "status", "code", "why"),
    [
        (TOKEN, 401, 50027, DeliveryReason.TOKEN_EXPIRED),
        (TOKEN, 401, 0, DeliveryReason.TOKEN_EXPIRED),
        (TOKEN, 404, 10015, DeliveryReason.TOKEN_EXPIRED),
        (TOKEN, 404, 10008, DeliveryReason.MESSAGE_GONE),
        (BOT_EDIT, 404, 10008, DeliveryReason.MESSAGE_GONE),
        (BOT_EDIT, 404, 10003, DeliveryReason.PLACE_GONE),
        (NEW_MESSAGE, 404, 10004, DeliveryReason.PLACE_GONE),
        (BOT_EDIT, 403, 50001, DeliveryReason.NOT_ALLOWED),
        (NEW_MESSAGE, 403, 50013, DeliveryReason.NOT_ALLOWED),
        (DIRECT_MESSAGE, 403, 50007, DeliveryReason.NO_DMS),
        (DIRECT_MESSAGE, 403, 50001, DeliveryReason.NO_DMS),
        (DIRECT_MESSAGE, 404, 10013, DeliveryReason.NO_DMS),
        (TOKEN, 403, 50013, DeliveryReason.NO_FILES),
        (BOT_EDIT, 403, 50013, DeliveryReason.NO_FILES),
        (TOKEN, 403, 400001, DeliveryReason.NO_FILES),
        (NEW_MESSAGE, 400, 20009, DeliveryReason.NO_FILES),
        (TOKEN, 400, 40005, DeliveryReason.TOO_LARGE),
        (BOT_EDIT, 413, 0, DeliveryReason.TOO_LARGE),
        (BOT_EDIT, 403, 50005, DeliveryReason.REFUSED),
        (TOKEN, 400, 50035, DeliveryReason.REFUSED),
        (TOKEN, 500, 0, None),
        (TOKEN, 429, 0, None),
        (BOT_EDIT, 401, 0, None),
    ],
)
def test_a_refusal_has_a_reason(method: DeliveryMethod, status: int, code: int, why: DeliveryReason | None) -> None:
    assert methods.reason_of(method, refused(status, code)) is why


@pytest.mark.parametrize(
    ("why", "left"),
    [
        (DeliveryReason.TOKEN_EXPIRED, [BOT_EDIT, NEW_MESSAGE, DIRECT_MESSAGE]),
        (DeliveryReason.MESSAGE_GONE, []),
        (DeliveryReason.PLACE_GONE, [DIRECT_MESSAGE]),
        (DeliveryReason.NOT_ALLOWED, [DIRECT_MESSAGE]),
        (DeliveryReason.NOT_PRESENT, [DIRECT_MESSAGE]),
        (DeliveryReason.NO_FILES, [DIRECT_MESSAGE]),
        (DeliveryReason.NO_DMS, []),
        (DeliveryReason.MAYBE_POSTED, []),
    ],
)
def test_each_reason_has_its_fallbacks(why: DeliveryReason, left: list[DeliveryMethod]) -> None:
    later = methods.PUBLIC[1:]
    assert [method for method in later if method in NEXT_AFTER[why]] == left


def test_every_reason_of_a_failure_is_in_the_table() -> None:
    assert set(NEXT_AFTER) == set(DeliveryReason) - {DeliveryReason.RESTORED, DeliveryReason.OTHER}


def test_a_private_result_is_never_posted_in_a_channel() -> None:
    assert methods.methods_of(job(private=True)) == (TOKEN, DIRECT_MESSAGE)
    assert methods.methods_of(job()) == methods.PUBLIC


@pytest.mark.parametrize(
    ("method", "known", "why"),
    [
        (TOKEN, job(), None),
        # Discord decides whether the token has expired: its clock and the machine's may differ.
        (TOKEN, job(token_expires_at=NOW - 900_000), None),
        (TOKEN, job(interaction_token=None), DeliveryReason.TOKEN_EXPIRED),
        (TOKEN, job(message_id=None), DeliveryReason.MESSAGE_UNKNOWN),
        (BOT_EDIT, job(), None),
        (BOT_EDIT, job(message_id=None), DeliveryReason.MESSAGE_UNKNOWN),
        (BOT_EDIT, job(bot_present=False), DeliveryReason.NOT_PRESENT),
        (NEW_MESSAGE, job(message_id=None), None),
        (NEW_MESSAGE, job(bot_present=False), DeliveryReason.NOT_PRESENT),
        (DIRECT_MESSAGE, job(bot_present=False, message_id=None, interaction_token=None), None),
    ],
)
def test_an_unavailable_method_is_not_tried(method: DeliveryMethod, known: Job, why: DeliveryReason | None) -> None:
    assert methods.unavailable(method, known) is why

"""How a job was delivered, in words, and the link to its result."""

from __future__ import annotations

from typing import Any

import pytest

from bot.ui.cards.delivery_text import METHODS, REASONS, delivery_text, jump_url, missing_images
from bot.ui.cards.proposal import LAPSED
from storage.records import DeliveryMethod, DeliveryReason, JobStatus, LapseReason
from tests.doubles.views import NOW, job

LINK = "https://discord.com/channels/10/100/1000"
IN_DMS = "https://discord.com/channels/@me/100/1000"


@pytest.mark.parametrize(
    ("known", "url"),
    [
        ({}, LINK),
        ({"server_id": None}, IN_DMS),
        ({"delivered_by": DeliveryMethod.NEW_MESSAGE}, LINK),
        ({"delivered_by": DeliveryMethod.OTHER}, LINK),
        ({"delivered_by": DeliveryMethod.DIRECT_MESSAGE}, IN_DMS),
        ({"delivered_by": DeliveryMethod.DIRECT_MESSAGE, "private": True}, IN_DMS),
        ({"private": True}, None),
        ({"message_id": None}, None),
        ({"delivered_by": DeliveryMethod.HISTORY}, None),
        ({"status": JobStatus.UNDELIVERED, "delivery_reasons": (DeliveryReason.MESSAGE_GONE,)}, None),
        ({"status": JobStatus.UNDELIVERED, "delivered_by": DeliveryMethod.BOT_EDIT}, LINK),
    ],
)
def test_the_link_leads_to_the_result(known: dict[str, Any], url: str | None) -> None:
    assert jump_url(job(**{"status": JobStatus.DELIVERED, **known})) == url


def test_every_method_and_reason_has_a_text() -> None:
    assert set(METHODS) == set(DeliveryMethod)
    assert set(REASONS) == set(DeliveryReason)
    assert set(LAPSED) == set(LapseReason)


def test_an_ordinary_delivery_is_not_mentioned() -> None:
    assert delivery_text(job()) is None
    assert delivery_text(job(delivered_by=DeliveryMethod.TOKEN)) is None


@pytest.mark.parametrize("status", [JobStatus.DELIVERED, JobStatus.UNDELIVERED])
@pytest.mark.parametrize("by", [None, *DeliveryMethod])
def test_other_deliveries_are_mentioned(status: JobStatus, by: DeliveryMethod | None) -> None:
    reasons = (DeliveryReason.TOKEN_EXPIRED, DeliveryReason.NO_DMS)
    assert delivery_text(job(status=status, delivered_by=by, delivery_reasons=reasons)) is not None


def test_missing_images_have_a_hint_to_the_history() -> None:
    assert missing_images(shown=2, gone=0, unfit=0, kept_until=NOW) == []
    assert len(missing_images(shown=1, gone=1, unfit=1, kept_until=NOW)) == 2
    assert len(missing_images(shown=0, gone=0, unfit=2, kept_until=NOW)) == 2

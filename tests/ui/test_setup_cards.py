"""The cards of the welcome, of /setup and of /server test, with the longest values."""

from __future__ import annotations

import pytest
from simcord.components import validate_message_state

from bot.domain.engines import NO_ENGINE_MAKES
from bot.domain.money import Price
from bot.domain.periods import Period
from bot.domain.rules import NOT_YOUR_ROLE, OTHER_CHANNELS, PicturesAllowed, Privacy, Rules
from bot.jobs.limits import TOO_EXPENSIVE, TOO_MANY_JOBS_HERE, InForce, LimitKind, LimitUse, PeriodLimit
from bot.servers.access import Access
from bot.servers.settings import MemberLimits
from bot.servers.setup import PERSON_IMAGES, SERVER_IMAGES, Limit, SetupDraft, Suggestion, suggestions
from bot.text import t
from bot.ui.cards.access import NO, YES, access_card
from bot.ui.cards.buttons import SERVER_ACTIONS
from bot.ui.cards.layout import Card
from bot.ui.cards.setup import ENGINE_FAILED, checklist, engine_step, saved_card, setup_card, steps_before, welcome_card
from bot.ui.cards.wording import units
from bot.ui.interactions import PERMISSION_NAMES
from storage.ledger import Balance
from tests.doubles.cards import COMPONENTS_V2, everything, said

HUGE = 10**12
NAUGHTY = "@everyone <@1> [x](https://evil.example)\n# big"
LIMITS = tuple(PeriodLimit(kind, HUGE, Period.DAY) for kind in (LimitKind.SERVER_USER, LimitKind.SERVER))
MEMBER = MemberLimits(
    limits=InForce(LIMITS, 5, server_jobs=1, images=10),
    uses=tuple(LimitUse(limit, HUGE, HUGE) for limit in LIMITS),
    period=Period.DAY,
    renews_at=HUGE,
    spent=HUGE,
    unfinished=9,
    grants=Balance(HUGE, 1),
)


def fits(card: Card) -> None:
    """Assert that Discord would accept the card, and the bot its buttons and menus."""
    parts = everything(card)
    assert len(parts) <= 40
    assert sum(units(part["content"]) for part in parts if part["type"] == 10) <= 4000
    ids = [part["custom_id"] for part in parts if "custom_id" in part]
    assert {id_.removeprefix("server:") for id_ in ids} <= set(SERVER_ACTIONS)
    components = card.to_components()  # type: ignore[no-untyped-call]  # the library leaves it untyped
    validate_message_state(components, flags=COMPONENTS_V2, content=None, embeds=[])
    assert "@everyone" not in said(card).replace("\\@everyone", "")


@pytest.mark.usefixtures("any_language")
def test_the_longest_panel_fits() -> None:
    ids = tuple(2**62 + number for number in range(50))
    draft = SetupDraft(
        channels=ids,
        roles=ids,
        person=Limit(HUGE, Period.WEEK),
        server=Limit(None, Period.MONTH),
        privacy=Privacy.FORCED,
        pictures=PicturesAllowed.RESULTS,
        starter=True,
        words=tuple(f"{NAUGHTY}{number}"[:40] for number in range(80)),
    )
    price = Price(HUGE, HUGE, exact=False)
    card = setup_card(
        draft,
        engine=NAUGHTY * 20,
        image_price=HUGE,
        person=suggestions(price, PERSON_IMAGES, most=None),
        server=suggestions(price, SERVER_IMAGES, most=None),
        exists=lambda _: True,
        operator_limits=True,
        problems=[t("Something is wrong.")],
    )
    fits(card)
    menus = {part["custom_id"]: part for part in everything(card) if part["type"] in {6, 8}}
    assert [len(menus[name]["default_values"]) for name in ("server:channels", "server:roles")] == [25, 25]


def test_channels_that_are_gone_are_not_sent_to_discord() -> None:
    draft = SetupDraft(
        (5, 6),
        (7,),
        Limit(1, Period.DAY),
        Limit(1, Period.MONTH),
        Privacy.FREE,
        PicturesAllowed.ANYBODYS,
        starter=False,
        words=(),
    )
    card = setup_card(
        draft,
        engine="Core",
        image_price=0,
        person=(),
        server=(),
        exists=lambda id_: id_ == 6,
        operator_limits=False,
    )
    fits(card)
    chosen = [part.get("default_values", []) for part in everything(card) if part["type"] in {6, 8}]
    assert [[each["id"] for each in one] for one in chosen] == [[6], []]


@pytest.mark.usefixtures("any_language")
def test_the_longest_saved_card_and_checklist_fit() -> None:
    fits(saved_card([t("A rule: {words}", words="w" * 500)] * 20, [t("Something is missing: {n}", n="m" * 200)] * 20))
    permissions = list(PERMISSION_NAMES.values())
    access = Access(
        place=(OTHER_CHANNELS(channels=[NAUGHTY] * 50), NOT_YOUR_ROLE()),
        engine=(NO_ENGINE_MAKES(size="3x3", sizes="x" * 900),),
        limits=(TOO_MANY_JOBS_HERE(count=9, most=1),),
        operators=(
            TOO_EXPENSIVE[LimitKind.USER_DAILY](needed=1, left=0, limit=1, period="today", resets=1_767_571_200_000),
        ),
        offered=(),
        default="a/b",
    )
    before = steps_before(access, permissions, limited=False)
    fits(checklist([*before, engine_step(NO, ENGINE_FAILED, NAUGHTY * 9, access.engine * 10)]))
    card = access_card(
        2**62,
        2**62,
        access,
        MEMBER,
        Rules(channels=tuple(range(2**62, 2**62 + 50)), roles=tuple(range(2**62, 2**62 + 50))),
        in_channel=False,
        has_role=False,
        engines=99,
        default=NAUGHTY,
        lacks=permissions,
        bot_lacks=permissions,
    )
    fits(card)
    assert NO in said(card)
    assert YES in said(card), "the number of images is no problem"


@pytest.mark.usefixtures("any_language")
def test_the_longest_welcome_fits() -> None:
    missing = [t("In <#{channel:plain}> I need {what}.", channel=2**62, what="w" * 300)] * 9
    price = Price(1, HUGE, exact=False)
    fits(welcome_card("</{}:1300000000000000000>".format, engine="E" * 80, price=price, missing=missing))


@pytest.mark.parametrize(
    ("price", "most", "amounts"),
    [
        (6000, None, [30_000, 60_000, 120_000, 300_000]),
        (1234, None, [6200, 13_000, 25_000, 62_000]),
        (1, None, [5, 10, 20, 50]),
        (6000, 100_000, [30_000, 60_000]),
        (6000, 10_000, [10_000]),
        (0, None, []),
        (0, 5000, []),
    ],
)
def test_limits_are_suggested_by_the_price_of_an_image(price: int, most: int | None, amounts: list[int]) -> None:
    found = suggestions(Price(price, price, exact=True), PERSON_IMAGES, most=most)
    assert [each.amount for each in found] == amounts
    assert all(each.images * price <= each.amount for each in found)


def test_a_limit_of_the_operator_below_one_image_is_still_a_suggestion() -> None:
    assert suggestions(Price(6000, 6000, exact=True), PERSON_IMAGES, most=1000) == (Suggestion(1000, 0),)

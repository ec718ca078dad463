"""The panel of a picture fits Discord's limits and a phone, for any words and in any language."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.money import Price
from bot.domain.pictures import ImageReference, Reference, SourceKind, SourcePicture, StoredReference
from bot.jobs.picture_tools import EXTEND_TOOLS, FINISH, TOOLS, EditedPicture, Offer
from bot.ui.attached_files import Sheet
from bot.ui.cards.picture_panel import extend_sheet, original_card, panel_sheet
from bot.ui.cards.wording import price_text
from storage.records import SubmissionStatus
from tests.doubles.cards import check, everything, labels
from tests.doubles.views import ENGINE, NOW, image, job, request, submission, view

PRICE = Price(12_345, 123_456, exact=False)
SMALL = b"a picture"


def picture(prompt: str = "a fox", *, images: int = 10, spoiler: bool = False) -> EditedPicture:
    """The second image of a job."""
    made = [image(number, seed=number) for number in range(1, images + 1)]
    asked = request(prompt, images=images)
    done = submission(1, SubmissionStatus.DONE, asked=asked, images=made, captured=images * 900, sent_at=NOW)
    shown = view(done, prompt=prompt, of=job(id=10**17, user_id=2**63 - 1, spoiler=spoiler))
    place = min(2, images)
    return EditedPicture(
        ImageReference(10**17, place),
        SourcePicture(0, SourceKind.RESULT, 512, 512, image_id=place, job_id=10**17, author_id=2**63 - 1),
        Path("2.png"),
        view=shown,
        image=shown.images[place - 1],
        described=asked,
    )


def offers(price: Price = PRICE) -> list[Offer]:
    return [Offer(tool, replace(ENGINE, name="x" * 200), price) for tool in TOOLS]


def panel(shown: EditedPicture, price: Price = PRICE, *, small: bytes | None = SMALL, finish: bool = True) -> Sheet:
    every = offers(price)
    return panel_sheet(
        shown, small, every, replace(every[0], tool=FINISH) if finish else None, mention=lambda name: name
    )


@given(st.one_of(st.text(max_size=2000), st.sampled_from("*<@1>🦊\\`").map(lambda mark: (mark * 2000)[:2000])))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("language", ["english", "made up"])
def test_every_panel_fits_the_limits(language: str, request: pytest.FixtureRequest, prompt: str) -> None:
    if language != "english":
        request.getfixturevalue("made_up_language")
    for small in (SMALL, None):
        for shown in (picture(prompt), picture(prompt, images=1)):
            check(panel(shown, small=small).card)
            choices = [Offer(tool, ENGINE, PRICE) for tool in EXTEND_TOOLS]
            check(extend_sheet(shown, small, choices).card)
    check(original_card(picture(prompt), "easel-1-1.png"))


def test_no_row_of_the_panel_is_wider_than_two_buttons() -> None:
    sheet = panel(picture(), Price(6000, 6000, exact=True))
    rows = [part["components"] for part in everything(sheet.card) if part["type"] == 1]
    assert all(len(row) <= 2 for row in rows)


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        (Price(6000, 6000, exact=True), "6"),
        (Price(900, 900, exact=False), "~0.9"),
        (Price(400, 2000, exact=False), "0.4–2"),
        (Price(0, 0, exact=True), "free"),
    ],
)
def test_a_button_names_its_price_in_a_few_letters(price: Price, shown: str) -> None:
    assert str(price_text(price)) == shown
    assert labels(panel(picture(), price).card)[0] == f"Vary a little · {shown}"


def test_a_hidden_image_is_hidden_in_the_panel_and_in_its_file() -> None:
    hidden = picture(spoiler=True)
    (thumbnail,) = [part["accessory"] for part in everything(panel(hidden).card) if "accessory" in part]
    assert thumbnail["spoiler"]
    (file,) = [part for part in everything(original_card(hidden, "SPOILER_easel-1-1.png")) if part["type"] == 13]
    assert file["spoiler"]


@pytest.mark.parametrize("kind", [SourceKind.ATTACHED, SourceKind.MESSAGE])
def test_a_picture_without_a_job_has_a_panel_too(kind: SourceKind) -> None:
    reference: Reference = StoredReference(10**17)
    source = SourcePicture(10**17, kind, 4032, 3024, author_id=None if kind is SourceKind.ATTACHED else 7)
    shown = EditedPicture(reference, source, Path("p.jpg"))
    check(panel(shown, finish=False).card)

"""The card in which a part of a picture is marked fits Discord's limits and a phone, in any language."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.areas import GRIDS, Area
from bot.domain.money import Price
from bot.domain.pictures import ImageReference, Reference, SourceKind, SourcePicture, StoredReference
from bot.jobs.picture_tools import ERASE, PART, EditedPicture, Offer
from bot.providers.operations import Operation
from bot.ui.attached_files import Sheet
from bot.ui.cards.part_buttons import Marking
from bot.ui.cards.part_picker import menu_cells, picker_sheet
from tests.doubles.cards import check, everything
from tests.doubles.views import ENGINE, image, job, submission, view

DRAWING = b"a picture under a grid"
DEAR = Price(12_345, 123_456, exact=False)
REFERENCES = (ImageReference(10**17, 10), StoredReference(10**17))

areas = st.sampled_from(GRIDS).flatmap(
    lambda side: st.builds(Area.of, st.just(side), st.sets(st.integers(1, side * side)))
)


def picker(
    area: Area,
    operation: Operation = Operation.INPAINT,
    *,
    reference: Reference = REFERENCES[0],
    price: Price = DEAR,
    spoiler: bool = False,
) -> Sheet:
    """The card of a job's only image, or of a stored picture."""
    source = SourcePicture(0, SourceKind.ATTACHED, 4032, 3024)
    shown = EditedPicture(reference, source, Path("p.png"))
    if isinstance(reference, ImageReference):
        made = view(submission(images=[image(1)]), of=job(id=reference.job_id, spoiler=spoiler))
        shown = replace(shown, reference=ImageReference(reference.job_id, 1), view=made, image=made.images[0])
    marking = Marking(reference, operation, area)
    return picker_sheet(shown, marking, DRAWING, [Offer(tool, ENGINE, price) for tool in (PART, ERASE)])


@given(areas, st.sampled_from(REFERENCES), st.sampled_from([Operation.INPAINT, Operation.ERASE]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("language", ["english", "made up"])
def test_every_card_fits_the_limits(
    language: str, request: pytest.FixtureRequest, area: Area, reference: Reference, operation: Operation
) -> None:
    if language != "english":
        request.getfixturevalue("made_up_language")
    check(picker(area, operation, reference=reference).card)


@pytest.mark.parametrize("side", GRIDS)
def test_each_cell_is_in_one_menu_and_the_menus_are_squares(side: int) -> None:
    menus = menu_cells(side)
    assert sorted(cell for menu in menus for cell in menu) == list(range(1, side * side + 1))
    for menu in menus:
        assert menu == sorted(menu)
        assert len({(cell - 1) // side for cell in menu}) == len({(cell - 1) % side for cell in menu}) == 4


@pytest.mark.parametrize("side", GRIDS)
def test_the_buttons_share_two_rows_on_a_phone(side: int) -> None:
    card = picker(Area(side, frozenset()), price=Price(6000, 6000, exact=True)).card
    rows = [part["components"] for part in everything(card) if part["type"] == 1]
    assert [len(row) for row in rows if row[0]["type"] == 2] == [3, 3]


def test_the_file_of_the_card_is_what_it_shows() -> None:
    sheet = picker(Area(4, frozenset()))
    ((name, data),) = sheet.files
    (gallery,) = [part["items"] for part in everything(sheet.card) if part["type"] == 12]
    assert (gallery[0]["media"]["url"], data) == (f"attachment://{name}", DRAWING)

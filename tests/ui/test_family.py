"""The card of a family: the labels of its members, and its alt text."""

from __future__ import annotations

from dataclasses import replace

from bot.jobs.lineage import Family, Member, Step
from bot.pictures.family_tree import Sign
from bot.pictures.tree_layout import chosen
from bot.providers.operations import Operation
from bot.text import reading_in
from bot.ui.cards.family import ALONE, HOW, PRIVATE, SOMEBODY, alt_text, faces, family_sheet, foot
from tests.doubles.cards import check, everything, labels, said
from tests.doubles.texts import MadeUpLanguage, shows

NAMES = {1: ("Ada", "ada"), 2: ("Ben", "ben")}


def family(*, spoiler: bool = False, complete: bool = True, children: int = 2, name: int = 2) -> Family:
    """A picture, the job 10 that was made from it, and those that were made from that."""
    found = chosen([-5, 10], [(number, 10) for number in range(11, 11 + children)])
    members = {
        -5: Member(Step.ATTACHED, Sign.NONE, made_by=1),
        10: Member(Operation.OUTPAINT, Sign.NONE, made_by=1, job_id=10, image=2, images=4),
    }
    members |= {
        number: Member(Operation.IMAGE_TO_IMAGE, Sign.WAITING, made_by=name, job_id=number)
        for number in found.nodes
        if number > 10
    }
    return Family(10, found, members, complete, spoiler)


def test_the_alt_text_says_who_made_what_from_what() -> None:
    alt = alt_text(family(), NAMES)
    entries = alt.split(". ")
    assert entries[1:] == [
        "1",
        f"Ada: {HOW[Step.ATTACHED]}",
        "2",
        f"Ada: {HOW[Operation.OUTPAINT]} (image 2 of 4) (this job), from 1",
        "3",
        f"Ben: {HOW[Operation.IMAGE_TO_IMAGE]}, from 2",
        "4",
        f"Ben: {HOW[Operation.IMAGE_TO_IMAGE]}, from 2.",
    ]


def test_hidden_members_have_neither_name_nor_deed() -> None:
    shown = family(children=1)
    hidden = replace(shown, members={**shown.members, 11: Member(Step.PRIVATE, Sign.PRIVATE, count=3)})
    face = faces(hidden, NAMES)[11]
    assert (face.name, face.caption, face.picture) == ([str(PRIVATE(count=3))], "", Sign.PRIVATE)
    assert alt_text(hidden, NAMES).endswith(f"3. {PRIVATE(count=3)}, from 2.")


def test_somebody_whose_name_is_not_found_is_somebody() -> None:
    assert faces(family(name=9), NAMES)[11].name == [str(SOMEBODY)]
    assert shows(alt_text(family(name=9), NAMES), SOMEBODY)


def test_what_is_not_drawn_is_counted() -> None:
    large = family(children=200)
    assert "200" not in foot(large)
    assert f"{large.omitted}" in foot(large)
    assert faces(large, NAMES)[10].badge == f"+{large.omitted}"
    assert foot(family()) == ""
    assert foot(family(children=200, complete=False)) != foot(large)


def test_the_card_holds_discords_limits_with_the_longest_names_in_any_language() -> None:
    names = {1: ("W" * 32, "w" * 32), 2: ("🦊" * 32, "w" * 32)}
    for children in (0, 1, 200):
        large = family(children=children)
        with reading_in(MadeUpLanguage()):
            sheet = family_sheet(large, names, b"")
        check(sheet.card)
        assert len(sheet.files) == 1


def test_a_spoiler_stays_one_and_the_way_back_is_there() -> None:
    for spoiler in (False, True):
        card = family_sheet(family(spoiler=spoiler), NAMES, b"").card
        (item,) = [item for part in everything(card) if part["type"] == 12 for item in part["items"]]
        assert item.get("spoiler", False) is spoiler
        assert labels(card) == ["Back to details"]


def test_a_job_alone_says_so() -> None:
    members = {10: Member(Step.NEW, Sign.NONE, made_by=1, job_id=10)}
    alone = replace(family(), chosen=chosen([10], []), members=members)
    assert shows(said(family_sheet(alone, NAMES, b"").card), ALONE)
    assert not shows(said(family_sheet(family(), NAMES, b"").card), ALONE)

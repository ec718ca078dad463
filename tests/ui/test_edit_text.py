"""What cards and files say about edits: what was done to the picture, and whose it is."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sd_parsers import ParserManager
from sd_parsers.data import Generators

from bot.domain.edits import NAMES
from bot.jobs.made_from import MadeFrom
from bot.jobs.results import JobDetails
from bot.jobs.view import JobView, SubmissionView
from bot.providers.operations import Margins, Operation
from bot.text import Text
from bot.ui.cards import edit_text, job_text
from bot.ui.cards.details import details_card
from bot.ui.cards.job import ShownImage, elsewhere_card, failure_card, result_card
from bot.ui.cards.proposal import lapsed_card, proposal_card
from bot.ui.cards.waiting import waiting_card
from bot.ui.delivery.attachments import labelled
from bot.ui.delivery.image_metadata import parameters
from storage.pools import Pools
from storage.records import DeliveryMethod, JobStatus, SourceKind, SubmissionStatus
from tests.doubles.cards import check, said
from tests.doubles.engines import BASIC
from tests.doubles.provider import EDITS
from tests.doubles.texts import shows
from tests.doubles.views import ENGINE, NOW, image, job, request, submission, view
from tests.ui.test_read_by_others import by_the_rules, text_in, uploaded

ASKED: Mapping[Operation, Mapping[str, Any]] = {
    Operation.IMAGE_TO_IMAGE: {"strength": 35},
    Operation.INPAINT: {"area": "4x4:1,2,3,5,6,7"},
    Operation.ERASE: {"mask": 4, "prompts": ()},
    Operation.OUTPAINT: {"margins": Margins(256, 128), "prompts": ()},
    Operation.SEARCH_AND_REPLACE: {"search": "the *red* fox"},
    Operation.SKETCH: {"strength": 60},
    Operation.STRUCTURE: {"strength": 60},
    Operation.UPSCALE: {"scale": 2, "prompts": ()},
    Operation.RESTORE_FACES: {"prompts": ()},
    Operation.REMOVE_BACKGROUND: {"prompts": ()},
}
EVERY = pytest.mark.parametrize("operation", EDITS)
ATTACHED = MadeFrom(SourceKind.ATTACHED)
PLACES = {"message_id": 900, "channel_id": 100, "server_id": 10}


def edit(operation: Operation, *, made: bool = True, made_from: MadeFrom | None = ATTACHED, **known: Any) -> JobView:
    asked = request("a hen", operation=operation, source=3, **ASKED[operation])
    status = SubmissionStatus.DONE if made else SubmissionStatus.QUEUED
    of = job(**{"status": JobStatus.DELIVERED if made else JobStatus.WORKING, "source_id": 3, **known})
    found: SubmissionView = submission(
        status=status,
        asked=asked,
        images=[image(1, position=0)] if made else [],
        captured=6000 if made else None,
        held=0 if made else 6000,
    )
    shown = view(found, prompt="a hen" if asked.prompts else "", of=of)
    options = replace(shown.options, operation=operation, search=asked.search, area=asked.area)
    return replace(shown, options=options, made_from=made_from)


@pytest.mark.usefixtures("any_language")
@EVERY
def test_every_card_of_an_edit_says_what_it_is(operation: Operation) -> None:
    shown, waiting = edit(operation), edit(operation, made=False)
    planned = replace(
        waiting,
        job=replace(waiting.job, status=JobStatus.PROPOSED),
        submissions=(),
        planned=waiting.requests,
        prices=view(planned=waiting.requests).prices,
    )
    failed = replace(waiting, submissions=(submission(status=SubmissionStatus.FAILED, asked=waiting.requests[0]),))
    details = JobDetails(shown, mine=False, events=[], parent=None, children=(), hidden=0, kept_until=NOW)
    cards = [
        (edit_text.DONE[operation], result_card(shown, [ShownImage(shown.images[0], "a.png")])),
        (edit_text.DONE[operation], elsewhere_card(shown, sent=DeliveryMethod.DIRECT_MESSAGE, url="x", reasons=[])),
        (edit_text.DONE[operation], details_card(details)),
        (NAMES[operation], waiting_card(waiting)),
        (NAMES[operation], proposal_card(planned)),
        (NAMES[operation], lapsed_card(replace(planned, job=replace(planned.job, status=JobStatus.LAPSED)))),
        (NAMES[operation], failure_card(failed)),
    ]
    for name, card in cards:
        check(card)
        spoken = said(card)
        assert str(name) in spoken
        # It may begin a line.
        assert str(edit_text.FROM_ATTACHMENT)[1:] in spoken or card is cards[4][1] or card is cards[5][1]
        assert "\n\n" not in spoken
        assert not spoken.startswith(("\n", "-#"))
        assert str(Text(job_text.TRY_EDIT)) not in spoken


def test_what_was_done_has_its_numbers() -> None:
    assert list(map(str, edit_text.edit_facts(edit(Operation.INPAINT)))) == [str(edit_text.CELLS(count=6, all=16))]
    assert list(edit_text.edit_facts(edit(Operation.ERASE))) == [edit_text.BY_MASK]
    assert [str(each) for each in edit_text.edit_facts(edit(Operation.OUTPAINT))] == [
        str(edit_text.SIDES["left"](pixels="256")),
        str(edit_text.SIDES["right"](pixels="128")),
    ]
    assert list(edit_text.margins_text(Margins(64, 64, 64, 64))) == [edit_text.EACH_SIDE(pixels="64")]
    assert list(edit_text.margins_text(Margins(left=64, right=64, up=32, down=16))) == [
        edit_text.BOTH_SIDES["left", "right"](pixels="64"),
        edit_text.SIDES["up"](pixels="32"),
        edit_text.SIDES["down"](pixels="16"),
    ]


def test_what_is_replaced_is_escaped_and_stands_before_what_comes_there() -> None:
    assert job_text.prompt_text(edit(Operation.SEARCH_AND_REPLACE)) == "the \\*red\\* fox → a hen"


@pytest.mark.parametrize(
    ("operation", "alt"),
    [
        (Operation.IMAGE_TO_IMAGE, "a hen"),
        (Operation.INPAINT, edit_text.ALT_PART(words="a hen")),
        (Operation.ERASE, edit_text.ALT_ERASED()),
        (Operation.OUTPAINT, edit_text.ALT_EXTENDED()),
        (Operation.SEARCH_AND_REPLACE, edit_text.ALT_IN_PLACE(words="a hen", search="the *red* fox")),
    ],
)
def test_alt_texts_describe_what_was_done(operation: Operation, alt: Text | str) -> None:
    shown = edit(operation)
    assert job_text.alt_text(shown, shown.images[0], 1) == str(alt)


SOURCE: Mapping[str, Any] = {"id": 5, "status": JobStatus.DELIVERED, **PLACES}
LINK = "https://discord.com/channels/10/100/900"


@pytest.mark.parametrize(
    ("made_from", "of", "words"),
    [
        (None, {}, None),
        (MadeFrom(SourceKind.MESSAGE, 9), {}, edit_text.FROM_SOMEBODYS_PICTURE(author="<@9>")),
        (MadeFrom(SourceKind.MESSAGE, 7), {}, edit_text.FROM_POSTED_PICTURE()),
        (MadeFrom(SourceKind.ATTACHED), {}, edit_text.FROM_ATTACHMENT()),
        (MadeFrom(SourceKind.ATTACHED), {"private": True}, edit_text.FROM_YOUR_ATTACHMENT()),
        (MadeFrom(SourceKind.RESULT, 7), {}, edit_text.FROM_EARLIER_IMAGE()),
        (MadeFrom(SourceKind.RESULT, 9), {}, edit_text.FROM_SOMEBODYS_IMAGE(author="<@9>")),
        (
            MadeFrom(SourceKind.RESULT, 7, job(**SOURCE), 2, 4),
            {},
            f"[{edit_text.IMAGE_OF_JOB(number=2, job=5)}]({LINK})",
        ),
        (MadeFrom(SourceKind.RESULT, 7, job(**SOURCE), 1, 1), {}, f"[{edit_text.ONLY_IMAGE(job=5)}]({LINK})"),
        (
            MadeFrom(SourceKind.RESULT, 7, job(**SOURCE, private=True), 1, 1),
            {"private": True},
            edit_text.FROM_IMAGE(image=edit_text.ONLY_IMAGE(job=5)),
        ),
        (
            MadeFrom(SourceKind.RESULT, 9, job(**SOURCE, user_id=9, private=True), 1, 1),
            {"private": True},
            edit_text.FROM_SOMEBODYS_IMAGE(author="<@9>"),
        ),
        (
            MadeFrom(SourceKind.RESULT, 7, job(**{**SOURCE, "channel_id": 101}), 1, 1),
            {},
            edit_text.FROM_EARLIER_IMAGE(),
        ),
        (
            MadeFrom(SourceKind.RESULT, 7, job(**SOURCE, delivered_by=DeliveryMethod.DIRECT_MESSAGE), 1, 1),
            {},
            edit_text.FROM_EARLIER_IMAGE(),
        ),
        (
            MadeFrom(SourceKind.RESULT, 7, job(**{**SOURCE, "status": JobStatus.DELETED}), 1, 1),
            {},
            edit_text.FROM_EARLIER_IMAGE(),
        ),
    ],
)
def test_only_what_all_readers_may_see_is_linked(
    made_from: MadeFrom | None, of: Mapping[str, Any], words: Text | str | None
) -> None:
    text = edit_text.source_text(edit(Operation.ERASE, made_from=made_from, **of))
    assert str(text) == str(words) if not isinstance(words, str) else words in str(text)


# --- files --------------------------------------------------------------------------------------------------------


def last_line(shown: JobView) -> str:
    return parameters(shown.requests[0], shown.images[0], ENGINE, shown.made_from).splitlines()[-1]


def test_files_say_what_was_done_and_from_which_image() -> None:
    made_from = MadeFrom(SourceKind.RESULT, 7, job(**SOURCE), 2, 4)
    varied = last_line(edit(Operation.IMAGE_TO_IMAGE, made_from=made_from))
    assert ", Strength: 35, Operation: image to image, Source: job 5 image 2, Version: Easel" in varied
    replaced = last_line(edit(Operation.SEARCH_AND_REPLACE))
    assert ", Replaced: the *red* fox, Source: attached picture, " in replaced
    assert ", Area: mask, " in last_line(edit(Operation.ERASE))
    assert ", Extended by: left 256 right 128, " in last_line(edit(Operation.OUTPAINT))
    assert ", Postprocess upscale by: 2, " in last_line(edit(Operation.UPSCALE))
    assert "Operation" not in parameters(request(), image(1), ENGINE, None)


def test_the_defaults_in_a_file_are_those_of_the_operation() -> None:
    assert BASIC.steps is not None
    erasing = replace(BASIC, operation=Operation.ERASE, steps=None, guidance=None)
    asked = request(operation=Operation.ERASE, engine=BASIC.id, prompts=())
    assert "Steps" not in parameters(asked, image(1), replace(BASIC, others=(erasing,)))


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp"])
@EVERY
def test_files_of_edits_are_recognised_by_other_tools(
    tmp_path: Path, pools: Pools, operation: Operation, media_type: str
) -> None:
    shown = edit(operation)
    picture = replace(shown.images[0], file=f"1.{media_type[6:]}", media_type=media_type)
    text = parameters(shown.requests[0], picture, ENGINE, shown.made_from)
    data = uploaded(tmp_path, pools, picture, text, refitted=False)
    assert text_in(data) == text
    prompt, _, settings = by_the_rules(text_in(data))
    assert prompt == ("a hen" if shown.requests[0].prompts else "")
    assert settings["Operation"] == operation.value.replace("_", " ")
    read = ParserManager().parse(io.BytesIO(data))
    assert read is not None
    assert read.generator is Generators.AUTOMATIC1111


def test_a_file_without_a_prompt_is_named_for_what_was_done() -> None:
    assert [each.stem for each in labelled(edit(Operation.ERASE), with_text=True)] == ["erase-12-1"]
    assert [each.stem for each in labelled(edit(Operation.INPAINT), with_text=True)] == ["a-hen-12-1"]


def test_a_first_result_that_is_an_edit_suggests_to_edit_it() -> None:
    assert shows(str(job_text.what_next(edit(Operation.ERASE))), job_text.TRY_PICTURE)

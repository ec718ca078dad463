"""AI Thriving's operations from the request to the file, against the stand-in, which is strict about every field."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.providers.aithriving import Aithriving
from bot.providers.base import Engine, ImageRequest
from bot.providers.errors import Busy, OutcomeUnknown, Reason, Refused, TooLarge
from bot.providers.operations import Margins, Operation, Pictures, Size
from fakes.services import Fate, Fault, StandIn, absent, answer_edits, image_variants, retired
from fakes.services.faults import Hang, Ignore, Rewrite, Spoil, Status
from tests.doubles.provider import png
from tests.providers.form_server import made_from, picture_file
from tests.providers.workbench import asked, make_aithriving, refusal

EDIT = "aithriving/edit"
SD3 = "aithriving/sd3-large"
SIDE = Size(512, 384)
EVERY = [each for engine in make_aithriving("http://127.0.0.1:1").engines for each in (engine, *engine.others)]
PICTURES = [each for each in EVERY if each.operation.has_source]


def named(engine: Engine) -> str:
    return f"{engine.model} {engine.operation}"


def request_for(engine: Engine, **changes: Any) -> ImageRequest:
    """A request with every option that the engine declares."""
    margins = Margins(left=64, down=128) if engine.operation is Operation.OUTPAINT else None
    options: dict[str, Any] = {
        "operation": engine.operation,
        "size": SIDE if margins is None else margins.around(SIDE),
        "margins": margins,
        "search": "the boat" if engine.operation is Operation.SEARCH_AND_REPLACE else None,
        "seed": 77,
        "negative": "fog",
        "style": engine.styles[0] if engine.styles else None,
        "steps": 20 if engine.steps else None,
        "guidance": 7.0 if engine.guidance else None,
        "sampler": engine.samplers[0] if engine.samplers else None,
        "strength": 40 if engine.strength else None,
    }
    return asked(engine.id, **(options | changes))


@pytest.fixture
def files(tmp_path: Path) -> Pictures:
    # The size of the request, as an exact picture has.
    return Pictures(picture_file(tmp_path, size=SIDE), picture_file(tmp_path, "mask", SIDE))


@pytest.mark.parametrize("engine", EVERY, ids=named)
async def test_every_operation_makes_an_image_for_its_price(
    aithriving: Aithriving, stand_in: StandIn, files: Pictures, tmp_path: Path, engine: Engine
) -> None:
    request = request_for(engine)
    made = await made_from(aithriving, request, files)
    (image,) = made.images
    assert image.seed == 77
    assert not image.reshaped
    fetched = await aithriving.fetch(image, tmp_path / "result")
    assert fetched.bytes > 0
    if engine.sized or engine.operation in {Operation.SKETCH, Operation.STRUCTURE, Operation.OUTPAINT}:
        assert fetched.size == request.size
    (bill,) = stand_in.bills
    assert bill.amount == made.cost.millicredits == aithriving.quote(request).high


@pytest.mark.parametrize("engine", PICTURES, ids=named)
async def test_with_nothing_but_what_is_required(
    aithriving: Aithriving, stand_in: StandIn, files: Pictures, engine: Engine
) -> None:
    nothing = dict.fromkeys(("seed", "negative", "style", "steps", "guidance", "sampler", "strength"))
    await made_from(aithriving, request_for(engine, **nothing), files)
    assert len(stand_in.bills) == 1


@pytest.mark.parametrize("engine", PICTURES, ids=named)
async def test_the_files_arrive_as_they_are(
    aithriving: Aithriving, stand_in: StandIn, files: Pictures, engine: Engine
) -> None:
    await made_from(aithriving, request_for(engine), files)
    (call,) = stand_in.calls
    sent = [files.source, *([files.mask] if engine.operation.has_mask and files.mask else [])]
    assert [file.length for file in call.files.values()] == [each.bytes for each in sent]
    assert {file.media_type for file in call.files.values()} == {"image/png"}


async def test_a_direction_that_the_service_ignores_is_seen_in_the_shape(
    aithriving: Aithriving, stand_in: StandIn, files: Pictures
) -> None:
    stand_in.misbehave(Fault("aithriving.outpaint", Ignore(("down",)), times=1))
    margins = Margins(left=64, down=128)
    request = asked(EDIT, operation=Operation.OUTPAINT, margins=margins, size=margins.around(SIDE))
    reshaped = [(await made_from(aithriving, request, files)).images[0].reshaped for _ in range(2)]
    assert reshaped == [True, False]


async def test_a_result_of_another_shape_is_marked(aithriving: Aithriving, stand_in: StandIn, files: Pictures) -> None:
    stand_in.misbehave(Fault("aithriving.erase", Spoil(image_variants.squared)))
    assert (await made_from(aithriving, asked(EDIT, operation=Operation.ERASE), files)).images[0].reshaped


@pytest.mark.parametrize("operation", [Operation.TEXT_TO_IMAGE, Operation.IMAGE_TO_IMAGE])
async def test_sd3_is_found_on_the_other_path(stand_in: StandIn, files: Pictures, operation: Operation) -> None:
    provider = make_aithriving(stand_in.url, sd3_paths=("sd3", "sdv3"))
    request = asked(SD3, operation=operation, size=SIDE)
    assert type(await refusal(made_from(provider, request, files))) is Busy
    await made_from(provider, request, files)
    await provider.close()
    assert [call.path.split("/")[3] for call in stand_in.calls] == ["sd3", "sdv3"]
    assert len(stand_in.bills) == 1


async def test_without_either_path_sd3_is_refused(aithriving: Aithriving, stand_in: StandIn) -> None:
    stand_in.misbehave(absent("aithriving.sdv3", code=405))
    assert type(await refusal(made_from(aithriving, asked(SD3), None))) is Busy
    error = await refusal(made_from(aithriving, asked(SD3), None))
    assert isinstance(error, Refused)
    assert error.reason is Reason.RETIRED
    assert not stand_in.bills


async def test_a_retired_engine_is_named_and_not_called_again(aithriving: Aithriving, stand_in: StandIn) -> None:
    stand_in.misbehave(retired("aithriving.ultra"))
    for _ in range(2):
        assert (await refusal(made_from(aithriving, asked("aithriving/ultra"), None))).reason is Reason.RETIRED
    assert aithriving.retired == {"aithriving/ultra"}
    assert len(stand_in.calls) == 1


async def test_a_form_that_is_too_large_for_the_service(
    aithriving: Aithriving, stand_in: StandIn, files: Pictures
) -> None:
    stand_in.misbehave(Fault("aithriving.erase", Status(413, "<h1>413</h1>", content_type="text/html")))
    request = asked(EDIT, operation=Operation.ERASE)
    assert isinstance(await refusal(made_from(aithriving, request, files)), TooLarge)
    await made_from(aithriving, request, files)
    assert len(stand_in.bills) == 1


@pytest.mark.parametrize("beside", [False, True])
async def test_a_blurred_success_is_marked_and_paid(
    aithriving: Aithriving, stand_in: StandIn, files: Pictures, beside: bool
) -> None:
    stand_in.misbehave(
        Fault("aithriving.inpaint", Rewrite(answer_edits.finish_reason_is("CONTENT_FILTERED", beside))),
        Fault("aithriving.inpaint", Fate(alter=image_variants.blurred, finish_reason="CONTENT_FILTERED")),
    )
    request = asked(EDIT, operation=Operation.INPAINT)
    for _ in range(2):
        made = await made_from(aithriving, request, files)
        assert made.images[0].filtered
        assert made.cost.millicredits == 6_000


async def test_an_error_of_the_upstream_is_flattened(
    aithriving: Aithriving, stand_in: StandIn, files: Pictures
) -> None:
    upstream = answer_edits.upstream_error("content_moderation", "Your request was flagged.")
    stand_in.misbehave(Fault("aithriving.inpaint", Rewrite(answer_edits.refused(upstream))))
    error = await refusal(made_from(aithriving, asked(EDIT, operation=Operation.INPAINT), files))
    assert (error.reason, error.said) == (Reason.MODERATED, "Your request was flagged.")


async def test_a_lost_answer_to_an_edit_is_not_asked_for_again(
    aithriving: Aithriving, stand_in: StandIn, files: Pictures
) -> None:
    stand_in.misbehave(Fault("aithriving.erase", Hang(after_doing=True)))
    call = asyncio.create_task(refusal(made_from(aithriving, asked(EDIT, operation=Operation.ERASE), files)))
    await stand_in.called("aithriving.erase")
    stand_in.release()
    assert isinstance(await call, OutcomeUnknown)
    assert len(stand_in.bills) == 1


async def test_large_pictures_are_sent_whole(aithriving: Aithriving, stand_in: StandIn, tmp_path: Path) -> None:
    data = png(size=SIDE) + bytes(7 << 20)
    files = Pictures(picture_file(tmp_path, size=SIDE, data=data))
    await made_from(aithriving, asked("aithriving/control", operation=Operation.SKETCH, size=SIDE), files)
    assert stand_in.calls[0].files["image"].length == len(data)

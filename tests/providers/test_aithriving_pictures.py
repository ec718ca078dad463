"""The image in a response of AI Thriving, in all its encodings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.providers.aithriving import Aithriving
from bot.providers.aithriving_answers import decode_image
from bot.providers.base import GeneratedImage, Json
from bot.providers.errors import OutcomeUnknown, Refused
from fakes.services import Fate, Fault, StandIn, image_variants
from fakes.services.answer_edits import (
    base64_in_lines,
    data_url,
    each_object,
    image_text,
    not_base64,
    numbers_as_strings,
    without,
)
from fakes.services.faults import Rewrite
from tests.providers.workbench import (
    CORE,
    asked,
    fails,
    made,
    refusal,
)

# --- the image in the response ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [data_url(), data_url("image/jpeg"), base64_in_lines, image_text(lambda text: f"\r\n {text}\t\n")],
    ids=["data url", "another data url", "lines", "white space"],
)
async def test_base64_in_all_its_variants(
    aithriving: Aithriving, stand_in: StandIn, tmp_path: Path, change: Callable[[Json], Json]
) -> None:
    stand_in.misbehave(Fault("aithriving.core", Rewrite(change)))
    result = await made(aithriving, asked(CORE))
    assert (await aithriving.fetch(result.images[0], tmp_path / "x")).media_type == "image/png"


@pytest.mark.parametrize(
    "change",
    [not_base64, image_text(lambda text: text[:-1]), image_text(lambda text: ""), image_text(lambda text: "data:")],
    ids=["a strange letter", "cut off", "empty", "only a prefix"],
)
async def test_invalid_base64_was_paid_for_but_is_no_image(
    aithriving: Aithriving, stand_in: StandIn, change: Callable[[Json], Json]
) -> None:
    stand_in.misbehave(Fault("aithriving.core", Rewrite(change)))
    assert isinstance(await fails(aithriving), OutcomeUnknown)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("iVBORw==", b"\x89PNG"),
        ("data:image/png;base64,iVBORw==", b"\x89PNG"),
        ("DATA:;base64,iVBORw==", b"\x89PNG"),
        (" iVBO\n Rw== ", b"\x89PNG"),
    ],
)
def test_decode_image(text: str, data: bytes) -> None:
    assert decode_image(text) == data


@pytest.mark.parametrize("text", ["", " ", "data:,", "iVBORw", "iVBORw=", "iVB_Rw==", "*", "ïVBO", "iVBORw==x"])
def test_decode_image_is_strict(text: str) -> None:
    with pytest.raises(ValueError):
        decode_image(text)


@pytest.mark.parametrize(
    ("alter", "media_type"),
    [(image_variants.jpeg, "image/jpeg"), (image_variants.webp, "image/webp")],
    ids=["jpeg", "webp"],
)
async def test_the_type_comes_from_the_bytes(
    aithriving: Aithriving, stand_in: StandIn, tmp_path: Path, alter: Callable[[bytes], bytes], media_type: str
) -> None:
    stand_in.services.fate = Fate(alter=alter)
    result = await made(aithriving, asked(CORE))
    assert (await aithriving.fetch(result.images[0], tmp_path / "x")).media_type == media_type


@pytest.mark.parametrize(
    "alter",
    [
        image_variants.html,
        image_variants.svg,
        image_variants.noise,
        image_variants.bomb,
        image_variants.truncated,
        image_variants.cut_at_the_end,
    ],
    ids=lambda alter: alter.__name__,
)
async def test_bytes_that_are_no_image_are_refused_and_leave_no_file(
    aithriving: Aithriving, stand_in: StandIn, tmp_path: Path, alter: Callable[[bytes], bytes]
) -> None:
    stand_in.services.fate = Fate(alter=alter)
    result = await made(aithriving, asked(CORE))
    assert isinstance(await refusal(aithriving.fetch(result.images[0], tmp_path / "x")), Refused)
    assert not (tmp_path / "x").exists()


async def test_an_image_without_bytes_is_refused(aithriving: Aithriving, tmp_path: Path) -> None:
    assert isinstance(await refusal(aithriving.fetch(GeneratedImage(), tmp_path / "x")), Refused)


async def test_a_large_image_is_accepted(aithriving: Aithriving, stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.services.fate = Fate(alter=image_variants.padded(6_000_000))
    result = await made(aithriving, asked(CORE))
    assert (await aithriving.fetch(result.images[0], tmp_path / "x")).bytes > 6_000_000


@pytest.mark.parametrize("where", ["data", "top"])
@pytest.mark.parametrize(
    ("finish_reason", "filtered"),
    [
        ("CONTENT_FILTERED", True),
        ("content_filter", True),
        ("Filtered", True),
        ("safety filtered", True),
        ("SUCCESS", False),
        ("NOT_FILTERED", False),
        ("unfiltered", False),
        ("no filter", False),
        ("a coffee filter, filtered light", False),
        (None, False),
        (7, False),
    ],
)
async def test_a_blurred_image_is_marked(
    aithriving: Aithriving, stand_in: StandIn, where: str, finish_reason: Json, filtered: bool
) -> None:
    told: dict[str, Json] = {"finish_reason": finish_reason}
    mark = "image" if where == "data" else "code"
    stand_in.misbehave(
        Fault("aithriving.core", Rewrite(each_object(lambda item: item | told if mark in item else item)))
    )
    (image,) = (await made(aithriving, asked(CORE))).images
    assert image.filtered is filtered


async def test_the_seed_as_a_string_and_no_seed_at_all(aithriving: Aithriving, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault("aithriving.core", Rewrite(numbers_as_strings)))
    assert (await made(aithriving, asked(CORE, seed=77))).images[0].seed == 77
    stand_in.misbehave(Fault("aithriving.core", Rewrite(without("seed")), times=2))
    assert (await made(aithriving, asked(CORE, seed=77))).images[0].seed == 77
    assert (await made(aithriving, asked(CORE))).images[0].seed is None


@pytest.mark.parametrize("told", [-1, 2**32, 10**30, "random", 1.5, None])
@pytest.mark.parametrize("seed", [77, None])
async def test_a_seed_that_cannot_be_requested_again_is_dropped(
    aithriving: Aithriving, stand_in: StandIn, told: Json, seed: int | None
) -> None:
    stand_in.misbehave(
        Fault("aithriving.core", Rewrite(each_object(lambda item: item | {"seed": told} if "image" in item else item)))
    )
    assert (await made(aithriving, asked(CORE, seed=seed))).images[0].seed == seed

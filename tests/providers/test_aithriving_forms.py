"""The calls of AI Thriving's endpoints, as documented: paths, fields, files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.providers.aithriving import Aithriving
from bot.providers.base import WeightedText
from bot.providers.errors import Reason, Refused, TooLarge
from bot.providers.operations import Margins, Operation, Pictures, Size
from tests.providers.form_server import (
    FormServer,
    aithriving_at,
    form_server,
    made_from,
    picture_file,
    pictures,
)
from tests.providers.workbench import BASIC, CORE, asked, make_aithriving, refusal

ULTRA = "aithriving/ultra"
SD3 = "aithriving/sd3-large"
TURBO = "aithriving/sd3-large-turbo"
MEDIUM = "aithriving/sd3-medium"
EDIT = "aithriving/edit"
CONTROL = "aithriving/control"

Options = Mapping[str, Any]

PROMPT = {"prompt": "a lighthouse on a cliff"}
SIZED = {"width": "1024", "height": "1024"}
SEEDED = {"seed": "7"}
EVERYTHING: Options = {
    "negative": "fog",
    "style": "neon-punk",
    "steps": 20,
    "seed": 7,
    "guidance": 7.0,
    "sampler": "DDIM",
    "strength": 70,
    "search": "the boat",
    "margins": Margins(left=256, down=64),
}
"""A value for every option. Endpoints get only those that they have."""

WORDS = [
    (ULTRA, "/api/generate/ultra", {}),
    (SD3, "/api/generate/sdv3/textToImage", {"model": "sd3-large"}),
    (TURBO, "/api/generate/sdv3/textToImage", {"model": "sd3-large-turbo"}),
    (MEDIUM, "/api/generate/sdv3/textToImage", {"model": "sd3-medium"}),
]
FORMS = [
    (
        BASIC,
        Operation.IMAGE_TO_IMAGE,
        "/api/generate/basic/imageToImage",
        {"init_image"},
        {
            **PROMPT,
            **SIZED,
            **SEEDED,
            "image_strength": "0.3",
            "cfg_scale": "7",
            "sampler": "DDIM",
            "steps": "20",
            "style_preset": "neon-punk",
        },
    ),
    *(
        (
            engine,
            Operation.IMAGE_TO_IMAGE,
            "/api/generate/sdv3/imageToImage",
            {"image"},
            {
                "prompt": "a lighthouse on a cliff, neon punk style",
                **SIZED,
                **SEEDED,
                "strength": "0.7",
                "model": engine.removeprefix("aithriving/"),
                **({} if engine == TURBO else {"negative_prompt": "fog"}),
            },
        )
        for engine in (SD3, TURBO, MEDIUM)
    ),
    (
        EDIT,
        Operation.INPAINT,
        "/api/edit/inpaint",
        {"image", "mask"},
        {**PROMPT, **SEEDED, "negative_prompt": "fog", "output_format": "webp"},
    ),
    (EDIT, Operation.ERASE, "/api/edit/erase", {"image", "mask"}, {**SEEDED, "output_format": "webp"}),
    (
        EDIT,
        Operation.OUTPAINT,
        "/api/edit/outpaint",
        {"image"},
        {**PROMPT, **SEEDED, "left": "256", "down": "64", "output_format": "png"},
    ),
    (
        EDIT,
        Operation.SEARCH_AND_REPLACE,
        "/api/edit/search-and-replace",
        {"image"},
        {**PROMPT, **SEEDED, "search_prompt": "the boat", "negative_prompt": "fog", "output_format": "webp"},
    ),
    *(
        (
            CONTROL,
            operation,
            f"/api/control/{operation}",
            {"image"},
            {**PROMPT, **SEEDED, "control_strength": "0.3", "negative_prompt": "fog", "output_format": "png"},
        )
        for operation in (Operation.SKETCH, Operation.STRUCTURE)
    ),
]


@pytest.fixture
async def server() -> AsyncIterator[FormServer]:
    async with form_server() as running:
        yield running


@pytest.fixture
async def provider(server: FormServer) -> AsyncIterator[Aithriving]:
    async with aithriving_at(server) as made:
        yield made


@pytest.fixture
def files(tmp_path: Path) -> Pictures:
    return pictures(tmp_path, mask=True)


@pytest.fixture
def unmarked(tmp_path: Path) -> Pictures:
    return Pictures(picture_file(tmp_path, "unmarked"))


# --- words only -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("engine", "path", "fields"), WORDS, ids=[row[0] for row in WORDS])
async def test_requests_of_words_are_json(
    provider: Aithriving, server: FormServer, engine: str, path: str, fields: Options
) -> None:
    await made_from(provider, asked(engine, size=Size(1344, 768), **EVERYTHING), None)
    (call,) = server.calls
    negative = {} if engine == TURBO else {"negative_prompt": "fog"}
    assert call.path == path
    assert call.headers["Content-Type"] == "application/json"
    assert call.fields == {
        "prompt": "a lighthouse on a cliff, neon punk style",
        "width": 1344,
        "height": 768,
        "aspect_ratio": "16:9",
        "seed": 7,
        **negative,
        **fields,
    }


@pytest.mark.parametrize("engine", [ULTRA, SD3, TURBO, MEDIUM])
async def test_without_options_only_what_is_required_is_sent(
    provider: Aithriving, server: FormServer, engine: str
) -> None:
    await made_from(provider, asked(engine), None)
    assert server.calls[0].fields.keys() - {"model"} == {"prompt", "width", "height", "aspect_ratio"}


def test_a_style_without_words_is_offered_only_where_it_is_a_preset() -> None:
    engines = {engine.id: engine for engine in make_aithriving("http://127.0.0.1:1").engines}
    assert "enhance" in engines[CORE].styles
    assert "enhance" not in engines[ULTRA].styles
    assert set(engines[CORE].styles) - set(engines[ULTRA].styles) == {"enhance"}


# --- forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "operation", "path", "names", "fields"), FORMS, ids=[f"{row[0]} {row[1]}" for row in FORMS]
)
async def test_requests_with_a_picture_are_forms(
    provider: Aithriving,
    server: FormServer,
    files: Pictures,
    engine: str,
    operation: Operation,
    path: str,
    names: set[str],
    fields: Options,
) -> None:
    made = await made_from(provider, asked(engine, operation=operation, **EVERYTHING), files)
    (call,) = server.calls
    assert call.path == path
    assert call.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert call.fields == fields
    assert call.files.keys() == names
    assert all(file.media_type == "image/png" for file in call.files.values())
    image = call.files["image" if "image" in names else "init_image"]
    assert len(image.data) == files.source.bytes
    assert len(made.images) == 1


@pytest.mark.parametrize(("engine", "operation"), [row[:2] for row in FORMS])
async def test_options_that_were_not_given_are_left_out(
    provider: Aithriving, server: FormServer, files: Pictures, engine: str, operation: Operation
) -> None:
    required = {"search": "the boat", "margins": Margins(up=10)}
    await made_from(provider, asked(engine, operation=operation, **required), files)
    sent = server.calls[0].fields.keys()
    optional = {"seed", "negative_prompt", "cfg_scale", "steps", "sampler", "style_preset", "control_strength"}
    assert not sent & optional
    assert not sent & {"grow_mask", "creativity", "mode", "clip_guidance_preset"}
    assert not sent & {"left", "right", "down"}


async def test_pictures_can_be_extended_without_words(
    provider: Aithriving, server: FormServer, unmarked: Pictures
) -> None:
    for prompts in ((), (WeightedText(""),)):
        request = asked(EDIT, operation=Operation.OUTPAINT, prompts=prompts, margins=Margins(right=8))
        await made_from(provider, request, unmarked)
        assert server.calls[-1].fields == {"right": "8", "output_format": "png"}


# --- how much may change ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percent", "change", "similarity"),
    [(0, "0.0", "1.0"), (35, "0.35", "0.65"), (60, "0.6", "0.4"), (93, "0.93", "0.07"), (100, "1.0", "0.0")],
)
async def test_one_scale_for_two_that_run_against_each_other(
    provider: Aithriving, server: FormServer, files: Pictures, percent: int, change: str, similarity: str
) -> None:
    for engine, operation, field, sent in (
        (BASIC, Operation.IMAGE_TO_IMAGE, "image_strength", similarity),
        (SD3, Operation.IMAGE_TO_IMAGE, "strength", change),
        (CONTROL, Operation.SKETCH, "control_strength", similarity),
        (CONTROL, Operation.STRUCTURE, "control_strength", similarity),
    ):
        await made_from(provider, asked(engine, operation=operation, strength=percent), files)
        assert server.calls[-1].fields[field] == sent


async def test_the_default_strength_is_sent_where_the_service_has_none(
    provider: Aithriving, server: FormServer, files: Pictures
) -> None:
    await made_from(provider, asked(SD3, operation=Operation.IMAGE_TO_IMAGE), files)
    await made_from(provider, asked(BASIC, operation=Operation.IMAGE_TO_IMAGE), files)
    assert [call.fields.get("strength") for call in server.calls] == ["0.6", None]
    assert [call.fields.get("image_strength") for call in server.calls] == [None, "0.35"]


# --- the format of the result -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "size", "margins", "sent"),
    [
        (Operation.SKETCH, Size(1224, 1224), None, "png"),
        (Operation.SKETCH, Size(1536, 1024), None, "webp"),
        (Operation.STRUCTURE, Size(3072, 3072), None, "webp"),
        (Operation.OUTPAINT, Size(1024, 1024), Margins(left=400), "png"),
        (Operation.OUTPAINT, Size(1024, 1024), Margins(left=500), "webp"),
        (Operation.ERASE, Size(64, 64), None, "webp"),
        (Operation.INPAINT, Size(64, 64), None, "webp"),
        (Operation.SEARCH_AND_REPLACE, Size(64, 64), None, "webp"),
    ],
)
async def test_large_results_are_requested_as_webp(
    provider: Aithriving,
    server: FormServer,
    tmp_path: Path,
    operation: Operation,
    size: Size,
    margins: Margins | None,
    sent: str,
) -> None:
    engine = CONTROL if operation in {Operation.SKETCH, Operation.STRUCTURE} else EDIT
    await made_from(
        provider, asked(engine, operation=operation, margins=margins), pictures(tmp_path, mask=True, size=size)
    )
    assert server.calls[0].fields["output_format"] == sent


# --- what is refused before a call ------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [Operation.INPAINT, Operation.ERASE])
async def test_masked_operations_need_a_mask(
    provider: Aithriving, server: FormServer, unmarked: Pictures, operation: Operation
) -> None:
    error = await refusal(made_from(provider, asked(EDIT, operation=operation), unmarked))
    assert isinstance(error, Refused)
    assert error.reason is Reason.NOTHING_MARKED
    assert not server.calls


@pytest.mark.parametrize(
    "margins", [None, Margins(), Margins(left=2001), Margins(down=2001), Margins(left=100, right=-1)]
)
async def test_margins_must_be_possible(
    provider: Aithriving, server: FormServer, unmarked: Pictures, margins: Margins | None
) -> None:
    error = await refusal(made_from(provider, asked(EDIT, operation=Operation.OUTPAINT, margins=margins), unmarked))
    assert isinstance(error, Refused)
    assert error.reason is Reason.WRONG_MARGINS
    assert error.values["most"] == 2000
    assert not server.calls


async def test_a_request_for_a_picture_needs_one(provider: Aithriving, server: FormServer) -> None:
    error = await refusal(made_from(provider, asked(CONTROL, operation=Operation.SKETCH), None))
    assert isinstance(error, Refused)
    assert error.reason is Reason.NO_PICTURE
    assert not server.calls


async def test_an_operation_that_an_engine_does_not_have_is_refused(
    provider: Aithriving, server: FormServer, files: Pictures
) -> None:
    for engine, operation in ((CORE, Operation.IMAGE_TO_IMAGE), (EDIT, Operation.TEXT_TO_IMAGE)):
        error = await refusal(made_from(provider, asked(engine, operation=operation), files))
        assert isinstance(error, Refused)
        assert error.reason is Reason.RETIRED
    assert not server.calls
    assert not provider.retired


async def test_a_form_above_the_limit_is_not_sent(provider: Aithriving, server: FormServer, tmp_path: Path) -> None:
    half = bytes(4 << 20)
    files = Pictures(picture_file(tmp_path, data=half), picture_file(tmp_path, "mask", data=half))
    error = await refusal(made_from(provider, asked(EDIT, operation=Operation.ERASE), files))
    assert isinstance(error, TooLarge)
    assert not server.calls

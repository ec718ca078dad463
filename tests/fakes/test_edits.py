"""The endpoints that start from a picture: what they take, what they make, what they charge and what they record."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import aiohttp
import pytest
from PIL import Image

from fakes.services import Call, StandIn, Upload, flat
from fakes.services.call_log import KeptUploads
from tests.fakes.service_calls import KEY, decoded, edit, generate, picture

pytestmark = pytest.mark.slow

SIZE = {"width": "640", "height": "512"}
EDITS: list[tuple[str, dict[str, bytes], dict[str, str], tuple[str, str, int], tuple[int, int]]] = [
    (
        "generate/basic/imageToImage",
        {"init_image": picture(512, 640)},
        {"prompt": "a boat", **SIZE, "image_strength": "0.35", "steps": "30", "cfg_scale": "7.5"},
        ("sd-1.6", "image_to_image", 600),
        (640, 512),
    ),
    (
        "generate/sdv3/imageToImage",
        {"image": picture(100, 900)},
        {"prompt": "a boat", **SIZE, "strength": "0.6", "model": "sd3-medium", "negative_prompt": "fog"},
        ("sd3-medium", "image_to_image", 8_000),
        (640, 512),
    ),
    (
        "edit/inpaint",
        {"image": picture(1000, 500), "mask": picture(1000, 500, mode="L")},
        {"prompt": "a boat", "negative_prompt": "fog", "seed": "7", "output_format": "png"},
        ("edit", "inpaint", 6_000),
        (2896, 1448),
    ),
    (
        "edit/erase",
        {"image": picture(), "mask": picture(mode="L")},
        {"output_format": "png"},
        ("edit", "erase", 6_000),
        (2048, 2048),
    ),
    (
        "edit/outpaint",
        {"image": picture(600, 400)},
        {"left": "100", "down": "50", "creativity": "0.35"},
        ("edit", "outpaint", 8_000),
        (700, 450),
    ),
    (
        "edit/search-and-replace",
        {"image": picture()},
        {"prompt": "a boat", "search_prompt": "the car"},
        ("edit", "search_and_replace", 8_000),
        (2048, 2048),
    ),
    (
        "control/sketch",
        {"image": picture(600, 300)},
        {"prompt": "a boat", "control_strength": "0.7"},
        ("control", "sketch", 6_000),
        (600, 300),
    ),
    (
        "control/structure",
        {"image": picture(600, 300)},
        {"prompt": "a boat"},
        ("control", "structure", 6_000),
        (600, 300),
    ),
]


@pytest.mark.parametrize(("path", "files", "fields", "bill", "size"), EDITS, ids=[each[0] for each in EDITS])
async def test_every_edit_makes_an_image_and_is_charged(
    stand_in: StandIn,
    http: aiohttp.ClientSession,
    path: str,
    files: dict[str, bytes],
    fields: dict[str, str],
    bill: tuple[str, str, int],
    size: tuple[int, int],
) -> None:
    status, answer = await edit(http, stand_in, path, files, **fields)
    assert (status, answer["code"], answer["message"]) == (200, 0, "success")
    assert decoded(answer).size == size
    assert decoded(answer).format == "PNG"
    assert [(each.engine, each.operation, each.amount) for each in stand_in.bills] == [bill]
    (call,) = stand_in.calls
    assert call.accepted
    assert call.body == fields
    assert {name: upload.data for name, upload in call.files.items()} == files
    assert {upload.media_type for upload in call.files.values()} == {"image/png"}


@pytest.mark.parametrize(
    ("path", "body", "engine", "price"),
    [
        ("ultra", {"aspect_ratio": "1:1", "negative_prompt": "fog"}, "ultra", 16_000),
        ("sdv3/textToImage", {}, "sd3-large", 8_000),
        ("sdv3/textToImage", {"model": "sd3-large-turbo", "aspect_ratio": "16:9", "seed": 3}, "sd3-large-turbo", 8_000),
    ],
)
async def test_the_engines_for_words(
    stand_in: StandIn, http: aiohttp.ClientSession, path: str, body: dict[str, Any], engine: str, price: int
) -> None:
    _, answer = await generate(http, stand_in, path, {"prompt": "a boat", "width": 640, "height": 512} | body)
    assert answer["code"] == 0
    assert decoded(answer).size == (640, 512)
    assert [(bill.engine, bill.operation, bill.amount) for bill in stand_in.bills] == [(engine, "text_to_image", price)]


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("ultra", {"style_preset": "anime"}, "style_preset"),
        ("ultra", {"steps": 30}, "steps"),
        ("sdv3/textToImage", {"model": "sd3.5-large"}, "model"),
        ("sdv3/textToImage", {"output_format": "png"}, "output_format"),
        ("sdv3/textToImage", {"height": None}, "height"),
    ],
)
async def test_fields_that_the_engines_for_words_do_not_have(
    stand_in: StandIn, http: aiohttp.ClientSession, path: str, body: dict[str, Any], word: str
) -> None:
    _, answer = await generate(http, stand_in, path, {"prompt": "a boat", "width": 640, "height": 512} | body)
    assert (answer["code"], answer["message"].split()[0]) == (-1, word)
    assert stand_in.bills == []


PIC, MASK = picture(), picture(mode="L")
CHANGE = {"prompt": "a boat", "width": "640", "height": "512"}
WRONG: list[tuple[str, dict[str, bytes], dict[str, str], str]] = [
    ("edit/inpaint", {"image": PIC}, {"prompt": "x"}, "mask"),
    ("edit/inpaint", {"image": picture(mode="RGBA")}, {"prompt": "x"}, "mask"),
    ("edit/inpaint", {"mask": MASK}, {"prompt": "x"}, "image"),
    ("edit/inpaint", {"image": PIC, "mask": MASK}, {}, "prompt"),
    ("edit/inpaint", {"image": PIC, "mask": MASK}, {"prompt": "x", "grow_mask": "5"}, "grow_mask"),
    ("edit/inpaint", {"image": PIC, "mask": MASK}, {"prompt": "x", "output_format": "gif"}, "output_format"),
    ("edit/inpaint", {"image": PIC, "mask": MASK}, {"prompt": "x", "seed": "4294967295"}, "seed"),
    ("edit/inpaint", {"image": PIC, "mask": MASK}, {"prompt": "x", "seed": "1.5"}, "seed"),
    ("edit/inpaint", {"image": picture(63, 100), "mask": MASK}, {"prompt": "x"}, "image"),
    ("edit/inpaint", {"image": b"GIF89a" + bytes(90), "mask": MASK}, {"prompt": "x"}, "image"),
    ("edit/inpaint", {"image": PIC, "mask": b"no image"}, {"prompt": "x"}, "image"),
    ("edit/inpaint", {"image": PIC[:-20], "mask": MASK}, {"prompt": "x"}, "cut"),
    ("control/sketch", {"image": picture(kind="JPEG")[:-20]}, {"prompt": "x"}, "cut"),
    ("control/sketch", {"image": picture(kind="WEBP")[:-20]}, {"prompt": "x"}, "image"),
    ("edit/erase", {"image": PIC, "mask": MASK}, {"prompt": "x"}, "prompt"),
    ("edit/erase", {"image": PIC}, {}, "mask"),
    ("edit/erase", {"image": PIC, "mask": MASK, "extra": PIC}, {}, "extra"),
    ("edit/outpaint", {"image": PIC}, {}, "At"),
    ("edit/outpaint", {"image": PIC}, {"left": "0", "down": "0"}, "At"),
    ("edit/outpaint", {"image": PIC}, {"left": "2001"}, "left"),
    ("edit/outpaint", {"image": PIC}, {"left": "12.5"}, "left"),
    ("edit/outpaint", {"image": PIC}, {"left": "64", "negative_prompt": "x"}, "negative_prompt"),
    ("edit/outpaint", {"image": PIC}, {"left": "64", "creativity": "1.5"}, "creativity"),
    ("edit/outpaint", {"image": picture(1600, 320)}, {"left": "64"}, "image"),
    ("edit/search-and-replace", {"image": PIC}, {"prompt": "x"}, "search_prompt"),
    ("edit/search-and-replace", {"image": PIC}, {"prompt": "x", "search_prompt": " "}, "search_prompt"),
    ("edit/search-and-replace", {"image": PIC, "mask": MASK}, {"prompt": "x", "search_prompt": "y"}, "mask"),
    ("control/sketch", {"image": PIC}, {"prompt": "x", "control_strength": "0,5"}, "control_strength"),
    ("control/sketch", {"image": picture(320, 4096, mode="L")}, {"prompt": "x"}, "image"),
    ("control/structure", {"image": picture(3072, 3073, mode="L")}, {"prompt": "x"}, "image"),
    ("generate/sdv3/imageToImage", {"image": PIC}, CHANGE, "strength"),
    ("generate/sdv3/imageToImage", {"image": PIC}, CHANGE | {"strength": "0.5", "aspect_ratio": "1:1"}, "aspect_ratio"),
    ("generate/sdv3/imageToImage", {"image": PIC}, CHANGE | {"strength": "0.5", "mode": "image-to-image"}, "mode"),
    ("generate/sdv3/imageToImage", {"init_image": PIC}, CHANGE | {"strength": "0.5"}, "init_image"),
    ("generate/basic/imageToImage", {"image": PIC}, CHANGE, "image"),
    ("generate/basic/imageToImage", {"init_image": picture(500, 512)}, CHANGE, "init_image"),
    ("generate/basic/imageToImage", {"init_image": PIC}, CHANGE | {"negative_prompt": "x"}, "negative_prompt"),
    ("generate/basic/imageToImage", {"init_image": PIC}, CHANGE | {"image_strength": "35"}, "image_strength"),
    ("generate/basic/imageToImage", {}, CHANGE | {"init_image": "iVBORw0KGgo="}, "init_image"),
]


@pytest.mark.parametrize(
    ("path", "files", "fields", "word"), WRONG, ids=[f"{each[0].rpartition('/')[2]}-{each[3]}" for each in WRONG]
)
async def test_a_wrong_form_gives_the_code_minus_one_and_the_reason(
    stand_in: StandIn,
    http: aiohttp.ClientSession,
    path: str,
    files: dict[str, bytes],
    fields: dict[str, str],
    word: str,
) -> None:
    form = files or {"unused": PIC}
    status, answer = await edit(http, stand_in, path, form, **fields)
    assert (status, answer["code"]) == (200, -1)
    assert word in answer["message"].split()
    assert stand_in.bills == []
    assert [call.accepted for call in stand_in.calls] == [False]


async def test_an_edit_as_json_is_refused(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    body = {"image": "iVBORw0KGgo=", "prompt": "a boat", "search_prompt": "a car"}
    async with http.post(f"{stand_in.url}/api/edit/search-and-replace", json=body, headers=KEY) as response:
        assert (await response.json())["code"] == -1
    _, answer = await edit(http, stand_in, "generate/core", {"image": PIC}, prompt="a boat", width="512", height="512")
    assert answer["code"] == -1


async def test_a_field_that_comes_twice_is_refused(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    form = aiohttp.FormData([("prompt", "a"), ("prompt", "b")])
    form.add_field("image", PIC, filename="a.png", content_type="image/png")
    async with http.post(f"{stand_in.url}/api/control/sketch", data=form, headers=KEY) as response:
        assert "twice" in (await response.json())["message"]


@pytest.mark.slow
async def test_a_form_above_ten_mebibytes_is_answered_413(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    status, answer = await edit(http, stand_in, "control/sketch", {"image": PIC + bytes(10 << 20)}, prompt="a boat")
    assert (status, answer["code"]) == (413, -1)
    assert (stand_in.bills, stand_in.calls[0].accepted) == ([], False)
    status, answer = await edit(http, stand_in, "control/sketch", {"image": PIC + bytes(9 << 20)}, prompt="a boat")
    assert (status, answer["code"]) == (200, 0)


async def test_without_a_mask_the_transparent_part_is_marked(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    image = Image.new("RGBA", (320, 320), "navy")
    image.putpixel((5, 5), (0, 0, 0, 0))
    file = BytesIO()
    image.save(file, "PNG")
    _, answer = await edit(http, stand_in, "edit/erase", {"image": file.getvalue()})
    assert answer["code"] == 0


@pytest.mark.parametrize(("name", "kind"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
async def test_the_result_has_the_requested_type(
    stand_in: StandIn, http: aiohttp.ClientSession, name: str, kind: str
) -> None:
    _, answer = await edit(http, stand_in, "edit/outpaint", {"image": PIC}, left="64", output_format=name)
    result = decoded(answer)
    result.load()
    assert (result.format, result.size) == (kind, (576, 512))


async def test_the_metadata_of_an_upload_is_recorded(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    extras: dict[str, dict[str, Any]] = {"JPEG": {"comment": b"hello"}, "PNG": {}, "WEBP": {"xmp": b"<x/>"}}
    for kind, extra in extras.items():
        for saving in ({}, extra | {"exif": exif}):
            await edit(http, stand_in, "control/sketch", {"image": picture(kind=kind, **saving)}, prompt="a boat")
    assert [call.files["image"].metadata for call in stand_in.calls] == [
        (),
        ("comment", "exif"),
        (),
        ("exif",),
        (),
        ("exif", "xmp"),
    ]
    (told,) = [stand_in.calls[1].to_json()["files"]]
    assert isinstance(told, dict)
    assert isinstance(told["image"], dict)
    assert told["image"]["metadata"] == ["comment", "exif"]


def test_only_the_latest_uploads_are_kept() -> None:
    kept = KeptUploads(budget=2_500)
    calls = [Call(number, "", "", "", None, {}, files={"image": Upload.of(bytes(1_000))}) for number in range(4)]
    for call in calls:
        kept.add(call)
    assert [len(call.files["image"].data) for call in calls] == [0, 0, 1_000, 1_000]
    assert len({(call.files["image"].length, call.files["image"].digest) for call in calls}) == 1


async def test_uploads_are_dropped_after_the_answer(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    await edit(http, stand_in, "control/sketch", {"image": PIC}, prompt="a boat")
    (rendering,) = stand_in.renderings.by_guid.values()
    assert [plate.picture.uploaded for plate in rendering.plates] == [0]
    assert [plate.picture.uploaded for plate in stand_in.services.gallery._kept] == [0]
    assert stand_in.calls[0].files["image"].data == PIC


async def test_the_same_edit_gives_the_same_bytes_and_another_source_others(http: aiohttp.ClientSession) -> None:
    async with StandIn(seconds=(0, 0), painter=flat) as stand_in:
        images = []
        for image, seed in ((PIC, "7"), (PIC, "7"), (PIC, "8"), (picture(512, 576), "7")):
            _, answer = await edit(http, stand_in, "control/sketch", {"image": image}, prompt="a boat", seed=seed)
            images.append(answer["data"]["image"])
        assert images[0] == images[1]
        assert len(set(images)) == 3


async def test_both_paths_of_sd3(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    async def statuses() -> list[int]:
        found = []
        for version in ("sdv3", "sd3"):
            text = {"prompt": "a boat", "width": 512, "height": 512}
            async with http.post(
                f"{stand_in.url}/api/generate/{version}/textToImage", json=text, headers=KEY
            ) as response:
                found.append(response.status)
                assert (response.content_type == "text/html") is (response.status == 404)
            fields = {"prompt": "a boat", "width": "512", "height": "512", "strength": "0.5"}
            status, _ = await edit(http, stand_in, f"generate/{version}/imageToImage", {"image": PIC}, **fields)
            found.append(status)
        return found

    assert await statuses() == [200, 200, 404, 404]
    stand_in.services.sd3_versions = frozenset({"sd3"})
    assert await statuses() == [404, 404, 200, 200]
    async with http.post(f"{stand_in.url}/_control", json={"sd3_versions": []}) as response:
        assert response.status == 200
    assert await statuses() == [404] * 4
    assert [call.route for call in stand_in.calls[:4]] == [
        "aithriving.sdv3",
        "aithriving.sdv3.image_to_image",
        "aithriving.sd3",
        "aithriving.sd3.image_to_image",
    ]
    assert stand_in.charged == 4 * 8_000

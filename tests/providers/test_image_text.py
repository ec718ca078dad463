"""Images of services keep nothing of what the service wrote into them."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from bot.providers.fetching import keep
from bot.providers.http import Service
from bot.providers.image_headers import inspect
from bot.providers.image_text import without_text

SECRET = "a secret graph of /home/ada"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif() -> bytes:
    block = Image.Exif()
    block[0x010E] = SECRET
    block.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + SECRET.encode("utf-16-be")
    return block.tobytes()


def png(**texts: str) -> bytes:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text, zip=name == "workflow")
        info.add_itxt(f"{name}-i", text)
    file = io.BytesIO()
    Image.effect_noise((40, 30), 80).save(file, "PNG", pnginfo=info, **({"exif": exif()} if texts else {}))
    return file.getvalue()


def saved(kind: str, *, told: bool, mode: str = "RGB", **how: Any) -> bytes:
    file = io.BytesIO()
    text: dict[str, Any] = {"exif": exif(), "xmp": SECRET.encode()} if told else {}
    if told and kind == "JPEG":
        text["comment"] = SECRET
    Image.effect_noise((41, 30), 80).convert(mode).save(file, kind, icc_profile=PROFILE, **text, **how)
    return file.getvalue()


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True}),
    "webp": ("WEBP", {}),
    "lossless": ("WEBP", {"lossless": True}),
    "transparent": ("WEBP", {"mode": "RGBA"}),
}
EVERY = pytest.mark.parametrize(("kind", "how"), list(CASES.values()), ids=list(CASES))


def test_the_text_goes_and_the_image_stays() -> None:
    written = png(prompt=SECRET, workflow="more of it", parameters="a fox")
    cleaned = without_text(written)
    with Image.open(io.BytesIO(cleaned)) as after, Image.open(io.BytesIO(written)) as before:
        after.load()
        assert after.info == {}
        assert after.tobytes() == before.tobytes()
    assert b"/home/ada" not in cleaned


@EVERY
def test_jpeg_and_webp_lose_their_text_and_keep_their_pixels_and_colours(kind: str, how: dict[str, Any]) -> None:
    written = saved(kind, told=True, **how)
    cleaned = without_text(written)
    assert SECRET.encode() in written
    assert SECRET.encode() not in cleaned
    assert SECRET.encode("utf-16-be") not in cleaned
    assert inspect(cleaned).size == inspect(written).size
    with Image.open(io.BytesIO(cleaned)) as after, Image.open(io.BytesIO(written)) as before:
        assert after.tobytes() == before.tobytes()
        assert after.info["icc_profile"] == PROFILE
        assert not after.getexif()
        assert not {"xmp", "comment", "exif"} & after.info.keys()


@EVERY
def test_a_webp_does_not_announce_what_is_gone(kind: str, how: dict[str, Any]) -> None:
    cleaned = without_text(saved(kind, told=True, **how))
    if kind == "WEBP":
        assert struct.unpack("<I", cleaned[4:8])[0] == len(cleaned) - 8
        assert cleaned[12:16] == b"VP8X"
        assert not cleaned[20] & 0x0C


@pytest.mark.parametrize("data", [png(), *(saved(kind, told=False, **how) for kind, how in CASES.values())])
def test_an_image_without_text_is_the_same(data: bytes) -> None:
    assert without_text(data) is data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        png(prompt="x")[:-20],
        saved("JPEG", told=True)[:60],
        saved("WEBP", told=True)[:-20],
        b"RIFF",
    ],
)
def test_what_is_no_whole_image_stays_as_it_is(data: bytes) -> None:
    assert without_text(data) == data


@given(
    st.sampled_from([png()[:8], b"\xff\xd8", b"RIFF\xff\0\0\0WEBP", b"RIFF\xff\0\0\0WEBPVP8X"]), st.binary(max_size=80)
)
def test_any_bytes_after_the_signature(head: bytes, rest: bytes) -> None:
    assert len(without_text(head + rest)) <= len(head + rest)


@pytest.mark.parametrize("data", [png(prompt=SECRET), saved("JPEG", told=True), saved("WEBP", told=True)])
async def test_an_image_of_a_service_that_tells_too_much_is_kept_without_it(tmp_path: Path, data: bytes) -> None:
    service = Service("Painter", "http://painter.invalid")
    kept = await keep(service, data, tmp_path / "x", strip=True)
    await service.close()
    written = (tmp_path / "x").read_bytes()
    assert SECRET.encode() not in written
    assert kept.bytes == len(written)

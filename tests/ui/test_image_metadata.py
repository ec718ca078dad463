"""The embedded text: it is where the common tools read it, and all other bytes are unchanged."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from bot.providers.base import Bounds, WeightedText
from bot.providers.loras import Lora, Loras
from bot.providers.operations import Size
from bot.ui.delivery import image_metadata
from bot.ui.delivery.file_segments import Piece
from bot.ui.delivery.image_metadata import exif, parameters
from tests.doubles.engines import BASIC, CORE, PAINTER
from tests.doubles.provider import png
from tests.doubles.views import image, request

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("PNG", {}),
    "jpeg": ("JPEG", {"quality": 90}),
    "jpeg-progressive": ("JPEG", {"progressive": True}),
    "jpeg-print": ("JPEG", {"mode": "CMYK"}),
    "jpeg-profile": ("JPEG", {"icc_profile": b"x" * 70_000}),
    "webp": ("WEBP", {"quality": 90}),
    "webp-lossless": ("WEBP", {"lossless": True}),
    "webp-alpha": ("WEBP", {"mode": "RGBA"}),
    "webp-lossless-alpha": ("WEBP", {"mode": "RGBA", "lossless": True}),
    "webp-extended": ("WEBP", {"icc_profile": b"x" * 41, "xmp": b"<x/>"}),
    "webp-moving": ("WEBP", {"save_all": True, "append_images": [Image.new("RGB", (31, 17), "red")]}),
}


def drawn(kind: str, **further: Any) -> bytes:
    form, options = KINDS[kind]
    options = {**options, **further}
    mode = options.pop("mode", "RGB")
    stream = io.BytesIO()
    Image.effect_noise((31, 17), 90).convert(mode).save(stream, form, **options)
    return stream.getvalue()


def pieces(data: bytes, text: str) -> tuple[Piece, ...]:
    with Image.open(io.BytesIO(data)) as opened:
        return image_metadata.with_text(io.BytesIO(data), Image.MIME[opened.format or ""], text)


def with_text(data: bytes, text: str, media_type: str = "image/png") -> bytes:
    """The whole file, joined from its pieces."""
    return b"".join(_bytes(piece, data) for piece in image_metadata.with_text(io.BytesIO(data), media_type, text))


def _bytes(piece: Piece, data: bytes) -> bytes:
    return data[piece.start : piece.stop] if isinstance(piece, range) else piece


def read(data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        text = opened.info["parameters"]
        assert isinstance(text, str)
        return text


def comment(data: bytes) -> str:
    """The content of the user comment."""
    with Image.open(io.BytesIO(data)) as opened:
        found = opened.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    assert found[:8] == b"UNICODE\0"
    return str(found[8:].decode("utf-16-be"))


def frames(data: bytes) -> list[tuple[str, bytes]]:
    """The pixels of all frames."""
    with Image.open(io.BytesIO(data)) as opened:
        found = []
        for number in range(getattr(opened, "n_frames", 1)):
            opened.seek(number)
            opened.load()
            found.append((opened.mode, opened.tobytes()))
        return found


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=300))
def test_any_text_round_trips_and_the_pixels_stay_the_same(text: str) -> None:
    data = png(3)
    made = with_text(data, text)
    assert read(made) == text
    start = data.index(b"IDAT") - 4
    assert made.endswith(data[start:]), "all bytes of the image data are the same"


def test_the_checksums_are_right() -> None:
    made = with_text(png(), "ein Bär, 熊")
    position = 8
    kinds = []
    while position < len(made):
        (length,) = struct.unpack_from(">I", made, position)
        body = made[position + 4 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", made, position + 8 + length)
        assert checksum == zlib.crc32(body)
        kinds.append(body[:4])
        position += 12 + length
    assert kinds == [b"IHDR", b"iTXt", b"IDAT", b"IEND"]


def test_an_earlier_text_is_replaced_and_other_chunks_stay() -> None:
    info = with_text(with_text(png(), "the first"), "the second")
    assert info.count(b"parameters\0") == 1
    assert read(info) == "the second"
    other = with_text(png(), "words").replace(b"parameters\0words", b"Comment123\0words")
    assert b"Comment123\0words" in with_text(other, "mine")


@pytest.mark.parametrize(
    "broken", [b"", b"\xff\xd8\xff\xe0 a jpeg", png()[:8], png()[:30], png()[:-3], png()[:8] + b"x" * 40]
)
def test_an_incomplete_png_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="PNG"):
        with_text(broken, "words")


def test_only_the_text_is_new_and_adjacent_ranges_are_merged() -> None:
    data = with_text(png(), "the first")
    header, text, picture = image_metadata.with_text(io.BytesIO(data), "image/png", "the second")
    assert (header, picture) == (range(33), range(data.index(b"IDAT") - 4, len(data)))
    assert isinstance(text, bytes)


def test_bytes_after_the_end_are_dropped() -> None:
    assert with_text(png() + b"behind the end", "words") == with_text(png(), "words")


# --- JPEG and WebP ------------------------------------------------------------------------------------------------

OTHERS = [kind for kind in KINDS if kind != "png"]


def media_type(kind: str) -> str:
    return Image.MIME[KINDS[kind][0]]


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("text", ["a fox", "ein Bär, 熊 🦊", "x" * 4001])
def test_other_types_get_a_user_comment_and_look_the_same(kind: str, text: str) -> None:
    data = drawn(kind)
    made = with_text(data, text, media_type(kind))
    assert comment(made) == text
    assert frames(made) == frames(data)
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(made)) as after:
        assert after.size == before.size
        for name in ("icc_profile", "xmp", "adobe_transform", "loop"):
            assert after.info.get(name) == before.info.get(name)


@pytest.mark.parametrize("kind", OTHERS)
def test_the_image_data_stays_the_same(kind: str) -> None:
    data = drawn(kind)
    found = image_metadata.with_text(io.BytesIO(data), media_type(kind), "a fox")
    untouched = sum(len(piece) for piece in found if isinstance(piece, range))
    assert untouched > len(data) - 60
    assert len(found) <= 12


@pytest.mark.parametrize("kind", OTHERS)
def test_a_second_text_replaces_the_first(kind: str) -> None:
    data = drawn(kind)
    once = with_text(data, "the first", media_type(kind))
    again = with_text(once, "the second", media_type(kind))
    assert comment(again) == "the second"
    assert again == with_text(data, "the second", media_type(kind)), "the first text is gone"


@pytest.mark.parametrize("kind", OTHERS)
def test_other_exif_fields_stay(kind: str) -> None:
    block = Image.Exif()
    block[ExifTags.Base.Orientation] = 6
    block[ExifTags.Base.Make] = "a maker"
    block.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:01:01 00:00:00"
    block.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    made = with_text(drawn(kind, exif=block), "a fox", media_type(kind))
    assert comment(made) == "a fox"
    with Image.open(io.BytesIO(made)) as opened:
        found = opened.getexif()
        assert (found[ExifTags.Base.Orientation], found[ExifTags.Base.Make]) == (6, "a maker")
        assert found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "2026:01:01 00:00:00"
        assert found.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize("block", [b"Exif\0\0nonsense", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_an_unreadable_block_is_replaced(kind: str, block: bytes) -> None:
    assert comment(with_text(drawn(kind, exif=block), "a fox", media_type(kind))) == "a fox"


def test_a_jpeg_without_a_jfif_header_gets_the_text() -> None:
    data = drawn("jpeg")
    assert data[2:4] == b"\xff\xe0"
    bare = data[:2] + data[4 + int.from_bytes(data[4:6]) :]
    assert comment(with_text(bare, "a fox", "image/jpeg")) == "a fox"


def test_fill_bytes_are_accepted() -> None:
    data = drawn("jpeg")
    filled = data[:2] + b"\xff\xff\xff" + data[2:]
    assert comment(with_text(filled, "a fox", "image/jpeg")) == "a fox"


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="long"):
        with_text(drawn("jpeg"), "x" * 40_000, "image/jpeg")


@pytest.mark.parametrize("kind", ["jpeg", "webp", "webp-alpha"])
@pytest.mark.parametrize("cut", [0, 1, 3, 11, 12, 15, 20, 30, 40])
def test_an_incomplete_image_is_refused_or_keeps_its_bytes(kind: str, cut: int) -> None:
    data = drawn(kind)[:cut]
    with pytest.raises(ValueError, match=r"JPEG|WebP"):
        with_text(data, "words", media_type(kind))


@given(data=st.binary(max_size=200), kind=st.sampled_from(["image/png", "image/jpeg", "image/webp"]))
def test_any_bytes_are_handled_or_refused(data: bytes, kind: str) -> None:
    head = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", "image/webp": b"RIFF\x64\0\0\0WEBP"}
    with contextlib.suppress(ValueError):
        with_text(head[kind] + data, "words", kind)


def test_the_block_of_a_new_image() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "WEBP", exif=exif("a fox, 熊"))
    assert comment(stream.getvalue()) == "a fox, 熊"


def test_prompt_negative_prompt_and_settings_are_three_lines() -> None:
    asked = request(
        "a fox",
        engine=BASIC.id,
        negative="snow",
        style="anime",
        steps=20,
        guidance=7.5,
        sampler="K_EULER_ANCESTRAL",
        seed=7,
    )
    assert parameters(asked, image(1, seed=9), BASIC) == (
        "a fox\n"
        "Negative prompt: snow\n"
        "Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 9, Size: 512x512, Model: basic-1.6, Style: anime, "
        "Version: Easel"
    )


def test_the_size_is_that_of_the_first_pass_which_readers_multiply() -> None:
    asked = request(
        "a fox",
        engine=PAINTER.id,
        size=Size(512, 512),
        sampler="DDIM",
        scheduler="Karras",
        lora=Loras((Lora("ink"), Lora("Add Detail", 0.5))),
        high_res=1.5,
    )
    assert parameters(asked, replace(image(1), width=768, height=768), PAINTER).splitlines()[-1] == (
        "Steps: 30, Sampler: DDIM, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x512, Model: painter, "
        'LoRA: "ink, Add Detail:0.5", Hires upscale: 1.5, Version: Easel'
    )
    smaller = parameters(asked, image(1), PAINTER)
    assert "Size: 512x512" in smaller
    assert "Hires upscale" not in smaller


def test_missing_settings_are_the_engines_defaults_if_known() -> None:
    asked = request("a fox", engine=BASIC.id)
    line = "Steps: 30, Sampler: unknown, CFG scale: 7, Seed: 1, Size: 512x512, Model: basic-1.6, Version: Easel"
    assert parameters(asked, image(1), BASIC) == f"a fox\n{line}"
    core = request("a fox", engine=CORE.id)
    assert parameters(core, image(1, seed=None), CORE) == (
        "a fox\nSampler: unknown, Schedule type: unknown, Seed: unknown, Size: 512x512, Model: core, Version: Easel"
    )
    assert parameters(asked, image(1), None).splitlines()[-1] == (
        "Sampler: unknown, Schedule type: unknown, Seed: 1, Size: 512x512, Model: basic-1.6, Version: Easel"
    )
    unknown = replace(BASIC, steps=Bounds(10, 50), guidance=None)
    assert "Steps" not in parameters(asked, image(1), unknown)


def test_weights_use_the_syntax_of_the_tools() -> None:
    parts = (
        WeightedText("a fox"),
        WeightedText("snow (deep)", 0.5),
        WeightedText("people", -1),
        WeightedText("fog", -2),
    )
    assert parameters(request(prompts=parts, negative="text"), image(1), None).splitlines()[:2] == [
        "a fox, (snow \\(deep\\):0.5)",
        "Negative prompt: text, people, (fog:2)",
    ]


def test_a_value_with_a_comma_or_a_colon_is_quoted() -> None:
    assert 'Style: "a, b: c"' in parameters(request(style="a, b: c"), image(1), None)

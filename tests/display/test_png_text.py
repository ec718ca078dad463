"""The text in the files: what the common tools read, and every other byte as it was."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from bot.display import png_text
from bot.display.png_text import exif, parameters, room_for
from bot.display.splicing import Piece
from bot.providers.base import Bounds, WeightedText
from tests.doubles.engines import BASIC, CORE
from tests.doubles.provider import png
from tests.doubles.views import image, request


def with_text(data: bytes, text: str) -> bytes:
    """The whole file that the pieces make."""
    return b"".join(_bytes(piece, data) for piece in png_text.with_text(io.BytesIO(data), text))


def _bytes(piece: Piece, data: bytes) -> bytes:
    return data[piece.start : piece.stop] if isinstance(piece, range) else piece


def read(data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        text = opened.info["parameters"]
        assert isinstance(text, str)
        return text


def test_prompt_negative_and_settings_are_the_three_lines_that_tools_read() -> None:
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


def test_what_was_not_given_is_the_engines_own_where_it_is_known() -> None:
    asked = request("a fox", engine=BASIC.id)
    line = "Steps: 30, CFG scale: 7, Seed: 1, Size: 512x512, Model: basic-1.6, Version: Easel"
    assert parameters(asked, image(1), BASIC) == f"a fox\n{line}"
    core = request("a fox", engine=CORE.id)
    assert parameters(core, image(1, seed=None), CORE) == "a fox\nSize: 512x512, Model: core, Version: Easel"
    assert parameters(asked, image(1), None).endswith("\nSeed: 1, Size: 512x512, Model: basic-1.6, Version: Easel")
    unknown = replace(BASIC, steps=Bounds(10, 50), guidance=None)
    assert "Steps" not in parameters(asked, image(1), unknown)


def test_weights_are_written_as_those_tools_write_them() -> None:
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


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=300))
def test_any_text_comes_back_and_the_picture_is_untouched(text: str) -> None:
    data = png(3)
    made = with_text(data, text)
    assert read(made) == text
    assert len(made) - len(data) <= room_for(text)
    start = data.index(b"IDAT") - 4
    assert made.endswith(data[start:]), "not one byte of the picture differs"


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


def test_what_stood_there_under_this_name_is_replaced_and_the_rest_stays() -> None:
    info = with_text(with_text(png(), "the first"), "the second")
    assert info.count(b"parameters\0") == 1
    assert read(info) == "the second"
    other = with_text(png(), "words").replace(b"parameters\0words", b"Comment123\0words")
    assert b"Comment123\0words" in with_text(other, "mine")


@pytest.mark.parametrize(
    "broken", [b"", b"\xff\xd8\xff\xe0 a jpeg", png()[:8], png()[:30], png()[:-3], png()[:8] + b"x" * 40]
)
def test_what_is_no_whole_png_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="PNG"):
        with_text(broken, "words")


def test_only_the_text_is_new_and_what_stands_together_is_one_piece() -> None:
    data = with_text(png(), "the first")
    header, text, picture = png_text.with_text(io.BytesIO(data), "the second")
    assert (header, picture) == (range(33), range(data.index(b"IDAT") - 4, len(data)))
    assert isinstance(text, bytes)


def test_bytes_behind_the_end_are_left_out() -> None:
    assert with_text(png() + b"behind the end", "words") == with_text(png(), "words")


def test_other_images_carry_it_as_their_user_comment() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "WEBP", exif=exif("a fox, 熊"))
    with Image.open(stream) as opened:
        comment = opened.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    assert comment[:8] == b"UNICODE\0"
    assert comment[8:].decode("utf-16-be") == "a fox, 熊"

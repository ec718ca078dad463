"""Type and size from a file's structure, checked against files written by another library."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.providers.errors import Reason
from bot.providers.image_headers import NotAnImage, decoded_bytes, inspect, inspect_upload
from bot.providers.operations import Size
from fakes.services import image_variants

KINDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "png": ("PNG", {}, "image/png"),
    "png-palette": ("PNG", {"mode": "P"}, "image/png"),
    "jpeg": ("JPEG", {}, "image/jpeg"),
    "jpeg-progressive": ("JPEG", {"progressive": True}, "image/jpeg"),
    "jpeg-exif": ("JPEG", {"exif": b"Exif\0\0" + b"\xff\xd9" * 40}, "image/jpeg"),
    "webp-lossy": ("WEBP", {}, "image/webp"),
    "webp-lossless": ("WEBP", {"lossless": True}, "image/webp"),
    "webp-extended": ("WEBP", {"icc_profile": b"x" * 40}, "image/webp"),
}


def drawn(kind: str, size: tuple[int, int] = (96, 64)) -> bytes:
    """A noisy image, so that no part of the file is trivially short."""
    form, options, _ = KINDS[kind]
    options = dict(options)
    mode = options.pop("mode", "RGB")
    noise = random.Random(1).randbytes(size[0] * size[1] * 3)
    out = BytesIO()
    Image.frombytes("RGB", size, noise).convert(str(mode)).save(out, form, **options)
    return out.getvalue()


FILES = {kind: drawn(kind) for kind in KINDS}


def refusal(data: bytes) -> Reason:
    """The reason why these bytes are not accepted as an image."""
    with pytest.raises(NotAnImage) as caught:
        inspect(data)
    return caught.value.reason


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (96, 64), (1536, 640), (320, 1536)])
def test_type_size_and_length(kind: str, size: tuple[int, int]) -> None:
    data = drawn(kind, size)
    image = inspect(data)
    assert (image.media_type, image.size, image.bytes) == (KINDS[kind][2], Size(*size), len(data))


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_is_distinguished_from_a_complete_one(kind: str) -> None:
    data = FILES[kind]
    for length in [*range(1, 200), *range(200, len(data) - 40, 97), *range(len(data) - 40, len(data) - 1)]:
        with pytest.raises(NotAnImage):
            inspect(data[:length])


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp-lossy"])
def test_half_an_image_may_be_complete_the_next_time(kind: str) -> None:
    assert refusal(image_variants.truncated(FILES[kind])) is Reason.IMAGE_CUT_SHORT


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp-lossy"])
def test_trailing_bytes_do_no_harm(kind: str) -> None:
    assert inspect(FILES[kind] + b"\0" * 100).size == Size(96, 64)


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_damage_gives_an_error_of_ours_or_is_harmless(kind: str, at: int, damage: bytes) -> None:
    data = FILES[kind]
    try:
        inspect(data[:at] + damage + data[at + len(damage) :])
    except NotAnImage:
        return


@given(st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x10\0\0\0WEBP"]), st.binary(max_size=64))
def test_any_bytes_give_an_error_of_ours_or_an_image(head: bytes, rest: bytes) -> None:
    try:
        inspect(head + rest)
    except NotAnImage:
        return


@pytest.mark.parametrize(
    "data",
    [
        image_variants.SVG,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xef\xbb\xbf <!-- x --><SVG>",
        b"GIF89a" + bytes(40),
        b"BM" + bytes(40),
        b"\x00\x11\x22\x33" * 40,
        b"MZ\x90\x00" + bytes(60),
    ],
    ids=["svg", "bare svg", "svg with a mark", "gif", "bmp", "noise", "program"],
)
def test_unsupported_images(data: bytes) -> None:
    assert refusal(data) in {Reason.IMAGE_IS_SVG, Reason.IMAGE_OF_OTHER_TYPE}


@pytest.mark.parametrize(
    "data",
    [image_variants.HTML, b'{"message": "Not ready"}', b"[]", b"please wait", b"  \n", b"<!-- -->"],
    ids=range(6),
)
def test_a_text_page(data: bytes) -> None:
    assert refusal(data) is Reason.IMAGE_IS_PAGE


def test_an_empty_file() -> None:
    assert refusal(b"") is Reason.IMAGE_CUT_SHORT


@pytest.mark.parametrize(
    "size", [(60_000, 60_000), (2**31, 2**31), (40_000_001, 1), (0, 64), (64, 0)], ids=lambda size: f"{size[0]}"
)
def test_absurd_sizes(size: tuple[int, int]) -> None:
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    data = FILES["png"][:8] + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    with pytest.raises(NotAnImage):
        inspect(data)


def test_the_bomb() -> None:
    assert refusal(image_variants.bomb(b"")) is Reason.IMAGE_TOO_MANY_PIXELS


@pytest.mark.parametrize(
    "rest",
    [
        chunk(b"IDAT", b"x") + chunk(b"IEND", b""),
        chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)) + chunk(b"IEND", b""),
    ],
    ids=["no header", "no picture"],
)
def test_a_png_without_a_required_chunk(rest: bytes) -> None:
    with pytest.raises(NotAnImage):
        inspect(b"\x89PNG\r\n\x1a\n" + rest)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
        + chunk(b"x", b"") * 120_000,
        b"\xff\xd8" + b"\xff\x01" * 120_000,
        b"\xff\xd8" + b"\xff" * 120_000,
    ],
    ids=["png", "jpeg", "jpeg filling"],
)
def test_a_file_with_endless_chunks_is_given_up(data: bytes) -> None:
    with pytest.raises(NotAnImage):
        inspect(data)


@pytest.mark.parametrize(
    ("mode", "kind", "further", "pixel_bytes"),
    [
        ("RGB", "PNG", {}, 3),
        ("RGBA", "PNG", {}, 4),
        ("L", "PNG", {}, 3),
        ("P", "PNG", {}, 4),
        ("LA", "PNG", {}, 3),
        ("I;16", "PNG", {}, 6),
        ("RGB", "JPEG", {}, 3),
        ("L", "JPEG", {}, 3),
        ("CMYK", "JPEG", {}, 4),
        ("RGB", "WEBP", {}, 3),
        ("RGBA", "WEBP", {}, 4),
        ("RGBA", "WEBP", {"lossless": True}, 4),
        ("RGB", "WEBP", {"save_all": True, "append_images": [Image.new("RGB", (30, 20), "red")]}, 8),
    ],
)
def test_the_memory_for_decoding(mode: str, kind: str, further: dict[str, Any], pixel_bytes: int) -> None:
    stream = BytesIO()
    Image.new(mode, (30, 20)).save(stream, kind, **further)
    assert decoded_bytes(stream) == 30 * 20 * pixel_bytes


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_16_bits_take_twice_as_much(colour: int) -> None:
    def picture(depth: int) -> BytesIO:
        header = struct.pack(">IIBBBBB", 64, 64, depth, colour, 0, 0, 0)
        return BytesIO(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b""))

    assert decoded_bytes(picture(16)) == 2 * decoded_bytes(picture(8))


# --- uploads ------------------------------------------------------------------------------------------------------


def gif(size: tuple[int, int] = (96, 64), frames: int = 1, **options: Any) -> bytes:
    noise = Image.frombytes("RGB", size, random.Random(1).randbytes(size[0] * size[1] * 3))
    out = BytesIO()
    noise.save(
        out, "GIF", save_all=True, append_images=[noise.rotate(90 * each) for each in range(1, frames)], **options
    )
    return out.getvalue()


GIF = gif()


@pytest.mark.parametrize("kind", KINDS)
def test_an_upload_is_measured_like_an_image(kind: str) -> None:
    assert inspect_upload(BytesIO(FILES[kind])) == inspect(FILES[kind])


@pytest.mark.parametrize(
    "options", [{}, {"frames": 3}, {"comment": b"x" * 1000}, {"transparency": 0}, {"interlace": 0}]
)
def test_an_upload_may_be_a_gif(options: dict[str, Any]) -> None:
    data = gif(**options)
    found = inspect_upload(BytesIO(data))
    assert (found.media_type, found.size, found.bytes) == ("image/gif", Size(96, 64), len(data))
    assert refusal(data) is Reason.IMAGE_OF_OTHER_TYPE, "no service makes one"


def test_a_gif_is_as_large_as_its_first_frame() -> None:
    data = bytearray(gif())
    data[6:10] = struct.pack("<HH", 8, 8)
    assert inspect_upload(BytesIO(data)).size == Size(96, 64)


def test_a_gif_that_ends_too_early() -> None:
    data = gif()
    for length in [*range(1, 60), *range(60, len(data) - 1, 97)]:
        with pytest.raises(NotAnImage):
            inspect_upload(BytesIO(data[:length]))


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_a_damaged_gif_gives_an_error_of_ours_or_is_harmless(at: int, damage: bytes) -> None:
    data = GIF
    try:
        inspect_upload(BytesIO(data[:at] + damage + data[at + len(damage) :]))
    except NotAnImage:
        return


def test_a_gif_of_endless_parts_is_given_up() -> None:
    with pytest.raises(NotAnImage):
        inspect_upload(BytesIO(b"GIF89a\x08\0\x08\0\0\0\0" + b"\x21\xfe\0" * 120_000))


def test_an_uploaded_jpeg_may_have_a_video_after_its_end() -> None:
    data = FILES["jpeg"] + b"\0" * 200_000
    assert refusal(data) is Reason.IMAGE_CUT_SHORT
    assert inspect_upload(BytesIO(data)).size == Size(96, 64)

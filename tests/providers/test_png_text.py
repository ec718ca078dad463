"""Images of services keep nothing of what the service wrote into them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bot.providers.fetching import keep
from bot.providers.http import Service
from bot.providers.png_text import without_text


def png(**texts: str) -> bytes:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text, zip=name == "workflow")
        info.add_itxt(f"{name}-i", text)
    file = io.BytesIO()
    Image.effect_noise((40, 30), 80).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def test_the_text_goes_and_the_image_stays() -> None:
    written = png(prompt="a secret graph of /home/ada", workflow="more of it", parameters="a fox")
    cleaned = without_text(written)
    with Image.open(io.BytesIO(cleaned)) as after, Image.open(io.BytesIO(written)) as before:
        after.load()
        assert after.info == {}
        assert after.tobytes() == before.tobytes()
    assert b"/home/ada" not in cleaned


def test_an_image_without_text_is_the_same() -> None:
    plain = png()
    assert without_text(plain) is plain


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", png(prompt="x")[:-20]])
def test_what_is_no_whole_png_stays_as_it_is(data: bytes) -> None:
    assert without_text(data) == data


@given(st.binary(max_size=80))
def test_any_bytes_after_the_signature(rest: bytes) -> None:
    assert len(without_text(png()[:8] + rest)) <= 8 + len(rest)


async def test_an_image_of_a_service_that_tells_too_much_is_kept_without_it(tmp_path: Path) -> None:
    service = Service("Painter", "http://painter.invalid")
    kept = await keep(service, png(prompt="a secret graph"), tmp_path / "x.png", strip=True)
    await service.close()
    data = (tmp_path / "x.png").read_bytes()
    assert b"secret" not in data
    assert kept.bytes == len(data)

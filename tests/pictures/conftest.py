"""Fixtures for the work on pictures."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from bot.pictures.normalising import Normalised, normalised
from bot.providers.operations import Size
from tests.pictures.uploads import NAME, Made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Normalise the bytes of a file: what was returned, the picture that was written, and its bytes."""

    def make(data: bytes) -> tuple[Normalised, Image.Image, bytes]:
        file, aside = tmp_path / NAME, tmp_path / "aside"
        file.write_bytes(data)
        found = normalised(file, aside)
        written = aside.read_bytes()
        picture = Image.open(io.BytesIO(written))
        picture.load()
        assert file.read_bytes() == data
        assert found.bytes == len(written)
        assert found.size == Size(*picture.size)
        assert found.media_type == {"JPEG": "image/jpeg", "PNG": "image/png"}[str(picture.format)]
        return found, picture, written

    return make

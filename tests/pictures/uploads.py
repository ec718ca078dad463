"""Normalises the bytes of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from PIL import Image

from bot.errors import UserError
from bot.pictures.normalising import Normalised, UnusablePicture, normalised
from bot.text import Text
from tests.doubles.texts import codes

Made: TypeAlias = Callable[[bytes], tuple[Normalised, Image.Image, bytes]]
NAME = "an upload without an extension"


def problem(data: bytes, folder: Path) -> Text:
    """Why the file is refused."""
    file, aside = folder / NAME, folder / "aside"
    file.write_bytes(data)
    with pytest.raises(UnusablePicture) as caught:
        normalised(file, aside)
    assert isinstance(caught.value, UserError)
    assert len(codes(caught.value)) == 1
    return caught.value.problems[0]

"""The demo reports what it did, and its exit status is reliable."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bot.config import Settings
from fakes.services import Bill, Fault, StandIn, flat
from fakes.services.faults import Status
from playground.demo import ORDERS, TRANSCRIPT, play
from playground.sample_pictures import SamplePictures
from tests.playground.conftest import HastyClock
from tests.playground.test_sample_pictures import plain


def quick() -> StandIn:
    return StandIn(seconds=(0.0, 0.0), painter=flat)


def sizes(folder: Path) -> list[tuple[int, int]]:
    found = []
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as image:
            image.load()
            found.append(image.size)
    return sorted(found)


@pytest.mark.slow
async def test_everything_is_delivered(
    settings: Settings, hasty: HastyClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    assert await play(settings, services=quick(), pictures=SamplePictures(plain), clock=hasty, out=out) == 0

    assert sizes(out) == sorted(order.size for order in ORDERS for _ in range(order.images))
    said = capsys.readouterr().out
    assert (out / TRANSCRIPT).read_text("utf-8") == said
    assert "6 pictures" in said
    assert "picture:harbour.png" in said
    assert "WRONG" not in said
    for order in ORDERS:
        assert f"engine:{order.engine}" in said
    assert "/usage report" in said


@pytest.mark.slow
async def test_an_engine_that_fails_is_a_failure(
    settings: Settings, hasty: HastyClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    services = quick()
    services.misbehave(Fault("aithriving.core", Status(402), times=None))

    assert await play(settings, services=services, pictures=SamplePictures(plain), clock=hasty, out=out) == 1

    said = capsys.readouterr().out
    assert "WRONG: Stable Image Core brought 0 of 2 pictures." in said
    # The others are still there.
    assert sizes(out) == sorted(
        order.size for order in ORDERS if "core" not in order.engine for _ in range(order.images)
    )


@pytest.mark.slow
async def test_wrong_amounts_are_a_failure(
    settings: Settings, hasty: HastyClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    services = quick()
    services.bills.append(Bill("aithriving", "core", amount=1000, images=1, rendering="lost", prompt="", at=0))

    pictures = SamplePictures(plain)
    assert await play(settings, services=services, pictures=pictures, clock=hasty, out=tmp_path) == 1

    assert "aithriving/core is counted with 12 credits, the service charged 13 credits." in capsys.readouterr().out

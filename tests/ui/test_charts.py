"""Charts: drawn by a subprocess that is restarted when it has ended, and described in words."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.ui import charts
from bot.ui.charts import ChartFailed, Charts, ChartSpec, Series, in_words

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SPEC = ChartSpec(
    "Credits by day, 1 Nov to 3 Nov (UTC)",
    ("1 Nov", "2 Nov", "3 Nov"),
    (Series("exact", (6.0, 0.0, 12.0)), Series("estimated", (0.4, 0.0, 0.0), hatched=True)),
    line=20.0,
    line_name="limit of a day",
)
# The colours of Discord's pages and of cards on them.
PAGES = {"dark": (49, 51, 56), "light": (255, 255, 255)}


@pytest.fixture
async def artist(tmp_path: Path) -> AsyncIterator[Charts]:
    artist = Charts(tmp_path / "cache")
    yield artist
    await artist.close()


async def picture(artist: Charts, spec: ChartSpec = SPEC) -> Image.Image:
    data = await artist.png(spec)
    return await asyncio.to_thread(lambda: Image.open(io.BytesIO(data)).convert("RGBA"))


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """The contrast of two colours, from 1 to 21, as defined by the Web Content Accessibility Guidelines."""

    def luminance(colour: tuple[int, ...]) -> float:
        parts = [part / 255 for part in colour[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", PAGES)
async def test_a_chart_is_readable_on_dark_and_light_pages(artist: Charts, page: str) -> None:
    chart = await picture(artist)
    seen = Image.new("RGBA", chart.size, PAGES[page])
    seen.alpha_composite(chart)
    colours = {colour: count for count, colour in seen.getcolors(maxcolors=2**24) or []}
    panel = max(colours, key=colours.__getitem__)
    # The panel covers everything except the corners, so its content looks the same on every page.
    assert colours[panel] > 0.5 * seen.width * seen.height
    assert seen.getpixel((0, 0))[:3] == PAGES[page]  # type: ignore[index]  # a pixel of an RGBA image is a tuple
    words = max(colours, key=lambda colour: contrast(colour, panel))  # type: ignore[arg-type]  # as above
    assert contrast(words, panel) > 7  # type: ignore[arg-type]  # as above


async def test_every_kind_of_chart_is_drawn(artist: Charts) -> None:
    alone = ChartSpec("One", ("today",), (Series("exact", (3.25,)),))
    nothing = ChartSpec("Nothing", ("a", "b"), (Series("exact", (0.0, 0.0)),), line=5.0)
    crowd = ChartSpec(
        "A $crowd$ of them",
        tuple(f"{number}:00" for number in range(92)),
        tuple(Series(f"series {number}", tuple(float(place % 7) for place in range(92))) for number in range(6)),
        line=1e9,
    )
    for spec in (alone, nothing, crowd):
        assert (await picture(artist, spec)).width > 1000


@pytest.mark.slow
async def test_one_process_draws_all_charts_and_is_restarted_when_gone(artist: Charts) -> None:
    await artist.png(SPEC)
    first = artist._process
    assert first is not None
    await artist.png(SPEC)
    assert artist._process is first
    first.kill()
    await asyncio.to_thread(first.wait)
    assert (await artist.png(SPEC)).startswith(b"\x89PNG")
    assert artist._process is not first


@pytest.mark.slow
async def test_the_process_ends_when_idle(tmp_path: Path) -> None:
    artist = Charts(tmp_path, idle=0.05)
    await artist.png(SPEC)
    process = artist._process
    assert process is not None
    assert await asyncio.to_thread(process.wait) == 0
    assert (await artist.png(SPEC)).startswith(b"\x89PNG")
    await artist.close()


@pytest.mark.slow
async def test_concurrent_charts_are_drawn_one_by_one(artist: Charts) -> None:
    drawn = await asyncio.gather(*(artist.png(SPEC) for _ in range(5)))
    assert len(set(drawn)) == 1


async def test_after_an_error_the_next_chart_is_drawn(artist: Charts) -> None:
    broken = ChartSpec("x", ("a",), (Series("exact", ("no number",)),))  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ChartFailed, match="Error"):
        await artist.png(broken)
    assert (await artist.png(SPEC)).startswith(b"\x89PNG")


async def test_a_process_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = tmp_path / "deaf.py"
    deaf.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(charts, "PROCESS", deaf)
    artist = Charts(tmp_path, time_limit=0.1)
    with pytest.raises(ChartFailed):
        await artist.png(SPEC)
    await artist.close()


async def test_a_process_that_cannot_be_started_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(ChartFailed, match="cannot be started"):
        await Charts(tmp_path).png(SPEC)


@pytest.mark.slow
def test_the_bot_does_not_import_the_plotting_library() -> None:
    # Use a separate process, since another test may have imported the library in this one.
    loaded = "import sys, bot.app, bot.ui.charts; sys.exit('matplotlib' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, check=False)  # noqa: S603 - our own words
    assert ended.returncode == 0


def test_a_chart_is_described_in_words() -> None:
    words = in_words(SPEC, 1024)
    for part in (SPEC.title, "1 Nov 6.4", "3 Nov 12", f"{SPEC.line_name} 20", "estimated 0.4"):
        assert part in words
    assert "2 Nov 0" not in words
    long = ChartSpec(
        "T", tuple(f"day {n}" for n in range(400)), (Series("exact", tuple(float(n) for n in range(400))),)
    )
    told = in_words(long, 300)
    assert 250 < len(told) <= 300
    assert told.endswith("day 398 398, day 399 399")
    assert "day 1 1," not in told
    assert len(in_words(replace(long, title="T" * 400), 300)) == 300


def test_a_chart_with_missing_values_is_refused() -> None:
    with pytest.raises(ValueError, match="labels"):
        ChartSpec("T", ("a", "b"), (Series("exact", (1.0,)),))

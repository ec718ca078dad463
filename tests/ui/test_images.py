"""What is too large is re-encoded to the best quality that fits; the stored file is never touched."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.ui.delivery.images import REQUEST_SPARE, Labelled, prepare, refit, shares
from storage.images import ImageFiles
from storage.pools import Pools
from tests.doubles.uploads import sent
from tests.doubles.views import image

MIB = 2**20


def noise(path: Path, side: int, *, colours: str = "RGB", calm: int = 1) -> int:
    """A PNG that hardly compresses; ``calm`` above 1 makes larger patches. Returns its length."""
    small = np.random.default_rng(7).integers(0, 255, (side // calm, side // calm, len(colours)), dtype=np.uint8)
    Image.fromarray(small, colours).resize((side, side), Image.Resampling.BICUBIC).save(path)
    return path.stat().st_size


@given(st.lists(st.integers(0, 12 * MIB), min_size=1, max_size=10), st.integers(1, 12 * MIB), st.integers(10, 30 * MIB))
def test_shares_fit_the_file_and_the_request_and_waste_nothing(sizes: list[int], limit: int, total: int) -> None:
    given_out = shares(sizes, limit, total)
    assert sum(given_out) <= total
    assert all(share <= min(size, limit) for share, size in zip(given_out, sizes, strict=True))
    shrunk = [share for share, size in zip(given_out, sizes, strict=True) if share < min(size, limit)]
    # Nobody is made smaller than another who is, and only where the request is full.
    assert len(set(shrunk)) <= 1
    if shrunk:
        assert sum(given_out) > total - len(sizes)
        assert max(given_out) == shrunk[0]


def test_small_images_stay_whole_beside_a_large_one() -> None:
    assert shares([1, 2, 100], 1000, 23) == [1, 2, 20]


async def test_what_fits_is_sent_as_it_is(tmp_path: Path, pools: Pools) -> None:
    length = noise(tmp_path / "1.png", 64)
    uploads = await prepare([Labelled(image(1), "easel-12-1")], ImageFiles(tmp_path, pools), file_limit=length)
    (upload,) = uploads.ready
    assert (upload.name, upload.reencoded) == ("easel-12-1.png", False)
    assert sent(upload) == (tmp_path / "1.png").read_bytes()


async def test_what_is_too_large_keeps_its_pixels_at_the_best_quality_that_fits(tmp_path: Path, pools: Pools) -> None:
    length = noise(tmp_path / "1.png", 400, calm=4)
    before = (tmp_path / "1.png").read_bytes()
    sizes = {}
    for limit in (length // 4, length // 8):
        (upload,) = (await prepare([Labelled(image(1), "s-1")], ImageFiles(tmp_path, pools), file_limit=limit)).ready
        assert (upload.name, upload.reencoded) == ("s-1.webp", True)
        assert upload.size <= limit
        with Image.open(io.BytesIO(sent(upload))) as opened:
            assert (opened.format, opened.size) == ("WEBP", (400, 400))
        sizes[limit] = upload.size
    assert sizes[length // 4] > sizes[length // 8], "the room that there is is used"
    assert (tmp_path / "1.png").read_bytes() == before


def test_where_it_is_enough_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "plain.png"
    Image.new("RGB", (300, 300), "teal").save(file, compress_level=0)
    data = refit(file, file.stat().st_size - 1)
    assert data is not None
    with Image.open(io.BytesIO(data)) as opened, Image.open(file) as original:
        assert opened.convert("RGB").tobytes() == original.tobytes()


def test_it_becomes_smaller_only_where_no_quality_would_do(tmp_path: Path) -> None:
    noise(tmp_path / "1.png", 400)
    data = refit(tmp_path / "1.png", 12_000)
    assert data is not None
    assert len(data) <= 12_000
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.width == opened.height < 400


def test_transparency_survives(tmp_path: Path) -> None:
    length = noise(tmp_path / "1.png", 200, colours="RGBA", calm=2)
    data = refit(tmp_path / "1.png", length // 2)
    assert data is not None
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.mode == "RGBA"


async def test_many_images_share_one_request(tmp_path: Path, pools: Pools) -> None:
    lengths = [noise(tmp_path / f"{number}.png", 250, calm=2) for number in range(1, 5)]
    limit = REQUEST_SPARE + sum(lengths) // 3
    uploads = await prepare(
        [Labelled(image(number), f"s-{number}") for number in range(1, 5)],
        ImageFiles(tmp_path, pools),
        file_limit=10 * MIB,
        request_limit=limit,
    )
    assert len(uploads.ready) == 4
    assert all(upload.reencoded for upload in uploads.ready)
    assert sum(upload.size for upload in uploads.ready) <= limit - REQUEST_SPARE


async def test_files_that_are_gone_or_hopeless_are_counted_not_sent(tmp_path: Path, pools: Pools) -> None:
    noise(tmp_path / "1.png", 64)
    (tmp_path / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"not a picture" * 100_000)
    images = [image(1), image(2), image(3), image(4, file=None)]
    labelled = [Labelled(each, f"s-{each.id}") for each in images]
    uploads = await prepare(labelled, ImageFiles(tmp_path, pools), file_limit=MIB)
    assert [upload.name for upload in uploads.ready] == ["s-1.png"]
    assert (uploads.gone, uploads.unfit) == (2, 1)


def test_where_nothing_fits_there_is_no_image(tmp_path: Path) -> None:
    noise(tmp_path / "1.png", 64)
    assert refit(tmp_path / "1.png", 10) is None


@pytest.mark.parametrize(("media_type", "name"), [("image/jpeg", "s-1.jpg"), ("image/webp", "s-1.webp")])
async def test_a_file_is_named_for_what_it_is(tmp_path: Path, pools: Pools, media_type: str, name: str) -> None:
    noise(tmp_path / "1.png", 16)
    uploads = await prepare(
        [Labelled(image(1, media_type=media_type), "s-1")], ImageFiles(tmp_path, pools), file_limit=MIB
    )
    assert uploads.ready[0].name == name

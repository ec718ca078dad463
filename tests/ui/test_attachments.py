"""Images as attachments: their names, their embedded text, and how they are made to fit."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.jobs.view import JobView
from bot.ui.delivery.attachments import (
    REQUEST_SPARE,
    STEM_AT_MOST,
    Labelled,
    labelled,
    pack,
    prepare,
    refit,
    shares,
    slug,
)
from storage.images import ImageFiles
from storage.pools import Pools
from storage.records import SubmissionStatus
from tests.doubles.provider import png
from tests.doubles.uploads import sent
from tests.doubles.views import image, request, submission, view

DONE = SubmissionStatus.DONE
MIB = 2**20


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a lighthouse on a cliff", "a-lighthouse-on-a-cliff"),
        ("Ein Bär, der ÜBER <@123> fliegt!", "ein-bar-der-uber-123-fliegt"),
        ("../../etc/passwd", "etc-passwd"),
        ("熊", "easel"),
        ("  ", "easel"),
        ("word " * 30, "word-word-word-word-word-word-word-word"),
        ("x" * 100, "x" * STEM_AT_MOST),
    ],
)
def test_a_file_is_named_after_the_first_words_of_the_prompt(prompt: str, words: str) -> None:
    assert slug(prompt) == words


@given(st.text(max_size=200))
def test_any_prompt_gives_a_portable_file_name(prompt: str) -> None:
    words = slug(prompt)
    assert 1 <= len(words) <= STEM_AT_MOST
    assert set(words) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not words.startswith("-")
    assert not words.endswith("-")


def two_cars(folder: Path, *, second: str = "png") -> JobView:
    (folder / "1.png").write_bytes(png(1))
    Image.new("RGB", (64, 64), "teal").save(folder / f"2.{second}")
    kinds = {"png": "image/png", "jpg": "image/jpeg"}
    return view(
        submission(1, DONE, asked=request("a red car"), images=[image(1, submission_id=1, position=0)]),
        submission(
            2,
            DONE,
            asked=request("a blue car"),
            images=[image(2, submission_id=2, position=0, file=f"2.{second}", media_type=kinds[second])],
        ),
    )


def carried(data: bytes) -> object:
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        return opened.info.get("parameters")


async def test_each_image_contains_its_own_prompt(tmp_path: Path, pools: Pools) -> None:
    packed = await pack(two_cars(tmp_path), ImageFiles(tmp_path, pools), file_limit=MIB)
    assert [upload.name for upload in packed.ready] == ["a-red-car-12-1.png", "a-blue-car-12-2.png"]
    for upload, prompt in zip(packed.ready, ("a red car", "a blue car"), strict=True):
        assert str(carried(sent(upload))).startswith(f"{prompt}\n")
    assert carried((tmp_path / "1.png").read_bytes()) is None, "the stored file is unchanged"


async def test_without_embedded_text_the_files_are_sent_unchanged(tmp_path: Path, pools: Pools) -> None:
    packed = await pack(two_cars(tmp_path), ImageFiles(tmp_path, pools), file_limit=MIB, with_text=False)
    assert sent(packed.ready[0]) == (tmp_path / "1.png").read_bytes()


async def test_other_types_contain_the_text_if_enabled(tmp_path: Path, pools: Pools) -> None:
    cars, files = two_cars(tmp_path, second="jpg"), ImageFiles(tmp_path, pools)
    packed = await pack(cars, files, file_limit=MIB)
    assert "a blue car".encode("utf-16-be") in sent(packed.ready[1])
    packed = await pack(cars, files, file_limit=MIB, with_text=False)
    assert sent(packed.ready[1]) == (tmp_path / "2.jpg").read_bytes()


async def test_the_embedded_text_counts_towards_the_limit(tmp_path: Path, pools: Pools) -> None:
    size = (tmp_path / "1.png").stat().st_size if (tmp_path / "1.png").exists() else len(png(1))
    packed = await pack(two_cars(tmp_path), ImageFiles(tmp_path, pools), file_limit=size + 10)
    assert all(upload.size <= size + 10 for upload in packed.ready)
    assert "a-red-car-12-1.png" not in [upload.name for upload in packed.ready]


async def test_a_file_of_the_wrong_type_is_sent_unchanged(tmp_path: Path, pools: Pools) -> None:
    cars = two_cars(tmp_path)
    (tmp_path / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    packed = await pack(cars, ImageFiles(tmp_path, pools), file_limit=MIB)
    assert sent(packed.ready[0]) == b"\x89PNG\r\n\x1a\nbroken"


async def test_images_already_shown_are_omitted_and_keep_their_numbers(tmp_path: Path, pools: Pools) -> None:
    packed = await pack(two_cars(tmp_path), ImageFiles(tmp_path, pools), file_limit=MIB, without={1})
    assert [upload.name for upload in packed.ready] == ["a-blue-car-12-2.png"]


def test_negative_prompts_are_not_part_of_the_name() -> None:
    from bot.providers.base import WeightedText

    parts = (WeightedText("fog", -1), WeightedText("a fox", 2))
    (only,) = labelled(
        view(submission(1, DONE, asked=request(prompts=parts), images=[image(1, position=0)])), with_text=False
    )
    assert only.stem == "a-fox-12-1"


async def test_surplus_images_have_unique_names(tmp_path: Path, pools: Pools) -> None:
    (tmp_path / "1.png").write_bytes(png(1))
    twice = [image(number, submission_id=1, position=number, file="1.png") for number in range(2)]
    other = [image(9, submission_id=2, position=0, file="1.png")]
    cars = view(submission(1, DONE, asked=request("a car"), images=twice), submission(2, DONE, images=other))
    packed = await pack(cars, ImageFiles(tmp_path, pools), file_limit=MIB)
    names = [upload.name for upload in packed.ready]
    assert names[:2] == ["a-car-12-1.png", "a-car-12-1-2.png"]
    assert len(set(names)) == 3


async def test_the_number_of_files_in_a_message_is_limited(tmp_path: Path, pools: Pools) -> None:
    (tmp_path / "1.png").write_bytes(png(1))
    many = [image(number, position=number, file="1.png") for number in range(12)]
    packed = await pack(view(submission(1, DONE, images=many)), ImageFiles(tmp_path, pools), file_limit=MIB)
    assert (len(packed.ready), packed.unfit) == (10, 2)


MIB = 2**20


def noise(path: Path, side: int, *, colours: str = "RGB", calm: int = 1) -> int:
    """A PNG that hardly compresses; ``calm`` above 1 makes larger patches. Returns its length."""
    small = np.random.default_rng(7).integers(0, 255, (side // calm, side // calm, len(colours)), dtype=np.uint8)
    Image.fromarray(small, colours).resize((side, side), Image.Resampling.BICUBIC).save(path)
    return path.stat().st_size


@given(st.lists(st.integers(0, 12 * MIB), min_size=1, max_size=10), st.integers(1, 12 * MIB), st.integers(10, 30 * MIB))
def test_shares_respect_both_limits_and_use_all_bytes(sizes: list[int], limit: int, total: int) -> None:
    given_out = shares(sizes, limit, total)
    assert sum(given_out) <= total
    assert all(share <= min(size, limit) for share, size in zip(given_out, sizes, strict=True))
    shrunk = [share for share, size in zip(given_out, sizes, strict=True) if share < min(size, limit)]
    # No shrunk image gets less than another, and images shrink only if the request is full.
    assert len(set(shrunk)) <= 1
    if shrunk:
        assert sum(given_out) > total - len(sizes)
        assert max(given_out) == shrunk[0]


def test_small_images_keep_their_size_next_to_a_large_one() -> None:
    assert shares([1, 2, 100], 1000, 23) == [1, 2, 20]


async def test_an_image_that_fits_is_sent_unchanged(tmp_path: Path, pools: Pools) -> None:
    length = noise(tmp_path / "1.png", 64)
    uploads = await prepare([Labelled(image(1), "easel-12-1")], ImageFiles(tmp_path, pools), file_limit=length)
    (upload,) = uploads.ready
    assert (upload.name, upload.reencoded) == ("easel-12-1.png", False)
    assert sent(upload) == (tmp_path / "1.png").read_bytes()


async def test_a_large_image_keeps_its_pixels_at_the_best_quality_that_fits(tmp_path: Path, pools: Pools) -> None:
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
    assert sizes[length // 4] > sizes[length // 8], "the available bytes are used"
    assert (tmp_path / "1.png").read_bytes() == before


def test_lossless_encoding_is_used_if_it_fits(tmp_path: Path) -> None:
    file = tmp_path / "plain.png"
    Image.new("RGB", (300, 300), "teal").save(file, compress_level=0)
    data = refit(file, file.stat().st_size - 1)
    assert data is not None
    with Image.open(io.BytesIO(data)) as opened, Image.open(file) as original:
        assert opened.convert("RGB").tobytes() == original.tobytes()


def test_an_image_is_scaled_down_only_if_no_quality_fits(tmp_path: Path) -> None:
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


async def test_missing_and_unfit_files_are_counted_but_not_sent(tmp_path: Path, pools: Pools) -> None:
    noise(tmp_path / "1.png", 64)
    (tmp_path / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"not a picture" * 100_000)
    images = [image(1), image(2), image(3), image(4, file=None)]
    labelled = [Labelled(each, f"s-{each.id}") for each in images]
    uploads = await prepare(labelled, ImageFiles(tmp_path, pools), file_limit=MIB)
    assert [upload.name for upload in uploads.ready] == ["s-1.png"]
    assert (uploads.gone, uploads.unfit) == (2, 1)


def test_no_image_is_made_if_no_size_fits(tmp_path: Path) -> None:
    noise(tmp_path / "1.png", 64)
    assert refit(tmp_path / "1.png", 10) is None


@pytest.mark.parametrize(("media_type", "name"), [("image/jpeg", "s-1.jpg"), ("image/webp", "s-1.webp")])
async def test_the_extension_matches_the_media_type(tmp_path: Path, pools: Pools, media_type: str, name: str) -> None:
    noise(tmp_path / "1.png", 16)
    uploads = await prepare(
        [Labelled(image(1, media_type=media_type), "s-1")], ImageFiles(tmp_path, pools), file_limit=MIB
    )
    assert uploads.ready[0].name == name

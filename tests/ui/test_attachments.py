"""Images on their way into a message: their names, and what they carry."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.jobs.view import JobView
from bot.ui.delivery.attachments import STEM_AT_MOST, labelled, pack, slug
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
def test_a_file_is_named_after_the_first_words(prompt: str, words: str) -> None:
    assert slug(prompt) == words


@given(st.text(max_size=200))
def test_any_prompt_makes_a_name_that_every_file_system_takes(prompt: str) -> None:
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


async def test_each_image_carries_its_own_prompt(tmp_path: Path, pools: Pools) -> None:
    packed = await pack(two_cars(tmp_path), ImageFiles(tmp_path, pools), file_limit=MIB)
    assert [upload.name for upload in packed.ready] == ["a-red-car-12-1.png", "a-blue-car-12-2.png"]
    for upload, prompt in zip(packed.ready, ("a red car", "a blue car"), strict=True):
        assert str(carried(sent(upload))).startswith(f"{prompt}\n")
    assert carried((tmp_path / "1.png").read_bytes()) is None, "the stored file stays as it came"


async def test_without_the_text_the_files_are_sent_as_they_came(tmp_path: Path, pools: Pools) -> None:
    packed = await pack(two_cars(tmp_path), ImageFiles(tmp_path, pools), file_limit=MIB, with_text=False)
    assert sent(packed.ready[0]) == (tmp_path / "1.png").read_bytes()


async def test_other_kinds_carry_it_too_if_they_may(tmp_path: Path, pools: Pools) -> None:
    cars, files = two_cars(tmp_path, second="jpg"), ImageFiles(tmp_path, pools)
    packed = await pack(cars, files, file_limit=MIB)
    assert "a blue car".encode("utf-16-be") in sent(packed.ready[1])
    packed = await pack(cars, files, file_limit=MIB, with_text=False)
    assert sent(packed.ready[1]) == (tmp_path / "2.jpg").read_bytes()


async def test_the_text_counts_for_the_limit(tmp_path: Path, pools: Pools) -> None:
    size = (tmp_path / "1.png").stat().st_size if (tmp_path / "1.png").exists() else len(png(1))
    packed = await pack(two_cars(tmp_path), ImageFiles(tmp_path, pools), file_limit=size + 10)
    assert all(upload.size <= size + 10 for upload in packed.ready)
    assert "a-red-car-12-1.png" not in [upload.name for upload in packed.ready]


async def test_a_file_that_is_not_what_it_says_is_sent_as_it_came(tmp_path: Path, pools: Pools) -> None:
    cars = two_cars(tmp_path)
    (tmp_path / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    packed = await pack(cars, ImageFiles(tmp_path, pools), file_limit=MIB)
    assert sent(packed.ready[0]) == b"\x89PNG\r\n\x1a\nbroken"


async def test_what_stands_there_already_is_left_out_and_keeps_its_number(tmp_path: Path, pools: Pools) -> None:
    packed = await pack(two_cars(tmp_path), ImageFiles(tmp_path, pools), file_limit=MIB, without={1})
    assert [upload.name for upload in packed.ready] == ["a-blue-car-12-2.png"]


def test_a_negative_part_is_no_part_of_the_name() -> None:
    from bot.providers.base import WeightedText

    parts = (WeightedText("fog", -1), WeightedText("a fox", 2))
    (only,) = labelled(
        view(submission(1, DONE, asked=request(prompts=parts), images=[image(1, position=0)])), with_text=False
    )
    assert only.stem == "a-fox-12-1"


async def test_more_images_than_were_asked_for_have_names_of_their_own(tmp_path: Path, pools: Pools) -> None:
    (tmp_path / "1.png").write_bytes(png(1))
    twice = [image(number, submission_id=1, position=number, file="1.png") for number in range(2)]
    other = [image(9, submission_id=2, position=0, file="1.png")]
    cars = view(submission(1, DONE, asked=request("a car"), images=twice), submission(2, DONE, images=other))
    packed = await pack(cars, ImageFiles(tmp_path, pools), file_limit=MIB)
    names = [upload.name for upload in packed.ready]
    assert names[:2] == ["a-car-12-1.png", "a-car-12-1-2.png"]
    assert len(set(names)) == 3


async def test_no_more_files_than_a_message_takes(tmp_path: Path, pools: Pools) -> None:
    (tmp_path / "1.png").write_bytes(png(1))
    many = [image(number, position=number, file="1.png") for number in range(12)]
    packed = await pack(view(submission(1, DONE, images=many)), ImageFiles(tmp_path, pools), file_limit=MIB)
    assert (len(packed.ready), packed.unfit) == (10, 2)

"""The load of the delivery benchmark is as large as it claims."""

from __future__ import annotations

import io

from PIL import Image

from benchmarks.delivery import FILE_LIMIT, PHRASE, PHRASES, PROMPT, long_prompt, phrases
from bot.domain.word_filter import LENGTH_AT_MOST, WORDS_AT_MOST, WordList, typed_list
from fakes.services.pictures import Picture, noise


def test_a_noise_image_is_valid_and_larger_than_the_file_limit() -> None:
    data = noise(Picture("", "", "", 1, 1024, 1024))
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        assert picture.size == (1024, 1024)
        assert len(picture.getcolors(1 << 20) or []) > 900_000
    assert len(data) > 2 * FILE_LIMIT - (1 << 16)
    assert data == noise(Picture("", "", "", 1, 1024, 1024))


def test_the_lists_have_the_maximum_size_and_no_prompt_contains_their_words() -> None:
    entries = typed_list(phrases(0))
    assert (len(entries), WORDS_AT_MOST, LENGTH_AT_MOST) == (PHRASES, PHRASES, PHRASE)
    assert min(map(len, entries)) > PHRASE - 6
    found = WordList(entries).found_in([long_prompt(1)])
    assert (found.entries, found.whole) == ((), True)


def test_a_long_prompt_has_the_maximum_length() -> None:
    assert PROMPT - 2 <= len(long_prompt(1)) <= PROMPT

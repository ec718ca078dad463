"""Answers with files, and when they are sent again without them."""

from __future__ import annotations

import discord
import pytest
from discord import ui

from bot.ui.attached_files import Sheet, put
from bot.ui.cards.layout import Card, text
from tests.ui.conftest import refused

SHEET = Sheet(
    Card(
        text("words"),
        ui.Section("beside a picture", accessory=ui.Thumbnail("attachment://1.webp")),
        ui.MediaGallery(discord.MediaGalleryItem("attachment://1.webp")),
        ui.MediaGallery(discord.MediaGalleryItem("https://cdn.invalid/2.webp")),
        ui.File("attachment://1.webp"),
    ),
    (("1.webp", b"a picture"),),
)


class Answers:
    """Accepts answers after raising these errors."""

    def __init__(self, *errors: discord.HTTPException) -> None:
        self.errors = list(errors)
        self.sent: list[tuple[Card, list[str]]] = []

    async def __call__(self, card: Card, files: list[discord.File]) -> int:
        self.sent.append((card, [file.filename for file in files]))
        if self.errors:
            raise self.errors.pop(0)
        return len(self.sent)


async def test_an_accepted_answer_is_sent_once() -> None:
    answers = Answers()
    assert await put(answers, SHEET) == 1
    assert answers.sent == [(SHEET.card, ["1.webp"])]


@pytest.mark.parametrize(("status", "code"), [(400, 20009), (400, 50035), (403, 50013), (413, 0), (400, 40005)])
async def test_refused_files_are_replaced_by_text(status: int, code: int) -> None:
    answers = Answers(refused(status, code))
    assert await put(answers, SHEET) == 2
    card, files = answers.sent[1]
    assert not files
    assert "attachment://" not in card.content
    assert "cdn.invalid" in card.content, "an image from elsewhere stays"
    for words in ("words", "beside a picture", "Discord"):
        assert words in card.content


@pytest.mark.parametrize(
    ("sheet", "errors"),
    [
        (SHEET, [refused(404, 10015)]),
        (SHEET, [refused(401, 50027)]),
        (SHEET, [refused(500)]),
        (SHEET, [refused(400, 20009), refused(403, 50001)]),
        (Sheet(Card(text("words"))), [refused(400, 50035)]),
    ],
)
async def test_errors_that_are_not_about_files_are_raised(sheet: Sheet, errors: list[discord.HTTPException]) -> None:
    answers = Answers(*errors)
    with pytest.raises(discord.HTTPException) as caught:
        await put(answers, sheet)
    assert caught.value is errors[-1]
    assert len(answers.sent) == len(errors)

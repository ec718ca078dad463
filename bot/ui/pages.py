"""Lists that are turned like pages: their buttons, found by their ids, and the private message that they stand in.

A button carries what it leads to and nothing of anybody's: whoever presses it is asked for anew, so that a forged one
shows nothing but what is the presser's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any

import discord
from discord import ui

from bot.errors import UserError
from bot.jobs.view import Page
from bot.text import t
from bot.ui.attached_files import Sheet, put
from bot.ui.cards.layout import Card
from bot.ui.replies import Press
from storage.jobs import JobFilter

_DIGEST = 4  # Bytes: enough to tell a few dozen engines apart.


# --- what a button leads to ---------------------------------------------------------------------------------------


def threads_id(page: int) -> str:
    """Leads to a page of one's threads."""
    return f"page:threads:{page}"


def gallery_id(page: int, thread_id: int) -> str:
    """Leads to a page of a thread's images."""
    return f"page:gallery:{page}:{thread_id}"


def delete_id(thread_id: int) -> str:
    """Deletes a thread for good."""
    return f"page:delete:1:{thread_id}"


def use_id(page: int, thread_id: int) -> str:
    """Makes a thread the current one, and leads to a page of its images."""
    return f"page:use:{page}:{thread_id}"


def history_id(page: int, wanted: JobFilter) -> str:
    """Leads to a page of one's jobs. What is searched for is at most 50 letters, so that it fits."""
    engine = "" if wanted.engine is None else digest(wanted.engine)
    return f"page:history:{page}:{wanted.thread_id or ''}:{engine}:{wanted.words or ''}"


def engines_id(page: int) -> str:
    """Leads to a page of the engines."""
    return f"page:engines:{page}"


def digest(engine_id: str) -> str:
    """A few signs that stand for an engine, whose id is too long for a button."""
    return hashlib.blake2s(engine_id.encode(), digest_size=_DIGEST).hexdigest()


def wanted_of(rest: str, engines: Iterable[str]) -> JobFilter:
    """What the part of a history button's id after the page stands for. Raises UserError."""
    match = re.fullmatch(r"(?P<thread>[0-9]{0,18}):(?P<engine>[0-9a-f]{0,8}):(?P<words>.*)", rest)
    if match is None:
        raise UserError(OUTDATED)
    engine = None
    if match["engine"]:
        engine = next((known for known in engines if digest(known) == match["engine"]), None)
        if engine is None:
            raise UserError("That engine is no longer offered here. Ask for your history anew.")
    return JobFilter(words=match["words"] or None, engine=engine, thread_id=int(match["thread"] or 0) or None)


OUTDATED = "This button is from another version of the bot. Type the command anew."


# --- turning the page ---------------------------------------------------------------------------------------------


def turning(page: Page, leads_to: Callable[[int], str]) -> list[ui.Button[Any]]:
    """The two buttons that turn the page; none where there is only one."""
    if page.pages == 1:
        return []
    return [
        ui.Button(label=str(t("Newer")), custom_id=leads_to(page.number - 1), disabled=page.number == 1),
        ui.Button(label=str(t("Older")), custom_id=leads_to(page.number + 1), disabled=page.number == page.pages),
    ]


async def answer_later(interaction: Press) -> None:
    """Answer at once: in the private list that was pressed on, or else in a private message of its own."""
    pressed = interaction.message
    if pressed is not None and pressed.flags.ephemeral:
        await interaction.response.defer()
    else:
        await interaction.response.defer(ephemeral=True, thinking=True)


async def fill(interaction: Press, sheet: Sheet) -> None:
    """Put the page where the answer was promised."""

    async def edit(card: Card, files: list[discord.File]) -> None:
        await interaction.edit_original_response(view=card, attachments=files)

    await put(edit, sheet)

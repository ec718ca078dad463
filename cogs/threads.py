"""/thread: groups a person's jobs into threads."""

from __future__ import annotations

from typing import TypeAlias

from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.domain.features import NAME_AT_MOST
from bot.people import threads as verbs
from bot.people.threads import TITLE_AT_MOST
from bot.text import message
from bot.ui.attached_files import answer_later, fill
from bot.ui.autocomplete import Suggestions, calmly
from bot.ui.cards.buttons import DELETE_THREAD, KEEP_THREAD
from bot.ui.cards.layout import notice
from bot.ui.cards.threads import deletion_text, gallery_card, threads_card
from bot.ui.cards.wording import safe
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of, promise, tell
from bot.ui.list_buttons import DELETED
from bot.ui.questions import Confirmation

Name: TypeAlias = Range[str, 1, NAME_AT_MOST]


NEXT_IMAGE = message("threads.next_image", "Your next image here starts a new thread, named after its prompt.")
SWITCHED = message("threads.switched", "Switched to **{title}**. New images go here.")
RENAMED = message("threads.renamed", "Renamed {before} to **{title}**.")

_WHICH = locale_str("Which of your threads")
_WHICH_OR_CURRENT = locale_str("Which of your threads; default: the one you used last")


class Threads(commands.GroupCog, group_name="thread", group_description=locale_str("Your lines of work")):
    """The commands for threads. Every answer is private."""

    def __init__(self, threads: verbs.Threads, suggestions: Suggestions) -> None:
        self._threads = threads
        self._suggestions = suggestions

    @app_commands.command(description=locale_str("Start a new thread: your next images go into it"))
    @app_commands.describe(title=locale_str("Its title; default: your next prompt"))
    async def new(self, interaction: Interaction, title: Range[str, 1, TITLE_AT_MOST] | None = None) -> None:
        await promise(interaction)
        named = await self._threads.open(origin_of(interaction), title)
        await tell(interaction, notice(NEXT_IMAGE if named is None else SWITCHED(title=safe(named, 200))))

    @app_commands.command(
        name="list", description=locale_str("Your threads here, with the jobs in each and what they cost")
    )
    async def every(self, interaction: Interaction) -> None:
        await answer_later(interaction)
        await fill(interaction, threads_card(await self._threads.list(origin_of(interaction))))

    @app_commands.command(description=locale_str("Switch to one of your threads: your next images go into it"))
    @app_commands.describe(thread=_WHICH)
    async def use(self, interaction: Interaction, thread: Name) -> None:
        await promise(interaction)
        used = await self._threads.use(origin_of(interaction), thread)
        await tell(interaction, notice(SWITCHED(title=safe(used.title, 200))))

    @app_commands.command(description=locale_str("Show the images of one of your threads"))
    @app_commands.describe(thread=_WHICH_OR_CURRENT)
    async def show(self, interaction: Interaction, thread: Name | None = None) -> None:
        await answer_later(interaction)
        await fill(interaction, gallery_card(await self._threads.show(origin_of(interaction), thread)))

    @app_commands.command(description=locale_str("Rename one of your threads"))
    @app_commands.describe(title=locale_str("The new title"), thread=_WHICH_OR_CURRENT)
    async def rename(
        self, interaction: Interaction, title: Range[str, 1, TITLE_AT_MOST], thread: Name | None = None
    ) -> None:
        await promise(interaction)
        before, named = await self._threads.rename(origin_of(interaction), thread, title)
        await tell(interaction, notice(RENAMED(before=safe(before.title, 200), title=safe(named, 200))))

    @app_commands.command(description=locale_str("Delete one of your threads and everything in it; asks first"))
    @app_commands.describe(thread=_WHICH)
    async def delete(self, interaction: Interaction, thread: Name) -> None:
        await promise(interaction)
        view = await self._threads.deletable(origin_of(interaction), thread)

        async def confirmed(confirming: Interaction) -> None:
            deleted = await self._threads.delete(origin_of(confirming), str(view.thread.id))
            said = notice(DELETED(title=safe(deleted.title, 160)))
            await confirming.edit_original_response(view=said)

        question = Confirmation(
            deletion_text(view),
            label=str(DELETE_THREAD.label),
            confirmed=confirmed,
            doing="button.delete_thread.confirmed",
            keep=KEEP_THREAD.to(1, view.thread.id),
        )
        await question.ask(interaction)

    @use.autocomplete("thread")
    @show.autocomplete("thread")
    @rename.autocomplete("thread")
    @delete.autocomplete("thread")
    @calmly
    async def threads(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return await self._suggestions.threads(interaction, current)

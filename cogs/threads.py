"""/thread: one's lines of work, each with what was made in it and what that cost."""

from __future__ import annotations

from typing import TypeAlias

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.domain.options import NAME_AT_MOST
from bot.people.threads import TITLE_AT_MOST
from bot.ui.autocomplete import calmly, thread_choices
from bot.ui.cards.layout import notice
from bot.ui.cards.threads import delete_question, gallery_card, threads_card
from bot.ui.cards.wording import safe
from bot.ui.client import Easel
from bot.ui.first_answer import promise
from bot.ui.interactions import origin_of
from bot.ui.pages import answer_later, fill
from bot.ui.replies import tell

Interaction: TypeAlias = discord.Interaction[Easel]
Name: TypeAlias = Range[str, 1, NAME_AT_MOST]


class Threads(commands.GroupCog, group_name="thread", group_description="Your lines of work"):
    """Keeps what one makes together. Every answer is private."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(description="Begin a new thread: what you make from now on belongs to it")
    @app_commands.describe(title="What to call it; your next prompt names it if left out")
    async def new(self, interaction: Interaction, title: Range[str, 1, TITLE_AT_MOST] | None = None) -> None:
        await promise(interaction)
        named = await self.client.threads.open(origin_of(interaction), title)
        if named is None:
            said = "The next image you ask for here begins a new thread, named after its prompt."
        else:
            said = f"This is your current thread now: **{safe(named, 200)}**. What you make here belongs to it."
        await tell(interaction, notice(said))

    @app_commands.command(name="list", description="Your threads here, with the jobs in each and what they cost")
    async def every(self, interaction: Interaction) -> None:
        await answer_later(interaction)
        await fill(interaction, threads_card(await self.client.threads.list(origin_of(interaction))))

    @app_commands.command(description="Go on with one of your threads: what you make from now on belongs to it")
    @app_commands.describe(thread="Which of your threads")
    async def use(self, interaction: Interaction, thread: Name) -> None:
        await promise(interaction)
        used = await self.client.threads.use(origin_of(interaction), thread)
        said = f"This is your current thread now: **{safe(used.title, 200)}**. What you make here belongs to it."
        await tell(interaction, notice(said))

    @app_commands.command(description="The images of one of your threads")
    @app_commands.describe(thread="Which of your threads; your current one if left out")
    async def show(self, interaction: Interaction, thread: Name | None = None) -> None:
        await answer_later(interaction)
        await fill(interaction, gallery_card(await self.client.threads.show(origin_of(interaction), thread)))

    @app_commands.command(description="Give one of your threads another title")
    @app_commands.describe(title="What to call it", thread="Which of your threads; your current one if left out")
    async def rename(
        self, interaction: Interaction, title: Range[str, 1, TITLE_AT_MOST], thread: Name | None = None
    ) -> None:
        await promise(interaction)
        before, named = await self.client.threads.rename(origin_of(interaction), thread, title)
        await tell(interaction, notice(f"{safe(before.title, 200)} is called **{safe(named, 200)}** now."))

    @app_commands.command(description="Delete one of your threads with what was made in it; asks first")
    @app_commands.describe(thread="Which of your threads")
    async def delete(self, interaction: Interaction, thread: Name) -> None:
        await promise(interaction)
        view = await self.client.threads.deletable(origin_of(interaction), thread)
        await tell(interaction, delete_question(view))

    @use.autocomplete("thread")
    @show.autocomplete("thread")
    @rename.autocomplete("thread")
    @delete.autocomplete("thread")
    @calmly
    async def threads(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return await thread_choices(interaction, current)


async def setup(client: Easel) -> None:
    await client.add_cog(Threads(client))

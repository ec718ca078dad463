"""/quota: how much a server's people may spend, set by those who manage it."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypeAlias

import discord
from discord import app_commands
from discord.app_commands import Range
from discord.ext import commands

from bot.domain.options import IMAGES_PER_JOB
from bot.domain.periods import Period
from bot.errors import UserError
from bot.servers.settings import require_manager
from bot.text import credits_text
from bot.ui.cards.admin_log import announce
from bot.ui.cards.quotas import limits_text, member_card, quotas_card, subject_text
from bot.ui.cards.usage import person
from bot.ui.client import Easel
from bot.ui.first_answer import promise
from bot.ui.interactions import origin_of, role_ids
from bot.ui.replies import tell
from storage.quotas import Subject

Interaction: TypeAlias = discord.Interaction[Easel]

MOST = 1_000_000_000
FOR = "Whom it is for: all people together, or each one who has no limit of their own"
Whom = Literal["the server as a whole", "everybody"]
_WHOM = {"the server as a whole": Subject.SERVER, "everybody": Subject.DEFAULT}


@app_commands.guild_only()
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_guild=True)
class QuotaCog(commands.GroupCog, group_name="quota", group_description="Limits in this server (Manage Server)"):
    """Limits. Who may set them is checked in ``servers``: a server's owner can show the commands to anybody."""

    def __init__(self, client: Easel) -> None:
        self.client = client

    @app_commands.command(name="set", description="Set a limit: of credits a period, images a job, or unfinished jobs")
    @app_commands.rename(whom="for")
    @app_commands.describe(
        whom=FOR,
        role="Or for each person with this role",
        user="Or for this person alone",
        credits="How many credits a period",
        images="How many images one job may have",
        jobs="How many unfinished jobs a person may have at once",
        period="How often the credits renew, for all limits of this server",
    )
    async def change(
        self,
        interaction: Interaction,
        whom: Whom | None = None,
        role: discord.Role | None = None,
        user: discord.Member | discord.User | None = None,
        credits: Range[float, 0, MOST] | None = None,  # noqa: A002 - the name that people type
        images: Range[int, 1, IMAGES_PER_JOB] | None = None,
        jobs: Range[int, 1, 1000] | None = None,
        period: Literal["day", "week", "month"] | None = None,
    ) -> None:
        origin = origin_of(interaction)
        server_id = require_manager(origin)
        wanted = {"credits": None if credits is None else millicredits(credits), "images": images, "jobs": jobs}
        limits = {name: value for name, value in wanted.items() if value is not None}
        subject, subject_id = self._subject(server_id, whom, role, user, or_else=Subject.DEFAULT)
        if not limits and period is None:
            raise UserError("Say which limit: credits, images or jobs; or the period.")
        if not limits and (whom or role or user):
            raise UserError("The period is the same for all limits of this server. Say credits, images or jobs, too.")
        servers = self.client.servers
        said = []
        await promise(interaction)
        if period is not None:
            await servers.set_rules(origin, {"period": Period(period)}, by="quota set")
            said.append(f"Limits of this server renew every {period}, by the calendar of UTC.")
        if limits:
            quota = await servers.set_quota(origin, subject, subject_id, **limits)
            said.append(f"{subject_text(quota)}: {limits_text(quota, servers.rules(server_id).period)}.")
        await announce(interaction, *said)

    @app_commands.command(description="Give a person extra credits that do not lapse, or take some back")
    @app_commands.describe(
        user="Who gets them",
        credits="How many; below 0 takes back what is left of them",
        note="Why: it stands in the ledger and in /server log",
    )
    async def grant(
        self,
        interaction: Interaction,
        user: discord.Member | discord.User,
        credits: Range[float, -MOST, MOST],  # noqa: A002 - the name that people type
        note: Range[str, 1, 200] | None = None,
    ) -> None:
        origin = origin_of(interaction)
        require_manager(origin)
        amount = millicredits(credits)
        await promise(interaction)
        balance = await self.client.servers.grant(origin, user.id, amount, note)
        what = f"{credits_text(amount)} granted to" if amount > 0 else f"{credits_text(-amount)} taken back from"
        await announce(interaction, f"{what} {person(user.id)}. Extra credits left: {credits_text(balance.left)}.")

    @app_commands.command(description="Forget a limit")
    @app_commands.rename(whom="for")
    @app_commands.describe(whom=FOR, role="Or for each person with this role", user="Or for this person alone")
    async def clear(
        self,
        interaction: Interaction,
        whom: Whom | None = None,
        role: discord.Role | None = None,
        user: discord.Member | discord.User | None = None,
    ) -> None:
        origin = origin_of(interaction)
        server_id = require_manager(origin)
        subject, subject_id = self._subject(server_id, whom, role, user, or_else=None)
        await promise(interaction)
        before = await self.client.servers.clear_quota(origin, subject, subject_id)
        period = self.client.servers.rules(server_id).period
        await announce(interaction, f"{subject_text(before)}: no limit any more. It was {limits_text(before, period)}.")

    @app_commands.command(description="The limits of this server, or how one person stands")
    @app_commands.describe(user="Whose limits")
    async def show(self, interaction: Interaction, user: discord.Member | discord.User | None = None) -> None:
        origin = origin_of(interaction)
        server_id = require_manager(origin)
        client = self.client
        if user is None:
            period = client.servers.rules(server_id).period
            card = quotas_card(client.servers.quotas(server_id), period, client.servers.operator)
        else:
            await promise(interaction)
            card = member_card(user.id, await client.servers.member_limits(origin, user.id, role_ids(user)))
        await tell(interaction, card)

    def _subject(
        self,
        server_id: int,
        whom: Whom | None,
        role: discord.Role | None,
        user: discord.Member | discord.User | None,
        *,
        or_else: Subject | None,
    ) -> tuple[Subject, int]:
        """Whom a limit is for. Raises UserError where that is not said once, or not with something of this server."""
        if sum(each is not None for each in (whom, role, user)) > 1:
            raise UserError("Say one of for, role and user, not several.")
        if role is not None:
            if role.guild.id != server_id:
                raise UserError("That role is none of this server's.")
            return Subject.ROLE, role.id
        if user is not None:
            return Subject.USER, user.id
        if whom is None and or_else is None:
            raise UserError("Say which limit: for, role or user.")
        return (_WHOM[whom] if whom is not None else or_else or Subject.DEFAULT), 0


def millicredits(typed: float) -> int:
    """An amount that was typed as credits, to the thousandth that is written."""
    return int(round(Decimal(str(typed)), 3) * 1000)


async def setup(client: Easel) -> None:
    await client.add_cog(QuotaCog(client))

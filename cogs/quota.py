"""/quota: limits on what a server's members may spend, set by its managers."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.domain.money import millicredits
from bot.domain.options import IMAGES_PER_JOB
from bot.domain.periods import Period
from bot.errors import UserError
from bot.servers.settings import (
    CREDITS_AT_MOST,
    FREE_IMAGES_AT_MOST,
    JOBS_AT_MOST,
    NOTE_AT_MOST,
    Servers,
    require_manager,
)
from bot.ui.admin import (
    GRANTED,
    LIMIT_REMOVED,
    LIMIT_SET,
    MEMBER_PERIOD_SET,
    NO_LIMIT_NAMED,
    ONLY_ONE,
    PERIOD_ALONE,
    PERIOD_SET,
    ROLE_ELSEWHERE,
    SERVER_PERIOD_SET,
    TAKEN_BACK,
    announce,
)
from bot.ui.cards.layout import Words
from bot.ui.cards.server import PERIODS, limits_text, member_card, period_of, quotas_card, subject_text
from bot.ui.cards.usage import person
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of, promise, role_ids, tell
from storage.settings import Subject

MOST = CREDITS_AT_MOST // 1000
FOR = locale_str("All members together, or (default) each member without a limit of their own")
ROLE = locale_str("Or each member with this role")
USER = locale_str("Or this member")
WHOM = [
    Choice(name=locale_str("the whole server"), value=Subject.SERVER.value),
    Choice(name=locale_str("each member"), value=Subject.DEFAULT.value),
]
EVERY = [
    Choice(name=locale_str("day"), value=Period.DAY.value),
    Choice(name=locale_str("week"), value=Period.WEEK.value),
    Choice(name=locale_str("month"), value=Period.MONTH.value),
]


@app_commands.guild_only()
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_guild=True)
class QuotaCog(
    commands.GroupCog, group_name="quota", group_description=locale_str("Limits in this server (Manage Server)")
):
    """Limits. ``Servers`` checks who may set them, because server admins can show the commands to everybody."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    @app_commands.command(
        name="set", description=locale_str("Limit credits, free images, images a job, or unfinished jobs")
    )
    @app_commands.rename(whom="for")
    @app_commands.choices(whom=WHOM, period=EVERY)
    @app_commands.describe(
        whom=FOR,
        role=ROLE,
        user=USER,
        credits=locale_str("Credits a period"),
        images=locale_str("Images in one job"),
        jobs=locale_str("Unfinished jobs at a time"),
        free_images=locale_str("Images a period with engines that cost nothing"),
        period=locale_str("How often credits and free images reset; with for, only those limits"),
    )
    async def change(
        self,
        interaction: Interaction,
        whom: str | None = None,
        role: discord.Role | None = None,
        user: discord.Member | discord.User | None = None,
        credits: Range[float, 0, MOST] | None = None,  # noqa: A002 - the name that people type
        images: Range[int, 1, IMAGES_PER_JOB] | None = None,
        jobs: Range[int, 1, JOBS_AT_MOST] | None = None,
        free_images: Range[int, 0, FREE_IMAGES_AT_MOST] | None = None,
        period: str | None = None,
    ) -> None:
        origin = origin_of(interaction)
        server_id = require_manager(origin)
        limited = any(limit is not None for limit in (credits, images, jobs, free_images))
        subject, subject_id = self._subject(server_id, whom, role, user)
        if not limited and period is None:
            raise UserError(NO_LIMIT_NAMED)
        if not limited and (role or user):
            raise UserError(PERIOD_ALONE)
        servers = self._servers
        said: list[Words] = []
        await promise(interaction)
        if period is not None:
            chosen, named = Period(period), whom or role or user
            changes: dict[str, Period | None] = {"period": chosen, "server_period": None}
            if subject is Subject.SERVER:
                changes = {"server_period": chosen}
            elif named:
                changes["server_period"] = servers.rules(server_id).period_of_server
            await servers.set_rules(origin, changes, by="quota set")
            done = SERVER_PERIOD_SET if subject is Subject.SERVER else MEMBER_PERIOD_SET if named else PERIOD_SET
            said.append(done(period=PERIODS[chosen]))
        if limited:
            amount = None if credits is None else millicredits(credits)
            quota = await servers.set_quota(
                origin, subject, subject_id, credits=amount, images=images, jobs=jobs, free_images=free_images
            )
            limits = limits_text(quota, period_of(quota, servers.rules(server_id)))
            said.append(LIMIT_SET(who=subject_text(quota), limits=limits))
        await self._announce(interaction, *said)

    @app_commands.command(description=locale_str("Grant a member extra credits, or take some back"))
    @app_commands.describe(
        user=locale_str("The member"),
        credits=locale_str("How many; a negative number takes some back"),
        note=locale_str("The reason, for the ledger and /server log"),
    )
    async def grant(
        self,
        interaction: Interaction,
        user: discord.Member | discord.User,
        credits: Range[float, -MOST, MOST],  # noqa: A002 - the name that people type
        note: Range[str, 1, NOTE_AT_MOST] | None = None,
    ) -> None:
        origin = origin_of(interaction)
        require_manager(origin)
        amount = millicredits(credits)
        await promise(interaction)
        balance = await self._servers.grant(origin, user.id, amount, note)
        done = GRANTED if amount > 0 else TAKEN_BACK
        await self._announce(interaction, done(amount=abs(amount), person=person(user.id), left=balance.left))

    @app_commands.command(description=locale_str("Remove a limit"))
    @app_commands.rename(whom="for")
    @app_commands.choices(whom=WHOM)
    @app_commands.describe(whom=FOR, role=ROLE, user=USER)
    async def clear(
        self,
        interaction: Interaction,
        whom: str | None = None,
        role: discord.Role | None = None,
        user: discord.Member | discord.User | None = None,
    ) -> None:
        origin = origin_of(interaction)
        server_id = require_manager(origin)
        subject, subject_id = self._subject(server_id, whom, role, user)
        await promise(interaction)
        before = await self._servers.clear_quota(origin, subject, subject_id)
        limits = limits_text(before, period_of(before, self._servers.rules(server_id)))
        await self._announce(interaction, LIMIT_REMOVED(who=subject_text(before), limits=limits))

    @app_commands.command(description=locale_str("Show the limits of this server or of one member"))
    @app_commands.describe(user=locale_str("The member"))
    async def show(self, interaction: Interaction, user: discord.Member | discord.User | None = None) -> None:
        origin = origin_of(interaction)
        server_id = require_manager(origin)
        if user is None:
            rules = self._servers.rules(server_id)
            card = quotas_card(self._servers.quotas(server_id), rules, self._servers.operator)
        else:
            await promise(interaction)
            card = member_card(user.id, await self._servers.member_limits(origin, user.id, role_ids(user)))
        await tell(interaction, card)

    async def _announce(self, interaction: Interaction, *said: Words) -> None:
        await announce(interaction, *said, log_channel=self._servers.rules(interaction.guild_id).log_channel)

    def _subject(
        self,
        server_id: int,
        whom: str | None,
        role: discord.Role | None,
        user: discord.Member | discord.User | None,
    ) -> tuple[Subject, int]:
        """The subject of a limit; everyone if the options name none.

        Raises UserError if they name several, or a role of another server.
        """
        if sum(each is not None for each in (whom, role, user)) > 1:
            raise UserError(ONLY_ONE)
        if role is not None:
            if role.guild.id != server_id:
                raise UserError(ROLE_ELSEWHERE)
            return Subject.ROLE, role.id
        if user is not None:
            return Subject.USER, user.id
        return (Subject.DEFAULT if whom is None else Subject(whom)), 0

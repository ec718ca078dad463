"""Assembles the bot: creates its parts in the order of their dependencies, and passes each part what it needs.

This is the only module that knows all parts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import discord
import yarl
from discord.ext.commands import Cog
from discord.http import Route

import cogs.buttons
import cogs.compare
import cogs.credits
import cogs.edit
import cogs.engines
import cogs.help
import cogs.history
import cogs.imagine
import cogs.message_commands
import cogs.privacy
import cogs.quota
import cogs.server
import cogs.settings
import cogs.setup
import cogs.threads
import cogs.usage
from bot.clock import Clock, ReferenceClock, SystemClock
from bot.config import BACKUPS, Settings
from bot.domain.periods import milliseconds
from bot.errors import SettingsError
from bot.jobs.engine_refresh import EngineRefresh
from bot.jobs.image_files import Previews
from bot.jobs.limits import Limits
from bot.jobs.lineage import Lineage
from bot.jobs.new_jobs import NewJobs
from bot.jobs.notifications import Notifications
from bot.jobs.panel_pictures import GRIDS_AT_MOST, PanelPictures
from bot.jobs.picture_tools import PictureTools
from bot.jobs.recent_pictures import RecentPictures
from bot.jobs.refusals import Refusals
from bot.jobs.results import Results
from bot.jobs.service import JobService
from bot.jobs.sources import Sources
from bot.jobs.store import JobStore
from bot.jobs.worker import Worker
from bot.people.privacy import Privacy
from bot.people.threads import Threads
from bot.people.user_settings import UserSettingsStore
from bot.pictures.grids import grid_base
from bot.provider_settings import configured
from bot.providers.answers import http_date
from bot.providers.base import FREE, Provider
from bot.providers.operations import Operation
from bot.retention import Ages, run_retention
from bot.servers.access import AccessCheck
from bot.servers.reports import Reports
from bot.servers.settings import Servers
from bot.servers.welcomes import Welcomes
from bot.text import ENGLISH, languages, message
from bot.ui.admin import ReportPages
from bot.ui.autocomplete import Suggestions
from bot.ui.buttons import JobButtons
from bot.ui.charts import Charts
from bot.ui.client import Easel
from bot.ui.commands import Translator, Tree
from bot.ui.delivery.messages import tries_of_requests
from bot.ui.delivery.notifier import DeliveryWatch, Notifier
from bot.ui.delivery.progress import JobCards
from bot.ui.delivery.sharing import Sharing
from bot.ui.delivery.undelivered import UndeliveredResults
from bot.ui.forms import EditForms
from bot.ui.help_pages import HelpPages
from bot.ui.interactions import place_of
from bot.ui.job_starter import AckFirst, JobStarter
from bot.ui.list_buttons import ListPages
from bot.ui.message_pictures import MessagePictures
from bot.ui.part_picker import PartPicker
from bot.ui.picked_pictures import PickedPictures
from bot.ui.picture_panel import PicturePanel
from bot.ui.picture_starter import PictureStarter
from bot.ui.pictures import Attachments
from bot.ui.refused_commands import RefusedButtons, RefusedCommands
from bot.ui.settings_panel import SettingsPanel
from bot.ui.setup_check import SetupCheck
from bot.ui.setup_panel import SetupPanel
from bot.ui.sync import CommandSync
from bot.ui.welcome import StartProblems, Welcomer
from storage.database import Database, InstanceLock, migrate
from storage.images import ImageFiles
from storage.pools import Pools

GRACE_SECONDS = 190.0
"""How long a shutdown waits for paid requests in flight: longer than the slowest services take for an image."""

NO_PROVIDER = message(
    "app.no_provider",
    "No image service is set up. Set AI_CLIENT_TOKEN, AITHRIVING_KEY or OPENAI_KEY, or for free images AI_HORDE=1, or "
    "A1111_URL or COMFYUI_URL to the address of your own server. DEMO_PROVIDER=1 paints images instead.",
)


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts of one running bot."""

    settings: Settings
    clock: Clock
    reference: ReferenceClock
    providers: dict[str, Provider]
    database: Database
    files: ImageFiles
    previews: Previews
    jobs: JobStore
    sources: Sources
    worker: Worker
    new_jobs: NewJobs
    service: JobService
    results: Results
    personal: UserSettingsStore
    threads: Threads
    privacy: Privacy
    servers: Servers
    reports: Reports
    charts: Charts
    notifier: Notifier
    cards: JobCards
    watch: DeliveryWatch
    client: Easel
    commands: CommandSync

    @asynccontextmanager
    async def working(self, grace: float = GRACE_SECONDS) -> AsyncIterator[None]:
        """Resume unfinished jobs and start the worker; at the end, wait at most ``grace`` seconds for paid requests."""
        ages = _ages(self.settings)
        retention = run_retention(self.database, self.files, self.previews, self.clock, ages, self.reference)
        beside = [
            asyncio.create_task(self.cards.run(), name="delivery"),
            asyncio.create_task(self.service.proposals.run(self.cards.changed), name="proposals"),
            asyncio.create_task(self.commands.run(), name="commands"),
            asyncio.create_task(retention, name="retention"),
        ]
        try:
            engines = EngineRefresh(self.jobs, self.clock)
            await engines.start()
            beside.append(asyncio.create_task(engines.run(), name="engines"))
            late = await self.notifier.take_up()
            beside.append(asyncio.create_task(self.cards.notify_all(late), name="notifications"))
            await self.worker.start(changed=self.cards.changed, deliver=self.watch.deliver)
            yield
        finally:
            await self.worker.stop(grace)
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


@asynccontextmanager
async def assembled(settings: Settings, *, clock: Clock | None = None, alone: bool = True) -> AsyncIterator[Runtime]:
    """Open everything and assemble the parts, without any request to Discord or a provider; close them at the end.

    ``alone`` False opens the data while another bot runs. That bot keeps the lock, and only it migrates the database.
    Raises SettingsError if the settings are not enough for a bot, and StorageError if the data cannot be used.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        providers = configured(settings)
        for provider in providers.values():
            stack.push_async_callback(provider.close)
        if not providers:
            raise SettingsError(NO_PROVIDER)
        pools = Pools()
        stack.push_async_callback(pools.close)
        files = ImageFiles(settings.data_dir / "images", pools)
        if alone:
            await stack.enter_async_context(InstanceLock(settings.database_url, settings.data_dir))
            await migrate(settings.database_url, settings.data_dir / BACKUPS)
            await files.prepare()
        database = await Database.open(settings.database_url)
        stack.push_async_callback(database.close)
        limits = Limits(
            user_daily=settings.user_daily_credits,
            server_monthly=settings.server_monthly_credits,
            bot_daily=settings.bot_daily_credits,
            jobs_per_user=settings.jobs_per_user,
            free_images=settings.free_images_per_user if any(map(_has_free_engines, providers.values())) else None,
        )
        reference = ReferenceClock(clock)
        client = _client(settings, reference)
        if languages() != (ENGLISH,):
            await client.tree.set_translator(Translator())
        commands = CommandSync(client.tree, database, settings.command_guilds, clock)

        # What the bot does, in the order in which the parts need each other.
        jobs = JobStore(database, providers, clock, kept_days=_ages(settings).undelivered_days)
        sources = Sources(jobs, files, clock)
        worker = Worker(jobs=jobs, files=files, sources=sources, clock=clock)
        from_words = partial(jobs.engines_doing, Operation.TEXT_TO_IMAGE)

        def default_engine() -> str:
            return settings.default_engine or next(iter(from_words()), "")

        personal = UserSettingsStore(database, from_words, default_engine, clock)
        await personal.load()
        servers = Servers(database, limits, clock, place=partial(place_of, client))
        await servers.load()
        new_jobs = NewJobs(jobs, limits, clock)
        service = JobService(
            store=jobs,
            sources=sources,
            new_jobs=new_jobs,
            worker=worker,
            clock=clock,
            servers=servers,
            defaults=lambda origin: servers.layers(
                origin, personal.of(origin.user_id), list(from_words()), default_engine()
            ),
            ask_above=lambda user_id: personal.of(user_id).ask_above,
            default_engine=default_engine,
        )
        charts = Charts(settings.data_dir / "cache" / "charts")
        stack.push_async_callback(charts.close)
        notifier = Notifier(Notifications(database, clock), view=service.view, settings_of=personal.of)
        cards = JobCards(
            jobs=jobs,
            files=files,
            clock=clock,
            view=service.view,
            settings_of=personal.of,
            notifier=notifier,
            preview=worker.preview if settings.live_previews else lambda _: None,
        )
        previews = Previews(database, files)
        runtime = Runtime(
            settings=settings,
            clock=clock,
            reference=reference,
            providers=providers,
            database=database,
            files=files,
            previews=previews,
            jobs=jobs,
            sources=sources,
            worker=worker,
            new_jobs=new_jobs,
            service=service,
            results=Results(store=jobs, service=service, servers=servers, files=files, previews=previews),
            personal=personal,
            threads=Threads(database=database, files=files, previews=previews, providers=providers, clock=clock),
            privacy=Privacy(database, files, personal, clock),
            servers=servers,
            reports=Reports(database=database, service=service, worker=worker, servers=servers, clock=clock),
            charts=charts,
            notifier=notifier,
            cards=cards,
            watch=DeliveryWatch(cards.deliver),
            client=client,
            commands=commands,
        )
        client.install(_cogs(runtime), partial(_attached, cards, client), commands.ensure)
        client.add_listener(commands.on_guild_join)
        welcomes = Welcomes(database, clock, allowed=settings.allowed_guilds, commands=settings.command_guilds)
        problems = _start_problems(runtime)
        welcomer = Welcomer(client, welcomes, problems=problems, service=service, mention=commands.mention)
        client.add_listener(welcomer.on_guild_join)
        client.add_listener(welcomer.on_ready)
        yield runtime


def _has_free_engines(provider: Provider) -> bool:
    """Whether it may have engines that cost nothing."""
    return not provider.charges or any(engine.price == FREE for engine in provider.engines)


def _client(settings: Settings, reference: ReferenceClock) -> Easel:
    # The library would warn that voice is unavailable. This bot does not use voice.
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    trace = tries_of_requests()
    trace.on_request_end.append(_records_dates(reference))
    return Easel(tree_cls=Tree, allowed_guilds=settings.allowed_guilds, http_trace=trace, proxy=settings.discord_proxy)


def _start_problems(parts: Runtime) -> StartProblems:
    only_demo = parts.settings.demo_provider and all(each.charges for each in parts.providers.values())
    return StartProblems(parts.servers, parts.service, demo=only_demo)


async def _attached(cards: JobCards, client: Easel) -> None:
    cards.attach(client)


def _cogs(parts: Runtime) -> list[Cog]:
    """The commands and buttons, each with the parts that it uses."""
    service, results, clock = parts.service, parts.results, parts.clock
    cards, settings_of = parts.cards, parts.personal.of
    ack_first = AckFirst()
    suggestions = Suggestions(service, parts.threads, RecentPictures(parts.jobs, parts.sources, clock))
    refused = RefusedCommands(service.engines_doing, clock)
    starter = JobStarter(
        service=service,
        refusals=Refusals(checks=service, new_jobs=parts.new_jobs, providers=parts.providers),
        remember=refused.card,
        cards=cards,
        ack_first=ack_first,
        clock=clock,
    )
    attachments = Attachments(parts.sources, parts.files.pools.files)
    forms = EditForms(service=service, starter=starter)
    pools = parts.files.pools
    tools = PictureTools(service=service, store=parts.jobs, sources=parts.sources, files=parts.files)
    picture_starter = PictureStarter(tools=tools, sources=parts.sources, starter=starter)
    bases = PanelPictures(pools, grid_base, most=GRIDS_AT_MOST)
    part_picker = PartPicker(tools=tools, starter=picture_starter, bases=bases, pools=pools)
    small = PanelPictures(pools)
    panel = PicturePanel(
        tools=tools,
        starter=picture_starter,
        pictures=small,
        pools=pools,
        mention=parts.commands.mention,
        part_picker=part_picker,
    )
    picked = PickedPictures(attachments, tools, parts.sources)
    message_pictures = MessagePictures(
        view=service.view,
        require_allowed=service.require_picture_allowed,
        attachments=attachments,
        tools=tools,
        small=small,
        panel=panel,
    )
    buttons = JobButtons(
        service=service,
        results=results,
        lineage=Lineage(store=parts.jobs, previews=parts.previews, pools=parts.files.pools),
        cards=cards,
        starter=starter,
        ack_first=ack_first,
        forms=forms,
        sharing=Sharing(
            files=parts.files,
            store=parts.jobs,
            results=results,
            cards=cards,
            settings_of=settings_of,
            defer=partial(ack_first.defer, private=False),
        ),
        undelivered=UndeliveredResults(
            store=parts.jobs, results=results, files=parts.files, view=service.view, settings_of=settings_of
        ),
        panel=panel,
        clock=clock,
    )
    usage = ReportPages(
        reports=parts.reports,
        servers=parts.servers,
        engines=service.all_engines.values(),
        charts=parts.charts,
        cards=cards,
    )
    settings_panel = SettingsPanel(parts.personal, service)
    help_pages = HelpPages(service, starter, parts.commands.mention)
    pages = ListPages(service=service, results=results, threads=parts.threads, usage=usage, settings=settings_panel)
    access, problems = AccessCheck(service, parts.new_jobs, parts.servers), _start_problems(parts)
    setup_panel = SetupPanel(parts.servers, service, problems)
    setup_check = SetupCheck(service=service, starter=starter, access=access, problems=problems, watch=parts.watch)
    return [
        cogs.imagine.Imagine(service, starter, suggestions, attachments),
        cogs.compare.Compare(service, starter, suggestions, picked),
        cogs.edit.Edit(
            service=service,
            starter=starter,
            suggestions=suggestions,
            pictures=picked,
            tools=tools,
            part_picker=part_picker,
        ),
        cogs.message_commands.MessageCommands(parts.client, results, buttons, forms, message_pictures),
        cogs.threads.Threads(parts.threads, suggestions),
        cogs.history.History(service, parts.threads, pages, suggestions),
        cogs.credits.Credits(parts.reports, service, parts.charts),
        cogs.settings.Settings(parts.personal, settings_panel, suggestions),
        cogs.privacy.Privacy(parts.privacy),
        cogs.usage.Usage(parts.reports, usage),
        cogs.quota.QuotaCog(parts.servers),
        cogs.server.Server(parts.servers, service, suggestions, access),
        cogs.setup.Setup(setup_panel),
        cogs.engines.Engines(service),
        cogs.help.Help(help_pages),
        cogs.buttons.Buttons(
            parts.client,
            buttons,
            pages,
            RefusedButtons(service=service, starter=starter, commands=refused),
            panel,
            part_picker,
            menus={"help": help_pages.chosen, "setting": settings_panel.chosen},
            actions={"example": help_pages.example, "addedtext": settings_panel.open_text},
            of_servers={**setup_panel.handlers, "try": setup_check.try_it, "test": setup_check.start},
        ),
    ]


def _records_dates(reference: ReferenceClock) -> Callable[[Any, Any, aiohttp.TraceRequestEndParams], Awaitable[None]]:
    """Return a trace callback that records the time of each of Discord's responses in the reference clock."""

    async def answered(_session: object, _context: object, end: aiohttp.TraceRequestEndParams) -> None:
        at = http_date(end.response.headers.get("Date"))
        if at is not None and end.url.host == yarl.URL(Route.BASE).host:
            reference.record(milliseconds(at))

    return answered


def _ages(settings: Settings) -> Ages:
    return Ages(image_days=settings.image_days, job_days=settings.job_days, preview_days=settings.preview_days)

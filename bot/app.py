"""Puts the parts of the bot together in the order in which they need each other, runs them, and stops them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.clock import Clock, SystemClock, Witness
from bot.config import BACKUPS, DISCORD_API, Settings
from bot.errors import SettingsError, UserError
from bot.gc_tuning import settle
from bot.health import beating
from bot.jobs.image_files import Previews
from bot.jobs.limits import Limits
from bot.jobs.new_jobs import NewJobs
from bot.jobs.provider_text import wrong_setting_text
from bot.jobs.results import Results
from bot.jobs.service import JobService
from bot.jobs.store import JobStore
from bot.jobs.worker import Worker
from bot.people.privacy import Privacy
from bot.people.threads import Threads
from bot.people.user_settings import UserSettingsStore
from bot.providers.base import Provider, WrongSetting
from bot.providers.registry import configure
from bot.retention import Ages, keep_tidy
from bot.servers.reports import Reports
from bot.servers.settings import Servers
from bot.ui.charts import Charts
from bot.ui.client import Easel
from bot.ui.delivery.progress import JobCards
from bot.ui.delivery.sharing import Sharing
from bot.unreachable import unreachable
from storage.database import Database, InstanceLock, migrate
from storage.images import ImageFiles
from storage.pools import Pools

T = TypeVar("T")

log = structlog.get_logger(__name__)

GRACE_SECONDS = 130.0
"""How long a stop waits for paid requests that are under way: longer than a provider's own time-out."""

NOT_KNOWN = "DISCORD_TOKEN is not one that Discord knows: copy it once more."
_INTENTS = (
    "Discord refuses the intents that the bot asks for: Easel needs none that are privileged. Update the program."
)
_LEFT_BY_DISCORD = {4004: NOT_KNOWN, 4013: _INTENTS, 4014: _INTENTS}
"""What the codes mean with which the gateway ends the connection, where it is about the settings."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts of one running bot that others have to reach."""

    settings: Settings
    clock: Clock
    providers: dict[str, Provider]
    database: Database
    files: ImageFiles
    previews: Previews
    jobs: JobStore
    worker: Worker
    actions: JobService
    delivery: JobCards
    client: Easel
    witness: Witness

    @asynccontextmanager
    async def working(self, grace: float = GRACE_SECONDS) -> AsyncIterator[None]:
        """Take up what is unfinished and work; at the end wait ``grace`` seconds at most for what was paid for."""
        ages = _ages(self.settings)
        tidying = keep_tidy(self.database, self.files, self.previews, self.clock, ages, self.witness)
        beside = [
            asyncio.create_task(self.delivery.run(), name="delivery"),
            asyncio.create_task(self.actions.run(), name="proposals"),
            asyncio.create_task(self.client.commands_in_step.run(), name="commands"),
            asyncio.create_task(tidying, name="tidy"),
        ]
        try:
            await self.worker.start()
            yield
        finally:
            await self.worker.stop(grace)
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


@asynccontextmanager
async def assembled(settings: Settings, *, clock: Clock | None = None, alone: bool = True) -> AsyncIterator[Runtime]:
    """Open everything and put it together; nothing is asked of anybody yet. Closes it all at the end.

    ``alone`` False opens the data beside a bot that runs, which keeps the lock and the right to bring it up to date.
    Raises SettingsError where the settings do not make a bot, and StorageError where the data cannot be used.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        providers = configured(settings)
        for provider in providers.values():
            stack.push_async_callback(provider.close)
        if not providers:
            raise SettingsError(
                "No image service is set up: set AI_CLIENT_TOKEN or AITHRIVING_KEY, "
                "or DEMO_PROVIDER=1 for painted pictures."
            )
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
        )
        previews = Previews(database, files)
        jobs = JobStore(database, providers, clock, kept_days=_ages(settings).undelivered_days)
        delivery = JobCards(jobs=jobs, files=files, clock=clock)
        worker = Worker(jobs=jobs, files=files, clock=clock, changed=delivery.changed, deliver=delivery.deliver)
        usual = settings.default_engine or next(iter(jobs.engines))
        personal = UserSettingsStore(database, jobs.engines, usual, clock)
        await personal.load()
        servers = Servers(database, limits, clock)
        await servers.load()
        service = JobService(
            store=jobs,
            new_jobs=NewJobs(jobs, limits, clock),
            worker=worker,
            clock=clock,
            servers=servers,
            defaults=lambda origin: servers.layers(origin, personal.of(origin.user_id), list(jobs.engines), usual),
            ask_above=lambda user_id: personal.of(user_id).ask_above,
            default_engine=usual,
            changed=delivery.changed,
        )
        results = Results(store=jobs, service=service, servers=servers, files=files, previews=previews)
        witness = Witness(clock)
        charts = Charts(settings.data_dir / "cache" / "charts")
        stack.push_async_callback(charts.close)
        # The library would warn that it cannot speak, which nobody asks of a bot that paints.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        client = Easel(
            actions=service,
            delivery=delivery,
            personal=personal,
            threads=Threads(database=database, files=files, previews=previews, providers=providers, clock=clock),
            history=results,
            privacy=Privacy(database, files, personal, clock),
            charts=charts,
            servers=servers,
            reports=Reports(database=database, service=service, worker=worker, servers=servers, clock=clock),
            lineage=results,
            proposals=service,
            sharing=Sharing(files, jobs),
            database=database,
            witness=witness,
            allowed_guilds=settings.allowed_guilds,
            command_guilds=settings.command_guilds,
            clock=clock,
            proxy=settings.discord_proxy,
        )
        yield Runtime(
            settings, clock, providers, database, files, previews, jobs, worker, service, delivery, client, witness
        )


def _ages(settings: Settings) -> Ages:
    return Ages(image_days=settings.image_days, job_days=settings.job_days, preview_days=settings.preview_days)


def configured(settings: Settings) -> dict[str, Provider]:
    """The providers that have a key, marked where they only paint. Raises SettingsError."""
    try:
        providers = configure(settings.reader)
    except WrongSetting as error:
        raise SettingsError(wrong_setting_text(error)) from None
    if settings.demo_provider:
        for provider in providers.values():
            provider.label = f"{provider.label} (demo)"
            provider.engines = tuple(replace(engine, name=f"{engine.name} (demo)") for engine in provider.engines)
    engines = [engine.id for provider in providers.values() for engine in provider.engines]
    if engines and settings.default_engine not in {None, *engines}:
        raise SettingsError(f"DEFAULT_ENGINE takes one of {', '.join(engines)}; what it is set to is something else.")
    return providers


@asynccontextmanager
async def logged_in(runtime: Runtime) -> AsyncIterator[Easel]:
    """Log the bot in to Discord, which also brings the commands up to date; log it out at the end.

    Raises SettingsError where the token is missing or refused, and UserError where Discord cannot be reached.
    """
    token, api = runtime.settings.discord_token, runtime.settings.discord_api_url
    if token is None:
        raise SettingsError("DISCORD_TOKEN is not set.")
    Route.BASE = api
    async with runtime.client as client:
        with _in_sentences(api):
            await client.login(token)
            if api != DISCORD_API:
                # A session that was invalidated starts anew at the default gateway, and not where the API told it.
                _, gateway, _ = await client.http.get_bot_gateway()
                DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
        yield client


@contextmanager
def _in_sentences(api: str) -> Iterator[None]:
    """Turn what Discord or the network refuses for good into SettingsError or UserError."""
    try:
        yield
    except discord.PrivilegedIntentsRequired:
        raise SettingsError(_LEFT_BY_DISCORD[4014]) from None
    except discord.ConnectionClosed as error:
        if error.code in _LEFT_BY_DISCORD:
            raise SettingsError(_LEFT_BY_DISCORD[error.code]) from None
        raise UserError(f"Discord ended the connection for good (code {error.code}). Start the bot again.") from None
    except (discord.LoginFailure, discord.HTTPException, discord.GatewayNotFound) as error:
        # The gateway is asked for after the log-in, and what was the matter then is behind the library's own error.
        answer = error.__cause__ if isinstance(error, discord.GatewayNotFound) else error
        status = answer.status if isinstance(answer, discord.HTTPException) else None
        if isinstance(error, discord.LoginFailure) or status == 401:
            raise SettingsError(NOT_KNOWN) from None
        raise UserError(f"Discord does not let the bot in (status {status}). Try again later.") from error
    except (aiohttp.ClientError, OSError) as error:
        raise UserError(
            f"Discord cannot be reached at {api} ({unreachable(error)}). Look at the network and try again."
        ) from error


async def serve(runtime: Runtime, stop: asyncio.Event) -> None:
    """Be the bot until ``stop`` is set; then take no new work, wait for what was paid for, and finish the uploads.

    Raises what logging in raises, and also if Discord ends the connection for good: SettingsError where it no longer
    knows the token or refuses the intents, UserError for any other reason.
    """
    async with AsyncExitStack() as stack:
        client = await _unless(stop, stack.enter_async_context(logged_in(runtime)))
        if client is None:
            return
        await stack.enter_async_context(beating(runtime.settings.data_dir))
        await stack.enter_async_context(runtime.working())
        settling = asyncio.create_task(settle(client.wait_until_ready()))
        stack.callback(settling.cancel)
        with _in_sentences(runtime.settings.discord_api_url):
            await _unless(stop, client.connect())
        log.info("bot.stopping", grace=GRACE_SECONDS)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Do the work and return what it gives, or drop it and return None as soon as ``stop`` is set."""
    doing, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        return None
    finally:
        for task in (doing, stopping):
            task.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)

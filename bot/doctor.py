"""Checks everything that the bot needs, and says how to fix what is wrong."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import discord

from bot.app import assembled, configured
from bot.config import BACKUPS, Settings, load
from bot.errors import SettingsError
from bot.jobs.provider_text import provider_text
from bot.providers.base import Provider
from bot.providers.registry import PROVIDERS
from bot.text import VERBATIM, Text, message, t
from bot.ui.sync import LOOKED_AT, OURS, TROUBLES, Trouble
from bot.unreachable import unreachable
from storage import reports
from storage.database import Database, StorageError, database_path
from storage.files import open_to_others
from storage.migrations import known_versions
from storage.pools import apart
from storage.sqlite import connection as sqlite

Json: TypeAlias = Mapping[str, Any]

PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    attach_files=True,
    read_message_history=True,
)
"""The permissions in the invitation: the bot needs them to post a result after the interaction's token has expired."""

LEAST_FREE_GIB = 1.0
# The files and folders that the bot creates in its data folder, and the suffixes of the database's files.
_OURS = ("images", BACKUPS, "cache")
_BESIDE = ("", "-wal", "-shm")
PATIENCE_SECONDS = 15.0

SQLITE_FAULT = message(
    "doctor.sqlite_fault",
    "Version {version} can, in rare cases, damage a database that two programs write at once (the WAL-reset bug). "
    "Update to 3.51.3 or newer, which the Docker image has, and keep backups.",
)
FOLDER_NOT_WRITABLE = message(
    "doctor.folder_not_writable", "{folder} is not writable ({reason}). Set DATA_DIR to another folder."
)
DISK_NEARLY_FULL = message("doctor.disk_nearly_full", "Only {gib} GiB are free at {folder}. Free some space there.")
FOLDER_FINE = message("doctor.folder_fine", "{folder} is writable, with {gib} GiB free.")
FOLDER_MISSING = message("doctor.folder_missing", "{folder} will be made at the first start; {gib} GiB are free there.")
DATABASE_MISSING = message("doctor.database_missing", "{path} will be made at the first start.")
NO_KEY = message(
    "doctor.no_key", "No key is set. Set AI_CLIENT_TOKEN or AITHRIVING_KEY, or DEMO_PROVIDER=1 for painted images."
)
SERVICE_FINE = message("doctor.service_fine", "It can be reached, with the engines {engines}.")
IMAGE_SOURCES = message(
    "doctor.image_sources",
    "They are downloaded from {hosts}. Add other hosts to IMAGE_HOSTS, with the port unless it is 443: cdn.lan:9000.",
)
WAITS_FOR_KEY = message(
    "doctor.waits_for_key",
    "Set it again: {count} request that was sent to {provider} waits for it.",
    "Set it again: {count} requests that were sent to {provider} wait for it.",
)
WAITS_FOR_SETTING = message(
    "doctor.waits_for_setting",
    "{count} request to {provider} has images that cannot be downloaded. Correct it, stop the bot and run "
    "`python -m bot retry`.",
    "{count} requests to {provider} have images that cannot be downloaded. Correct it, stop the bot and run "
    "`python -m bot retry`.",
)
LEFT_OVER = message("doctor.left_over", "People see old commands in {places} twice. The next start removes them.")
NO_TOKEN = message("doctor.no_token", "Set DISCORD_TOKEN; the README says where to find it.")
TOKEN_UNKNOWN = message("doctor.token_unknown", "Discord does not accept this DISCORD_TOKEN. Copy it again.")
DISCORD_ANSWERED = message("doctor.discord_answered", "Discord answered with status {status:plain}. Try again later.")
DISCORD_AWAY = message("doctor.discord_away", "Discord cannot be reached ({reason}). Check the network.")
DISCORD_ODD = message("doctor.discord_odd", "Discord's answer makes no sense. Check DISCORD_API_URL.")
ENDPOINT_SET = message(
    "doctor.endpoint_set",
    "In the developer portal, under General Information, clear Interactions Endpoint URL, or no command arrives here.",
)
CODE_GRANT = message(
    "doctor.code_grant",
    "In the developer portal, under Bot, switch off Requires OAuth2 Code Grant, or nobody can invite the bot.",
)
INVITE = message("doctor.invite", "Discord knows the bot as {name}. Invite it with {address}")
NEXT_FIX = message(
    "doctor.next_fix",
    "Next: fix the line marked TO DO, then run this again.",
    "Next: fix the {count} lines marked TO DO, then run this again.",
)
NEXT_RUN = message("doctor.next_run", "Next: start the bot with `python -m bot run`, or restart it if it is running.")


class Level(StrEnum):
    """How much a finding matters."""

    FINE = "fine"
    NOTE = "note"
    """The operator should know about it, but need not act."""
    TO_DO = "TO DO"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: its subject, and what is fine or what to do."""

    subject: str
    text: Text
    level: Level = Level.FINE

    def __str__(self) -> str:
        return f"{self.level:<5}  {self.subject}: {self.text}"


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Run all checks, one after the other."""
    providers, findings = settings_checked(settings)
    for finding in findings:
        yield finding
    yield await apart(data_folder, settings.data_dir)
    yield await database(settings.database_url)
    for finding in (*await apart(rights, settings), *sqlite_library(), *proxies(settings)):
        yield finding
    # While the settings are invalid, it is unknown which services are set up.
    if providers is not None:
        async for finding in services(settings, providers):
            yield finding
    told = await application(settings)
    yield told
    if told.level is not Level.TO_DO:
        async for finding in registered(settings, await command_names()):
            yield finding
    for provider in (providers or {}).values():
        await provider.close()


def settings_checked(settings: Settings) -> tuple[Mapping[str, Provider] | None, list[Finding]]:
    """The configured providers, or None if their settings are invalid; and the findings about the settings."""
    unknown = [
        Finding("settings", t("{problem} Correct the name or remove the line.", problem=name.problem), Level.TO_DO)
        for name in settings.unknown
    ]
    try:
        providers = configured(settings)
    except SettingsError as error:
        return None, [*invalid(error), *unknown]
    return providers, unknown or [Finding("settings", t("All settings are valid."))]


def invalid(error: SettingsError) -> Iterator[Finding]:
    """A finding for each problem in the settings."""
    for problem in error.problems:
        yield Finding("settings", problem, Level.TO_DO)


def conclusion(findings: Iterable[Finding]) -> Text:
    """What to do next."""
    to_do = sum(finding.level is Level.TO_DO for finding in findings)
    return NEXT_FIX(count=to_do) if to_do else NEXT_RUN()


def proxies(settings: Settings) -> Iterator[Finding]:
    """A note if a proxy is used."""
    if settings.discord_proxy is not None or settings.reader.proxy("https://example.com") is not None:
        text = t("Discord and the services are reached through it. It must refuse image hosts in private networks.")
        yield Finding("proxy", text, Level.NOTE)


def sqlite_library(version: tuple[int, ...] = sqlite.VERSION) -> Iterator[Finding]:
    """A note if Python uses a version of SQLite with a serious bug."""
    if not sqlite.trustworthy(version):
        yield Finding("SQLite", SQLITE_FAULT(version=".".join(map(str, version))), Level.NOTE)


def data_folder(folder: Path) -> Finding:
    """Whether files can be written to the data folder, and whether there is space. Blocks on the disk."""
    home = folder
    # The first start creates a missing folder, if its nearest existing parent is writable.
    while not home.exists() and home != home.parent:
        home = home.parent
    try:
        with tempfile.TemporaryFile(dir=home):
            free = shutil.disk_usage(home).free / 2**30
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return Finding("data folder", FOLDER_NOT_WRITABLE(folder=str(folder), reason=reason), Level.TO_DO)
    if free < LEAST_FREE_GIB:
        return Finding("data folder", DISK_NEARLY_FULL(folder=str(folder), gib=round(free, 1)), Level.TO_DO)
    form = FOLDER_FINE if folder.exists() else FOLDER_MISSING
    return Finding("data folder", form(folder=str(folder), gib=round(free)))


def rights(settings: Settings) -> list[Finding]:
    """Which files of prompts and images other users of this machine can read. Blocks on the disk."""
    folder = settings.data_dir
    try:
        path = database_path(settings.database_url)
        known = [folder, *(folder / name for name in _OURS), *(path.with_name(path.name + end) for end in _BESIDE)]
        found = open_to_others(known)
    except (OSError, StorageError):
        return []  # The checks of the folder and the database report this.
    paths = list(map(str, found))
    text = t("Others on this machine can read {paths}. Remove their access with chmod -R go-rwx.", paths=paths)
    return [Finding("rights", text, Level.TO_DO)] if found else []


async def database(url: str) -> Finding:
    """Whether the database opens, and its version."""
    try:
        path = database_path(url)
        if not await apart(path.exists):
            return Finding("database", DATABASE_MISSING(path=str(path)))
        opened = await Database.open(url)
    except StorageError as error:
        return Finding("database", VERBATIM(words=str(error)), Level.TO_DO)
    await opened.close()
    versions = await apart(known_versions)
    return Finding("database", t("{path} opens; its version is {version}.", path=str(path), version=versions[-1]))


async def services(settings: Settings, providers: Mapping[str, Provider]) -> AsyncIterator[Finding]:
    """Whether a key is set, whether each service accepts it, and which requests wait for a setting."""
    if settings.demo_provider:
        yield Finding("image services", t("DEMO_PROVIDER is on: all images are painted here, and no service is used."))
    elif not providers:
        yield Finding("image services", NO_KEY(), Level.TO_DO)
    else:
        for provider in providers.values():
            error = await provider.check()
            if error is not None:
                yield Finding(provider.label, provider_text(provider.label, error), Level.TO_DO)
            else:
                yield Finding(provider.label, SERVICE_FINE(engines=[engine.id for engine in provider.engines]))
        yield image_sources(settings.reader.names("IMAGE_HOSTS"))
    async for finding in waiting(settings.database_url, providers):
        yield finding


def image_sources(hosts: Sequence[str]) -> Finding:
    """The hosts from which images are downloaded, and the setting that adds hosts."""
    return Finding("images", IMAGE_SOURCES(hosts=[t("the services' own hosts"), *hosts]))


async def waiting(url: str, providers: Collection[str]) -> AsyncIterator[Finding]:
    """Paid requests that wait until a setting is corrected; one finding for each setting."""
    try:
        if not await apart(database_path(url).exists):
            return
        opened = await Database.open(url)
    except StorageError:
        return  # The check of the database reports this.
    try:
        async with opened.read() as connection:
            found = await reports.waiting(connection, providers)
    finally:
        await opened.close()
    keys = {kind.name: kind.key_setting for kind in PROVIDERS}
    for one in found:
        form = WAITS_FOR_KEY if one.setting is None else WAITS_FOR_SETTING
        text = form(count=one.submissions, provider=one.provider)
        if one.details and one.setting is not None:
            text = t("{waits} ({details})", waits=text, details=", ".join(one.details)[:500])
        yield Finding(one.setting or keys.get(one.provider) or one.provider, text, Level.TO_DO)


async def command_names() -> set[str]:
    """The names of the bot's commands, from a bot that is assembled with made-up keys in an empty folder."""
    folder = await apart(tempfile.mkdtemp)
    made_up = load({"DATA_DIR": folder, "AI_CLIENT_TOKEN": "made-up", "AITHRIVING_KEY": "made-up"}, env_file=None)
    try:
        async with assembled(made_up) as runtime:
            await runtime.client.add_cogs()
            return {command.name for command in runtime.client.tree.get_commands()}
    finally:
        await apart(shutil.rmtree, folder)


async def application(settings: Settings) -> Finding:
    """Whether Discord accepts the token, and whether the application is set up to send its commands to the bot."""
    if settings.discord_token is None:
        return Finding("Discord", NO_TOKEN(), Level.TO_DO)
    try:
        async with _asking(settings) as asking:
            return _application_settings(await asking.get("/applications/@me"))
    except _NOT_READ as error:
        return Finding("Discord", _not_read(error), Level.TO_DO)


async def registered(settings: Settings, ours: set[str]) -> AsyncIterator[Finding]:
    """Where Discord has the bot's commands, where it does not allow them, and where old ones are left over."""
    try:
        async with _asking(settings) as asking:
            told = await asking.get("/applications/@me")
            async for finding in _places(asking, int(told["id"]), settings, ours):
                yield finding
    except _NOT_READ as error:
        text = t("What Discord has could not be checked. {reason}", reason=_not_read(error))
        yield Finding("commands", text, Level.TO_DO)


@asynccontextmanager
async def _asking(settings: Settings) -> AsyncIterator[_Asking]:
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
        headers={"Authorization": f"Bot {settings.discord_token}"},
        proxy=settings.discord_proxy,
    ) as session:
        yield _Asking(session, settings.discord_api_url)


@dataclass(frozen=True, slots=True)
class _Asking:
    """Reads from Discord's API."""

    session: aiohttp.ClientSession
    api: str

    async def get(self, path: str) -> Any:
        """The JSON of the response. Raises _Refused for a status other than 200, and what aiohttp and json raise."""
        async with self.session.get(f"{self.api}{path}", allow_redirects=False) as answer:
            if answer.status == 200:
                return await answer.json()
            raise _Refused(answer.status)


class _Refused(Exception):
    """Discord answered with an error status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


_NOT_READ = (_Refused, aiohttp.ClientError, OSError, ValueError, KeyError, TypeError, AttributeError)


def _not_read(error: Exception) -> Text:
    match error:
        case _Refused(status=401):
            return TOKEN_UNKNOWN()
        case _Refused():
            return DISCORD_ANSWERED(status=error.status)
        case aiohttp.ContentTypeError():
            return DISCORD_ODD()
        case aiohttp.ClientError() | OSError():
            return DISCORD_AWAY(reason=unreachable(error))
    return DISCORD_ODD()


async def _places(asking: _Asking, application_id: int, settings: Settings, ours: set[str]) -> AsyncIterator[Finding]:
    """The places where the commands are registered correctly, and the places with leftover commands."""
    wanted = [str(guild) for guild in settings.command_guilds]
    everywhere = await _names(asking, f"/applications/{application_id}/commands")
    for guild in wanted:
        try:
            there = await _names(asking, f"/applications/{application_id}/guilds/{guild}/commands")
        except _Refused as refused:
            if refused.status not in {403, 404}:
                raise
            text = t("Server {id:plain} of COMMAND_GUILDS: {reason}", id=guild, reason=TROUBLES[Trouble.NOT_LET_IN])
            yield Finding("commands", text, Level.TO_DO)
        else:
            yield _registered(t("server {id:plain}", id=guild), current=there == ours)
    if not wanted:
        yield _registered(t("every server"), current=everywhere == ours)
    twice = [t("every server")] if wanted and everywhere else []
    for guild in await asking.get(f"/users/@me/guilds?limit={LOOKED_AT}"):
        with suppress(_Refused):
            if guild["id"] not in wanted and await _names(
                asking, f"/applications/{application_id}/guilds/{guild['id']}/commands"
            ):
                twice.append(t("server {id:plain}", id=guild["id"]))
    if twice:
        yield Finding("commands", LEFT_OVER(places=twice), Level.TO_DO)


async def _names(asking: _Asking, path: str) -> set[str]:
    return {command["name"] for command in await asking.get(path) if command.get("type", 1) in OURS}


def _registered(place: Text, *, current: bool) -> Finding:
    if current:
        return Finding("commands", t("Up to date in {place}.", place=place))
    return Finding("commands", t("Out of date in {place}; the next start updates them.", place=place), Level.NOTE)


def _application_settings(told: Json) -> Finding:
    if told.get("interactions_endpoint_url"):
        return Finding("Discord", ENDPOINT_SET(), Level.TO_DO)
    if told.get("bot_require_code_grant"):
        return Finding("Discord", CODE_GRANT(), Level.TO_DO)
    address = discord.utils.oauth_url(int(told["id"]), permissions=PERMISSIONS, scopes=("bot", "applications.commands"))
    return Finding("Discord", INVITE(name=str(told.get("name")), address=address))

"""Looks at everything the bot needs and says of each thing that it is fine, or what to do."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import discord
from discord.ext.commands import ExtensionError

from bot.app import assembled, configured
from bot.config import BACKUPS, Settings, load
from bot.errors import SettingsError
from bot.jobs.provider_text import provider_text
from bot.providers.base import Provider
from bot.providers.registry import PROVIDERS
from bot.ui.client import COGS
from bot.ui.sync import LOOKED_AT, OURS, TROUBLES, Trouble
from bot.unreachable import unreachable
from storage import running
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
"""What the bot asks for when it is invited: what it takes to post a result that comes too late for an answer."""

LEAST_FREE_BYTES = 2**30
# What the bot makes in its data folder, and what the database has beside it.
_OURS = ("images", BACKUPS, "cache")
_BESIDE = ("", "-wal", "-shm")
PATIENCE_SECONDS = 15.0

# Discord's limits on commands.
_COMMANDS = 100
_COMMAND_CHARACTERS = 8000
_OPTIONS = 25
_DESCRIPTION = 100
_SUBCOMMANDS = frozenset({1, 2})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, in one line. ``fine`` is False where something must be done, and says what.

    ``note``: the operator should know it but need not do anything.
    """

    subject: str
    text: str
    fine: bool = True
    note: bool = False

    def __str__(self) -> str:
        word = "TO DO" if not self.fine else "note " if self.note else "fine "
        return f"{word}  {self.subject}: {self.text}"


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Look at everything in turn."""
    providers: Mapping[str, Provider] | None = None
    try:
        providers = configured(settings)
    except SettingsError as error:
        yield Finding("settings", str(error), fine=False)
    else:
        if not settings.unknown:
            yield Finding("settings", "all of them can be read.")
    for unknown in settings.unknown:
        yield Finding("settings", f"{unknown} Correct the name, or take the line away.", fine=False)
    yield await apart(data_folder, settings.data_dir)
    yield await database(settings.database_url)
    for finding in (*await apart(rights, settings), *sqlite_library(), *proxies(settings)):
        yield finding
    # Which services there are is not known while the settings cannot be read.
    if providers is not None:
        async for finding in services(settings, providers):
            yield finding
    commands: Sequence[Json] = ()
    try:
        commands = await commands_told()
        yield command_tree(commands)
    except ExtensionError as error:
        yield Finding("commands", f"report this to Easel's developers: {error}", fine=False)
    told = await application(settings)
    yield told
    if told.fine:
        async for finding in registered(settings, commands):
            yield finding
    for provider in (providers or {}).values():
        await provider.close()


def proxies(settings: Settings) -> Iterator[Finding]:
    """That a proxy stands between, if one does."""
    if settings.discord_proxy is not None or settings.reader.proxy("https://example.com") is not None:
        yield Finding(
            "proxy",
            "Discord and the services are reached through it. It looks up the hosts of images, so it has to refuse "
            "those that lead into a private network.",
            note=True,
        )


def sqlite_library(version: tuple[int, ...] = sqlite.VERSION) -> Iterator[Finding]:
    """That the SQLite which Python uses has a fault, if it has."""
    if not sqlite.trustworthy(version):
        yield Finding(
            "SQLite",
            f"version {'.'.join(map(str, version))} can, very seldom, damage a database that two programs write at the "
            "same moment (its WAL-reset bug). Update to 3.51.3 or newer, which the Docker image has, and keep backups.",
            note=True,
        )


def data_folder(folder: Path) -> Finding:
    """Whether files can be written there, and whether there is room for them. Blocks on the disk."""
    subject = "data folder"
    home = folder
    # A folder that is not there yet is made at the first start, where its nearest parent allows it.
    while not home.exists() and home != home.parent:
        home = home.parent
    try:
        with tempfile.TemporaryFile(dir=home):
            free = shutil.disk_usage(home).free
    except OSError as error:
        return Finding(subject, f"{folder} cannot be written ({error.strerror}). Set DATA_DIR to another.", fine=False)
    if free < LEAST_FREE_BYTES:
        return Finding(subject, f"only {free / 2**30:.1f} GiB are free at {folder}. Make room there.", fine=False)
    made = "" if folder.exists() else ", and will be made at the first start"
    return Finding(subject, f"{folder} can be written, {free / 2**30:.0f} GiB are free{made}.")


def rights(settings: Settings) -> list[Finding]:
    """What others on this machine may read of prompts and pictures, if anything. Blocks on the disk."""
    folder = settings.data_dir
    try:
        path = database_path(settings.database_url)
        known = [folder, *(folder / name for name in _OURS), *(path.with_name(path.name + end) for end in _BESIDE)]
        found = open_to_others(known)
    except (OSError, StorageError):
        return []  # That is said about the folder and the database.
    if not found:
        return []
    names = ", ".join(map(str, found))
    text = f"others on this machine may read or enter {names}. Take that away with chmod -R go-rwx."
    return [Finding("rights", text, fine=False)]


async def database(url: str) -> Finding:
    """Whether the database opens, and its version."""
    try:
        path = database_path(url)
        if not await apart(path.exists):
            return Finding("database", f"{path} will be made at the first start.")
        opened = await Database.open(url)
    except StorageError as error:
        return Finding("database", str(error), fine=False)
    await opened.close()
    versions = await apart(known_versions)
    return Finding("database", f"{path} opens and is at version {versions[-1]}, as it should be.")


async def services(settings: Settings, providers: Mapping[str, Provider]) -> AsyncIterator[Finding]:
    """Whether there is a key, whether each service can be reached with it, and what waits for a setting."""
    if settings.demo_provider:
        yield Finding("image services", "DEMO_PROVIDER is on: all pictures are painted here, and no service is asked.")
    elif not providers:
        yield Finding(
            "image services", "no key is set. Set AI_CLIENT_TOKEN or AITHRIVING_KEY, or DEMO_PROVIDER=1.", fine=False
        )
    else:
        for provider in providers.values():
            error = await provider.check()
            wrong = None if error is None else str(provider_text(provider.label, error))
            engines = ", ".join(engine.id for engine in provider.engines)
            yield Finding(
                provider.label,
                wrong or f"can be reached; it has {engines}.",
                fine=wrong is None,
            )
        yield image_sources(settings.reader.names("IMAGE_HOSTS"))
    async for finding in waiting(settings.database_url, providers):
        yield finding


def image_sources(hosts: Sequence[str]) -> Finding:
    """From where pictures are downloaded, and what has to be named where they are elsewhere."""
    more = f" and {', '.join(hosts)}" if hosts else ""
    return Finding(
        "pictures",
        f"they are downloaded from the services' own hosts{more}. Another host has to be added to IMAGE_HOSTS, with "
        "its port where that is not the one of https: cdn.lan:9000.",
    )


async def waiting(url: str, providers: Collection[str]) -> AsyncIterator[Finding]:
    """What was paid for and waits until a setting is mended, a line for each setting."""
    try:
        if not await apart(database_path(url).exists):
            return
        opened = await Database.open(url)
    except StorageError:
        return  # That the database cannot be opened was said before.
    try:
        async with opened.read() as connection:
            found = await running.waiting(connection, providers)
    finally:
        await opened.close()
    keys = {kind.name: kind.key_setting for kind in PROVIDERS}
    for one in found:
        if one.setting is None:
            told = f"set it again: requests that were sent to {one.provider} wait for that, {one.submissions} of them."
            yield Finding(keys.get(one.provider) or one.provider, told, fine=False)
        else:
            why = f" ({', '.join(one.details)[:500]})" if one.details else ""
            told = f"{one.submissions} requests to {one.provider} have pictures that it keeps from being fetched{why}."
            yield Finding(one.setting, f"{told} Mend it, stop the bot, run `python -m bot retry`.", fine=False)


async def commands_told() -> list[Json]:
    """The commands as Discord is told them, by a bot that is put together with made-up keys in an empty folder."""
    folder = await apart(tempfile.mkdtemp)
    made_up = load({"DATA_DIR": folder, "AI_CLIENT_TOKEN": "made-up", "AITHRIVING_KEY": "made-up"}, env_file=None)
    try:
        async with assembled(made_up) as runtime:
            for extension in COGS:
                await runtime.client.load_extension(extension)
            tree = runtime.client.tree
            return [command.to_dict(tree) for command in tree.get_commands()]
    finally:
        await apart(shutil.rmtree, folder)


def command_tree(commands: Sequence[Json]) -> Finding:
    """Whether Discord takes the commands."""
    problems = [problem for command in commands for problem in _command_problems(command)]
    if len(commands) > _COMMANDS:
        problems.append(f"there are {len(commands)} of them, and Discord takes {_COMMANDS}")
    if problems:
        return Finding("commands", f"report this to Easel's developers: {'; '.join(problems)}.", fine=False)
    return Finding("commands", f"{len(commands)} of them, all within Discord's limits.")


async def application(settings: Settings) -> Finding:
    """Whether Discord knows the token, and whether the application is set up so that commands arrive here."""
    subject = "Discord"
    if settings.discord_token is None:
        return Finding(subject, "set DISCORD_TOKEN; the README says where to find it.", fine=False)
    try:
        async with _asking(settings) as asking:
            return _application_settings(await asking.get("/applications/@me"))
    except _NOT_READ as error:
        return Finding(subject, _not_read(error), fine=False)


async def registered(settings: Settings, commands: Sequence[Json]) -> AsyncIterator[Finding]:
    """Where Discord has ``commands``, where it does not let the bot have any, and where some are left over."""
    try:
        async with _asking(settings) as asking:
            told = await asking.get("/applications/@me")
            async for finding in _places(asking, int(told["id"]), settings, {command["name"] for command in commands}):
                yield finding
    except _NOT_READ as error:
        yield Finding("commands", f"what Discord has cannot be looked at: {_not_read(error)}", fine=False)


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
    """Reads of Discord's API."""

    session: aiohttp.ClientSession
    api: str

    async def get(self, path: str) -> Any:
        """The answer. Raises _Refused for any other than 200, and what aiohttp and json raise."""
        async with self.session.get(f"{self.api}{path}", allow_redirects=False) as answer:
            if answer.status == 200:
                return await answer.json()
            raise _Refused(answer.status)


class _Refused(Exception):
    """Discord gave another answer than what it was asked for."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


_NOT_READ = (_Refused, aiohttp.ClientError, OSError, ValueError, KeyError, TypeError, AttributeError)


def _not_read(error: Exception) -> str:
    match error:
        case _Refused(status=401):
            return "it does not know this DISCORD_TOKEN. Copy it once more."
        case _Refused():
            return f"it answered {error.status}. Try again later."
        case aiohttp.ContentTypeError():
            pass
        case aiohttp.ClientError() | OSError():
            return f"it cannot be reached ({unreachable(error)}). Look at the network."
    return "its answer cannot be understood. Look at DISCORD_API_URL."


async def _places(asking: _Asking, application_id: int, settings: Settings, ours: set[str]) -> AsyncIterator[Finding]:
    """Where the commands are that belong there, and where some are that do not."""
    subject = "commands"
    wanted = [str(guild) for guild in settings.command_guilds]
    everywhere = await _names(asking, f"/applications/{application_id}/commands")
    for guild in wanted:
        try:
            there = await _names(asking, f"/applications/{application_id}/guilds/{guild}/commands")
        except _Refused as refused:
            if refused.status not in {403, 404}:
                raise
            text = f"server {guild} of COMMAND_GUILDS: {TROUBLES[Trouble.NOT_LET_IN]}"
            yield Finding(subject, text, fine=False)
        else:
            yield _registered(f"in server {guild}", there, ours)
    if not wanted:
        yield _registered("everywhere", everywhere, ours)
    twice = ["everywhere"] if wanted and everywhere else []
    for guild in await asking.get(f"/users/@me/guilds?limit={LOOKED_AT}"):
        with suppress(_Refused):
            if guild["id"] not in wanted and await _names(
                asking, f"/applications/{application_id}/guilds/{guild['id']}/commands"
            ):
                twice.append(f"in server {guild['id']}")
    if twice:
        text = f"some are left over {', '.join(twice)}, where people see them twice. The next start takes them away."
        yield Finding(subject, text, fine=False)


async def _names(asking: _Asking, path: str) -> set[str]:
    return {command["name"] for command in await asking.get(path) if command.get("type", 1) in OURS}


def _registered(where: str, there: set[str], ours: set[str]) -> Finding:
    if there == ours:
        return Finding("commands", f"Discord has them {where}.")
    text = f"those that Discord has {where} are not the present ones; the next start puts that right."
    return Finding("commands", text, note=True)


def _application_settings(told: Json) -> Finding:
    problems = []
    if told.get("interactions_endpoint_url"):
        problems.append("empty Interactions Endpoint URL (General Information), or no command arrives here")
    if told.get("bot_require_code_grant"):
        problems.append("switch off Requires OAuth2 Code Grant (Bot), or the bot cannot be invited")
    if problems:
        return Finding("Discord", f"in the developer portal, {'; '.join(problems)}.", fine=False)
    invitation = discord.utils.oauth_url(
        int(told["id"]), permissions=PERMISSIONS, scopes=("bot", "applications.commands")
    )
    return Finding("Discord", f"it knows the bot as {told.get('name')}. Invite it with {invitation}")


def _command_problems(command: Json) -> Iterator[str]:
    name, typed = command["name"], command.get("type", 1) == 1
    if not 1 <= len(name) <= 32 or (typed and (name != name.lower() or " " in name)):
        yield f"{name!r} cannot be a command's name"
    if typed:
        if (length := _characters(command)) > _COMMAND_CHARACTERS:
            yield f"/{name} has {length} characters"
        yield from (f"/{name}: {problem}" for problem in _option_problems(command))


def _option_problems(item: Json) -> Iterator[str]:
    """What is wrong with a command, a subcommand or an option, and with the options in it."""
    if not 1 <= len(item["description"]) <= _DESCRIPTION:
        yield f"the description of {item['name']} has {len(item['description'])} characters"
    options, choices = item.get("options") or (), item.get("choices") or ()
    if max(len(options), len(choices)) > _OPTIONS:
        yield f"{item['name']} has more than {_OPTIONS} options or choices"
    if choices and item.get("autocomplete"):
        yield f"{item['name']} has choices and autocomplete"
    required = [bool(option.get("required")) for option in options if option["type"] not in _SUBCOMMANDS]
    if required != sorted(required, reverse=True):
        yield f"{item['name']} has a required option after one that is not"
    for option in options:
        yield from _option_problems(option)


def _characters(item: Json) -> int:
    own = len(item["name"]) + len(item["description"])
    choices = sum(len(choice["name"]) + len(str(choice["value"])) for choice in item.get("choices") or ())
    return own + choices + sum(_characters(option) for option in item.get("options") or ())

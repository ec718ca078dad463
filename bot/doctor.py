"""Looks at everything the bot needs and says of each thing that it is fine, or what to do."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import discord
from discord.ext.commands import ExtensionError

from bot.client import COGS
from bot.config import BACKUPS, Settings, load
from bot.errors import SettingsError
from bot.providers.base import Provider
from bot.runtime import assembled, configured
from storage.database import Database, StorageError, database_path
from storage.disk import open_to_others
from storage.migrations import known_versions
from storage.pools import apart

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
    """One thing that was looked at, in one line. ``fine`` is False where something must be done, and says what."""

    subject: str
    text: str
    fine: bool = True

    def __str__(self) -> str:
        return f"{'fine ' if self.fine else 'TO DO'}  {self.subject}: {self.text}"


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Look at everything in turn."""
    providers: Mapping[str, Provider] = {}
    try:
        providers = configured(settings)
    except SettingsError as error:
        yield Finding("settings", str(error), fine=False)
    else:
        yield Finding("settings", "all of them can be read.")
    yield await apart(data_folder, settings.data_dir)
    yield await database(settings.database_url)
    if (found := await apart(rights, settings)) is not None:
        yield found
    async for finding in services(settings, providers):
        yield finding
    try:
        yield command_tree(await commands_told())
    except ExtensionError as error:
        yield Finding("commands", f"report this to Easel's developers: {error}", fine=False)
    yield await application(settings)
    for provider in providers.values():
        await provider.close()


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


def rights(settings: Settings) -> Finding | None:
    """What others on this machine may read of prompts and pictures; None for nothing. Blocks on the disk."""
    folder = settings.data_dir
    try:
        path = database_path(settings.database_url)
        known = [folder, *(folder / name for name in _OURS), *(path.with_name(path.name + end) for end in _BESIDE)]
        found = open_to_others(known)
    except (OSError, StorageError):
        return None  # That is said about the folder and the database.
    if not found:
        return None
    names = ", ".join(map(str, found))
    text = f"others on this machine may read or enter {names}. Take that away with chmod -R go-rwx."
    return Finding("rights", text, fine=False)


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
    """Whether there is a key, and whether each service that has one can be reached with it."""
    if settings.demo_provider:
        yield Finding("image services", "DEMO_PROVIDER is on: all pictures are painted here, and no service is asked.")
    elif not providers:
        yield Finding(
            "image services", "no key is set. Set AI_CLIENT_TOKEN or AITHRIVING_KEY, or DEMO_PROVIDER=1.", fine=False
        )
    else:
        for provider in providers.values():
            wrong = await provider.check()
            engines = ", ".join(engine.id for engine in provider.engines)
            yield Finding(provider.label, wrong or f"can be reached; it has {engines}.", fine=wrong is None)


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
    url = f"{settings.discord_api_url}/applications/@me"
    headers = {"Authorization": f"Bot {settings.discord_token}"}
    try:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            if answer.status == 401:
                return Finding(subject, "it does not know this DISCORD_TOKEN. Copy it once more.", fine=False)
            if answer.status != 200:
                return Finding(subject, f"it answered {answer.status}. Try again later.", fine=False)
            told: Json = await answer.json()
            return _application_settings(told)
    except (ValueError, KeyError, AttributeError, aiohttp.ContentTypeError):
        return Finding(subject, "its answer cannot be understood. Look at DISCORD_API_URL.", fine=False)
    except (aiohttp.ClientError, TimeoutError) as error:
        return Finding(subject, f"it cannot be reached ({type(error).__name__}). Look at the network.", fine=False)


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

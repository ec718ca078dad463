"""Checks everything that the bot needs, and says how to fix what is wrong."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bot.app import configured
from bot.config import BACKUPS, Settings
from bot.discord_checks import application, command_names, registered
from bot.errors import SettingsError
from bot.findings import Finding, Level
from bot.jobs.provider_text import provider_text
from bot.providers.base import Provider
from bot.providers.registry import PROVIDERS
from bot.text import VERBATIM, Text, message, t
from storage import reports
from storage.database import Database, StorageError, database_path
from storage.files import open_to_others
from storage.migrations import known_versions
from storage.pools import apart
from storage.sqlite import connection as sqlite

LEAST_FREE_GIB = 1.0
# The files and folders that the bot creates in its data folder, and the suffixes of the database's files.
_OURS = ("images", BACKUPS, "cache")
_BESIDE = ("", "-wal", "-shm")

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
NEXT_FIX = message(
    "doctor.next_fix",
    "Next: fix the line marked TO DO, then run this again.",
    "Next: fix the {count} lines marked TO DO, then run this again.",
)
NEXT_RUN = message("doctor.next_run", "Next: start the bot with `python -m bot run`, or restart it if it is running.")


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

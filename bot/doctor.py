"""Checks everything that the bot needs, and says how to fix what is wrong."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path

from bot.app import NO_PROVIDER
from bot.config import BACKUPS, Settings
from bot.discord_checks import application, command_names, registered
from bot.findings import Finding, Level, spending_problem
from bot.jobs.provider_text import provider_text
from bot.provider_settings import ConfiguredProviders, read_providers
from bot.providers.base import Provider
from bot.providers.errors import ProviderError, Reason, Refused, Unreachable
from bot.providers.registry import PROVIDERS
from bot.text import VERBATIM, Text, message, t
from bot.workflow_findings import workflow_findings
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
_DEMO_NEEDS = ("fakes", "numpy")
# Servers that have their API only if they are told so when they start.
_WITH_API = {"A1111_URL"}
_PROXIES = {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}
_LIMITS: Mapping[str, Callable[[Settings], int | None]] = {
    "USER_DAILY_CREDITS": attrgetter("user_daily_credits"),
    "SERVER_MONTHLY_CREDITS": attrgetter("server_monthly_credits"),
    "BOT_DAILY_CREDITS": attrgetter("bot_daily_credits"),
}

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
READABLE_BY_OTHERS = message(
    "doctor.readable_by_others",
    "Others on this machine can read {paths}. Remove their access with chmod -R go-rwx.",
)
DATABASE_NOT_MADE = message(
    "doctor.database_not_made", "{path} cannot be made: {folder} is not writable. Set DATABASE_URL to another path."
)
DATABASE_MISSING = message("doctor.database_missing", "{path} will be made at the first start.")
DEMO_IS_ON = message(
    "doctor.demo_is_on", "DEMO_PROVIDER is on: no service that charges is used. Images are painted here instead."
)
DEMO_NOT_INSTALLED = message(
    "doctor.demo_not_installed",
    "DEMO_PROVIDER needs the playground, which is not installed here (the Docker image leaves it out). "
    "Set DEMO_PROVIDER=0 and the key of an image service.",
)
KEY_REFUSED = message("doctor.key_refused", "It does not accept {setting}. Copy it again.")
PASSWORD_REFUSED = message(
    "doctor.password_refused", "It asks for a user name and a password. Set {user} and {setting} to the right ones."
)
NO_CREDITS = message("doctor.no_credits", "Your account there is out of credits. Top it up.")
SERVER_UNREACHABLE = message(
    "doctor.server_unreachable",
    "Nothing answers at the address in {setting}. Is the server running, and is the port right? If the bot runs on "
    "another machine or in Docker, the server has to listen to other machines. In Docker, write host.docker.internal "
    "in place of 127.0.0.1.",
)
SERVER_NOT_TRUSTED = message(
    "doctor.server_not_trusted",
    "There is no secure connection to the address in {setting}. If the server in your own network has no https, write "
    "http://. Otherwise, its certificate must match this host name and come from an authority that this machine "
    "trusts. To trust your own authority, set the environment variable SSL_CERT_FILE to its certificate file.",
)
OTHER_SERVER = message(
    "doctor.other_server", "Something else answers at the address in {setting}. Correct its host, port or path."
)
NO_API = message(
    "doctor.no_api",
    "A server answers at the address in {setting}, but without the API. Start A1111 and Forge with --api, and check "
    "the host, the port and the path.",
)
NO_ENGINES = message(
    "doctor.no_engines",
    "It can be reached, but has no engine to offer. Install a model there, or check the settings that choose its "
    "engines.",
)
SERVICE_FINE = message("doctor.service_fine", "It can be reached, with the engines {engines}.")
IMAGE_SOURCES = message(
    "doctor.image_sources",
    "They are downloaded from {hosts} only. IMAGE_HOSTS can allow more, with the port unless it is 443: cdn.lan:9000.",
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
LIMITED = message("doctor.limited", "Limited by {names}.")
FREE_ONLY = message(
    "doctor.free_only",
    "Every engine is free. One person can make {count} image a day: FREE_IMAGES_PER_USER.",
    "Every engine is free. One person can make {count} images a day: FREE_IMAGES_PER_USER.",
)
INVITATION = message("doctor.invitation", "Add the bot to a server with {address}")
NEXT_FIX = message(
    "doctor.next_fix",
    "Fix the line marked TO DO, then run this again.",
    "Fix the {count} lines marked TO DO, from top to bottom, then run this again.",
)
NEXT_RUN = message(
    "doctor.next_run", "Start the bot (`make run`, or `python -m bot run`), or restart it if it is running."
)
NEXT_INVITE = message(
    "doctor.next_invite", "Open the invitation above and choose your server, unless the bot is already there."
)
NEXT_SETUP = message("doctor.next_setup", "In the server, type /setup.")


async def examine(settings: Settings, problems: Sequence[Text] = ()) -> AsyncIterator[Finding]:
    """Run all checks, one after the other.

    ``problems`` are those of settings that could not be read and have their defaults instead. What depends on one of
    these is not checked.
    """
    read = read_providers(settings)
    for finding in about_settings(settings, (*problems, *read.problems)):
        yield finding
    # Proxies also have lower-case names.
    invalid = {str(problem.values.get("name")).upper() for problem in problems}
    for check in _checks(settings, read, invalid):
        async for finding in check:
            yield finding
    for provider in read.every.values():
        await provider.close()


def _checks(
    settings: Settings, read: ConfiguredProviders, invalid: Collection[str]
) -> Iterator[AsyncIterator[Finding]]:
    """The checks that do not depend on an invalid setting."""
    proxy_known = not _PROXIES & set(invalid)
    yield on_this_machine(settings, invalid)
    if _database_is_known(settings, invalid):
        yield waiting(settings.database_url, {*read.every, *read.wrong_keys})
    if proxy_known and "DEMO_PROVIDER" not in invalid:
        yield services(settings, read.providers, {*read.invalid, *read.wrong_keys})
    yield about_spending(settings, read.every, invalid)
    if proxy_known and not {"DISCORD_TOKEN", "DISCORD_API_URL"} & set(invalid):
        yield at_discord(settings, invalid)


def about_settings(settings: Settings, problems: Sequence[Text]) -> Iterator[Finding]:
    """A finding for each invalid setting and each unknown name, or one that says that there are none."""
    yield from invalid_settings(problems)
    for name in settings.unknown:
        text = t("{problem} Correct the name or remove the line.", problem=name.problem)
        yield Finding("settings", text, Level.TO_DO)
    if not problems and not settings.unknown:
        yield Finding("settings", t("All settings are valid."))


def invalid_settings(problems: Iterable[Text]) -> Iterator[Finding]:
    """A finding for each problem in the settings."""
    for problem in problems:
        yield Finding("settings", problem, Level.TO_DO)


async def on_this_machine(settings: Settings, invalid: Collection[str] = ()) -> AsyncIterator[Finding]:
    """The checks of the data folder, the database, the files' modes and SQLite."""
    unwritable = False
    if "DATA_DIR" not in invalid:
        folder = await apart(data_folder, settings.data_dir)
        unwritable = folder.text.code == FOLDER_NOT_WRITABLE.code
        yield folder
    if _database_is_known(settings, invalid):
        found = await database(settings.database_url)
        # The line above already says why the database in this folder cannot be made.
        if not (unwritable and found.text.code == DATABASE_NOT_MADE.code and settings.named_database is None):
            yield found
    if not {"DATA_DIR", "DATABASE_URL"} & set(invalid):
        for finding in await apart(rights, settings):
            yield finding
    for finding in sqlite_library():
        yield finding
    if not _PROXIES & set(invalid):
        for finding in proxies(settings):
            yield finding


async def files_to_do(settings: Settings) -> list[Finding]:
    """What is left to do about the data folder and the modes of the files."""
    findings = [await apart(data_folder, settings.data_dir), *await apart(rights, settings)]
    return [finding for finding in findings if finding.level is Level.TO_DO]


def _database_is_known(settings: Settings, invalid: Collection[str]) -> bool:
    return "DATABASE_URL" not in invalid and (settings.named_database is not None or "DATA_DIR" not in invalid)


async def at_discord(settings: Settings, invalid: Collection[str] = ()) -> AsyncIterator[Finding]:
    """The checks of the application and its commands at Discord, and the invitation."""
    if "ALLOWED_GUILDS" in invalid:
        # It is set to something, so it is not left open by mistake.
        settings = replace(settings, open_to_all=True)
    known = await application(settings)
    for finding in known.findings:
        yield finding
    if known.id is None or known.invitation is None:
        return
    if "COMMAND_GUILDS" not in invalid:
        async for finding in registered(settings, known.id, await command_names()):
            yield finding
    yield Finding("invitation", INVITATION(address=known.invitation))


def conclusion(findings: Iterable[Finding]) -> list[Text]:
    """What to do next, in this order."""
    every = list(findings)
    to_do = sum(finding.level is Level.TO_DO for finding in every)
    fix = [NEXT_FIX(count=to_do)] if to_do else []
    known = any(finding.text.code == INVITATION.code for finding in every)
    return [*fix, NEXT_INVITE(), NEXT_RUN(), NEXT_SETUP()] if known else [*fix, NEXT_RUN()]


async def about_spending(
    settings: Settings, providers: Mapping[str, Provider], invalid: Collection[str] = ()
) -> AsyncIterator[Finding]:
    """Whether anything limits what people spend, or how many images they make if no image service charges."""
    unlimited = spending_problem(settings, providers)
    names = [name for name, limit in _LIMITS.items() if limit(settings) is not None]
    if unlimited is not None and not _LIMITS.keys() & set(invalid):
        yield Finding("spending", unlimited, Level.TO_DO)
    elif settings.demo_provider or not providers:
        return
    elif not any(provider.charges for provider in providers.values()):
        yield Finding("spending", FREE_ONLY(count=settings.free_images_per_user))
    elif names:
        yield Finding("spending", LIMITED(names=names))


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
    try:
        free = _free_bytes(folder) / 2**30
    except OSError as error:
        reason = error.strerror or t("unknown error")
        return Finding("data folder", FOLDER_NOT_WRITABLE(folder=str(folder), reason=reason), Level.TO_DO)
    if free < LEAST_FREE_GIB:
        return Finding("data folder", DISK_NEARLY_FULL(folder=str(folder), gib=round(free, 1)), Level.TO_DO)
    form = FOLDER_FINE if folder.exists() else FOLDER_MISSING
    return Finding("data folder", form(folder=str(folder), gib=round(free)))


def _free_bytes(folder: Path) -> int:
    """The free space where this folder is or will be made. Raises OSError if nothing can be written there. Blocks."""
    # The first start creates a missing folder, if its nearest existing parent is writable.
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    with tempfile.TemporaryFile(dir=folder):
        return shutil.disk_usage(folder).free


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
    return [Finding("rights", READABLE_BY_OTHERS(paths=paths), Level.TO_DO)] if found else []


async def database(url: str) -> Finding:
    """Whether the database opens, and its version."""
    try:
        path = database_path(url)
        if not await apart(path.exists):
            return await apart(_database_to_make, path)
        opened = await Database.open(url)
    except StorageError as error:
        return Finding("database", VERBATIM(words=str(error)), Level.TO_DO)
    await opened.close()
    versions = await apart(known_versions)
    return Finding("database", t("{path} opens; its version is {version}.", path=str(path), version=versions[-1]))


def _database_to_make(path: Path) -> Finding:
    try:
        _free_bytes(path.parent)
    except OSError:
        return Finding("database", DATABASE_NOT_MADE(path=str(path), folder=str(path.parent)), Level.TO_DO)
    return Finding("database", DATABASE_MISSING(path=str(path)))


async def services(
    settings: Settings, providers: Mapping[str, Provider], invalid: Collection[str] = ()
) -> AsyncIterator[Finding]:
    """Whether a key is set, and whether each service accepts it.

    ``invalid`` are the providers whose settings are invalid, which the findings about the settings report.
    """
    if settings.demo_provider and not all(map(find_spec, _DEMO_NEEDS)):
        yield Finding("image services", DEMO_NOT_INSTALLED(), Level.TO_DO)
    elif settings.demo_provider:
        yield Finding("image services", DEMO_IS_ON())
    elif not providers and not invalid:
        yield Finding("image services", NO_PROVIDER(), Level.TO_DO)
    used = [each for each in providers.values() if not (settings.demo_provider and each.charges)]
    if used or (invalid and not settings.demo_provider):
        for provider in used:
            error = await provider.check() or await _learnt(provider)
            if error is not None:
                yield Finding(provider.label, _advice(provider, error), Level.TO_DO)
            elif not provider.engines:
                yield Finding(provider.label, NO_ENGINES(), Level.TO_DO)
            else:
                yield Finding(provider.label, SERVICE_FINE(engines=[engine.id for engine in provider.engines]))
                for finding in _silent_servers(provider):
                    yield finding
        if folder := settings.reader.text("COMFYUI_WORKFLOWS"):
            for finding in await apart(workflow_findings, folder):
                yield finding
        if providers and not invalid:
            yield image_sources(settings.reader.names("IMAGE_HOSTS"))


def _silent_servers(provider: Provider) -> Iterator[Finding]:
    """A note for each of several servers that did not answer. They have numbers, in the order of the settings."""
    for number, server in enumerate(provider.servers(), 1):
        if server.silence is not None:
            name = f"{provider.label} {number}"
            yield Finding(name, provider_text(name, Unreachable(server.silence.reason)), Level.NOTE)


async def _learnt(provider: Provider) -> ProviderError | None:
    """Ask the service for its engines, if it lists them. Returns the problem, or None."""
    if provider.learns:
        try:
            await provider.learn()
        except ProviderError as error:
            return error
    return None


def _advice(provider: Provider, error: ProviderError) -> Text:
    """What the operator can do. The usual texts are for people who have to ask the operator."""
    match error.reason:
        case Reason.WRONG_KEY:
            setting = (error.setting if isinstance(error, Refused) else "") or provider.key_setting
            if setting.endswith("_PASSWORD"):
                return PASSWORD_REFUSED(user=setting.replace("_PASSWORD", "_USER"), setting=setting)
            return KEY_REFUSED(setting=setting)
        case Reason.NO_CREDITS:
            return NO_CREDITS()
        case Reason.UNREACHABLE if provider.address_setting:
            return SERVER_UNREACHABLE(setting=provider.address_setting)
        case Reason.NOT_TRUSTED if provider.address_setting:
            return SERVER_NOT_TRUSTED(setting=provider.address_setting)
        case Reason.NOT_FOUND if provider.address_setting in _WITH_API:
            return NO_API(setting=provider.address_setting)
        case Reason.NOT_FOUND if provider.address_setting:
            return OTHER_SERVER(setting=provider.address_setting)
    return provider_text(provider.label, error)


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

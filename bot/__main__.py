"""The command line: ``python -m bot run`` and so on."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe
from typing import TypeAlias

import structlog

from bot import config, logs
from bot.config import Settings
from bot.errors import SettingsError, UserError
from bot.gc_tuning import uncollected
from bot.text import Text, message, t
from storage.errors import StorageError
from storage.files import OWNER_ALONE

Command: TypeAlias = Callable[[Settings, argparse.Namespace], Awaitable[int]]

log = structlog.get_logger("bot.command_line")

DEMO_REMEMBERED = 1_000
"""How many calls, bills and threads the stand-in of DEMO_PROVIDER keeps in memory."""
NOT_INSTALLED = message(
    "command_line.not_installed",
    "The playground, which DEMO_PROVIDER needs too, is not installed: its packages are in requirements/playground.txt, "
    "and the Docker image leaves it out.",
)
PLAYGROUND_INSTEAD = message(
    "command_line.playground_instead",
    "DISCORD_TOKEN is not set, so this is the playground. To run the bot on Discord, copy .env.example to .env and set "
    "DISCORD_TOKEN and the key of an image service in it; the README says where to find them.",
)
NO_TOKEN = message(
    "command_line.no_token",
    "DISCORD_TOKEN is not set. The README says where to find it; `python -m bot playground` needs none.",
)


async def run(settings: Settings, arguments: argparse.Namespace) -> int:
    """Run the bot on Discord until it is stopped."""
    if settings.discord_token is None and arguments.or_playground:
        print(PLAYGROUND_INSTEAD, flush=True)
        return await playground(settings, arguments)
    _require_token(settings)
    for unknown in settings.unknown:
        log.warning("settings.unknown_name", name=unknown.name, meant=unknown.meant)
    if settings.discord_proxy is not None:
        log.info("proxy.used", guard="it resolves the hosts of images, so it must refuse private addresses")
    with uncollected():
        from bot.app import assembled
        from bot.doctor import files_to_do
        from bot.run import serve

    stop = _stop_on_signals()
    async with _demo(settings) as painted, assembled(painted) as runtime:
        # `serve` logs the same about spending and Discord.
        for finding in await files_to_do(settings):
            log.warning("to_do", code=finding.text.code, text=str(finding.text))
        await serve(runtime, stop)
    return 0


async def playground(settings: Settings, arguments: argparse.Namespace) -> int:
    """Serve a page that looks like Discord, with the bot behind it."""
    from playground.page import serve

    if not settings.reader.text("LOG_LEVEL"):
        # The page's address stays the last line in the terminal while nothing goes wrong.
        logs.set_up("warning", settings.log_format, settings.reader.secrets)
    return await serve(settings, _stop_on_signals(), every_service=arguments.engines == "all")


async def demo(settings: Settings, arguments: argparse.Namespace) -> int:
    """Run through all engines without a browser; the images go to out/."""
    from playground.demo import play

    return await play(settings)


async def doctor(settings: Settings, arguments: argparse.Namespace) -> int:
    """Check everything and say what is missing."""
    from bot.doctor import conclusion, examine
    from bot.findings import Level

    findings = []
    async for finding in examine(settings, arguments.problems):
        print(finding, flush=True)
        findings.append(finding)
    _print_steps(conclusion(findings))
    return int(any(finding.level is Level.TO_DO for finding in findings))


async def sync(settings: Settings, arguments: argparse.Namespace) -> int:
    """Register the commands with Discord, even if they have not changed."""
    _require_token(settings)
    from bot.app import assembled
    from bot.run import logged_in
    from bot.ui.sync import TROUBLES

    async with _demo(settings) as painted, assembled(painted, alone=False) as runtime, logged_in(runtime):
        synced = await runtime.commands.sync(force=True)
    if synced.done:
        print(t("Registered the commands: {places}.", places=synced.done))
    for scope, trouble in synced.troubles.items():
        problem = t("Could not register the commands for {place}: {reason}", place=scope, reason=TROUBLES[trouble])
        _complain(problem, 1)
    return int(bool(synced.troubles))


async def migrate(settings: Settings, arguments: argparse.Namespace) -> int:
    """Bring the database up to date."""
    from storage.database import InstanceLock, database_path
    from storage.database import migrate as bring_up_to_date

    async with InstanceLock(settings.database_url):
        await bring_up_to_date(settings.database_url, settings.data_dir / config.BACKUPS)
    print(t("The database {path} is up to date.", path=str(database_path(settings.database_url))))
    return 0


async def backup(settings: Settings, arguments: argparse.Namespace) -> int:
    """Back up the database; the bot may be running."""
    from bot.operations import back_up

    copy = await back_up(settings, arguments.file, datetime.now(UTC))
    print(t("Backed up the database to {copy}.", copy=str(copy)))
    return 0


async def restore(settings: Settings, arguments: argparse.Namespace) -> int:
    """Restore the database from a backup; stop the bot first."""
    from bot.operations import put_back

    print(*await put_back(settings, arguments.file, datetime.now(UTC)), sep="\n")
    return 0


async def retry(settings: Settings, arguments: argparse.Namespace) -> int:
    """Have the next start look up requests that are unknown or lack images; stop the bot first."""
    from bot.operations import ask_again
    from bot.provider_settings import configured

    providers = configured(settings)
    for provider in providers.values():
        await provider.close()
    print(*await ask_again(settings, providers, datetime.now(UTC)), sep="\n")
    return 0


async def reconcile(settings: Settings, arguments: argparse.Namespace) -> int:
    """Check that the ledger matches the requests, and list open, unknown or overcharged ones."""
    from bot.operations import books

    lines, agree = await books(settings)
    print(*lines, sep="\n")
    return int(not agree)


async def usage(settings: Settings, arguments: argparse.Namespace) -> int:
    """What was spent in all servers, or in one: the figures of /usage report."""
    from bot import operations
    from storage.reports import By

    now = datetime.now(UTC)
    lines = await operations.usage(
        settings, period=arguments.period, by=By(arguments.by), server_id=arguments.server, now=now
    )
    print("\n".join(lines))
    return 0


async def health(settings: Settings, arguments: argparse.Namespace) -> int:
    """Exit with status 0 if the bot that uses this data folder is running."""
    from bot.health import problem
    from storage.pools import apart

    wrong = await apart(problem, settings.data_dir, time.time())
    print(wrong or t("The bot is running."))
    return int(wrong is not None)


COMMANDS: dict[str, Command] = {
    command.__name__: command
    for command in (run, playground, demo, doctor, sync, migrate, backup, restore, retry, reconcile, usage, health)
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    arguments = _parser().parse_args(words)
    # Other users of this machine must not read prompts, images or backups.
    os.umask(OWNER_ALONE)
    try:
        settings, arguments.problems = config.read()
        if arguments.problems and arguments.command != "doctor":
            raise SettingsError(*_all_problems(settings, arguments.problems))
        config.keep_temporary_files_in(settings.data_dir)
        logs.set_up(settings.log_level, settings.log_format, settings.reader.secrets)
        return asyncio.run(_carry_out(COMMANDS[arguments.command], settings, arguments))
    except SettingsError as error:
        if arguments.command != "doctor":
            return _complain(error, 2)
        # The file cannot be read, so there is nothing else to check.
        from bot.doctor import conclusion, invalid_settings

        findings = list(invalid_settings(error.problems))
        print(*findings, sep="\n")
        _print_steps(conclusion(findings))
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


async def _carry_out(command: Command, settings: Settings, arguments: argparse.Namespace) -> int:
    """Carry out the command. Print an error that the operator can act on as one sentence; log any other error.

    Raises SettingsError.
    """
    try:
        return await command(settings, arguments)
    except SettingsError:
        raise
    except (UserError, StorageError) as error:
        return _complain(error, 1)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"playground", "fakes", "simcord", "numpy"}:
            raise
        return _complain(NOT_INSTALLED, 1)
    except Exception:
        # The log removes secrets. If this error went further, Python would print it with them.
        log.critical("crashed", exc_info=True)
        return 1


def _complain(sentence: object, status: int) -> int:
    for line in str(sentence).splitlines():
        print(f"easel: {line}", file=sys.stderr, flush=True)
    return status


def _print_steps(steps: Sequence[Text]) -> None:
    print()
    print(t("Next:"))
    for number, step in enumerate(steps, 1):
        print(f"{number}. {step}", flush=True)


def _all_problems(settings: Settings, problems: Sequence[Text]) -> list[Text]:
    """These problems, those of the image services' settings, and unknown names, so that all are reported at once."""
    # Imported late, because other commands do without the image services.
    from bot.provider_settings import read_providers

    unknown = (name.problem for name in settings.unknown)
    return [*problems, *(one for one in read_providers(settings).problems if one not in problems), *unknown]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description="Easel, a Discord bot that makes images.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.__doc__, description=command.__doc__)
        if name == "run":
            subparser.add_argument(
                "--or-playground", action="store_true", help="serve the playground if DISCORD_TOKEN is not set"
            )
            subparser.set_defaults(engines="paid")
        if name == "playground":
            subparser.add_argument(
                "--engines",
                choices=("paid", "all"),
                default="paid",
                help="all: a service of each kind, also of those that cost nothing",
            )
        if name == "backup":
            subparser.add_argument(
                "file",
                metavar="FILE",
                type=Path,
                nargs="?",
                help="the new file (default: named by date, in DATA_DIR/backups)",
            )
        if name == "usage":
            subparser.add_argument(
                "period",
                nargs="?",
                default="this month",
                help='for example today, "last month", 2026-03 or all',
            )
            subparser.add_argument("--by", choices=("user", "engine", "operation", "day", "channel"), default="user")
            subparser.add_argument("--server", type=int, metavar="ID", help="only this server")
        if name == "restore":
            subparser.add_argument("file", metavar="FILE", type=Path, help="the backup")
    return parser


def _require_token(settings: Settings) -> None:
    """Raises SettingsError if the token is missing, with everything else that keeps the bot from starting."""
    if settings.discord_token is not None:
        return
    from bot.app import NO_PROVIDER
    from bot.provider_settings import read_providers

    read = read_providers(settings)
    none = [] if read.every or read.wrong_keys or settings.demo_provider else [NO_PROVIDER]
    raise SettingsError(NO_TOKEN, *read.problems, *none)


def _stop_on_signals() -> asyncio.Event:
    """Return an event that the first SIGTERM or SIGINT sets. A second signal ends the process at once."""
    stop = asyncio.Event()

    def asked(number: signal.Signals) -> None:
        if stop.is_set():
            os._exit(128 + number)
        log.info("stop.asked", signal=number.name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked, number)
    return stop


@asynccontextmanager
async def _demo(settings: Settings) -> AsyncIterator[Settings]:
    """With DEMO_PROVIDER, run a stand-in for the image services within the block, and yield its settings."""
    if not settings.demo_provider:
        yield settings
        return
    from fakes.services import StandIn

    key = token_urlsafe()
    stand_in = StandIn(keys=frozenset({key}), control=False, remember=DEMO_REMEMBERED)
    await stand_in.start()
    try:
        reader = settings.reader.but(
            {
                "AI_CLIENT_TOKEN": key,
                "AI_CLIENT_URL": f"{stand_in.url}/api/v1",
                "AITHRIVING_KEY": key,
                "AITHRIVING_URL": stand_in.url,
            }
        )
        yield replace(settings, reader=reader)
    finally:
        await stand_in.stop()


if __name__ == "__main__":
    sys.exit(main())

"""The command line: ``python -m bot run`` and the like."""

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
from storage.errors import StorageError
from storage.files import OWNER_ALONE

Command: TypeAlias = Callable[[Settings, argparse.Namespace], Awaitable[int]]

log = structlog.get_logger("bot.command_line")

DEMO_REMEMBERED = 1_000
"""Calls, bills and threads that the stand-in of DEMO_PROVIDER keeps."""
NOT_INSTALLED = "The playground is not installed here: its packages are in requirements/playground.txt."
PLAYGROUND_INSTEAD = (
    "DISCORD_TOKEN is not set, so this is the playground. To run the bot on Discord, copy .env.example to .env and "
    "set DISCORD_TOKEN and the key of an image service there; the README says where to find them."
)


async def run(settings: Settings, arguments: argparse.Namespace) -> int:
    """The bot on Discord, until it is told to stop."""
    if settings.discord_token is None and arguments.or_playground:
        print(PLAYGROUND_INSTEAD, flush=True)
        return await playground(settings, arguments)
    _require_token(settings)
    for unknown in settings.unknown:
        log.warning("settings.unknown_name", name=unknown.name, meant=unknown.meant)
    if settings.discord_proxy is not None:
        log.info("proxy.used", guard="it looks up the hosts of images, so it has to refuse private addresses")
    with uncollected():
        from bot.app import assembled, serve

    stop = _stop_on_signals()
    async with _demo(settings) as painted, assembled(painted) as runtime:
        await serve(runtime, stop)
    return 0


async def playground(settings: Settings, arguments: argparse.Namespace) -> int:
    """A page that looks like Discord, with the bot behind it."""
    from playground.page import serve

    return await serve(settings, _stop_on_signals())


async def demo(settings: Settings, arguments: argparse.Namespace) -> int:
    """The same path without a browser: all engines, the pictures in out/."""
    from playground.demo import play

    return await play(settings)


async def doctor(settings: Settings, arguments: argparse.Namespace) -> int:
    """Look at everything and say what is missing."""
    from bot.doctor import examine

    ill = False
    async for finding in examine(settings):
        print(finding, flush=True)
        ill |= not finding.fine
    return int(ill)


async def sync(settings: Settings, arguments: argparse.Namespace) -> int:
    """Tell Discord the commands, whether they have changed or not."""
    _require_token(settings)
    from bot.app import assembled, logged_in
    from bot.ui.sync import TROUBLES

    async with _demo(settings) as painted, assembled(painted, alone=False) as runtime, logged_in(runtime) as client:
        synced = await client.commands_in_step.sync(force=True)
    if synced.done:
        print(f"Discord knows the commands: {', '.join(synced.done)}.")
    for scope, trouble in synced.troubles.items():
        _complain(f"The commands could not be put right for {scope}: {TROUBLES[trouble]}", 1)
    return int(bool(synced.troubles))


async def migrate(settings: Settings, arguments: argparse.Namespace) -> int:
    """Bring the database up to date."""
    from storage.database import InstanceLock, database_path
    from storage.database import migrate as bring_up_to_date

    async with InstanceLock(settings.database_url):
        await bring_up_to_date(settings.database_url, settings.data_dir / config.BACKUPS)
    print(f"The database {database_path(settings.database_url)} is up to date.")
    return 0


async def backup(settings: Settings, arguments: argparse.Namespace) -> int:
    """Copy the database, also while the bot runs."""
    from bot.operations import back_up

    print(f"The database was copied to {await back_up(settings, arguments.file, datetime.now(UTC))}.")
    return 0


async def restore(settings: Settings, arguments: argparse.Namespace) -> int:
    """Put a copy of the database back, while the bot does not run."""
    from bot.operations import put_back

    print("\n".join(await put_back(settings, arguments.file, datetime.now(UTC))))
    return 0


async def retry(settings: Settings, arguments: argparse.Namespace) -> int:
    """Ask again for what became unknown, at the next start; while the bot does not run."""
    from bot.app import configured
    from bot.operations import ask_again

    providers = configured(settings)
    for provider in providers.values():
        await provider.close()
    askable = [name for name, provider in providers.items() if provider.finds_lost_submits]
    print("\n".join(await ask_again(settings, askable, datetime.now(UTC))))
    return 0


async def reconcile(settings: Settings, arguments: argparse.Namespace) -> int:
    """Prove that the ledger and the submissions agree, and list what is open, unknown, or charged beyond them."""
    from bot.operations import books

    lines, agree = await books(settings)
    print("\n".join(lines))
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
    """End with status 0 while the bot on this data folder is alive."""
    from bot.health import ailment
    from storage.pools import apart

    wrong = await apart(ailment, settings.data_dir, time.time())
    print(wrong or "The bot is alive.")
    return int(wrong is not None)


COMMANDS: dict[str, Command] = {
    command.__name__: command
    for command in (run, playground, demo, doctor, sync, migrate, backup, restore, retry, reconcile, usage, health)
}


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words of the command line say and return the exit status."""
    arguments = _parser().parse_args(words)
    # Prompts, pictures and copies of both are for the bot alone, whatever else runs on this machine.
    os.umask(OWNER_ALONE)
    try:
        settings = config.load()
        config.keep_temporary_files_in(settings.data_dir)
        logs.set_up(settings.log_level, settings.log_format, settings.reader.secrets)
        return asyncio.run(_carry_out(COMMANDS[arguments.command], settings, arguments))
    except SettingsError as error:
        if arguments.command != "doctor":
            return _complain(error, 2)
        from bot.doctor import Finding

        print(Finding("settings", str(error), fine=False))
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


async def _carry_out(command: Command, settings: Settings, arguments: argparse.Namespace) -> int:
    """Carry out the command; what lies outside of the program is told in a sentence, a fault of ours goes to the log.

    Raises SettingsError.
    """
    try:
        return await command(settings, arguments)
    except SettingsError:
        raise
    except (UserError, StorageError) as error:
        return _complain(error, 1)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"playground", "simcord", "numpy"}:
            raise
        return _complain(NOT_INSTALLED, 1)
    except Exception:
        # The last place that can log it with the secrets blotted out; Python would print it as it is.
        log.critical("crashed", exc_info=True)
        return 1


def _complain(sentence: object, status: int) -> int:
    print(f"easel: {sentence}", file=sys.stderr, flush=True)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description="Easel, a Discord bot that makes pictures.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.__doc__, description=command.__doc__)
        if name == "run":
            subparser.add_argument(
                "--or-playground", action="store_true", help="serve the playground while there is no DISCORD_TOKEN"
            )
        if name == "backup":
            subparser.add_argument(
                "file",
                metavar="FILE",
                type=Path,
                nargs="?",
                help="the new file (default: by date, in DATA_DIR/backups)",
            )
        if name == "usage":
            subparser.add_argument(
                "period", nargs="?", default="this month", help='such as today, "last month", 2026-03 or all'
            )
            subparser.add_argument("--by", choices=("user", "engine", "day", "channel"), default="user")
            subparser.add_argument("--server", type=int, metavar="ID", help="one server alone")
        if name == "restore":
            subparser.add_argument("file", metavar="FILE", type=Path, help="the copy")
    return parser


def _require_token(settings: Settings) -> None:
    if settings.discord_token is None:
        raise SettingsError(
            "DISCORD_TOKEN is not set: the README says where to find it. `python -m bot playground` needs none."
        )


def _stop_on_signals() -> asyncio.Event:
    """An event that the first SIGTERM or SIGINT sets; the second one ends the process where it stands."""
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
    """With DEMO_PROVIDER the same settings, pointed at a stand-in for the image services that runs meanwhile."""
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

"""``python -m chaos``: kill the bot under load, then count what was lost or paid for twice."""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from chaos import run as runs
from chaos.audit import Table, booked, count
from chaos.conditions import Conditions
from chaos.engines import Free
from chaos.fault_mix import Kind
from chaos.killer import LOOKING, POINTS, free_points
from chaos.outcomes import unsettled
from chaos.run import Ending, Run, Size
from chaos.users import Ask, Crowd
from fakes.discord.bot_process import ERROR, BotProcess
from fakes.discord.people import NotOfferedError


def arguments(words: Sequence[str] | None = None) -> tuple[Size, Path | None, Path | None]:
    """The size of the run, the file for the bot's log, and Discord's OpenAPI file."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000, help="commands that the bot takes, at least (1000)")
    parser.add_argument("--kills", type=int, default=200, help="how often the bot is killed, at least (200)")
    parser.add_argument("--seed", type=int, help="of everything that is drawn (a new one)")
    parser.add_argument(
        "--faults",
        type=kinds,
        default=frozenset(Kind),
        metavar="KINDS",
        help=f"what happens beside the kills, with commas between: {', '.join(Kind)} (all of it)",
    )
    parser.add_argument(
        "--engines",
        type=engines,
        default=frozenset(Free),
        metavar="KINDS",
        help=f"the free services that people use beside the paid ones, with commas between: {', '.join(Free)}; "
        "or paid, for none of them, or all (all)",
    )
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="write there all that the bot logged, in all its lives"
    )
    parser.add_argument("--openapi", type=Path, metavar="FILE", help="check requests against Discord's OpenAPI file")
    chosen = parser.parse_args(words)
    seed = secrets.randbelow(1_000_000) if chosen.seed is None else chosen.seed
    return Size(chosen.jobs, chosen.kills, seed, chosen.faults, chosen.engines), chosen.log, chosen.openapi


def kinds(text: str) -> frozenset[Kind]:
    """The kinds of faults with these names. Raises ValueError."""
    return frozenset(Kind(name) for name in text.split(",") if name)


def engines(text: str) -> frozenset[Free]:
    """The free services with these names. Raises ValueError."""
    if text in {"all", "paid"}:
        return frozenset(Free if text == "all" else ())
    return frozenset(Free(name) for name in text.split(",") if name)


async def history(crowd: Crowd, asks: Sequence[Ask]) -> set[int]:
    """Return the numbers, of these, that their authors find in /history."""
    found = set()
    for ask in asks:
        try:
            asked = await ask.person.slash(ask.where, "history", search=f"{ask.number:05d}")
        except NotOfferedError:
            continue
        said = await asked.answered()
        if f"{ask.number:05d}" in said.text and "Nothing" not in said.text:
            found.add(ask.number)
    return found


async def chaos(size: Size, folder: Path, *, log: Path | None = None, openapi: Path | None = None) -> bool:
    """Run once; return True if the table is right. The bot's log is written to the file ``log``."""
    began = time.monotonic()
    async with runs.discord(openapi) as discord, runs.services(size) as services:
        with Conditions(folder / "conditions") as conditions:
            async with runs.bot(size, discord, services, folder, conditions) as bot:
                run = Run(size, discord, services, bot, conditions)
                await run.lives()

                def open_now() -> list[Ask]:
                    return [ask for ask in unsettled(run.crowd.asks, discord, services) if not ask.deleted]

                await run.begin_last_life(open_now)
                kept = await history(run.crowd, unsettled(run.crowd.asks, discord, services))
                ending = await run.end_last_life()
                table = count(run, ending, await booked(bot.environment["DATABASE_URL"]), kept)
    tell(run, table, ending, bot, time.monotonic() - began, log)
    return table.right


def tell(run: Run, table: Table, ending: Ending, bot: BotProcess, seconds: float, log: Path | None) -> None:
    """Print the result of the run."""
    if log is not None:
        log.write_text("\n".join(bot.lines) + "\n", encoding="utf-8")
    print(f"\nseed {run.size.seed}, {seconds:.0f} s, {bot.starts} lives\n")
    print("\n".join(table.lines()))
    places = len(POINTS) + len(free_points(run.size.free)) + len(LOOKING.sides) + 1
    print(f"\nkilled at {len(run.killer.where)} of {places} places:")
    print("\n".join(f"  {times:>4} {where}" for where, times in sorted(run.killer.where.items())))
    print("\nfaults placed:")
    print("\n".join(f"  {times:>4} {name}" for name, times in sorted(run.fault_mix.faults.items())))
    errors = Counter(line.split(None, 3)[-1][:160] for line in bot.lines if ERROR.search(line))
    if errors:
        print("\nlines of the log that say ERROR:")
        print("\n".join(f"  {times:>4} {line}" for line, times in errors.most_common(20)))
    if not table.right or ending.reconciled:
        said = [line for line in ending.books.splitlines() if not line.startswith(("unknown ", "beyond "))]
        print("\nreconcile said:", *said, sep="\n")
    print("\nIt is right." if table.right else "\nIt is WRONG.")


def main() -> int:
    size, log, openapi = arguments()
    # The bot dies in the middle of its requests, and the servers here log a traceback for each.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    print(f"seed {size.seed}: {size.jobs} jobs, {size.kills} kills", flush=True)
    with tempfile.TemporaryDirectory(prefix="easel-chaos-") as folder:
        return int(not asyncio.run(chaos(size, Path(folder), log=log, openapi=openapi)))


if __name__ == "__main__":
    sys.exit(main())

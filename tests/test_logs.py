"""The log: one line per event, with the ids of its work and without secrets."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from bot import logs

KEY = 'sk-"quoted"\\and-slashed'


@pytest.fixture
def start() -> Iterator[Callable[..., io.StringIO]]:
    """Set up the log on a stream, and restore pytest's own handlers afterwards."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    # An earlier simulated Discord in this process may have set up the library's own log.
    library = logging.getLogger("discord")
    theirs, their_level, library.handlers = library.handlers, library.level, []
    library.setLevel(logging.NOTSET)

    def start(form: str, level: str = "info", secrets: set[str] | None = None) -> io.StringIO:
        stream = io.StringIO()
        logs.set_up(level, form, set() if secrets is None else secrets, stream)
        return stream

    yield start
    root.handlers[:] = handlers
    root.setLevel(level)
    library.handlers = theirs
    library.setLevel(their_level)
    logging.raiseExceptions = raising
    logging.captureWarnings(capture=False)
    for name in logs.OURS:
        logging.getLogger(name).setLevel(logging.NOTSET)


async def test_bound_ids_are_on_exactly_the_lines_of_their_block(start: Callable[..., io.StringIO]) -> None:
    stream = start("json")

    async def work(job: int) -> None:
        structlog.contextvars.bind_contextvars(job=job, submission=job * 10)
        await asyncio.sleep(0)
        structlog.get_logger("bot.jobs").info("sent", engine="core")
        logging.getLogger("aiohttp.client").warning("slow")
        await asyncio.to_thread(logging.getLogger("bot.ui").info, "refitted")

    await asyncio.gather(work(1), work(2))
    logging.getLogger("bot").info("idle")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 7
    assert "job" not in lines.pop()
    for job in (1, 2):
        assert {line["event"] for line in lines if (line["job"], line["submission"]) == (job, job * 10)} == {
            "sent",
            "slow",
            "refitted",
        }


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_event_with_a_traceback_is_one_line(form: str, start: Callable[..., io.StringIO]) -> None:
    stream = start(form)

    def fail() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise RuntimeError("outer\nline") from error

    for log in (structlog.get_logger("bot.worker"), logging.getLogger("bot.worker")):
        try:
            fail()
        except RuntimeError:
            log.exception("work failed")
    structlog.get_logger("bot.worker").error("again", exc_info=RuntimeError("never raised"))
    logging.getLogger("bot.worker").info("typed by somebody:\n2026 ERROR forged\x1b[2J\u2028")
    lines = stream.getvalue().split("\n")
    assert len(lines) == 5
    assert lines.pop() == ""
    for line in lines[:2]:
        assert "outer" in line
        assert "inner" in line
        assert "in fail" in line
    assert "never raised" in lines[2]
    if form == "text":
        assert all(line.isprintable() for line in lines)


def test_a_text_line_contains_all_fields(start: Callable[..., io.StringIO]) -> None:
    stream = start("text")
    with logs.bound(submission=8), logs.bound(job=7, submission=None):
        logging.getLogger("bot.x").warning("took %d", 3, extra={"why": "rate limit"})
    _, rest = stream.getvalue().rstrip("\n").split(" ", 1)
    assert rest == 'WARNING bot.x took 3 job=7 submission=8 why="rate limit"'


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "said",
    [
        KEY,
        "POST /api/v10/webhooks/123456/{}/messages/@original has returned 429",
        "https://discord.com/api/v10/interactions/99/{}/callback",
        "Authorization: Bearer {}",
        "headers={{'Authorization': 'Bot {}'}}",
        '{{"op": 2, "d": {{"token": "{}"}}}}',
    ],
)
def test_secrets_are_removed_from_the_log(form: str, said: str, start: Callable[..., io.StringIO]) -> None:
    secret = KEY if said == KEY else "aW50ZXJhY3Rpb246MTIzNDU2Nzg5"
    secrets: set[str] = set()
    stream = start(form, secrets=secrets)
    secrets.add(KEY)
    line = said if said == KEY else said.format(secret)
    logging.getLogger("discord.http").warning(line)
    logging.getLogger("bot").warning("sent %s", line, extra={"payload": [line], line: 1})
    structlog.get_logger("bot").warning("sent", answer=line, object={"line": line})
    try:
        raise ValueError(line)
    except ValueError:
        structlog.get_logger("bot").exception("failed")
    written = stream.getvalue()
    assert written.count("\n") == 4
    assert "***" in written
    for spelling in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], json.dumps(repr(secret)[1:-1])[1:-1]):
        assert spelling not in written


def test_a_short_key_is_not_removed_from_ordinary_words(start: Callable[..., io.StringIO]) -> None:
    stream = start("text", secrets={"demo"})
    logging.getLogger("bot").info("the demo begins")
    assert "the demo begins" in stream.getvalue()


def test_the_level_applies_to_our_loggers_and_libraries_never_log_debug(start: Callable[..., io.StringIO]) -> None:
    stream = start("text", level="debug")
    logging.getLogger("bot.x").debug("ours")
    structlog.get_logger("cogs.x").debug("ours too")
    logging.getLogger("discord.gateway").debug("whole payloads")
    assert "ours" in stream.getvalue()
    assert "ours too" in stream.getvalue()
    assert "whole payloads" not in stream.getvalue()
    stream = start("text", level="error")
    logging.getLogger("bot.x").warning("quiet")
    logging.getLogger("discord.gateway").warning("quiet")
    assert stream.getvalue() == ""


def test_a_lost_gateway_is_a_warning_without_a_traceback(start: Callable[..., io.StringIO]) -> None:
    stream = start("text")
    try:
        raise ConnectionRefusedError("nobody there")
    except ConnectionRefusedError as error:
        shard = logging.getLogger("discord.shard")
        shard.error("Attempting a reconnect for shard ID %s", 0, exc_info=error)
        logging.getLogger("discord.client").exception("Attempting a reconnect in %.2fs", 2.5)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert all("WARNING" in line and "ConnectionRefusedError" in line for line in lines)
    assert not any("nobody there" in line or "exception=" in line for line in lines)

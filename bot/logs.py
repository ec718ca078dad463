"""The log: one line an event, as text or JSON, with the job's and submission's id on every line of their work.

Secrets are blotted out of the finished line, tracebacks and other libraries' messages included. Prompts are nobody's
business at any level but debug: what logs them does so with ``debug`` alone.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from typing import TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

OURS = ("bot", "cogs", "storage", "playground")
"""The packages that obey the level which was set; other libraries' debug lines hold tokens and whole payloads."""

_FIRST = ("timestamp", "level", "logger", "event", "job", "submission")

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

_PATTERNS = (
    # An interaction's token stands in the path of every answer to it.
    (re.compile(r"(/(?:webhooks|interactions)/\d+/)[^/\s?\"'\\]+"), r"\1***"),
    (re.compile(r"\b(Bearer|Bot|Basic) +[A-Za-z0-9._~+/=-]{16,}"), r"\1 ***"),
    (re.compile(r"\b[\w-]{23,30}\.[\w-]{6,7}\.[\w-]{27,}"), "***"),
    (
        re.compile(
            r"""((?:authorization|authentication|api[_-]?key|token|secret|password)\\?["']?\s*[:=]\s*\\?["'])[^"'\\]+""",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
)


def bound(*, job: int | None = None, submission: int | None = None) -> AbstractContextManager[None]:
    """Put these ids on every line that is logged inside, by tasks and threads that are started there too."""
    ids = {name: value for name, value in (("job", job), ("submission", submission)) if value is not None}
    return structlog.contextvars.bound_contextvars(**ids)


def through_logging() -> None:
    """Hand what structlog's loggers are told to the standard library's, so that all lines run one way."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A second set-up must reach loggers that modules made at import.
        cache_logger_on_first_use=False,
    )


def set_up(level: str, form: str, secrets: AbstractSet[str], stream: TextIO | None = None) -> None:
    """Send every line to ``stream`` (standard error by default) as ``form``, which is "text" or "json".

    ``secrets`` may grow afterwards: what it holds when a line is written is blotted out of that line.
    """
    through_logging()
    threshold = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(
        _Formatter(
            secrets,
            foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _traceback_in_full if form == "json" else _traceback_in_short,
                _as_json if form == "json" else _as_text,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.INFO), force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(threshold)
    # It tells of every plug-in that it loads.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for name in ("discord.client", "discord.shard"):
        logging.getLogger(name).addFilter(_reconnects_are_no_errors)
    logging.captureWarnings(capture=True)
    # What the logging package prints about a line that it could not format is neither one line nor blotted out.
    logging.raiseExceptions = False


def _reconnects_are_no_errors(record: logging.LogRecord) -> bool:
    """A connection to the gateway that broke is made anew; nobody has to do anything about it."""
    if isinstance(record.msg, str) and record.msg.startswith("Attempting a reconnect"):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
            record.msg = f"{record.msg} ({record.exc_info[0].__name__})"
        record.exc_info = None
    return True


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Blots out secrets at the one place that every line passes last."""

    def __init__(
        self, secrets: AbstractSet[str], *, processors: list[Processor], foreign_pre_chain: list[Processor]
    ) -> None:
        super().__init__(processors=processors, foreign_pre_chain=foreign_pre_chain)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        # The longest first: one secret may be the beginning of another.
        for secret in sorted(filter(_can_be_told_apart, tuple(self._secrets)), key=len, reverse=True):
            for spelling in _spellings(secret):
                line = line.replace(spelling, "***")
        for pattern, replacement in _PATTERNS:
            line = pattern.sub(replacement, line)
        return line


def _spellings(secret: str) -> list[str]:
    """The secret as it is, and as it stands in a quoted value and in a quoted list of them, the longest first."""
    once = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    return sorted(once | {json.dumps(spelling)[1:-1] for spelling in once}, key=len, reverse=True)


def _can_be_told_apart(secret: str) -> bool:
    # A made-up key of a few letters, as in a demonstration, is part of ordinary words.
    return len(secret) >= 8


def _exception(event: EventDict) -> BaseException | None:
    """Take the exception out of the event, in whichever of the accepted forms it was given."""
    given: bool | BaseException | ExcInfo | None = event.pop("exc_info", None)
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1]
    return sys.exc_info()[1] if given else None


def _traceback_in_full(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    error = _exception(event)
    if error is not None:
        event["exception"] = "".join(traceback.format_exception(error)).rstrip()
    return event


def _traceback_in_short(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The whole chain in one line: what was raised, and the calls that led there, the innermost first."""
    parts: list[str] = []
    error = _exception(event)
    while error is not None and len(parts) < 8:
        summary = " ".join(traceback.format_exception_only(error)).strip()
        frames = [
            f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} in {frame.name}"
            for frame in reversed(traceback.extract_tb(error.__traceback__))
        ]
        parts.append(f"{summary} at {' < '.join(frames)}" if frames else summary)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if parts:
        event["exception"] = "; after ".join(parts)
    return event


def _in_order(event: EventDict) -> dict[str, object]:
    return {name: event.pop(name) for name in _FIRST if name in event} | dict(event)


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return json.dumps(_in_order(event), ensure_ascii=False, default=str)


def _as_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    head = (event.pop("timestamp"), f"{event.pop('level').upper():<7}", event.pop("logger"))
    message = _one_line(str(event.pop("event", "")))
    rest = (f"{name}={_value(value)}" for name, value in _in_order(event).items())
    return " ".join((*head, message, *rest))


def _value(value: object) -> str:
    text = str(value)
    return _one_line(text) if text and not set(text) & set(' "=') else json.dumps(_one_line(text), ensure_ascii=False)


def _one_line(text: str) -> str:
    """Nobody can forge a line of the log by what they type."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)

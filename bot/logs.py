"""The log: one line per event, as text or JSON, with the ids of the event's job and submission.

Secrets are removed from the finished line, with its tracebacks and the messages of other libraries. Prompts are
private: they may only be logged at level debug.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from typing import TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

OURS = ("bot", "cogs", "storage", "playground")
"""The packages that LOG_LEVEL applies to. Debug lines of other libraries contain tokens and whole payloads."""

_FIRST = ("timestamp", "level", "logger", "event", "job", "submission")

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

_PATTERNS = (
    # The path of every response to an interaction contains its token.
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
    """Add these ids to every line that is logged within the block, also by tasks and threads that it starts."""
    ids = {name: value for name, value in (("job", job), ("submission", submission)) if value is not None}
    return structlog.contextvars.bound_contextvars(**ids)


def through_logging() -> None:
    """Send structlog's events to the standard library's loggers, so that all lines are processed alike."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A second set-up must also apply to loggers that modules created on import.
        cache_logger_on_first_use=False,
    )


def set_up(level: str, form: str, secrets: AbstractSet[str], stream: TextIO | None = None) -> None:
    """Write every line to ``stream`` (default: standard error). ``form`` is "text" or "json".

    ``secrets`` may grow afterwards: each line is stripped of the secrets known when it is written.
    """
    through_logging()
    threshold = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(
        _Formatter(
            secrets,
            foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_RENDERERS[form]],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.INFO), force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(threshold)
    # At lower levels, Alembic logs every plug-in that it loads.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for name in ("discord.client", "discord.shard"):
        logging.getLogger(name).addFilter(_reconnects_are_no_errors)
    logging.captureWarnings(capture=True)
    # For a line that it cannot format, the logging package would print a traceback, which may contain secrets.
    logging.raiseExceptions = False


def _reconnects_are_no_errors(record: logging.LogRecord) -> bool:
    """Log a lost gateway connection as a warning without a traceback: the library reconnects by itself."""
    if isinstance(record.msg, str) and record.msg.startswith("Attempting a reconnect"):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
            record.msg = f"{record.msg} ({record.exc_info[0].__name__})"
        record.exc_info = None
    return True


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Formats each line and removes secrets. Every line passes here last."""

    def __init__(
        self, secrets: AbstractSet[str], *, processors: list[Processor], foreign_pre_chain: list[Processor]
    ) -> None:
        super().__init__(processors=processors, foreign_pre_chain=foreign_pre_chain)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        # The longest first: one secret may be a prefix of another.
        for secret in sorted(filter(_can_be_told_apart, tuple(self._secrets)), key=len, reverse=True):
            for spelling in _spellings(secret):
                line = line.replace(spelling, "***")
        for pattern, replacement in _PATTERNS:
            line = pattern.sub(replacement, line)
        return line


def _spellings(secret: str) -> list[str]:
    """The spellings of a secret: as it is, in a quoted value, and in a quoted list of values; longest first."""
    once = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    return sorted(once | {json.dumps(spelling)[1:-1] for spelling in once}, key=len, reverse=True)


def _can_be_told_apart(secret: str) -> bool:
    # A short made-up key, as in a demo, occurs in ordinary words.
    return len(secret) >= 8


def _short_traceback(exc_info: ExcInfo) -> str:
    """The exception chain in one line: each exception with the calls that led to it, innermost first."""
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None and len(parts) < 8:
        summary = " ".join(traceback.format_exception_only(error)).strip()
        frames = [
            f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} in {frame.name}"
            for frame in reversed(traceback.extract_tb(error.__traceback__))
        ]
        parts.append(f"{summary} at {' < '.join(frames)}" if frames else summary)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "; after ".join(parts)


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: event[name] for name in _FIRST if name in event} | dict(event)


def _as_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    head = (event.pop("timestamp"), f"{event.pop('level').upper():<7}", event.pop("logger"))
    message = _one_line(str(event.pop("event", "")))
    return " ".join((*head, message, *(f"{name}={_value(value)}" for name, value in event.items())))


def _value(value: object) -> str:
    # LogfmtRenderer would drop a line whose key has a space, and would keep control characters.
    text = str(value)
    return _one_line(text) if text and not set(text) & set(' "=') else json.dumps(_one_line(text), ensure_ascii=False)


def _one_line(text: str) -> str:
    """Escape control characters, so that typed text cannot forge a log line or control a terminal."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


_RENDERERS: Mapping[str, tuple[Processor, ...]] = {
    "json": (
        structlog.processors.ExceptionRenderer(),
        _in_order,
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ),
    "text": (structlog.processors.ExceptionRenderer(_short_traceback), _in_order, _as_text),
}

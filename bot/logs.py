"""The log: one line per event, as text or JSON, with the ids of the job and the submission that it is about.

Secrets are removed from the finished line, which includes tracebacks and messages of other libraries. Prompts are
private: they may be logged at level debug only.
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
"""The packages that LOG_LEVEL applies to; debug lines of other libraries hold tokens and whole payloads."""

_FIRST = ("timestamp", "level", "logger", "event", "job", "submission")

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

_PATTERNS = (
    # An interaction's token is in the path of every response to it.
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
    """Add these ids to every line that is logged inside, also by tasks and threads that are started there."""
    ids = {name: value for name, value in (("job", job), ("submission", submission)) if value is not None}
    return structlog.contextvars.bound_contextvars(**ids)


def through_logging() -> None:
    """Send structlog's events to the standard library's loggers, so that all lines take the same way."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A second set-up must also apply to loggers that modules made at import.
        cache_logger_on_first_use=False,
    )


def set_up(level: str, form: str, secrets: AbstractSet[str], stream: TextIO | None = None) -> None:
    """Write every line to ``stream`` (default: standard error) as ``form``, which is "text" or "json".

    ``secrets`` may grow afterwards: what it holds when a line is written is removed from that line.
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
    # It logs every plug-in that it loads.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for name in ("discord.client", "discord.shard"):
        logging.getLogger(name).addFilter(_reconnects_are_no_errors)
    logging.captureWarnings(capture=True)
    # The logging package would report a line that it cannot format with a traceback that may hold secrets.
    logging.raiseExceptions = False


def _reconnects_are_no_errors(record: logging.LogRecord) -> bool:
    """A lost connection to the gateway is restored by the library, so it is a warning without a traceback."""
    if isinstance(record.msg, str) and record.msg.startswith("Attempting a reconnect"):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
            record.msg = f"{record.msg} ({record.exc_info[0].__name__})"
        record.exc_info = None
    return True


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Removes secrets at the last place that every line passes."""

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
    """The secret as it is, in a quoted value, and in a quoted list of values; the longest first."""
    once = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    return sorted(once | {json.dumps(spelling)[1:-1] for spelling in once}, key=len, reverse=True)


def _can_be_told_apart(secret: str) -> bool:
    # A short made-up key, as in a demo, is part of ordinary words.
    return len(secret) >= 8


def _short_traceback(exc_info: ExcInfo) -> str:
    """The whole chain in one line: each exception with the calls that led to it, the innermost first."""
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
    # Not LogfmtRenderer: it drops a line whose key has a space, and leaves control characters in.
    text = str(value)
    return _one_line(text) if text and not set(text) & set(' "=') else json.dumps(_one_line(text), ensure_ascii=False)


def _one_line(text: str) -> str:
    """Nobody can forge a line of the log, or control a terminal, with what they type."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


_RENDERERS: Mapping[str, tuple[Processor, ...]] = {
    "json": (
        structlog.processors.ExceptionRenderer(),
        _in_order,
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ),
    "text": (structlog.processors.ExceptionRenderer(_short_traceback), _in_order, _as_text),
}

"""The ledger as a CSV table for spreadsheet programs, safe from formula injection."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from bot.domain.characters import INVISIBLE, NOT_SHOWN
from bot.domain.periods import moment_of
from bot.errors import UserError
from bot.providers.operations import Operation
from bot.text import message, t
from storage.ledger import LedgerEntry

COLUMNS = (
    "entry",
    "kind",
    "counted_at",
    "written_at",
    "user",
    "server",
    "channel",
    "job",
    "request",
    "engine",
    "operation",
    "credits",
    "exact",
    "of_grants",
    "provider_credits",
    "images",
    "outcome",
    "note",
)
BYTES_AT_MOST = 256 * 2**20
"""The size limit of a table before compression, in bytes. Spreadsheet programs cannot open larger ones."""

TOO_LARGE = message("export.too_large", "That's too much for one file. Choose a shorter period.")

# A cell that begins with one of these is a formula, including the full-width forms of Asian keyboards.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠|%")


def cell(text: str) -> str:
    """Turn a text into a one-line cell that spreadsheet programs do not interpret as a formula."""
    line = re.sub(r"\s", " ", NOT_SHOWN.sub(" ", text))
    # Both the original and the visible text are checked: removing a leading tab changes the first character.
    seen = INVISIBLE.sub("", line).strip()
    return f"'{line.strip()}" if text.startswith(_FORMULA) or seen.startswith(_FORMULA) else line.strip()


class Table:
    """A table that grows entry by entry. It is compressed along the way, in case it is too large to send otherwise."""

    def __init__(self, plain_at_most: int) -> None:
        self._plain_at_most = plain_at_most
        self._size = 0
        self._plain = io.BytesIO()
        self._packed = io.BytesIO()
        self._packer = gzip.GzipFile(fileobj=self._packed, mode="wb", compresslevel=6, mtime=0)
        # The byte order mark makes spreadsheet programs read it as UTF-8.
        self._write("\ufeff" + _line(COLUMNS))

    def add(self, entries: Iterable[LedgerEntry]) -> None:
        """Add entries. Raises UserError if the table becomes too large."""
        self._write("".join(_line(_cells(entry)) for entry in entries))

    def finished(self, name: str) -> tuple[str, bytes]:
        """Return the file's name and content, compressed if necessary. Raises UserError if it is still too large."""
        self._packer.close()
        if self._size <= self._plain_at_most:
            return f"{name}.csv", self._plain.getvalue()
        if self._packed.tell() > self._plain_at_most:
            raise UserError(TOO_LARGE)
        return f"{name}.csv.gz", self._packed.getvalue()

    def _write(self, text: str) -> None:
        data = text.encode()
        self._size += len(data)
        if self._size > BYTES_AT_MOST:
            raise UserError(TOO_LARGE)
        if self._size <= self._plain_at_most:
            self._plain.write(data)
        self._packer.write(data)


def _cells(entry: LedgerEntry) -> tuple[Any, ...]:
    return (
        entry.id,
        entry.kind.value,
        _time(entry.counted_at),
        _time(entry.created_at),
        # Written like a mention, because spreadsheet programs round numbers of this length.
        f"<@{entry.user_id}>",
        f"server {entry.server_id}" if entry.server_id is not None else str(t("direct messages")),
        f"<#{entry.channel_id}>" if entry.channel_id is not None else "",
        _number(entry.job_id),
        _number(entry.submission_id),
        cell(entry.engine or ""),
        cell(_operation(entry)),
        _credits(entry.amount),
        "yes" if entry.exact else "estimated",
        _credits(entry.granted) if entry.granted else "",
        _credits(entry.raw_amount) if entry.raw_amount is not None else "",
        _number(entry.images),
        cell(entry.outcome or ""),
        cell(entry.note or ""),
    )


def _operation(entry: LedgerEntry) -> str:
    """The operation's code; empty for an entry without a request."""
    return "" if entry.engine is None else entry.operation or Operation.TEXT_TO_IMAGE


def _time(at: int) -> str:
    moment: datetime = moment_of(at)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _credits(millicredits: int) -> str:
    """Format credits with three decimals. A minus sign before a plain number does not start a formula."""
    return f"{Decimal(millicredits) / 1000:.3f}"


def _line(cells: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()

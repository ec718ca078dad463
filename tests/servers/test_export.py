"""User input stays text in every spreadsheet program, whatever it looks like."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UserError
from bot.servers import export
from bot.servers.export import COLUMNS, TOO_LARGE, Table, cell
from storage.ledger import EntryKind, LedgerEntry
from tests.doubles.texts import codes


def entry(note: str | None = None, amount: int = 4500, user_id: int = 1) -> LedgerEntry:
    return LedgerEntry(
        id=1,
        kind=EntryKind.GRANT,
        submission_id=None,
        user_id=user_id,
        server_id=None,
        engine=None,
        amount=amount,
        exact=True,
        raw_amount=None,
        note=note,
        counted_at=1_767_225_600_000,
        created_at=1_767_225_600_000,
    )


@pytest.mark.parametrize("sign", list("=+-@\t\r|%＝＠"))
def test_formulas_are_escaped(sign: str) -> None:
    assert cell(f"{sign}1+1")[0] == "'"
    assert cell(f"  {sign}=1+1")[0] == "'"
    assert cell(f"\u200d{sign}=1")[0] == "'"
    assert cell("for the poster = 5") == "for the poster = 5"


def test_an_emoji_of_several_characters_stays_one() -> None:
    assert cell("for 🪿 and 👩\u200d🚀\x07!") == "for 🪿 and 👩\u200d🚀 !"


@given(st.text(max_size=60))
@pytest.mark.slow
def test_no_text_is_interpreted(note: str) -> None:
    table = Table(2**20)
    table.add([entry(note), entry("the next one")])
    _, data = table.finished("x")
    lines = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert lines[0] == list(COLUMNS)
    assert len(lines) == 3, "no text may begin a line of its own"
    assert all(len(line) == len(COLUMNS) for line in lines)
    assert not lines[1][-1].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert lines[2][-1] == "the next one"


def test_amounts_are_plain_numbers_and_ids_survive() -> None:
    table = Table(2**20)
    table.add([entry(amount=-1_234_567, user_id=81384788765712384)])
    line = next(csv.DictReader(io.StringIO(table.finished("x")[1].decode("utf-8-sig"))))
    assert line["credits"] == "-1234.567"
    assert line["user"] == "<@81384788765712384>"
    assert line["counted_at"] == "2026-01-01 00:00:00"


def test_an_export_that_is_too_large_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(300)
    table.add([entry(str(number**40)) for number in range(1, 200)])
    with pytest.raises(UserError) as refused:
        table.finished("x")
    assert codes(refused.value) == [TOO_LARGE.code]
    monkeypatch.setattr(export, "BYTES_AT_MOST", 1000)
    with pytest.raises(UserError) as refused:
        Table(300).add([entry("x" * 100)] * 20)
    assert codes(refused.value) == [TOO_LARGE.code]

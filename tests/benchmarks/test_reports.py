"""The report benchmark, on a ledger that is too small for meaningful figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import reports


@pytest.mark.slow
def test_every_query_is_run_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--entries", "3000", "--rounds", "2", "--folder", str(tmp_path)]
    reports.main(words)
    reports.main(words)
    said = capsys.readouterr().out
    assert said.count("Making") == 1, "the database is created only once"
    for name in ("/usage report, user, one server, all time", "/usage report, day, all servers", "/credits, by day"):
        assert said.count(name) >= 2


def test_the_ledger_is_as_large_as_it_claims() -> None:
    every = list(reports.entries(10_000))
    assert abs(len(every) - 10_000) < 200
    assert len({entry["submission_id"] for entry in every if entry["kind"] == "hold"}) == sum(
        entry["kind"] == "hold" for entry in every
    )

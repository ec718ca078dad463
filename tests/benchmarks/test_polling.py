"""The promises of the poll schedule, checked in the simulation: the same figures on every machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import polling
from benchmarks.duration_scenarios import SCENARIOS, Scenario
from benchmarks.poll_simulation import Outcome, Says, at_fixed_interval, easel, every, oracle, simulate
from bot.providers.base import ImageRequest, WeightedText
from bot.providers.operations import Size
from storage.database import Database, migrate
from tests.doubles.past import done

# A poll's price with few jobs, as a fraction of its price with many.
IDLE = 0.25


def hold(scenario: Scenario, seeds: Sequence[int], price: float) -> None:
    compared = polling.compare(scenario, seeds, price=price)
    assert compared.fixed.polls_a_job == pytest.approx(compared.ours.polls_a_job, rel=0.05)
    # A job that may end at any moment, however old it is, looks as if it hangs: there, few polls cost a tenth.
    assert compared.ratio <= (0.5 if scenario.foretells else 1.12)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_at_equal_polls_the_lateness_is_half_that_of_a_fixed_interval_or_at_least_not_more(scenario: Scenario) -> None:
    hold(scenario, [2], 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("price", [IDLE, 1.0])
def test_the_same_holds_with_more_jobs_and_with_the_cheap_polls_of_an_idle_rate(
    scenario: Scenario, price: float
) -> None:
    hold(scenario, [0, 1, 2], price)


@pytest.mark.slow
@pytest.mark.parametrize("says", [polling.percent, polling.time_left])
def test_a_providers_progress_halves_the_lateness_if_durations_are_unpredictable(says: Says) -> None:
    heavy = next(each for each in SCENARIOS if each.name == "heavy tail")
    assert polling.compare(heavy, [1], says=says).ratio <= 0.5


def test_few_jobs_are_noticed_at_once_and_many_with_few_polls() -> None:
    few = polling.Load("few", polling.SHORT, at_once=5, jobs=120).run(easel, [1], past=50)
    assert few.late(0.5) < 0.2
    assert few.polls_a_job < 15
    many = polling.Load("many", polling.SHORT, gap=1.0, jobs=120).run(easel, [1], past=50)
    assert many.late(0.5) < 0.35
    assert many.late(0.95) < 0.9
    assert many.polls_a_job < 5.3


def test_scarce_polls_go_where_they_help_most() -> None:
    load = polling.Load("too many", polling.SHORT, gap=0.4, jobs=120)
    ours, fixed = (load.run(watching, [1], past=50) for watching in (easel, every(1)))
    assert ours.polls_a_job <= 1.1 * fixed.polls_a_job
    assert ours.mean < 0.5 * fixed.mean


def test_the_oracle_polls_once_and_is_never_late() -> None:
    outcome = simulate(SCENARIOS[0].durations(50, seed=1), oracle, rate=1000, gap=3)
    assert outcome.polls_a_job == 1
    assert outcome.late(1) < 0.01


def test_the_fixed_interval_for_comparison_makes_as_many_polls() -> None:
    fixed = at_fixed_interval([10.0, 20.0, 30.0], 4)
    assert fixed.polls_a_job == pytest.approx(4, abs=0.4)
    assert all(0 <= late <= 8 for late in fixed.lateness)


def test_the_same_seed_gives_the_same_figures() -> None:
    one, other = (simulate(SCENARIOS[3].durations(60, seed=2), gap=2, seed=2) for _ in range(2))
    assert one == other
    assert SCENARIOS[3].durations(60, seed=2) != SCENARIOS[3].durations(60, seed=3)


def test_an_outcome_can_be_sliced_and_combined() -> None:
    outcome = Outcome([1.0, 2.0, 3.0], [0.1, 0.3, 0.2], [1, 2, 3])
    assert outcome.after(1) == Outcome([2.0, 3.0], [0.3, 0.2], [2, 3])
    assert Outcome.together([outcome, outcome.after(2)]).polls == [1, 2, 3, 3]
    assert (outcome.late(0.5), outcome.late(1)) == (0.2, 0.3)


@pytest.mark.slow
def test_it_prints_a_table_and_draws_a_plot(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(polling, "SCENARIOS", SCENARIOS[:2])
    monkeypatch.setattr(polling, "LOADS", [polling.Load("few", polling.SHORT, at_once=5, jobs=5)])
    monkeypatch.setattr(polling, "JOBS", 20)
    monkeypatch.setattr(polling, "TAUGHT", 10)
    monkeypatch.setattr(polling, "PRICES", (0.5, 1.0))
    monkeypatch.setattr(sys, "argv", ["polling", "--seeds", "7"])
    polling.main()
    printed = capsys.readouterr().out
    assert all(scenario.name in printed for scenario in SCENARIOS[:2])
    assert "every 5 s" in printed
    plot = tmp_path / "plot.svg"
    monkeypatch.setattr(sys, "argv", ["polling", "--plot", str(plot), "--seeds", "7"])
    polling.main()
    assert "</svg>" in plot.read_text(encoding="utf-8")


async def test_recorded_durations_come_from_the_database_in_order(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'easel.db'}"
    await migrate(url, None)
    database = await Database.open(url)
    often, seldom = (
        ImageRequest(engine="easel/xl", prompts=(WeightedText("a lighthouse"),), size=Size(1024, 1024), images=images)
        for images in (1, 2)
    )
    await done(database, often, [10_000 + number for number in range(60)])
    await done(database, seldom, [20_000])
    await database.close()
    (scenario,) = await polling.recorded(url)
    assert scenario.durations(400, seed=0) == [10 + number / 1000 for number in range(60)]

"""Learning how long jobs take."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.jobs.durations import DurationKey, DurationModel, Durations
from bot.providers.base import ImageRequest, WeightedText
from bot.providers.operations import Size
from storage import submissions as rows
from tests.doubles.past import done
from tests.jobs.conftest import MakeWorkshop, Workshop

REQUEST = ImageRequest(engine="scripted/brush", prompts=(WeightedText("a lighthouse"),), size=Size(512, 512))


def learnt(durations: Sequence[float], model: DurationModel | None = None) -> DurationModel:
    model = model or DurationModel()
    for seconds in durations:
        model.add(seconds)
    return model


def likely(model: DurationModel, low: float, high: float) -> float:
    """The probability that the next job takes a time in this range."""
    distribution = model.distribution()
    return distribution.still_open(low) - distribution.still_open(high)


def test_without_data_anything_from_seconds_to_minutes_is_expected() -> None:
    distribution = DurationModel().distribution()
    assert 8 < distribution.usual < 25
    assert 0.05 < distribution.still_open(60) < 0.4
    assert distribution.still_open(600) > 0.001


def test_a_few_jobs_teach_most_of_it() -> None:
    assert likely(learnt([40.0, 42.0, 41.0, 39.0, 43.0]), 30, 55) > 0.7


def test_a_steady_engine_gets_a_narrow_distribution() -> None:
    chance = Random(1)
    assert likely(learnt([chance.gauss(12, 0.3) for _ in range(100)]), 11, 13) > 0.9


def test_two_humps_stay_separate() -> None:
    chance = Random(2)
    model = learnt([chance.gauss(9, 0.5) if chance.random() < 0.6 else chance.gauss(32, 1) for _ in range(150)])
    assert likely(model, 7.5, 10.5) > 0.45
    assert likely(model, 29, 35) > 0.25
    assert likely(model, 12, 26) < 0.08


@pytest.mark.parametrize(("before", "after"), [(10.0, 30.0), (30.0, 10.0)])
def test_a_change_is_learned_within_a_dozen_jobs(before: float, after: float) -> None:
    chance = Random(3)
    model = learnt([before * chance.gauss(1, 0.05) for _ in range(200)])
    learnt([after * chance.gauss(1, 0.05) for _ in range(12)], model)
    assert likely(model, after * 0.7, after * 1.4) > 0.6


def test_a_temporary_change_is_remembered() -> None:
    model = learnt([*[10.0] * 100, *[30.0] * 10, *[10.0] * 20])
    assert likely(model, 9, 11) > 0.6
    assert likely(model, 25, 36) > 0.02


def test_predictions_are_scored_with_what_was_known_when_the_job_was_sent() -> None:
    """A short memory would score too well if it had seen the jobs that ended in the meantime."""
    chance = Random(4)
    told, peeking = DurationModel(), DurationModel()
    usual, marks = 15.0, []
    # Durations go up and down at random, and each job is sent ten jobs before it ends.
    for number in range(200):
        usual = min(60.0, max(5.0, usual * math.exp(chance.gauss(0, 0.2))))
        marks.append(told.mark())
        told.add(usual, marks[max(0, number - 10)])
        peeking.add(usual)
    honest, vain = (
        (model.distribution().quantile(0.1), model.distribution().quantile(0.9)) for model in (told, peeking)
    )
    assert honest[1] / honest[0] > 1.5 * vain[1] / vain[0]


def test_a_new_kind_starts_from_its_engines_model_and_then_diverges() -> None:
    engine = DurationModel()
    learnt([10.0 + number % 3 for number in range(60)], DurationModel(engine))
    new = DurationModel(engine)
    assert likely(new, 9, 13) > 0.8
    learnt([50.0 + number % 5 for number in range(12)], new)
    assert likely(new, 45, 60) > 0.7
    assert likely(DurationModel(engine), 45, 60) > 0.05


def test_jobs_never_seen_open_are_counted_until_one_is() -> None:
    model = DurationModel()
    for _ in range(3):
        model.add(10, blind=True)
    assert model.blind == 3
    model.add(10)
    assert model.blind == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 100_000), max_size=60))
def test_any_durations_give_a_distribution(durations: list[float]) -> None:
    model = DurationModel(DurationModel())
    for seconds in durations:
        model.add(seconds)
    distribution = model.distribution()
    assert 0.4 < distribution.usual < 10_000
    assert distribution.when(0, 0.1) > 0


def test_kinds_differ_only_by_what_affects_the_duration() -> None:
    def kind(**said: object) -> DurationKey:
        given: dict[str, object] = {"engine": "e", "prompts": (WeightedText("a"),), "size": Size(1024, 1024)}
        return DurationKey.of(ImageRequest(**given | said))  # type: ignore[arg-type]  # the fields of a test

    assert kind() == kind(prompts=(WeightedText("b"),), seed=7, style="plain")
    # Sizes of one engine with about as many pixels take about as long.
    assert kind(size=Size(1344, 768)) == kind()
    assert kind(steps=31) == kind(steps=39)
    others = [kind(), kind(engine="f"), kind(size=Size(512, 512)), kind(steps=30), kind(steps=50), kind(images=4)]
    assert len(set(others)) == len(others)


# --- in the database ----------------------------------------------------------------------------------------------


async def test_concurrent_requests_read_the_model_once(
    make_workshop: MakeWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = await make_workshop()
    await done(workshop.database, REQUEST, [40_000 + 100 * number for number in range(50)])
    reads = 0
    real = rows.durations

    async def counted(*said: object, **named: int) -> object:
        nonlocal reads
        reads += 1
        return await real(*said, **named)  # type: ignore[arg-type]  # handed on as they come

    monkeypatch.setattr(rows, "durations", counted)
    durations = Durations(workshop.database)
    models = await asyncio.gather(*(durations.of(REQUEST) for _ in range(50)))
    assert reads == 1
    assert len({id(model) for model in models}) == 1
    assert likely(models[0], 38, 48) > 0.8


async def test_another_kind_of_the_same_engine_gets_the_engines_model(make_workshop: MakeWorkshop) -> None:
    workshop = await make_workshop()
    await done(workshop.database, REQUEST, [40_000] * 30)
    durations = Durations(workshop.database)
    await durations.of(REQUEST)
    large = ImageRequest(engine=REQUEST.engine, prompts=REQUEST.prompts, size=Size(1024, 1024), images=4)
    assert likely(await durations.of(large), 36, 44) > 0.8


async def test_observed_durations_count_at_once_and_after_a_restart(workshop: Workshop) -> None:
    for _ in range(3):
        await workshop.imagine()
        await workshop.finish()
    request = workshop.provider.requests[0]
    now = await workshop.jobs.durations.of(request)
    assert now.mark() == (3, 3)
    await workshop.restart()
    later = await workshop.jobs.durations.of(request)
    assert later is not now
    assert later.mark() == (3, 3)
    assert later.distribution().usual == pytest.approx(now.distribution().usual, rel=0.5)

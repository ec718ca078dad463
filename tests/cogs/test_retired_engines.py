"""Engines that their services no longer have: they are offered nowhere, and nothing fails without them."""

from __future__ import annotations

import pytest

from bot.domain.engines import NO_ENGINES
from bot.domain.rules import ALLOWED_ENGINES_GONE, ENGINES_GONE
from storage.records import JobStatus
from tests.cogs.conftest import CORE, Studio, card, retire, told
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow


@pytest.fixture
def without_core(studio: Studio) -> Studio:
    """A studio whose default engine is gone."""
    retire(studio, CORE)
    return studio


@pytest.fixture
def without_any(studio: Studio) -> Studio:
    """A studio in which no engine makes images from words."""
    for engine_id in studio.runtime.service.engines:
        retire(studio, engine_id)
    return studio


@pytest.mark.parametrize(
    ("command", "option"), [("imagine", "engine"), ("compare", "engines"), ("settings set", "engine")]
)
async def test_it_is_not_suggested(without_core: Studio, command: str, option: str) -> None:
    offered = await without_core.ada.autocomplete(without_core.channel, command, option, "core")
    assert CORE not in [choice["value"] for choice in offered]


async def test_without_the_default_engine_the_cheapest_is_used(without_core: Studio) -> None:
    result = await without_core.imagine()
    await without_core.finish()
    assert (await without_core.job()).status is JobStatus.DELIVERED
    assert len(card(result).images) == 1
    before = len(without_core.stand_in.calls)
    assert told(await without_core.imagine(engine=CORE)).private
    assert len(without_core.stand_in.calls) == before


@pytest.mark.parametrize("command", ["settings show", "engines", "setup", "server show", "help"])
@pytest.mark.parametrize("all_of_them", [False, True])
async def test_the_panels_open(without_core: Studio, *, all_of_them: bool, command: str) -> None:
    studio = without_core
    for engine_id in studio.runtime.service.engines if all_of_them else ():
        retire(studio, engine_id)
    assert told(await studio.admin.slash(studio.channel, command)).text


async def test_if_none_is_left_people_are_told_so(without_any: Studio) -> None:
    refused = told(await without_any.imagine())
    assert shows(refused.text, NO_ENGINES())
    assert without_any.stand_in.calls == []


async def test_a_result_stays_usable_if_none_is_left(studio: Studio) -> None:
    result = await studio.imagine()
    await studio.finish()
    for engine_id in studio.runtime.service.engines:
        retire(studio, engine_id)
    for label in ("Again", "Edit prompt"):
        refused = told(await studio.press(studio.ada, card(result), label))
        assert shows(refused.text, NO_ENGINES()), label


async def test_a_server_that_allows_it_alone_says_why_nothing_works(studio: Studio) -> None:
    await studio.admin.slash(studio.channel, "server set", engines=CORE)
    retire(studio, CORE)
    assert shows(told(await studio.admin.slash(studio.channel, "server show")).text, ENGINES_GONE(engines=CORE))
    assert shows(told(await studio.imagine()).text, ALLOWED_ENGINES_GONE(allowed=CORE))
    await studio.admin.slash(studio.channel, "server set", default_engine=CORE)
    assert studio.runtime.servers.rules(studio.server.id).engine is None

"""The AI Horde's LoRAs: any name, if the operator allows it, and a report if one could not be loaded."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.domain.engines import ImageSpec, request_for
from bot.domain.loras import parse_loras
from bot.providers.ai_horde import AiHorde
from bot.providers.base import Ability, Engine, Failed, Json, WeightedText
from bot.providers.errors import Reason
from bot.providers.loras import Lora, Loras
from bot.providers.operations import Operation
from bot.providers.registry import configure
from fakes.services import StandIn
from fakes.services.ai_horde import Model
from tests.providers.ai_horde_workbench import (
    DELIBERATE,
    STATUS,
    SUBMIT,
    ai_horde_at,
    answering_images,
    failed,
    finished,
    params_of,
    queued,
    wanted,
)
from tests.providers.workbench import reader

INK = Loras((Lora("Ink Wash", 0.8), Lora("12345", -1.5)))


@pytest.fixture
async def horde(stand_in: StandIn) -> AsyncIterator[AiHorde]:
    async with ai_horde_at(stand_in, loras=True) as provider:
        yield provider


def engine(provider: AiHorde, id_: str = DELIBERATE) -> Engine:
    return next(engine for engine in provider.engines if engine.id == id_)


async def test_names_and_weights_are_sent(horde: AiHorde, stand_in: StandIn) -> None:
    await finished(horde, stand_in, wanted(lora=INK))
    assert params_of(stand_in.calls_to(SUBMIT)[0])["loras"] == [
        {"name": "Ink Wash", "model": 0.8, "clip": 0.8},
        {"name": "12345", "model": -1.5, "clip": -1.5},
    ]
    await queued(horde, wanted())
    assert "loras" not in params_of(stand_in.calls_to(SUBMIT)[1])


async def test_any_name_can_be_typed(horde: AiHorde) -> None:
    used = engine(horde)
    spec = ImageSpec((WeightedText("a fox"),), {"lora": parse_loras("Ink Wash:0.8, 12345:-1.5")})
    assert request_for(spec, used, {used.id: used}).lora == INK


@pytest.mark.parametrize(("value", "allowed"), [("1", True), ("0", False), ("", False)])
async def test_only_if_the_operator_allows_it(stand_in: StandIn, value: str, allowed: bool) -> None:
    address = f"{stand_in.url}/horde"
    provider = configure(reader(AI_HORDE="1", AI_HORDE_URL=address, AI_HORDE_LORAS=value))["ai-horde"]
    await provider.learn()
    used = next(engine for engine in provider.engines if engine.id == DELIBERATE)
    assert {Ability.LORA in each.abilities for each in (used, *used.others)} == {allowed}
    await provider.close()


async def test_only_for_models_that_some_worker_uses_with_them(stand_in: StandIn) -> None:
    stand_in.horde.models = [Model("Deliberate", 2), Model("Dreamlike", 3, extended=False)]
    async with ai_horde_at(stand_in, loras=True) as provider:
        assert Ability.LORA in engine(provider).abilities
        assert Ability.LORA not in engine(provider, "ai-horde/Dreamlike").abilities
        assert all(
            Ability.LORA not in each.abilities
            for each in provider.engines
            if each.operation is not Operation.TEXT_TO_IMAGE
        )


async def test_an_image_without_its_lora_is_no_result(horde: AiHorde, stand_in: StandIn) -> None:
    stand_in.horde.missing_loras = {"12345"}
    assert await failed(horde, stand_in, wanted(lora=INK, images=2)) == Failed(Reason.LORA_NOT_LOADED)
    assert stand_in.calls_to(STATUS)


async def test_images_of_workers_that_have_it_are_kept(horde: AiHorde, stand_in: StandIn) -> None:
    report: Json = [{"type": "lora", "value": "baseline_mismatch", "ref": "Ink Wash"}]
    stand_in.misbehave(answering_images(lambda index, image: image | ({"gen_metadata": report} if not index else {})))
    assert len((await finished(horde, stand_in, wanted(lora=INK, images=3))).images) == 2

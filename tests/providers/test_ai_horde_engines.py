"""The AI Horde's models as engines, their ids, and the settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.errors import SettingsError
from bot.providers.ai_horde import ANONYMOUS, LABEL, STORAGE, AiHorde
from bot.providers.ai_horde_engines import MOST_ENGINES, MOST_IMAGES, OFFERED, SAMPLERS
from bot.providers.base import Ability, Engine, Finished, Json, Quote
from bot.providers.engine_ids import id_parts
from bot.providers.errors import ProviderError, Reason, Refused, Unreachable
from bot.providers.operations import Operation, Size
from bot.providers.registry import configure
from bot.providers.settings import WrongSetting
from fakes.services import Fault, StandIn
from fakes.services.ai_horde import Model
from fakes.services.faults import Body, Redirect, Rewrite, Status
from tests.providers.ai_horde_workbench import (
    ALBEDO,
    DELIBERATE,
    NOBODYS,
    SCHNELL,
    SUBMIT,
    ai_horde_at,
    body_of,
    finished,
    make_ai_horde,
    queued,
    wanted,
)
from tests.providers.workbench import SECRET, reader, refusal

MODELS = "horde.models"
SDXL = "ai-horde/SDXL-1.0"


def from_words(ai_horde: AiHorde) -> list[Engine]:
    """The engines that make images from words."""
    return [engine for engine in ai_horde.engines if engine.operation is Operation.TEXT_TO_IMAGE]


def ids(ai_horde: AiHorde) -> list[str]:
    return [engine.id for engine in from_words(ai_horde)]


# --- what is offered --------------------------------------------------------------------------------------------------


async def test_the_models_with_the_most_workers_are_offered(ai_horde: AiHorde) -> None:
    assert ids(ai_horde) == [ALBEDO, DELIBERATE, SCHNELL, SDXL]
    albedo, deliberate, schnell, _ = from_words(ai_horde)
    assert (albedo.name, albedo.workers, albedo.queue_seconds) == ("AlbedoBase XL (SDXL)", 9, 120)
    assert [engine.default_size for engine in (albedo, deliberate, schnell)] == [
        Size(1024, 1024),
        Size(512, 512),
        Size(1024, 1024),
    ]
    assert albedo.operations == (Operation.TEXT_TO_IMAGE, Operation.IMAGE_TO_IMAGE, Operation.INPAINT)
    assert (albedo.samplers, albedo.price) == (SAMPLERS, Quote(0, 0, 0, exact=True))
    assert Ability.STRENGTH not in albedo.abilities
    assert albedo.takes_size(Size(3072, 64))
    assert not albedo.takes_size(Size(1000, 1024))
    for each in albedo.others:
        assert Ability.STRENGTH in each.abilities
        assert each.picture is not None
        # In base64 it stays below 5 MB.
        assert each.picture.bytes * 4 // 3 < 6_200_000
        assert each.picture.most_pixels == 3072 * 3072
    steps = [engine.steps.default for engine in from_words(ai_horde) if engine.steps is not None]
    assert steps == [25, 25, 5, 25]


async def test_no_more_than_twenty_unless_they_are_named(stand_in: StandIn) -> None:
    stand_in.horde.models = [Model(f"model {number}", number) for number in range(300)]
    async with ai_horde_at(stand_in) as provider:
        assert ids(provider) == [f"ai-horde/model-{number}" for number in range(299, 299 - OFFERED, -1)]
    async with ai_horde_at(stand_in, wanted=[f"MODEL {number}" for number in range(300)]) as provider:
        assert len(provider.engines) == MOST_ENGINES


async def test_named_models_are_offered_also_without_workers(stand_in: StandIn) -> None:
    async with ai_horde_at(stand_in, wanted=("nobody's model", "Deliberate", "Missing", "deliberate")) as provider:
        assert ids(provider) == [NOBODYS, DELIBERATE]
        assert provider.engines[0].workers == 0
        with capture_logs() as logs:
            await provider.learn()
        assert [line["models"] for line in logs] == [["missing"]]


async def test_models_for_other_uses_are_not_offered(stand_in: StandIn) -> None:
    names = ("SDXL_beta::stability.ai#6901", "RealESRGAN_x4plus", "pix2pix", "x inpainting", "Fine")
    stand_in.horde.models = [Model(name, 3) for name in names]
    async with ai_horde_at(stand_in) as provider:
        assert ids(provider) == ["ai-horde/Fine"]


async def test_another_model_than_those_offered_can_be_asked_for(ai_horde: AiHorde, stand_in: StandIn) -> None:
    """It may have been among those with the most workers before."""
    handle = await queued(ai_horde, wanted(NOBODYS))
    assert handle["model"] == "Nobody's Model"
    assert body_of(stand_in.calls_to(SUBMIT)[0])["models"] == ["Nobody's Model"]


async def test_prepare_learns_what_it_does_not_know(stand_in: StandIn) -> None:
    stand_in.horde.accounts[SECRET] = 0
    provider = make_ai_horde(stand_in.url)
    assert (await provider.prepare(wanted(images=2))) == {"model": "Deliberate", "images": 2}
    assert provider.engines
    error = await refusal(provider.prepare(wanted("ai-horde/another")))
    assert (type(error), error.reason) == (Refused, Reason.RETIRED)
    assert len(stand_in.calls_to(MODELS)) == 2
    await provider.close()


async def test_a_handle_outlives_the_process(ai_horde: AiHorde, stand_in: StandIn) -> None:
    handle = await ai_horde.prepare(wanted())
    other = make_ai_horde(stand_in.url)
    sent = await other.submit(handle, wanted())
    await stand_in.horde.ended(sent["id"])
    assert isinstance(await other.poll(sent), Finished)
    await other.close()


async def test_an_id_keeps_its_model(ai_horde: AiHorde, stand_in: StandIn) -> None:
    stand_in.horde.models.append(Model("SDXL-1.0", 99))
    await ai_horde.learn()
    digested = ids(ai_horde)[0]
    assert digested.startswith(f"{SDXL}-")
    assert (await ai_horde.prepare(wanted(SDXL)))["model"] == "SDXL 1.0"
    assert (await ai_horde.prepare(wanted(digested)))["model"] == "SDXL-1.0"
    stand_in.horde.models = [model for model in stand_in.horde.models if model.name != "SDXL 1.0"]
    await ai_horde.learn()
    assert (await refusal(ai_horde.prepare(wanted(SDXL)))).reason is Reason.RETIRED
    assert ai_horde.retired == {SDXL}
    stand_in.horde.models.append(Model("SDXL 1.0", 1))
    await ai_horde.learn()
    assert not ai_horde.retired


def test_ids_are_unique_and_made_of_plain_signs() -> None:
    names = ["a b", "a-b", "A B", "a/b", "猫", "x" * 300, "x" * 301, "..", "-", "Flux.1-Schnell fp8 (Compact)"]
    found = id_parts(names, {})
    assert found["a-b"] == "a-b"
    assert found["Flux.1-Schnell fp8 (Compact)"] == "Flux.1-Schnell-fp8-Compact"
    assert len({one.lower() for one in found.values()}) == len(names)
    plain = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    assert all(0 < len(one) <= 60 and set(one) <= plain for one in found.values())
    assert id_parts(reversed(names), {}) == found
    assert id_parts([], found) == found


@pytest.mark.parametrize(
    "answer",
    [[], {}, 7, "x", None, [7, {}, {"name": 7.5}, {"name": ""}, {"name": "x" * 201}, {"name": "a\nb"}]],
)
async def test_a_list_without_models_keeps_the_engines(ai_horde: AiHorde, stand_in: StandIn, answer: Json) -> None:
    before = ai_horde.engines
    stand_in.misbehave(Fault(MODELS, Rewrite(lambda _: answer)))
    assert isinstance(await refusal(ai_horde.learn()), Unreachable)
    assert ai_horde.engines == before != ()


@pytest.mark.parametrize("act", [Status(500), Body("<html>"), Status(400, {"message": "x", "rc": "MaintenanceMode"})])
async def test_a_failure_keeps_the_engines(ai_horde: AiHorde, stand_in: StandIn, act: Any) -> None:
    before = ai_horde.engines
    stand_in.misbehave(Fault(MODELS, act))
    await refusal(ai_horde.learn())
    assert ai_horde.engines == before != ()


@pytest.mark.parametrize(
    ("count", "eta", "workers", "seconds"),
    [(3, 60, 3, 60), ("3", "60", 3, 60), (1, None, 1, None), (1, -5, 1, None), (10**30, 10**30, None, None)],
)
async def test_odd_numbers_of_a_model(
    stand_in: StandIn, count: Json, eta: Json, workers: int | None, seconds: int | None
) -> None:
    stand_in.misbehave(Fault(MODELS, Rewrite(lambda _: [{"name": "x", "count": count, "eta": eta}]), times=None))
    async with ai_horde_at(stand_in) as provider:
        told = [(engine.workers, engine.queue_seconds) for engine in from_words(provider)]
        assert told == ([] if workers is None else [(workers, seconds)])


# --- settings ---------------------------------------------------------------------------------------------------------


def configured(**values: str) -> AiHorde:
    provider = configure(reader(**values))["ai-horde"]
    assert isinstance(provider, AiHorde)
    return provider


def headers_of(ai_horde: AiHorde) -> dict[str, str]:
    return dict(ai_horde._service._credentials.headers)


def test_it_is_off_unless_somebody_wants_it() -> None:
    assert configure(reader()) == {}
    assert configure(reader(AI_HORDE="0")) == {}
    assert configure(reader(AI_HORDE_URL="https://horde.example/api/v2")) == {}


def test_anonymous_or_with_a_key() -> None:
    anonymous = configured(AI_HORDE="1")
    assert headers_of(anonymous) == {"apikey": ANONYMOUS, "Client-Agent": "Easel:1.0:a Discord bot"}
    assert (anonymous.label, anonymous.credit_value) == (LABEL, Decimal(1))
    named = configured(AI_HORDE_KEY=SECRET, AI_HORDE_CONTACT="ada@example.com, é")
    assert headers_of(named) == {"apikey": SECRET, "Client-Agent": "Easel:1.0:ada@example.com, ?"}
    assert SECRET not in repr(named._service._credentials)
    assert headers_of(configured(AI_HORDE_KEY=ANONYMOUS))["apikey"] == ANONYMOUS


def test_the_usual_limits_are_the_services() -> None:
    provider = configured(AI_HORDE="1")
    assert (provider.rate, provider.jobs, provider.patience) == (1.5, 7, 1200.0)
    # Both are allowed 30 images at once and 90 submissions a minute.
    assert provider.jobs * MOST_IMAGES <= 30
    assert provider.rate * 60 <= 90
    assert str(provider._service.base) == "https://aihorde.net/api/v2"
    provider = configured(AI_HORDE="yes", AI_HORDE_RATE="0.5", AI_HORDE_JOBS="2", AI_HORDE_PATIENCE="60")
    assert (provider.rate, provider.jobs, provider.patience) == (0.5, 2, 60.0)


def test_the_hosts_of_images() -> None:
    usual = configured(AI_HORDE="1")._service.hosts
    assert usual.names(STORAGE)
    other = configured(AI_HORDE="1", AI_HORDE_IMAGE_HOSTS="images.example", IMAGE_HOSTS="cdn.example")._service.hosts
    assert other.names("images.example")
    assert other.names("cdn.example")
    assert not other.names(STORAGE)


def test_names_of_models_may_contain_spaces() -> None:
    provider = configured(AI_HORDE="1", AI_HORDE_ENGINES=" AlbedoBase XL (SDXL), Deliberate,, Deliberate")
    assert provider._wanted == ("AlbedoBase XL (SDXL)", "Deliberate")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AI_HORDE_URL", "aihorde.net"),
        ("AI_HORDE_KEY", "two words"),
        ("AI_HORDE_RATE", "0"),
        ("AI_HORDE_JOBS", "many"),
        ("AI_HORDE_PATIENCE", "1"),
        ("AI_HORDE_IMAGE_HOSTS", "https://x.example/"),
        ("AI_HORDE_CONTACT", "a\x00b"),
    ],
)
def test_an_invalid_setting_is_named(name: str, value: str) -> None:
    with pytest.raises((SettingsError, WrongSetting)) as caught:
        configure(reader(**({"AI_HORDE": "1"} | {name: value})))
    assert str(caught.value).startswith(name)


async def test_settings_reach_the_service(stand_in: StandIn) -> None:
    provider = configured(AI_HORDE="1", AI_HORDE_URL=f"{stand_in.url}/horde/", AI_HORDE_ENGINES="SDXL 1.0")
    await provider.learn()
    assert ids(provider) == [SDXL]
    made = await finished(provider, stand_in, wanted(SDXL))
    assert len(made.images) == 1
    assert stand_in.calls_to(SUBMIT)[0].headers["apikey"] == ANONYMOUS
    await provider.close()


# --- the check --------------------------------------------------------------------------------------------------------


async def test_the_check_of_a_key(ai_horde: AiHorde, stand_in: StandIn) -> None:
    assert await ai_horde.check() is None
    stand_in.horde.accounts.clear()
    problem = await ai_horde.check()
    assert isinstance(problem, Refused)
    assert (problem.reason, problem.operator, problem.setting) == (Reason.WRONG_KEY, True, "AI_HORDE_KEY")
    assert len(stand_in.calls_to("horde.user")) == 2


async def test_the_check_without_a_key(stand_in: StandIn) -> None:
    async with ai_horde_at(stand_in, anonymous=True) as provider:
        assert await provider.check() is None
        assert len(stand_in.calls_to("horde.heartbeat")) == 1


@pytest.mark.parametrize(
    ("act", "kind", "reason"),
    [
        (Status(500), Unreachable, Reason.BROKEN),
        (Body("<html>"), Unreachable, Reason.UNREADABLE_ANSWER),
        (Redirect("/login"), Refused, Reason.REDIRECTED),
        (Redirect("https://horde.example/"), Refused, Reason.MOVED),
    ],
)
async def test_a_check_that_fails(
    ai_horde: AiHorde, stand_in: StandIn, act: Any, kind: type[ProviderError], reason: Reason
) -> None:
    stand_in.misbehave(Fault("horde.user", act))
    problem = await ai_horde.check()
    assert problem is not None
    assert (type(problem), problem.reason) == (kind, reason)

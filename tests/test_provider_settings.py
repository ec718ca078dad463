"""The demo's label on the names of what it paints, also on engines that are learnt later."""

from __future__ import annotations

import pytest

from bot import provider_settings
from bot.config import load
from bot.provider_settings import DEMO, configured
from bot.providers.base import Engine, Handle, ImageRequest, Provider
from bot.providers.operations import Size
from tests.doubles.provider import EDITS, ScriptedProvider


async def test_demo_images_are_labelled() -> None:
    keys = {"AI_CLIENT_TOKEN": "demo", "AITHRIVING_KEY": "demo"}
    for demo in ("0", "1"):
        for provider in configured(load({**keys, "DEMO_PROVIDER": demo}, None)).values():
            assert {name.endswith(DEMO) for name in names_of(provider)} == {demo == "1"}


def names_of(provider: Provider) -> list[str]:
    """The names that people see."""
    return [provider.label, *(each.name for engine in provider.engines for each in (engine, *engine.others))]


class LearningProvider(ScriptedProvider):
    """One that finds out its name and its engines when it is asked to."""

    learns = True

    async def learn(self) -> tuple[Engine, ...]:
        self.label = "Learnt"
        self.engines = ScriptedProvider(edits=EDITS).engines
        return self.engines

    async def prepare(self, request: ImageRequest) -> Handle:
        await self.learn()
        return {}


def test_the_demo_uses_no_service_that_charges_in_earnest() -> None:
    keys = {"OPENAI_KEY": "a-key", "OPENAI_MODELS": "gpt-image-1 0.042", "AITHRIVING_KEY": "demo"}
    assert set(configured(load(keys, None))) == {"openai", "aithriving"}
    assert set(configured(load({**keys, "DEMO_PROVIDER": "1"}, None))) == {"aithriving"}


async def test_learnt_engines_keep_the_label_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_settings, "PROVIDERS", (LearningProvider,))
    monkeypatch.setattr(provider_settings, "PAINTED", frozenset({LearningProvider.name}))
    (provider,) = configured(load({"SCRIPTED_KEY": "demo", "DEMO_PROVIDER": "1"}, None)).values()
    engines = await provider.learn()
    labelled = [f"{name}{DEMO}" for name in ("Learnt", "Brush", *["Brush"] * len(EDITS))]
    assert names_of(provider) == labelled
    assert engines == provider.engines
    await provider.prepare(ImageRequest("scripted/brush", (), Size(512, 512)))
    assert names_of(provider) == labelled, "providers also ask by themselves"


async def test_own_servers_are_not_labelled_as_a_demo() -> None:
    (provider,) = configured(load({"A1111_URL": "http://127.0.0.1:9", "DEMO_PROVIDER": "1"}, None)).values()
    assert not provider.label.endswith(DEMO)

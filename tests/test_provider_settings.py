"""Which services the demo takes the place of, and its label on the names of what it paints."""

from __future__ import annotations

from bot.config import load
from bot.provider_settings import DEMO, configured
from bot.providers.base import Provider


async def test_demo_images_are_labelled() -> None:
    keys = {"AI_CLIENT_TOKEN": "demo", "AITHRIVING_KEY": "demo"}
    for demo in ("0", "1"):
        for provider in configured(load({**keys, "DEMO_PROVIDER": demo}, None)).values():
            assert {name.endswith(DEMO) for name in names_of(provider)} == {demo == "1"}


def names_of(provider: Provider) -> list[str]:
    """The names that people see."""
    return [provider.label, *(each.name for engine in provider.engines for each in (engine, *engine.others))]


def test_the_demo_uses_no_service_that_charges_in_earnest() -> None:
    keys = {"OPENAI_KEY": "a-key", "OPENAI_MODELS": "gpt-image-1 0.042", "AITHRIVING_KEY": "demo"}
    assert set(configured(load(keys, None))) == {"openai", "aithriving"}
    assert set(configured(load({**keys, "DEMO_PROVIDER": "1"}, None))) == {"aithriving"}


async def test_own_servers_are_not_labelled_as_a_demo() -> None:
    (provider,) = configured(load({"A1111_URL": "http://127.0.0.1:9", "DEMO_PROVIDER": "1"}, None)).values()
    assert not provider.label.endswith(DEMO)

"""The list of providers. A new provider is a file of its own and one line here."""

from __future__ import annotations

from collections.abc import Sequence

from bot.providers.a1111 import A1111
from bot.providers.ai_client import AiClient
from bot.providers.ai_horde import AiHorde
from bot.providers.aithriving import Aithriving
from bot.providers.base import Provider
from bot.providers.comfyui import Comfyui
from bot.providers.openai_images import OpenaiImages
from bot.providers.settings import SettingsReader

PROVIDERS: tuple[type[Provider], ...] = (
    AiClient,
    Aithriving,
    A1111,
    Comfyui,
    AiHorde,
    OpenaiImages,
)


def configure(settings: SettingsReader, providers: Sequence[type[Provider]] = PROVIDERS) -> dict[str, Provider]:
    """Create the providers whose keys are set. Returns them by name, in the order of the registry.

    Raises the reader's own error or WrongSetting for an invalid setting. Raises ValueError if two providers have the
    same name, or if an engine's id does not begin with its provider's name.
    """
    configured: dict[str, Provider] = {}
    for kind in providers:
        provider = kind.configure(settings)
        if provider is None:
            continue
        if provider.name in configured:
            raise ValueError(f"two providers are named {provider.name}")
        strange = [engine.id for engine in provider.engines if engine.provider != provider.name]
        if strange or not (provider.engines or provider.learns):
            raise ValueError(f"engines of {provider.name} with the ids {strange}")
        configured[provider.name] = provider
    return configured

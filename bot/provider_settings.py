"""Configures the image services from the settings, and collects every problem in their settings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.config import Reader, Settings
from bot.errors import SettingsError
from bot.jobs.provider_text import wrong_setting_text
from bot.providers.base import Provider
from bot.providers.operations import Operation
from bot.providers.registry import PROVIDERS, configure
from bot.providers.settings import WrongSetting
from bot.text import Text, message

NO_SUCH_DEFAULT_ENGINE = message(
    "settings.no_such_default_engine", "DEFAULT_ENGINE is set to an unknown engine. Set one of {engines:or}."
)

DEMO = " (demo)"
"""The end of the names of what the demo paints."""
PAINTED = frozenset({"ai-client", "aithriving"})
"""The services that charge and whose place the demo takes. It uses no other one that charges."""


@dataclass(frozen=True, slots=True)
class ConfiguredProviders:
    """The providers that have a key, by name: those whose settings are all valid, and the ``invalid`` ones.

    An invalid provider has defaults in place of its invalid settings. It must not be used, since its key could go to
    the wrong address, but its engines and prices are known. ``wrong_keys`` are the names of providers whose key is
    invalid. ``problems`` has a text for each invalid setting.
    """

    providers: dict[str, Provider]
    invalid: dict[str, Provider]
    wrong_keys: frozenset[str]
    problems: tuple[Text, ...]

    @property
    def every(self) -> dict[str, Provider]:
        return {**self.providers, **self.invalid}


def read_providers(settings: Settings) -> ConfiguredProviders:
    """Configure each provider that has a key. With DEMO_PROVIDER, those that charge are labelled "(demo)"."""
    providers: dict[str, Provider] = {}
    invalid: dict[str, Provider] = {}
    problems: dict[Text, None] = {}
    wrong_keys = set()
    for kind in PROVIDERS:
        found, wrong = _configured(kind, settings.reader)
        problems |= dict.fromkeys(wrong)
        if found is not None:
            # The demo takes the place of services that charge. The operator's own servers are used as they are.
            painted = settings.demo_provider and found.charges
            if painted and kind.name not in PAINTED:
                continue  # The demo cannot take its place, and it would charge.
            (invalid if wrong else providers)[kind.name] = _demo(found) if painted else found
        elif wrong:
            wrong_keys.add(kind.name)
    engines = [
        engine.id
        for provider in (*providers.values(), *invalid.values())
        for engine in provider.engines
        if engine.doing(Operation.TEXT_TO_IMAGE) is not None
    ]
    default = settings.default_engine
    # The engines of a provider with an invalid setting may be others, and some are only learnt later.
    learning = {name for name, provider in providers.items() if provider.learns}
    perhaps = default is None or default in engines or default.partition("/")[0] in {*invalid, *wrong_keys, *learning}
    if engines and not perhaps:
        problems[NO_SUCH_DEFAULT_ENGINE(engines=engines)] = None
    return ConfiguredProviders(providers, invalid, frozenset(wrong_keys), tuple(problems))


def configured(settings: Settings) -> dict[str, Provider]:
    """The providers that have a key. Raises SettingsError with every problem in their settings."""
    read = read_providers(settings)
    if read.problems:
        raise SettingsError(*read.problems)
    return read.providers


def _configured(kind: type[Provider], reader: Reader) -> tuple[Provider | None, list[Text]]:
    """The provider, with defaults in place of invalid settings, or None without a valid key; and its problems.

    A provider stops at its first invalid setting. To find the others, it is configured again without that setting.
    """
    problems: list[Text] = []
    without: dict[str, str] = {}
    while True:
        try:
            provider = configure(reader.but(without), [kind]).get(kind.name)
        except WrongSetting as error:
            name, found = error.name, [wrong_setting_text(error)]
        except SettingsError as error:
            name, found = str(error.problems[0].values.get("name", "")), list(error.problems)
        else:
            return provider, problems
        if name in without:
            return None, problems
        problems += found
        without[name] = ""


def _demo(provider: Provider) -> Provider:
    """Label the provider and its engines."""
    provider.label = f"{provider.label}{DEMO}"
    provider.engines = tuple(
        replace(each, name=f"{each.name}{DEMO}", others=tuple(replace(o, name=f"{o.name}{DEMO}") for o in each.others))
        for each in provider.engines
    )
    return provider

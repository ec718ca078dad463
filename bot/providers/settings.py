"""How a provider reads its settings, and how it says that one is wrong."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Protocol


class Takes(StrEnum):
    """The valid values of a setting that only the provider can check."""

    NAMES = "names"
    HOSTS = "hosts"
    ADDRESSES = "addresses"
    VERSIONS = "versions"
    PRICES = "prices"
    MODELS = "models"


class WrongSetting(ValueError):
    """An invalid setting that only the provider can check: its name and, if they are few, the valid ``choices``."""

    def __init__(self, name: str, takes: Takes, choices: tuple[str, ...] = ()) -> None:
        super().__init__(f"{name}: {takes}")
        self.name = name
        self.takes = takes
        self.choices = choices


class SettingsReader(Protocol):
    """Reads a provider's settings by name. Every method raises the program's own error for an invalid value."""

    def text(self, name: str, default: str = "") -> str: ...
    def secret(self, name: str) -> str | None: ...
    def header(self, name: str) -> tuple[str, str] | None: ...
    def url(self, name: str, default: str) -> str: ...
    def number(self, name: str, default: Decimal | float | int, *, low: float, high: float) -> Decimal: ...
    def flag(self, name: str, *, default: bool = False) -> bool: ...
    def names(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]: ...
    def proxy(self, url: str) -> str | None: ...

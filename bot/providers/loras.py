"""LoRAs: small additions to a model, which an engine loads by name. Each has a weight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LORAS_AT_MOST = 4
"""The maximum number of LoRAs in one request."""
WEIGHT_AT_MOST = 2.0
"""The maximum weight. The minimum is its negative."""
DIVIDERS = frozenset(",:<>")
"""The characters that a name cannot have: they divide what people type, and what some servers read."""


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA by the engine's name for it. ``weight`` is in hundredths; 1 is full strength."""

    name: str
    weight: float = 1.0

    def __str__(self) -> str:
        return self.name if self.weight == 1 else f"{self.name}:{self.weight:g}"


@dataclass(frozen=True, slots=True)
class Loras:
    """The LoRAs of one request, at least one. As a string, it is what a person types: ``detail, ink:0.8``."""

    each: tuple[Lora, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.each))


def names_to_type(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that a person can type, each once."""
    return tuple(dict.fromkeys(name for name in names if name.strip() and not DIVIDERS & set(name)))

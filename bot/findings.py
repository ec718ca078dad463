"""The findings of the checks that ``python -m bot doctor`` runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.text import Text


class Level(StrEnum):
    """How much a finding matters."""

    FINE = "fine"
    NOTE = "note"
    """The operator should know about it, but need not act."""
    TO_DO = "TO DO"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: its subject, and what is fine or what to do."""

    subject: str
    text: Text
    level: Level = Level.FINE

    def __str__(self) -> str:
        return f"{self.level:<5}  {self.subject}: {self.text}"

"""The AI Horde's workers: what the volunteers' machines do now, and how long none of them can do a request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BeforeValidator, ValidationError

from bot.providers.answers import Flag, Lenient, Name, name
from bot.providers.base import Json

UNSERVED_SECONDS = 300.0
"""The seconds after which a request is given up, if no worker can do it."""
MOST_WORKERS = 5_000
"""The maximum number of workers that are read from a list."""
_MOST_NAMES = 1_000


def _names(value: object) -> frozenset[str]:
    listed = value[:_MOST_NAMES] if isinstance(value, list) else ()
    return frozenset(found for found in map(name, listed) if found is not None)


Names = Annotated[frozenset[str], BeforeValidator(_names)]


class _Worker(Lenient):
    type: Name = None
    online: Flag = None
    maintenance_mode: Flag = None
    controlnet: Flag = None
    lora: Flag = None
    models: Names = frozenset()
    forms: Names = frozenset()

    @property
    def working(self) -> bool:
        return self.online is not False and self.maintenance_mode is not True


@dataclass(frozen=True, slots=True)
class Workforce:
    """What the workers do at the moment.

    ``controlled`` and ``extended`` are the models that some of them use with ControlNet and with LoRAs. ``forms`` are
    those of the alchemists, each with the number of workers.
    """

    controlled: frozenset[str] = frozenset()
    extended: frozenset[str] = frozenset()
    forms: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, value: Json) -> Workforce | None:
        """Parse the list of the workers. None if it is no list. Those in maintenance do not count.

        The list may be long, so it blocks.
        """
        if not isinstance(value, list):
            return None
        controlled: set[str] = set()
        extended: set[str] = set()
        forms: Counter[str] = Counter()
        for item in value[:MOST_WORKERS]:
            try:
                worker = _Worker.model_validate(item)
            except ValidationError:
                continue
            if not worker.working:
                continue
            if worker.type == "interrogation":
                forms.update(worker.forms)
                continue
            if worker.controlnet:
                controlled |= worker.models
            if worker.lora:
                extended |= worker.models
        return cls(frozenset(controlled), frozenset(extended), forms)


@dataclass(slots=True)
class Unserved:
    """How long no worker has been able to do a request. ``since`` is the loop's time; None: one can."""

    since: float | None = None

    def too_long(self, now: float, *, served: bool) -> bool:
        """Record whether a worker can do it. Returns whether none could for UNSERVED_SECONDS."""
        if served:
            self.since = None
        elif self.since is None:
            self.since = now
        return self.since is not None and now - self.since >= UNSERVED_SECONDS

"""The rules of a server: what its admins allow there, forbid, and use where nothing is said. Pure data and checks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter

from bot.domain.engines import few
from bot.domain.options import Defaults, ImagineOptions, decoded
from bot.domain.periods import Period
from bot.domain.place import Origin
from bot.domain.requests import Plan
from bot.domain.word_filter import WordList

WHO = "Members with Manage Server can change that with /server."
ASK = "Ask somebody with Manage Server to set another one with /server set."
TOO_LONG = (
    "This prompt is too long to be looked through for the words that this server refuses. Shorten it, or use fewer "
    f"choices in braces. {WHO}"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A server as one person sees it, by the ids of its channels and roles.

    ``channel`` is a channel's name, None where this person may not see it. ``has_channel`` and ``has_role`` say whether
    there is such a one at all.
    """

    channel: Callable[[int], str | None]
    has_channel: Callable[[int], bool]
    has_role: Callable[[int], bool]


ANY_PLACE = Place(str, lambda _: True, lambda _: True)


class Privacy(StrEnum):
    """Whether results are shown to everybody."""

    FREE = "as people like"
    FORCED = "always private"
    FORBIDDEN = "never private"


@dataclass(frozen=True)
class Rules:
    """What holds in one server; an empty list allows all. ``engine`` and ``size`` are what is used if none is named.

    ``channels``, ``roles`` and ``log_channel`` are ids. ``refused`` words run nowhere, ``restricted`` ones only in
    channels that are age-restricted.
    """

    period: Period = Period.MONTH
    channels: tuple[int, ...] = ()
    roles: tuple[int, ...] = ()
    engines: tuple[str, ...] = ()
    engine: str | None = None
    size: str | None = None
    privacy: Privacy = Privacy.FREE
    log_channel: int | None = None
    refused: tuple[str, ...] = ()
    restricted: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What differs from no rules at all, as plain JSON."""
        chosen = {name: getattr(self, name) for name in NAMES if getattr(self, name) != getattr(NO_RULES, name)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Rules:
        """Read what was stored; what is not known is left out. Raises ValueError if something is wrong."""
        return decoded(_RULES, {name: value for name, value in stored.items() if name in NAMES})

    # Made once, since they are asked at every command.
    @cached_property
    def _words(self) -> WordList:
        return WordList([*self.refused, *self.restricted])

    @cached_property
    def _refused_words(self) -> WordList:
        return WordList(self.refused)

    def defaults(self, engines: Iterable[str], usual: str) -> Defaults:
        """What completes a command here; for the ``usual`` engine, where it is not allowed, the first that is."""
        engine = self.engine
        if engine is None and self.engines and usual not in self.engines:
            engine = next((name for name in engines if name in self.engines), None)
        private = {Privacy.FORCED: True, Privacy.FORBIDDEN: False}.get(self.privacy)
        return Defaults(engine=engine, size=self.size, private=private)

    def permitted(self, layer: Defaults) -> Defaults:
        """A person's own defaults without what would be refused here."""
        if self.engines and layer.engine not in self.engines:
            layer = replace(layer, engine=None)
        return layer if self.privacy is Privacy.FREE else replace(layer, private=None)

    def imposed(self, options: ImagineOptions) -> ImagineOptions:
        """The options with what is forced here."""
        return replace(options, private=True) if self.privacy is Privacy.FORCED else options

    def problems(
        self,
        origin: Origin,
        options: ImagineOptions,
        plan: Plan | None,
        *,
        engines: Collection[str] = (),
        place: Place = ANY_PLACE,
    ) -> list[str]:
        """Why the person may not make this here, each a sentence. ``engines`` are the ids of those that are offered.

        Without a ``plan``, which is so where there is none to be had, only what was typed is looked at.
        """
        found = self.problems_of_place(origin, place)
        if self.privacy is Privacy.FORBIDDEN and options.private:
            found.append(f"Private results are switched off in this server. {WHO}")
        wrong = [engine for engine in plan.engines if engine not in self.engines] if plan and self.engines else []
        left = [engine for engine in self.engines if engine in engines or not engines]
        if wrong and left:
            found.append(f"This server does not use {few(wrong)}, only {few(left)}. {WHO}")
        elif wrong:
            found.append(f"This server allows {few(self.engines)} alone, which is not offered any more. {ASK}")
        return found + self.problems_of_words(origin, texts_of(options, plan))

    def problems_of_place(self, origin: Origin, place: Place = ANY_PLACE) -> list[str]:
        """Why the person may make no images here at all."""
        found = []
        if self.channels and not {origin.channel_id, origin.parent_channel_id} & set(self.channels):
            names = [name for name in map(place.channel, self.channels) if name is not None]
            if any(map(place.has_channel, self.channels)):
                found.append(f"Images are not made in this channel{f', but in {few(names)}' if names else ''}. {WHO}")
            else:
                gone = "The channel" if len(self.channels) == 1 else "Each channel"
                found.append(f"{gone} in which images may be made here is gone, or I cannot see it. {ASK}")
        if self.roles and not origin.role_ids & set(self.roles):
            if any(map(place.has_role, self.roles)):
                found.append(f"Images are made here by members with certain roles, and you have none of them. {WHO}")
            else:
                found.append(f"The roles whose members may make images here are gone. {ASK}")
        return found

    def problems_of_words(self, origin: Origin, texts: Iterable[str]) -> list[str]:
        """Which words may not stand here, or that this cannot be told. The work is bounded."""
        found = (self._refused_words if origin.age_restricted else self._words).found_in(texts)
        refused, restricted = set(self.refused), set(self.restricted)
        problems = [f"The word “{word}” is refused in this server. {WHO}" for word in found.entries if word in refused]
        if not origin.age_restricted:
            problems += [
                f"The word “{word}” runs only in the age-restricted channels of this server. {WHO}"
                for word in found.entries
                if word in restricted
            ]
        return problems if problems or found.whole else [TOO_LONG]


def texts_of(options: ImagineOptions, plan: Plan | None) -> list[str]:
    """All that was typed in words, and what became of it: braces and backslashes could take a word apart."""
    texts = [options.prompt, options.added or "", options.negative or "", options.style or ""]
    for request in plan.requests if plan is not None else ():
        # What stands in one part stands in all of them together.
        texts += [" ".join(part.text for part in request.prompts), request.negative or "", request.style or ""]
    return texts


NAMES = tuple(field.name for field in fields(Rules))
NO_RULES = Rules()
_RULES = TypeAdapter(Rules)

"""A server's rules: what its admins allow and forbid there, and its defaults. Pure data and checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter

from bot.domain.edits import NAMES as OPERATIONS
from bot.domain.engines import few, find_engine, takes_shape
from bot.domain.options import Defaults, ImagineOptions, decoded
from bot.domain.periods import Period
from bot.domain.pictures import SourceKind
from bot.domain.place import Origin
from bot.domain.requests import Plan
from bot.domain.word_filter import WordList
from bot.providers.base import Engine
from bot.text import Text, message

# --- why somebody may not make an image ---------------------------------------------------------------------------

PRIVATE_OFF = message(
    "rules.private_off", "Private results are turned off in this server. Server managers can change this with /server."
)
ALWAYS_PRIVATE = message(
    "rules.always_private", "Results are always private in this server. Server managers can change this with /server."
)
ENGINE_NOT_ALLOWED = message(
    "rules.engine_not_allowed",
    "This server doesn't allow {wrong}. Use {allowed}. Server managers can change this with /server.",
)
ALLOWED_ENGINES_GONE = message(
    "rules.allowed_engines_gone",
    "This server only allows {allowed}, which the bot no longer has. Ask a server manager to choose another engine "
    "with /server set.",
)
NOT_THIS_CHANNEL = message(
    "rules.not_this_channel", "You can't make images in this channel. Server managers can change this with /server."
)
OTHER_CHANNELS = message(
    "rules.other_channels",
    "You can't make images in this channel. Use {channels}. Server managers can change this with /server.",
)
CHANNELS_GONE = message(
    "rules.channels_gone",
    "The channel where you could make images was deleted, or I can't see it. Ask a server manager to choose another "
    "one with /server set.",
    "All {count} channels where you could make images were deleted, or I can't see them. Ask a server manager to "
    "choose others with /server set.",
)
NOT_YOUR_ROLE = message(
    "rules.not_your_role",
    "Only members with certain roles can make images here. Server managers can change this with /server.",
)
ROLES_GONE = message(
    "rules.roles_gone",
    "The roles that could make images here were deleted. Ask a server manager to choose others with /server set.",
)
WORD_REFUSED = message(
    "rules.word_refused", "This server doesn't allow “{word}” in prompts. Server managers can change this with /server."
)
WORD_RESTRICTED = message(
    "rules.word_restricted",
    "This server allows “{word}” only in age-restricted channels. Server managers can change this with /server.",
)
A_WORD_REFUSED = message("rules.a_word_refused", "This server doesn't allow a word in this prompt.")
PROMPT_TOO_LONG = message(
    "rules.prompt_too_long",
    "This prompt is too long to check against this server's word lists. Shorten it, or use fewer choices in braces.",
)

NO_PICTURES = message(
    "rules.no_pictures",
    "This server doesn't allow images made from pictures. Server managers can change this with /server.",
)
ONLY_RESULTS = message(
    "rules.only_results",
    "In this server, you can start from images that I made, but not from other pictures. Server managers can change "
    "this with /server.",
)
NO_ALLOWED_ENGINE = message(
    "rules.no_allowed_engine",
    "No engine that this server allows can do this: {operation}. Server managers can change this with /server.",
)

WORDS_NAMED = 10
"""The maximum number of refused words that are named at once."""

FORBIDDEN = frozenset(
    problem.code
    for problem in (
        NOT_THIS_CHANNEL,
        OTHER_CHANNELS,
        CHANNELS_GONE,
        NOT_YOUR_ROLE,
        ROLES_GONE,
        WORD_REFUSED,
        WORD_RESTRICTED,
        A_WORD_REFUSED,
        PROMPT_TOO_LONG,
        NO_PICTURES,
        ONLY_RESULTS,
        NO_ALLOWED_ENGINE,
    )
)
"""The codes of refusals that no other engine, size or number of images would change."""
RULES = FORBIDDEN | {problem.code for problem in (PRIVATE_OFF, ENGINE_NOT_ALLOWED, ALLOWED_ENGINES_GONE)}
"""The codes of all refusals by a server's rules."""

# --- why an admin may not set a rule, and what is wrong with one ----------------------------------------------------

ENGINES_GONE = message("rules.engines_gone", "The bot no longer has these engines: {engines}.")
NO_ENGINE_LEFT = message(
    "rules.no_engine_left", "The bot has none of the allowed engines, so nobody can make images here."
)
DEFAULT_NOT_ALLOWED = message(
    "rules.default_not_allowed", "The default engine {engine} isn't one of the allowed engines."
)
DEFAULT_SIZE_UNUSED = message(
    "rules.default_size_unused", "The default engine can't make {size}, so it uses its own default size."
)


@dataclass(frozen=True, slots=True)
class Place:
    """A server as one person sees it, by the ids of its channels and roles.

    ``channel`` returns a channel's name, or None if this person cannot see it. ``has_channel`` and ``has_role`` tell
    whether it exists.
    """

    channel: Callable[[int], str | None]
    has_channel: Callable[[int], bool]
    has_role: Callable[[int], bool]


class Privacy(StrEnum):
    """Whether results are private. The values are stored."""

    FREE = "free"
    """Each person decides."""
    FORCED = "forced"
    FORBIDDEN = "forbidden"


class PicturesAllowed(StrEnum):
    """Whose pictures requests may start from. The values are stored."""

    NOBODYS = "nobodys"
    """None: images are made from words only."""
    RESULTS = "results"
    """Only images that the bot has made."""
    ANYBODYS = "anybodys"
    """Also pictures that people attach, or that they take from messages."""


@dataclass(frozen=True)
class Rules:
    """The rules of one server. An empty list allows everything. ``engine`` and ``size`` are defaults.

    Members' limits reset every ``period``, the limit of the whole server every ``server_period`` (None: the same).
    ``channels``, ``roles`` and ``log_channel`` are ids. ``refused`` words are allowed nowhere, ``restricted`` ones only
    in age-restricted channels.
    """

    period: Period = Period.MONTH
    server_period: Period | None = None
    channels: tuple[int, ...] = ()
    roles: tuple[int, ...] = ()
    engines: tuple[str, ...] = ()
    engine: str | None = None
    size: str | None = None
    privacy: Privacy = Privacy.FREE
    pictures: PicturesAllowed = PicturesAllowed.ANYBODYS
    log_channel: int | None = None
    refused: tuple[str, ...] = ()
    restricted: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The rules that were set, as plain JSON."""
        chosen = {name: getattr(self, name) for name in NAMES if getattr(self, name) != getattr(NO_RULES, name)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Rules:
        """Read what was stored, without unknown rules. Raises ValueError for an invalid one."""
        return decoded(_RULES, {name: value for name, value in stored.items() if name in NAMES})

    @property
    def period_of_server(self) -> Period:
        """How often the limit of the whole server resets."""
        return self.server_period or self.period

    # Cached, because every command uses them.
    @cached_property
    def _words(self) -> WordList:
        return WordList([*self.refused, *self.restricted])

    @cached_property
    def _refused_words(self) -> WordList:
        return WordList(self.refused)

    def defaults(self, engines: Iterable[str], usual: str) -> Defaults:
        """The server's defaults. If the bot's ``usual`` engine is not allowed, the default is the first allowed one."""
        engine = self.engine
        if engine is None and self.engines and usual not in self.engines:
            engine = next((name for name in engines if name in self.engines), None)
        private = {Privacy.FORCED: True, Privacy.FORBIDDEN: False}.get(self.privacy)
        return Defaults(engine=engine, size=self.size, private=private)

    def permitted(self, layer: Defaults) -> Defaults:
        """A person's own defaults without those that this server refuses."""
        if self.engines and layer.engine not in self.engines:
            layer = replace(layer, engine=None)
        return layer if self.privacy is Privacy.FREE else replace(layer, private=None)

    def imposed(self, options: ImagineOptions) -> ImagineOptions:
        """The options, made private if the server forces that."""
        return replace(options, private=True) if self.privacy is Privacy.FORCED else options

    def problems(
        self,
        origin: Origin,
        options: ImagineOptions,
        plan: Plan | None,
        *,
        engines: Mapping[str, Engine],
        place: Place,
    ) -> list[Text]:
        """Why the person may not make this here. ``engines`` are those that the bot has, by id.

        Without a ``plan``, because the options are invalid, only the typed words are checked.
        """
        found = self.problems_of_place(origin, place)
        if self.privacy is Privacy.FORBIDDEN and options.private:
            found.append(PRIVATE_OFF())
        if options.operation.has_source:
            found += self.problems_of_picture(None if options.source is None else options.source.kind)
        wrong = [engine for engine in plan.engines if engine not in self.engines] if plan and self.engines else []
        left = [engine for engine in self.engines if engine in engines]
        able = [engine for engine in left if engines[engine].doing(options.operation) is not None]
        if wrong and able:
            found.append(ENGINE_NOT_ALLOWED(wrong=few(wrong), allowed=few(able)))
        elif wrong and left:
            found.append(NO_ALLOWED_ENGINE(operation=OPERATIONS[options.operation]))
        elif wrong:
            found.append(ALLOWED_ENGINES_GONE(allowed=few(self.engines)))
        return found + self.problems_of_words(origin, texts_of(options, plan))

    def problems_of_picture(self, kind: SourceKind | None) -> list[Text]:
        """Why a request may not start from a picture of this kind (None: not known yet). A mask is no such picture."""
        if self.pictures is PicturesAllowed.NOBODYS:
            return [NO_PICTURES()]
        if self.pictures is PicturesAllowed.RESULTS and kind in (SourceKind.ATTACHED, SourceKind.MESSAGE):
            return [ONLY_RESULTS()]
        return []

    def problems_of_place(self, origin: Origin, place: Place) -> list[Text]:
        """Why the person may make no images here at all."""
        found = []
        if self.channels and not {origin.channel_id, origin.parent_channel_id} & set(self.channels):
            names = [name for name in map(place.channel, self.channels) if name is not None]
            if not any(map(place.has_channel, self.channels)):
                found.append(CHANNELS_GONE(count=len(self.channels)))
            else:
                found.append(OTHER_CHANNELS(channels=few(names)) if names else NOT_THIS_CHANNEL())
        if self.roles and not origin.role_ids & set(self.roles):
            found.append(NOT_YOUR_ROLE() if any(map(place.has_role, self.roles)) else ROLES_GONE())
        return found

    def problems_of_words(self, origin: Origin, texts: Iterable[str]) -> list[Text]:
        """The words that are not allowed here, or that the texts are too long to check. The work is bounded."""
        every = list(texts)
        words = self._refused_words if origin.age_restricted else self._words
        found = words.found_in(every)
        refused = set(self.refused)
        problems: dict[str, Text] = {}
        for entry in sorted(found.entries, key=lambda entry: entry not in refused)[:WORDS_NAMED]:
            # The entry itself may be a pattern, and it is the admins' own.
            word = words.as_typed(entry, every)
            if word is None:
                problems.setdefault("", A_WORD_REFUSED())
            else:
                problems.setdefault(word.casefold(), (WORD_REFUSED if entry in refused else WORD_RESTRICTED)(word=word))
        return list(problems.values()) if problems or found.whole else [PROMPT_TOO_LONG()]


def texts_of(options: ImagineOptions, plan: Plan | None) -> list[str]:
    """All words, as typed and as parsed: typed braces and backslashes could split a word."""
    fields_with_words = (options.added, options.negative, options.style, options.lora, options.search)
    texts = [options.prompt, *(each or "" for each in fields_with_words)]
    for request in plan.requests if plan is not None else ():
        # Joined, so that a word is not missed between two parts.
        loras = None if request.lora is None else str(request.lora)
        words = (request.negative, request.style, loras, request.search)
        texts += [" ".join(part.text for part in request.prompts), *(each or "" for each in words)]
    return texts


NAMES = tuple(field.name for field in fields(Rules))
NO_RULES = Rules()
_RULES = TypeAdapter(Rules)


# --- what an admin types for a rule ---------------------------------------------------------------------------------


def engine_list(text: str, engines: Mapping[str, Engine]) -> tuple[str, ...]:
    """The ids of the engines in a typed list. Raises UserError for an unknown engine."""
    names = text.replace(",", " ").split()
    return tuple(dict.fromkeys(find_engine(name, engines).id for name in names))


def contradictions(rules: Rules, engines: Mapping[str, Engine]) -> list[Text]:
    """Rules that contradict each other or name engines that the bot does not have."""
    found = []
    gone = [engine for engine in (*rules.engines, *filter(None, [rules.engine])) if engine not in engines]
    if gone:
        found.append(ENGINES_GONE(engines=few(dict.fromkeys(gone))))
    if rules.engines and not set(rules.engines) & engines.keys():
        found.append(NO_ENGINE_LEFT())
    if rules.engine is not None and rules.engines and rules.engine not in rules.engines:
        found.append(DEFAULT_NOT_ALLOWED(engine=rules.engine))
    used = engines.get(rules.engine or "")
    if rules.size is not None and used is not None and not takes_shape(used, rules.size):
        found.append(DEFAULT_SIZE_UNUSED(size=rules.size))
    return found

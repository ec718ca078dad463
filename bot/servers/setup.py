"""What /setup can choose for a server: its draft, the suggested limits and words, and how they are saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.domain.money import Price
from bot.domain.periods import Period
from bot.domain.place import Origin
from bot.domain.rules import PicturesAllowed, Privacy, Rules
from bot.domain.word_filter import TOO_MANY_WORDS, WORDS_AT_MOST
from bot.errors import UserError
from bot.jobs.limits import Limits
from bot.servers.settings import Servers, require_manager
from storage.settings import Quota, Subject

BY = "setup"
"""The name of the command in the log of admins' changes."""

STARTER_WORDS = (
    "nsfw",
    "nude",
    "nudes",
    "nudity",
    "naked",
    "porn*",
    "hentai",
    "lolicon",
    "shotacon",
    "gore",
    "gory",
    "behead*",
    "dismember*",
    "swastika*",
)
"""A short list of refused words to start with, for servers with people of any age."""

PERSON_IMAGES = (5, 10, 20, 50)
SERVER_IMAGES = (100, 300, 1000, 3000)
"""The suggested limits, in images of the default engine: of one member a day, and of the whole server a month."""
PERSON_SUGGESTED, SERVER_SUGGESTED = 10, 300


@dataclass(frozen=True, slots=True)
class Limit:
    """Credits (millicredits; None: no limit) a period."""

    amount: int | None
    period: Period


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A limit on credits that is enough for this number of images."""

    amount: int
    images: int


@dataclass(frozen=True, slots=True)
class SetupDraft:
    """The choices in /setup. ``person`` limits each member, ``server`` all members together.

    ``words`` are refused words besides the starter list, which ``starter`` adds.
    """

    channels: tuple[int, ...]
    roles: tuple[int, ...]
    person: Limit
    server: Limit
    privacy: Privacy
    pictures: PicturesAllowed
    starter: bool
    words: tuple[str, ...]

    @property
    def refused(self) -> tuple[str, ...]:
        """All refused words. Raises UserError if there are too many."""
        every = tuple(dict.fromkeys([*(STARTER_WORDS if self.starter else ()), *self.words]))
        if len(every) > WORDS_AT_MOST:
            raise UserError(TOO_MANY_WORDS(words=len(every), most=WORDS_AT_MOST))
        return every


def rebased(base: SetupDraft, draft: SetupDraft, current: SetupDraft) -> tuple[SetupDraft, bool]:
    """Return the draft with what others have changed since ``base`` was set, and whether they changed the same.

    Where they did, their choice replaces that of the draft, and the person must be told. Refused words are merged.
    """
    values, clash = dict[str, Any](), False
    for name in ("channels", "roles", "person", "server", "privacy", "pictures", "starter"):
        before, ours, now = (getattr(each, name) for each in (base, draft, current))
        if ours != before and now in (before, ours):
            values[name] = ours
        else:
            values[name] = now
            clash = clash or ours not in (before, now)
    return SetupDraft(**values, words=merged_words(base.words, draft.words, current.words)), clash


def merged_words(before: Sequence[str], ours: Sequence[str], now: Sequence[str]) -> tuple[str, ...]:
    """Return the words of ``now`` with what ``ours`` adds to those ``before``, and without what it removes."""
    kept = [word for word in now if word not in before or word in ours]
    added = [word for word in ours if word not in before]
    return tuple(dict.fromkeys([*kept, *added]))


@dataclass(frozen=True, slots=True)
class Saved:
    """What saving a draft changed: rules by name, and limits."""

    rules: Mapping[str, Any]
    limits: tuple[Quota, ...]


def suggestions(price: Price, images: Sequence[int], *, most: int | None) -> tuple[Suggestion, ...]:
    """Limits that are enough for these numbers of images at that price of one image. None for free images.

    ``most`` is the operator's limit (millicredits): higher ones would have no effect.
    """
    if not price.high:
        return ()
    every = [Suggestion(_rounded(price.high * count), count) for count in images]
    fitting = tuple(each for each in every if most is None or each.amount <= most)
    return fitting or (() if most is None else (Suggestion(most, most // price.high),))


def _rounded(amount: int) -> int:
    """The amount, rounded up to two significant digits."""
    unit: int = 10 ** max(0, len(str(amount)) - 2)
    return -(-amount // unit) * unit


class ServerSetup:
    """Makes and saves the drafts of /setup, through the same service as /server and /quota."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    @property
    def operator(self) -> Limits:
        """The operator's limits."""
        return self._servers.operator

    def current(self, server_id: int) -> SetupDraft:
        """What is set in the server now."""
        rules = self._servers.rules(server_id)
        starter = set(STARTER_WORDS) <= set(rules.refused)
        return SetupDraft(
            channels=rules.channels,
            roles=rules.roles,
            person=Limit(self._credits(server_id, Subject.DEFAULT), self.person_period(server_id)),
            server=Limit(self._credits(server_id, Subject.SERVER), self.server_period(server_id)),
            privacy=rules.privacy,
            pictures=rules.pictures,
            starter=starter,
            words=tuple(word for word in rules.refused if not starter or word not in STARTER_WORDS),
        )

    def suggested(self, server_id: int, price: Price) -> SetupDraft:
        """What is set now, with suggested limits if no limit on credits is set. ``price`` is that of one image."""
        draft = self.current(server_id)
        if draft.person.amount is not None or draft.server.amount is not None:
            return draft
        person = self._suggestion(price, PERSON_IMAGES, PERSON_SUGGESTED, self.operator.user_daily)
        server = self._suggestion(price, SERVER_IMAGES, SERVER_SUGGESTED, self.operator.server_monthly)
        return replace(draft, person=replace(draft.person, amount=person), server=replace(draft.server, amount=server))

    def person_period(self, server_id: int) -> Period:
        """The period of a member's limit: a day, unless limits of roles or members have another one already."""
        rules, quotas = self._servers.rules(server_id), self._servers.quotas(server_id)
        limited = any(quota.credits is not None for quota in quotas if quota.subject is not Subject.SERVER)
        return rules.period if limited else Period.DAY

    def server_period(self, server_id: int) -> Period:
        """The period of the limit of the whole server: a month, unless it has another one already."""
        limited = self._credits(server_id, Subject.SERVER) is not None
        return self._servers.rules(server_id).period_of_server if limited else Period.MONTH

    async def save(self, origin: Origin, draft: SetupDraft) -> Saved:
        """Store what differs from the current settings, and log it.

        Raises UserError if ``origin`` may not manage the server or a choice is invalid, and StorageError.
        """
        server_id = require_manager(origin)
        before, servers = self._servers.rules(server_id), self._servers
        wanted: dict[str, Any] = {
            "channels": draft.channels,
            "roles": draft.roles,
            "privacy": draft.privacy,
            "pictures": draft.pictures,
            "refused": before.refused if set(draft.refused) == set(before.refused) else draft.refused,
            **_periods(before, draft),
        }
        changes = {name: value for name, value in wanted.items() if getattr(before, name) != value}
        await servers.set_rules(origin, changes, by=BY)
        limits = []
        for subject, limit in ((Subject.DEFAULT, draft.person), (Subject.SERVER, draft.server)):
            if self._credits(server_id, subject) != limit.amount:
                limits.append(await servers.set_credits(origin, subject, limit.amount, by=BY))
        return Saved(changes, tuple(limits))

    def _credits(self, server_id: int, subject: Subject) -> int | None:
        quotas = self._servers.quotas(server_id)
        return next((quota.credits for quota in quotas if quota.subject is subject), None)

    def _suggestion(self, price: Price, images: Sequence[int], wanted: int, most: int | None) -> int | None:
        """The suggestion for the ``wanted`` number of images, or else the highest one that has an effect."""
        offered = suggestions(price, images, most=most)
        return next((each.amount for each in reversed(offered) if each.images <= wanted), None)


def _periods(rules: Rules, draft: SetupDraft) -> dict[str, Period | None]:
    """The periods of the draft's limits. Without a limit, its period stays as it is."""
    period = rules.period if draft.person.amount is None else draft.person.period
    of_server = rules.period_of_server if draft.server.amount is None else draft.server.period
    return {"period": period, "server_period": None if of_server is period else of_server}

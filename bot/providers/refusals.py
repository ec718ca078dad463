"""From a service's "no" to the decision that follows: by the HTTP status, and by its words where that leaves it open.

A service may repeat the prompt in what it says, and a prompt may say "too many requests". So words that the request has
itself decide nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum, auto

from bot.providers.answers import Answer, Unreadable, parse_json, plain, reason, retry_after
from bot.providers.base import Busy, Cause, ImageRequest, NotFound, OutcomeUnknown, ProviderError, Refused, Unreachable
from bot.providers.echoes import LONGEST, OwnWords, unescaped


class Ground(Enum):
    """What a refusal is about, as far as its words tell."""

    CREDITS = auto()
    KEY = auto()
    RATE = auto()
    MODERATION = auto()
    FAULT = auto()
    OTHER = auto()


# The order decides where words of two kinds meet: "authentication failed, too many requests" is about the rate.
_WORDS = {
    Ground.RATE: (
        r"too many (requests|attempts|calls)",
        r"rate.?limit",
        r"throttl",
        r"slow down",
        r"concurren\w+ limit",
    ),
    Ground.CREDITS: (
        r"\bcredits?\b",
        r"\b(account|insufficient|low|negative|your) balance\b",
        r"\bbalance (is|too)\b",
        r"insufficient funds",
        r"(not enough|out of) (funds|money|tokens)",
        r"\b(payment|billing|quota|subscription)\b",
        r"\btop.?up\b",
    ),
    Ground.MODERATION: (
        r"\bmoderat(ion|ed|or)",
        r"\bnsfw\b",
        r"\bsafety\b",
        r"\bpolic(y|ies)\b",
        r"content.?(filter|violation)",
        r"inappropriate",
        r"prohibited",
        r"\bbanned\b",
        r"\bfiltered\b",
        r"\bflagged\b",
        r"\bsexual",
        r"(sensitive|explicit|forbidden|harmful) (word|term|content|material)",
    ),
    Ground.KEY: (
        r"\bapi.?key",
        r"unauthori[sz]ed",
        r"unauthenticated",
        r"authenticat",
        r"authori[sz]ation",
        r"(access|permission) denied",
        r"\b(invalid|expired|wrong|missing|bad|incorrect) (access |auth\w* |bearer )?(token|key|credentials)\b",
        r"\b(token|key|credentials) (is |are |has |have )?(invalid|expired|wrong|missing|revoked|not valid)\b",
    ),
    Ground.FAULT: (
        r"\b(internal|server|gateway|upstream) (server )?error\b",
        r"\b(service|server|system|model) (is )?(currently |temporarily )?(unavailable|overloaded|down)\b",
        r"\b(under|for) maintenance\b",
    ),
}
_GROUNDS = {kind: re.compile("|".join(words), re.IGNORECASE) for kind, words in _WORDS.items()}


# A 4xx says that the request is wrong, so it is no limit of the rate and no fault of the service. These services are
# known to say with some of them that the account is empty; others are about the request's fields alone.
_LEFT_OPEN = frozenset({Ground.CREDITS, Ground.MODERATION, Ground.KEY})
_SAYS_MORE = frozenset({400, 403, 404, 405, 410})
_NO_MORE_THAN_THE_STATUS = frozenset({"", "forbidden", "not found", "access denied"})


def ground(text: str, *, own: OwnWords | None = None, among: Collection[Ground] = frozenset(Ground)) -> Ground:
    """Sort a service's words, without those that the request has itself: the first that fits of ``among``.

    Never by parts of words: "could not generate" is not about a rate.
    """
    for kind, pattern in _GROUNDS.items():
        if kind in among and any(own is None or not own.hold(found[0]) for found in pattern.finditer(text)):
            return kind
    return Ground.OTHER


def left_open(status: int) -> Collection[Ground]:
    """What the words may still decide where this is the HTTP status."""
    if not 400 <= status < 500 or status == 408:
        return frozenset(Ground)
    return _LEFT_OPEN if status in _SAYS_MORE else frozenset({Ground.MODERATION})


def says_no_more(text: str) -> bool:
    """Whether these words only repeat what the status says."""
    return text.rstrip(".").lower() in _NO_MORE_THAN_THE_STATUS


def sentence(text: str) -> str:
    """The text with a full stop, where it has no end of its own."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


class Judge:
    """Makes the errors of one service; ``label`` is its name for people, ``secret`` never appears in any of them."""

    def __init__(self, label: str, secret: str, own: OwnWords | None = None) -> None:
        self.label = label
        self._secret = secret
        self._own = own

    def about(self, request: ImageRequest | None) -> Judge:
        """A judge of what the service says of this request, whose own words it does not take for the service's."""
        return self if request is None else Judge(self.label, self._secret, OwnWords(request))

    def plain(self, text: str) -> str:
        """A service's words as they may be shown: short, and with a gap where they repeat the request."""
        if self._own is None:
            return plain(text, secret=self._secret)
        return plain(self._own.taken_out_of(plain(unescaped(text), secret=self._secret, longest=LONGEST)))

    def ground(self, text: str, status: int = 200) -> Ground:
        """What these words are about, as far as the status leaves that open."""
        return ground(self.plain(text), own=self._own, among=left_open(status))

    def told(self, text: str) -> str:
        """What a person is told of a failure for which the service gave these words."""
        return self.by_words(text).message

    def by_words(self, text: str, *, status: int = 200, detail: str = "") -> ProviderError:
        """A refusal for which the service gave a reason; ``status`` says what the words may still decide."""
        kind, text = self.ground(text, status), self.plain(text)
        match kind:
            case Ground.CREDITS:
                return self._credits(detail)
            case Ground.KEY:
                return self._key(detail)
            case Ground.RATE:
                return Busy(f"{self.label} is busy.", detail=detail)
            case Ground.MODERATION:
                return Refused(f"{self.label} does not make this picture: {sentence(text)}", detail=detail)
            case Ground.FAULT:
                return self.fault(text, detail)
            case Ground.OTHER:
                told = f": {sentence(text)}" if text else " and gave no reason."
                return Refused(f"{self.label} refused this{told}", detail=detail)

    def fault(self, text: str, detail: str) -> Refused:
        """The service says that it failed, and that it was nobody's doing; ``text`` is what it says, made plain."""
        told = f": {sentence(text)}" if text else "."
        return Refused(
            f"{self.label} has a fault of its own at the moment{told}", detail=detail, cause=Cause.FAULT, fault=True
        )

    def by_status(self, answer: Answer, *, paid: bool) -> ProviderError:
        """An answer that is not what was asked for. ``paid``: what was asked for costs money.

        Only a clear no counts as one on a paid call. Whatever might stand between a service that did the work and an
        answer that got lost (5xx, a page in place of JSON) leaves the outcome unknown.
        """
        status = answer.status
        detail = answer.detail
        if 300 <= status < 400:
            return Refused(
                f"{self.label} sends us to another address: its address is set wrongly, or it wants a login.",
                detail=detail,
                cause=Cause.ADDRESS,
                operator=True,
            )
        if status in {425, 429}:
            wait = retry_after(answer.header("Retry-After"), now=answer.date)
            return Busy(f"{self.label} is busy.", detail=detail, retry_after=wait)
        if status == 401:
            return self._key(detail)
        if status == 402:
            return self._credits(detail)
        if 400 <= status < 500 and status != 408:
            return self._by_client_status(answer)
        return self._silent(answer, paid=paid)

    def _by_client_status(self, answer: Answer) -> ProviderError:
        try:
            said = reason(parse_json(answer.body))
        except Unreadable:
            said = ""
        if answer.status in {403, 404, 405, 410} and self.ground(said, answer.status) is Ground.OTHER:
            gone = (
                f"{self.label} no longer offers this engine, or its address is set wrongly. "
                "Whoever runs the bot has to look at it."
            )
            if answer.status in {404, 410}:
                return NotFound(gone, detail=answer.detail)
            if answer.status == 405:
                return Refused(gone, detail=answer.detail, cause=Cause.ADDRESS, operator=True)
            if says_no_more(said):
                return self._key(answer.detail)
        return self.by_words(said, status=answer.status, detail=answer.detail)

    def _silent(self, answer: Answer, *, paid: bool) -> ProviderError:
        if paid:
            return OutcomeUnknown(f"{self.label} got the request, but its answer cannot be read.", detail=answer.detail)
        wait = retry_after(answer.header("Retry-After"), now=answer.date)
        if answer.status == 503 and wait is not None:
            return Busy(f"{self.label} is busy.", detail=answer.detail, retry_after=wait)
        return Unreachable(f"{self.label} has a fault of its own at the moment.", detail=answer.detail)

    def _credits(self, detail: str) -> Refused:
        return Refused(
            f"The bot's account at {self.label} is out of credits. Whoever runs the bot has to refill it.",
            detail=detail,
            cause=Cause.CREDITS,
            operator=True,
        )

    def _key(self, detail: str) -> Refused:
        return Refused(
            f"{self.label} does not accept the bot's key. Whoever runs the bot has to correct it.",
            detail=detail,
            cause=Cause.KEY,
            operator=True,
        )

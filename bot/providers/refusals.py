"""From a service's "no" to the decision that follows: by its words where it has some, else by the HTTP status."""

from __future__ import annotations

import re
from enum import Enum, auto

from bot.providers.answers import Answer, Unreadable, parse_json, plain, reason, retry_after
from bot.providers.base import Busy, OutcomeUnknown, ProviderError, Refused, Unreachable


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


def ground(text: str) -> Ground:
    """Sort a service's words. Never by parts of words: "could not generate" is not about a rate."""
    return next((kind for kind, pattern in _GROUNDS.items() if pattern.search(text)), Ground.OTHER)


def sentence(text: str) -> str:
    """The text with a full stop, where it has no end of its own."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


class Judge:
    """Makes the errors of one service; ``label`` is its name for people, ``secret`` never appears in any of them."""

    def __init__(self, label: str, secret: str) -> None:
        self.label = label
        self._secret = secret

    def plain(self, text: str) -> str:
        return plain(text, secret=self._secret)

    def told(self, text: str) -> str:
        """What a person is told of a failure for which the service gave these words."""
        return self.by_words(text).message

    def by_words(self, text: str, *, detail: str = "") -> ProviderError:
        """A refusal for which the service gave a reason, whatever its status was."""
        text = self.plain(text)
        match ground(text):
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
        return Refused(f"{self.label} has a fault of its own at the moment{told}", detail=detail, fault=True)

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
        if answer.status in {403, 404, 405, 410}:
            if ground(self.plain(said)) is not Ground.OTHER:
                return self.by_words(said, detail=answer.detail)
            if answer.status == 403:
                return self._key(answer.detail)
            return Refused(
                f"{self.label} no longer offers this engine, or its address is set wrongly. "
                "Whoever runs the bot has to look at it.",
                detail=answer.detail,
                operator=True,
            )
        return self.by_words(said, detail=answer.detail)

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
            operator=True,
        )

    def _key(self, detail: str) -> Refused:
        return Refused(
            f"{self.label} does not accept the bot's key. Whoever runs the bot has to correct it.",
            detail=detail,
            operator=True,
        )

"""Turns a refusal by a service into an error: by the HTTP status, and by the message if the status is ambiguous.

A service may repeat the prompt, and a prompt may say "too many requests". So words of the request are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from bot.providers.answers import Answer, Unreadable, parse_json, plain, reason, retry_after
from bot.providers.base import ImageRequest
from bot.providers.echoes import LONGEST, OwnWords, unescaped
from bot.providers.errors import Busy, NotFound, OutcomeUnknown, ProviderError, Reason, Refused, Unreachable

_ENGINE = r"\b(the |this |specified |requested )*(engine|model|endpoint)\b"
_NO_LONGER = (
    r"\b(not found|no longer (available|exists|supported|offered)|(does not|doesn't) exist|"
    r"(been |is |was |are )?(deprecated|retired|discontinued|sunset|decommissioned|removed))\b"
)

# The order decides between several matches: "authentication failed, too many requests" is about the rate limit.
_WORDS = {
    Reason.BUSY: (
        r"too many (requests|attempts|calls)",
        r"rate.?limit",
        r"throttl",
        r"slow down",
        r"concurren\w+ limit",
    ),
    Reason.NO_CREDITS: (
        r"\bcredits?\b",
        r"\b(account|insufficient|low|negative|your) balance\b",
        r"\bbalance (is|too)\b",
        r"insufficient funds",
        r"(not enough|out of) (funds|money|tokens)",
        r"\b(payment|billing|quota|subscription)\b",
        r"\btop.?up\b",
    ),
    Reason.MODERATED: (
        r"\bmoderat(ion|ed|or)",
        r"\bnsfw\b",
        r"\bsafety\b",
        r"\bpolic(y|ies)\b",
        r"content.?(filter|violation|moderation)",
        r"inappropriate",
        r"prohibited",
        r"\bbanned\b",
        r"\bfiltered\b",
        r"\bflagged\b",
        r"\bsexual",
        r"(sensitive|explicit|forbidden|harmful) (word|term|content|material)",
    ),
    Reason.WRONG_KEY: (
        r"\bapi.?key",
        r"unauthori[sz]ed",
        r"unauthenticated",
        r"authenticat",
        r"authori[sz]ation",
        r"(access|permission) denied",
        r"\b(invalid|expired|wrong|missing|bad|incorrect) (access |auth\w* |bearer )?(token|key|credentials)\b",
        r"\b(token|key|credentials) (is |are |has |have )?(invalid|expired|wrong|missing|revoked|not valid)\b",
    ),
    Reason.RETIRED: (
        rf"{_ENGINE} .{{0,60}}?{_NO_LONGER}",
        rf"{_NO_LONGER} {_ENGINE}",
        r"\b(unknown|unsupported|deprecated|retired|discontinued) (engine|model)\b",
    ),
    Reason.BROKEN: (
        r"\b(internal|server|gateway|upstream) (server )?error\b",
        r"\b(service|server|system|model) (is )?(currently |temporarily )?(unavailable|overloaded|down)\b",
        r"\b(under|for) maintenance\b",
    ),
}
_ABOUT_ENGINES = ("engine", "model", "endpoint")
_PATTERNS = {kind: re.compile("|".join(words), re.IGNORECASE) for kind, words in _WORDS.items()}


# A 4xx means that the request is wrong, so it is neither a rate limit nor an outage. These services are known to use
# some 4xx statuses for an empty account. Other statuses are about the request's fields only.
_LEFT_OPEN = frozenset({Reason.NO_CREDITS, Reason.MODERATED, Reason.WRONG_KEY, Reason.RETIRED})
_SAYS_MORE = frozenset({400, 403, 404, 405, 410})
_NO_MORE_THAN_THE_STATUS = frozenset({"", "forbidden", "not found", "access denied"})


def reason_in(text: str, *, own: OwnWords | None = None, among: Collection[Reason] = frozenset(_PATTERNS)) -> Reason:
    """Find the reason for a service's message: the first match among ``among``, else Reason.REFUSED.

    Words that the request itself contains are ignored. Only whole words match: "could not generate" is not about a
    rate. An engine that is gone is gone for everybody, so a request with a word such as "engine" never shows that:
    "no 'engine' was found" is about the picture.
    """
    for kind, pattern in _PATTERNS.items():
        if kind not in among or (kind is Reason.RETIRED and own is not None and own.hold_any(_ABOUT_ENGINES)):
            continue
        if any(own is None or not own.hold(found[0]) for found in pattern.finditer(text)):
            return kind
    return Reason.REFUSED


def left_open(status: int) -> Collection[Reason]:
    """The reasons that a message with this HTTP status can have."""
    if not 400 <= status < 500 or status == 408:
        return frozenset(_PATTERNS)
    return _LEFT_OPEN if status in _SAYS_MORE else frozenset({Reason.MODERATED})


def says_no_more(text: str) -> bool:
    """Return whether this message only repeats the meaning of the status."""
    return text.rstrip(".").lower() in _NO_MORE_THAN_THE_STATUS


def sentence(text: str) -> str:
    """Add a full stop to the text, unless it already ends like a sentence or is empty."""
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."


class Judge:
    """Makes the errors of one service. None of them contains one of its ``secrets``."""

    def __init__(self, secrets: Sequence[str] = (), own: OwnWords | None = None) -> None:
        self._secrets = tuple(secrets)
        self._own = own

    def about(self, request: ImageRequest | None) -> Judge:
        """Return a judge for responses to this request. It ignores the request's own words in them."""
        return self if request is None else Judge(self._secrets, OwnWords(request))

    def plain(self, text: str) -> str:
        """Make a service's message safe to show: short, with gaps in place of words of the request."""
        if self._own is None:
            return plain(text, secrets=self._secrets)
        return plain(self._own.taken_out_of(plain(unescaped(text), secrets=self._secrets, longest=LONGEST)))

    def reason_in(self, text: str, status: int = 200) -> Reason:
        """Find the reason for this message, among those that the status allows."""
        return reason_in(self.plain(text), own=self._own, among=left_open(status))

    def by_words(self, text: str, *, status: int = 200, detail: str = "") -> ProviderError:
        """Make a refusal from the service's message. ``status`` limits the possible reasons."""
        kind = self.reason_in(text, status)
        match kind:
            case Reason.NO_CREDITS | Reason.WRONG_KEY | Reason.RETIRED:
                return Refused(kind, detail=detail, operator=True)
            case Reason.BUSY:
                return Busy(detail=detail)
            case _:
                said = sentence(self.plain(text))
                return Refused(kind, said=said, detail=detail, fault=kind is Reason.BROKEN)

    def by_status(self, answer: Answer, *, paid: bool) -> ProviderError:
        """Make the error for an unexpected response. ``paid``: the request costs money.

        For a paid call, only a definite refusal counts as one. If the response may come from a proxy between us and a
        service that did the work (a 5xx, or a page instead of JSON), the outcome is unknown.
        """
        status = answer.status
        detail = answer.detail
        if 300 <= status < 400:
            return Refused(Reason.REDIRECTED, detail=detail, operator=True)
        if status in {425, 429}:
            return Busy(detail=detail, retry_after=retry_after(answer.header("Retry-After"), now=answer.date))
        if status == 401:
            return Refused(Reason.WRONG_KEY, detail=detail, operator=True)
        if status == 402:
            return Refused(Reason.NO_CREDITS, detail=detail, operator=True)
        if 400 <= status < 500 and status != 408:
            return self._by_client_status(answer)
        if paid:
            return OutcomeUnknown(Reason.UNREADABLE_ANSWER, detail=detail)
        wait = retry_after(answer.header("Retry-After"), now=answer.date)
        if status == 503 and wait is not None:
            return Busy(detail=detail, retry_after=wait)
        return Unreachable(Reason.BROKEN, detail=detail)

    def _by_client_status(self, answer: Answer) -> ProviderError:
        try:
            said = reason(parse_json(answer.body))
        except Unreadable:
            said = ""
        if self.reason_in(said, answer.status) is Reason.REFUSED:
            if answer.status in {404, 410}:
                return NotFound(detail=answer.detail)
            if answer.status == 405:
                return Refused(Reason.NOT_FOUND, detail=answer.detail, operator=True)
            if answer.status == 403 and says_no_more(said):
                return Refused(Reason.WRONG_KEY, detail=answer.detail, operator=True)
        return self.by_words(said, status=answer.status, detail=answer.detail)

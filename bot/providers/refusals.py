"""Turns a service's "no" into an error: by the HTTP status, and by its words where the status leaves that open.

A service may repeat the prompt, and a prompt may say "too many requests". So words of the request decide nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from bot.providers.answers import Answer, Unreadable, parse_json, plain, reason, retry_after
from bot.providers.base import ImageRequest
from bot.providers.echoes import LONGEST, OwnWords, unescaped
from bot.providers.errors import Busy, NotFound, OutcomeUnknown, ProviderError, Reason, Refused, Unreachable

# The order decides where words of two kinds meet: "authentication failed, too many requests" is about the rate.
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
        r"content.?(filter|violation)",
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
    Reason.BROKEN: (
        r"\b(internal|server|gateway|upstream) (server )?error\b",
        r"\b(service|server|system|model) (is )?(currently |temporarily )?(unavailable|overloaded|down)\b",
        r"\b(under|for) maintenance\b",
    ),
}
_PATTERNS = {kind: re.compile("|".join(words), re.IGNORECASE) for kind, words in _WORDS.items()}


# A 4xx says that the request is wrong, so it is no limit of the rate and no fault of the service. These services are
# known to say with some of them that the account is empty; others are about the request's fields alone.
_LEFT_OPEN = frozenset({Reason.NO_CREDITS, Reason.MODERATED, Reason.WRONG_KEY})
_SAYS_MORE = frozenset({400, 403, 404, 405, 410})
_NO_MORE_THAN_THE_STATUS = frozenset({"", "forbidden", "not found", "access denied"})


def reason_in(text: str, *, own: OwnWords | None = None, among: Collection[Reason] = frozenset(_PATTERNS)) -> Reason:
    """The reason that a service's words give: the first that fits of ``among``, else Reason.REFUSED.

    Words that the request has itself do not count, nor do parts of words: "could not generate" is not about a rate.
    """
    for kind, pattern in _PATTERNS.items():
        if kind in among and any(own is None or not own.hold(found[0]) for found in pattern.finditer(text)):
            return kind
    return Reason.REFUSED


def left_open(status: int) -> Collection[Reason]:
    """The reasons that the words may still give where this is the HTTP status."""
    if not 400 <= status < 500 or status == 408:
        return frozenset(_PATTERNS)
    return _LEFT_OPEN if status in _SAYS_MORE else frozenset({Reason.MODERATED})


def says_no_more(text: str) -> bool:
    """Whether these words only repeat what the status says."""
    return text.rstrip(".").lower() in _NO_MORE_THAN_THE_STATUS


def sentence(text: str) -> str:
    """The text with a full stop, unless it already ends like a sentence or is empty."""
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."


class Judge:
    """Makes the errors of one service. ``secret`` never appears in any of them."""

    def __init__(self, secret: str, own: OwnWords | None = None) -> None:
        self._secret = secret
        self._own = own

    def about(self, request: ImageRequest | None) -> Judge:
        """A judge of what the service says about this request, whose words it does not take for the service's."""
        return self if request is None else Judge(self._secret, OwnWords(request))

    def plain(self, text: str) -> str:
        """A service's words as they may be shown: short, with a gap where they repeat the request."""
        if self._own is None:
            return plain(text, secret=self._secret)
        return plain(self._own.taken_out_of(plain(unescaped(text), secret=self._secret, longest=LONGEST)))

    def reason_in(self, text: str, status: int = 200) -> Reason:
        """The reason that these words give, as far as the status leaves that open."""
        return reason_in(self.plain(text), own=self._own, among=left_open(status))

    def by_words(self, text: str, *, status: int = 200, detail: str = "") -> ProviderError:
        """A refusal for which the service gave these words; ``status`` says what they may still decide."""
        kind = self.reason_in(text, status)
        match kind:
            case Reason.NO_CREDITS | Reason.WRONG_KEY:
                return Refused(kind, detail=detail, operator=True)
            case Reason.BUSY:
                return Busy(detail=detail)
            case _:
                said = sentence(self.plain(text))
                return Refused(kind, said=said, detail=detail, fault=kind is Reason.BROKEN)

    def by_status(self, answer: Answer, *, paid: bool) -> ProviderError:
        """An answer that is not what was asked for. ``paid``: what was asked for costs money.

        Only a clear no counts as one on a paid call. Where the answer may come from something between us and a service
        that did the work (5xx, a page in place of JSON), the outcome is unknown.
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

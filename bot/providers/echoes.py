"""Separates a service's own words from echoes of the prompt, which its errors may contain in various forms.

The prompt must not decide what an error means, and it must not appear in lists that other people read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property

from bot.providers.base import ImageRequest

LONGEST = 2_000
"""The maximum number of characters of a service's text that are compared."""
GAP = "…"
"""The replacement for an echo."""

_WORD = re.compile(r"\w+")
_ESCAPE = re.compile(r'\\u([0-9a-fA-F]{4})|\\(["/])|&(quot|apos|amp|#0?39|#x27|#34);')
_SIGNS = {"quot": '"', "#34": '"', "amp": "&"}
# A shorter run of the request's words may be the service's own sentence, unless it is one whole text.
_RUN_WORDS, _RUN_LETTERS = 6, 24
_WHOLE_WORDS, _WHOLE_LETTERS = 2, 8


def unescaped(text: str) -> str:
    """Remove the JSON or HTML escapes that some services leave in echoes."""

    def sign(found: re.Match[str]) -> str:
        code, quoted, entity = found.groups()
        if code is not None:
            return chr(int(code, 16))
        return quoted if quoted is not None else _SIGNS.get(entity, "'")

    return _ESCAPE.sub(sign, text)


class OwnWords:
    """The words of one request. All comparisons ignore case, punctuation and the width of letters."""

    def __init__(self, request: ImageRequest) -> None:
        self._request = request

    @cached_property
    def _texts(self) -> frozenset[str]:
        """The texts that reveal what a person wants: the prompts, separately and joined, what to avoid or replace."""
        asked = self._request
        parts = [part.text for part in asked.prompts]
        texts = (*parts, " ".join(parts), asked.negative or "", asked.search or "")
        return frozenset(map(_words, texts)) - {""}

    @cached_property
    def _all(self) -> str:
        return "\n".join((*self._texts, _words(self._request.style or "")))

    def hold(self, words: str) -> bool:
        """Return whether the request contains these words consecutively. False if there are no words."""
        folded = _words(words)
        return bool(folded) and folded in self._all

    def hold_any(self, words: Iterable[str]) -> bool:
        """Return whether the request contains any of these words, in any form: "model" is in "models"."""
        return any(_words(word) in self._all for word in words)

    def taken_out_of(self, text: str) -> str:
        """Replace every echo of a prompt, or of a long part of one, by a gap."""
        text = unicodedata.normalize("NFC", text[:LONGEST])
        found = list(_WORD.finditer(text))
        folded = [_folded(word[0]) for word in found]
        kept, end, start = [], 0, 0
        while start < len(found):
            run = self._run(folded, start)
            if not run:
                start += 1
                continue
            kept += [text[end : found[start].start()], GAP]
            start += run
            end = found[start - 1].end()
        return "".join((*kept, text[end:]))

    def _run(self, folded: list[str], start: int) -> int:
        """Count the words from ``start`` on that repeat a prompt. Returns 0 if they are too few to be certain."""
        run, stop = "", start
        while stop < len(folded):
            longer = f"{run} {folded[stop]}" if run else folded[stop]
            if not any(longer in text for text in self._texts):
                break
            run, stop = longer, stop + 1
        words, letters = stop - start, len(run)
        whole = run in self._texts and (words >= _WHOLE_WORDS or letters >= _WHOLE_LETTERS)
        return words if whole or words >= _RUN_WORDS or letters >= _RUN_LETTERS else 0


def _words(text: str) -> str:
    """Normalise the words of a text for comparison, with single spaces between them."""
    text = unicodedata.normalize("NFC", text)
    return " ".join(_folded(word) for word in _WORD.findall(text))


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()

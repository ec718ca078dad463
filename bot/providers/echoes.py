"""Telling what a service says from what it repeats: its errors may hold the prompt, in one form or another.

The prompt must not decide what an error means, and belongs in no list that others read.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property

from bot.providers.base import ImageRequest

LONGEST = 2_000
"""Characters of a service's text that are compared."""
GAP = "…"
"""What stands in place of what was repeated."""

_WORD = re.compile(r"\w+")
_ESCAPE = re.compile(r'\\u([0-9a-fA-F]{4})|\\(["/])|&(quot|apos|amp|#0?39|#x27|#34);')
_SIGNS = {"quot": '"', "#34": '"', "amp": "&"}
# A shorter run of the request's words may as well be the service's own sentence, unless it is one whole text.
_RUN_WORDS, _RUN_LETTERS = 6, 24
_WHOLE_WORDS, _WHOLE_LETTERS = 2, 8


def unescaped(text: str) -> str:
    """The text without the marks of JSON or HTML that some services leave in what they repeat."""

    def sign(found: re.Match[str]) -> str:
        code, quoted, entity = found.groups()
        if code is not None:
            return chr(int(code, 16))
        return quoted if quoted is not None else _SIGNS.get(entity, "'")

    return _ESCAPE.sub(sign, text)


class OwnWords:
    """The words of one request. All comparisons leave out case, punctuation and the width of letters."""

    def __init__(self, request: ImageRequest) -> None:
        self._request = request

    @cached_property
    def _texts(self) -> frozenset[str]:
        """The prompts, singly and together, and what is to be avoided: those that tell what somebody wants."""
        parts = [part.text for part in self._request.prompts]
        return frozenset(map(_words, (*parts, " ".join(parts), self._request.negative or ""))) - {""}

    @cached_property
    def _all(self) -> str:
        return "\n".join((*self._texts, _words(self._request.style or "")))

    def hold(self, words: str) -> bool:
        """Whether the request says these words one after the other; no words at all it does not."""
        folded = _words(words)
        return bool(folded) and folded in self._all

    def taken_out_of(self, text: str) -> str:
        """The text with a gap wherever it repeats a prompt, or a good part of one."""
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
        """How many words from ``start`` on repeat a prompt; 0 where they are too few to tell."""
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
    """The words of a text in the form in which they are compared, with a space between them."""
    text = unicodedata.normalize("NFC", text)
    return " ".join(_folded(word) for word in _WORD.findall(text))


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()

"""Normalises words for comparison, and maps characters that look like Latin letters."""

from __future__ import annotations

import re
import unicodedata

from bot.domain.characters import INVISIBLE

# Letters of other alphabets by the Latin letter that they resemble. A capital may resemble a different letter.
_ALIKE = {
    "a": "аɑαᴀАΑᎪ",
    "b": "вʙВΒᏴᏏЬь",
    "c": "сᴄСϹϲᏟ",
    "d": "ԁᴅđðᎠԀ",
    "e": "еεєᴇЕΕᎬ",
    "f": "ꜰƒ",
    "g": "ɡɢᏀց",
    "h": "һнʜНΗᎻհħҺ",
    "i": "іıιɪІΙᎥӀ",
    "j": "јᴊЈᎫϳ",
    "k": "кκᴋКΚᏦ",
    "l": "ӏʟłᏞ",
    "m": "мᴍМΜᎷ",
    "n": "ηɴΝпո",
    "o": "оοσᴏОΟօøՕ",
    "p": "рρᴘРΡᏢ",
    "q": "ԛԚ",
    "r": "ʀгᎡᏒ",
    "s": "ѕꜱЅᏚՏ",
    "t": "тτᴛТΤᎢŧ",
    "u": "υᴜμսՍ",
    "v": "νѵᴠᏙѴ",
    "w": "ԝѡωᴡᎳԜ",
    "x": "хχХΧ",
    "y": "уγʏУΥүҮ",
    "z": "ᴢΖᏃ",
}
_LATIN = "abcdefghijklmnopqrstuvwxyz"
# Letters in black circles and squares, and the regional indicators.
_ENCLOSED = (0x1F150, 0x1F170, 0x1F1E6)
LOOK_ALIKES = {ord(sign): letter for letter, signs in _ALIKE.items() for sign in signs} | {
    first + place: letter for first in _ENCLOSED for place, letter in enumerate(_LATIN)
}
"""Maps each look-alike character to its Latin letter."""
_LOOKS_ALIKE = re.compile(f"[{''.join(map(chr, LOOK_ALIKES))}]")

# Combining marks that are accents. Marks that are vowels in their script are excluded.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0898-\u089f\u08ca-\u08e1\u08e3-\u08ff"
    "\u0e47-\u0e4c\u0e4e\u0ec8-\u0ecc\u0ece\u135d-\u135f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
    "\U0001f3fb-\U0001f3ff]"
)
# Scripts without spaces between words: Thai, Lao, Burmese, Khmer, Tai and Indonesian scripts, Chinese, Japanese, Yi.
_NO_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u1b00-\u1b7f\u2e80-\u2fdf\u3005-\u3007"
    "\u3021-\u3029\u3031-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\ua4cf\ua980-\ua9ff\uaa60-\uaadf"
    "\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
_IDEOGRAPHS = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]"
)
_KNOWN_AT_MOST = 20_000

# Marks of another script on a Latin letter or digit (scripts without spaces, then all others), and repeated marks.
_MARKS_WITHOUT_SPACES = re.compile(
    "(?<=[a-z0-9])[\u0e31\u0e34-\u0e3a\u0e4d\u0eb1\u0eb4-\u0ebc\u0ecd\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064"
    "\u1067-\u106d\u1071-\u1074\u1082-\u108d\u108f\u109a-\u109d\u17b4-\u17d3\u17dd\u3099\u309a]+"
)
_MARK = re.compile(r"[^\w\s*]")
_MARKS_OF_OTHERS = re.compile(r"(?<=[a-z0-9])[^\w\s*]+")
_REPEATED = re.compile(r"( ?)([^\w\s*])(?:\1\2)+")


class _Words(dict[int, str]):
    """Maps each character to itself, nothing or a space. Filled on demand, with a size limit."""

    def __init__(self, *, symbols: bool) -> None:
        super().__init__()
        self._symbols = symbols

    def __missing__(self, number: int) -> str:
        if len(self) > _KNOWN_AT_MOST:
            self.clear()
        self[number] = found = self._of(chr(number))
        return found

    def _of(self, sign: str) -> str:
        category = unicodedata.category(sign)
        if sign.isspace():
            return " "
        if INVISIBLE.match(sign):
            return ""
        if is_symbol(sign):
            return f" {sign} " if self._symbols else " "
        if category[0] in "LNM" or category == "Cn" or sign == "*":
            # In scripts without spaces each character counts as a word.
            return f" {sign} " if _NO_SPACES.match(sign) else sign
        return " "


_WITHOUT_SYMBOLS = _Words(symbols=False)
_WITH_SYMBOLS = _Words(symbols=True)


def is_symbol(sign: str) -> bool:
    """Return whether the character is an emoji or another symbol. These count as words."""
    return unicodedata.category(sign) == "So" or "\U0001f000" <= sign <= "\U0001faff"


def is_ideograph(sign: str) -> bool:
    """Return whether the character is an ideograph, or a syllable that can be a word."""
    return _IDEOGRAPHS.match(sign) is not None


def stands_alone(word: str) -> bool:
    """Return whether the word is a single character of a script without spaces, or a symbol."""
    return len(word) == 1 and (_NO_SPACES.match(word) is not None or is_symbol(word))


def compared_forms(text: str, *, symbols: bool) -> tuple[str, ...]:
    """Return the forms of a text to compare, without duplicates. Words are separated by single spaces.

    Case, accents and invisible characters are removed. Characters of scripts without spaces become separate words, and
    so do symbols if ``symbols`` is true. One form has look-alikes replaced by Latin letters. A star is preserved.
    """
    signs = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    plain = unicodedata.normalize("NFC", signs.casefold())
    found = [_words(plain, _WITHOUT_SYMBOLS)]
    if not plain.isascii():
        if _LOOKS_ALIKE.search(signs):
            alike = unicodedata.normalize("NFC", signs.translate(LOOK_ALIKES).casefold())
            found.append(_words(alike, _WITHOUT_SYMBOLS))
        if symbols:
            found.append(_words(plain, _WITH_SYMBOLS))
    return tuple(dict.fromkeys(found))


def _words(text: str, table: _Words) -> str:
    words = " ".join(_MARKS_WITHOUT_SPACES.sub("", text).translate(table).split())
    # Most texts have no such marks, and a search is faster than a substitution.
    return _REPEATED.sub(r"\1\2", _MARKS_OF_OTHERS.sub("", words)) if _MARK.search(words) else words

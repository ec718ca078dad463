"""Finds texts by their messages in the output for people, so that no test quotes a sentence."""

from __future__ import annotations

import gettext
import importlib
import pkgutil
import re
import string
from collections.abc import Mapping

import pytest

import bot
import cogs
from bot.errors import UserError
from bot.text import CATALOGUE, Message, Text
from storage.errors import Fault, StorageError


def every_message() -> list[Message]:
    """Every message of the program. Those of a module exist only once it is imported."""
    for package in (bot, cogs):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return list(CATALOGUE.values())


def shows(words: str, wanted: Message | Text) -> bool:
    """Whether ``words`` contain the text: a Text with exactly its values, a Message with any values."""
    if isinstance(wanted, Text):
        return str(wanted) in words
    forms = (wanted.english, wanted.plural) if wanted.plural is not None else (wanted.english,)
    return any(re.search(_pattern(form), words, re.DOTALL) for form in forms)


def codes(error: UserError) -> list[str]:
    """The codes of the error's problems, in order."""
    return [problem.code for problem in error.problems]


def fails(fault: Fault, words: str = "") -> pytest.RaisesExc[StorageError]:
    """Expect the block to fail with this fault. ``words`` are part of a value, like the name of a file."""
    return pytest.raises(StorageError, check=lambda error: error.fault is fault and words in str(error))


def _pattern(form: str) -> str:
    parts = string.Formatter().parse(form)
    return "".join(re.escape(words) + (".+?" if name is not None else "") for words, name, _, _ in parts)


MARK = "~"
"""The ending of every message in the made-up language."""


class MadeUpLanguage(gettext.NullTranslations):
    """Every message with accents, a third longer, and with its values. It reveals untranslated texts."""

    _ACCENTS: Mapping[int, int] = str.maketrans("aeiouyAEIOUYcnsz", "áéíöůýÁÉÍÖŮÝçñšž")

    def gettext(self, message: str) -> str:
        return self._made_up(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self._made_up(msgid1 if n == 1 else msgid2)

    def pgettext(self, context: str, message: str) -> str:
        return self._made_up(message)

    def npgettext(self, context: str, msgid1: str, msgid2: str, n: int) -> str:
        return self._made_up(msgid1 if n == 1 else msgid2)

    def _made_up(self, message: str) -> str:
        written = []
        for words, name, form, _ in string.Formatter().parse(message):
            written.append(words.replace("{", "{{").replace("}", "}}").translate(self._ACCENTS))
            if name is not None:
                written.append(f"{{{name}:{form}}}" if form else f"{{{name}}}")
        return "".join(written) + MARK * max(1, len(message) // 3)

"""Generates slash command parameters from the option table."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias

from discord import app_commands
from discord.app_commands import locale_str

from bot.domain.options import Option
from bot.text import Text

Callback: TypeAlias = Callable[..., Coroutine[Any, Any, None]]
# The library's type stub does not accept values here.
_RANGE: Any = app_commands.Range


def takes(options: Iterable[Option], *, after: str = "", **descriptions: Text) -> Callable[[Callback], Any]:
    """Replace a command's ``**`` parameter by one parameter for each option, placed after the parameter ``after``.

    ``descriptions`` override those of the table.
    """

    def decorate(callback: Callback) -> Any:
        signature = inspect.signature(callback)
        every = list(signature.parameters.values())
        own = [each for each in every if each.kind is not inspect.Parameter.VAR_KEYWORD]
        names = [each.name for each in own]
        place = names.index(after) + 1 if after else names.index("interaction") + 1
        added = [_parameter(option) for option in options]
        described = {option.name: descriptions.get(option.name, option.description) for option in options}
        callback.__signature__ = signature.replace(parameters=[*own[:place], *added, *own[place:]])  # type: ignore[attr-defined]  # as inspect documents it
        return app_commands.describe(**{name: command_text(words) for name, words in described.items()})(callback)

    return decorate


def command_text(words: Text) -> locale_str:
    """Text for a command's description. It is translated when commands are registered."""
    return locale_str(words.message.english)


def _parameter(option: Option) -> inspect.Parameter:
    return inspect.Parameter(
        option.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=_RANGE[option.kind, option.low, option.high] | None,
    )

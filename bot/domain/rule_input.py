"""What an admin types for a server's rules, checked against what there is."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.characters import typed
from bot.domain.engines import few, find_engine, takes_shape
from bot.domain.rules import Rules
from bot.domain.sizes import parse_shape
from bot.errors import UserError
from bot.providers.base import Engine


def engine_list(text: str, engines: Mapping[str, Engine]) -> tuple[str, ...]:
    """The ids of the engines that a list names. Raises UserError where one is none."""
    names = text.replace(",", " ").split()
    return tuple(dict.fromkeys(find_engine(name, engines).id for name in names))


def shape(text: str, engines: Mapping[str, Engine]) -> str:
    """A size or a ratio that some engine makes. Raises UserError."""
    wanted = typed(text) or ""
    try:
        parse_shape(wanted)
    except ValueError:
        raise UserError(
            f"“{wanted}” is no size. Write a width and a height such as 1024x1024, or a ratio such as 16:9."
        ) from None
    if not any(takes_shape(engine, wanted) for engine in engines.values()):
        raise UserError(f"No engine here makes {wanted}.")
    return wanted


def contradictions(rules: Rules, engines: Mapping[str, Engine]) -> list[str]:
    """What in the rules cannot be kept together, or names what is not there any more; each a sentence."""
    found = []
    gone = [engine for engine in (*rules.engines, *filter(None, [rules.engine])) if engine not in engines]
    if gone:
        found.append(f"These engines are not offered any more: {few(dict.fromkeys(gone))}.")
    if rules.engines and not set(rules.engines) & engines.keys():
        found.append("None of the allowed engines is offered, so nobody can make images here.")
    if rules.engine is not None and rules.engines and rules.engine not in rules.engines:
        found.append(f"The default engine {rules.engine} is not among the allowed ones.")
    used = engines.get(rules.engine or "")
    if rules.size is not None and used is not None and not takes_shape(used, rules.size):
        found.append(f"The default engine does not make {rules.size}, so its own size is used.")
    return found

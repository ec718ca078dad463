"""The cards of the engines: all of them at a glance, or one with everything it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from discord import ui

from bot.domain.money import Price
from bot.domain.prompt.parser import PROMPT_LIMIT
from bot.domain.sizes import ratio_name
from bot.jobs.view import Page
from bot.providers.base import Ability, Bounds, Engine
from bot.text import listed
from bot.ui.cards.layout import TEXT_AT_MOST, Card, quiet, rule, text, within
from bot.ui.cards.wording import safe, units
from bot.ui.pages import engines_id

_SIZES_SHOWN = 9
_STYLES_SHOWN = 8
# A card has 40 parts at most, and an engine that stands apart takes two.
_ENGINES_APART = 16
_ENGINES_A_PAGE = 15
_ROOM = TEXT_AT_MOST - 300

_ABILITIES = {
    Ability.NEGATIVE: "negative prompt",
    Ability.WEIGHTS: "weights",
    Ability.STYLE: "style",
    Ability.STEPS: "steps",
    Ability.SEED: "seed",
    Ability.GUIDANCE: "guidance",
    Ability.SAMPLER: "sampler",
}


def engines_card(engines: Iterable[Engine], price: Callable[[str], Price], *, default: str, page: int = 1) -> Card:
    """What each engine takes and costs; where there are many, a line for each, by pages."""
    every = list(engines)
    if len(every) > _ENGINES_APART:
        return _engines_page(every, price, default=default, page=page)
    room = _ROOM // max(1, len(every))
    entries = [_engine(engine, price(engine.id), default=engine.id == default, room=room) for engine in every]
    parts: list[ui.Item[Any]] = [text("**Engines**")]
    for entry in within(entries, _ROOM):
        parts += [rule(), text(entry)]
    return Card(*parts)


def _engines_page(engines: list[Engine], price: Callable[[str], Price], *, default: str, page: int) -> Card:
    where = Page.of(page, things=len(engines), at_once=_ENGINES_A_PAGE)
    shown = engines[where.offset(_ENGINES_A_PAGE) :][:_ENGINES_A_PAGE]
    room = _ROOM // _ENGINES_A_PAGE
    lines = [_line(engine, price(engine.id), default=engine.id == default, room=room) for engine in shown]
    return Card(
        text(f"**Engines**, page {where.number} of {where.pages}", *lines),
        ui.ActionRow(
            ui.Button(label="Back", custom_id=engines_id(where.number - 1), disabled=where.number == 1),
            ui.Button(label="More", custom_id=engines_id(where.number + 1), disabled=where.number == where.pages),
        ),
        text(quiet(f"There are {len(engines):,}. /engines with a name or a part of one shows all that it takes.")),
    )


def _line(engine: Engine, price: Price, *, default: bool, room: int) -> str:
    used = " · used where you name none" if default else ""
    costs = f" · {_price(price)}{used}"
    name = safe(engine.name, 60)
    # The id is what is typed, so it is never cut for the name's sake.
    return f"**{name}** · {safe(engine.id, max(40, room - units(costs) - units(name) - 10))}{costs}"


def engine_card(engine: Engine, price: Price, *, default: bool) -> Card:
    """All that one engine takes, and what it costs."""
    bounds = {"Steps": engine.steps, "Guidance": engine.guidance, "Weights": engine.weights, "Seeds": engine.seed}
    facts = [
        f"Price: {_price(price)}",
        f"Takes: {listed(['a prompt', 'a size', *_takes(engine)])}",
        f"Prompt: up to {min(engine.prompt_limit, PROMPT_LIMIT):,} characters",
        *(f"{what}:{_range(its)}{_usual(its)}" for what, its in bounds.items() if its is not None),
        f"Size where none is named: {engine.default_size}",
    ]
    if engine.grid is not None:
        facts.append(f"Any size: {_grid(engine)}")
    named = {
        "Sizes": [f"{size} ({ratio_name(size)})" for size in engine.sizes],
        "Styles": [safe(style, 60) for style in engine.styles],
        "Samplers": [safe(sampler, 60) for sampler in engine.samplers],
    }
    lists = [_cut(f"{what}: {', '.join(names)}", 900) for what, names in named.items() if names]
    heading = f"**{safe(engine.name, 100)}**" + (" · used where you name none" if default else "")
    return Card(text(heading, quiet(safe(engine.id, 120))), rule(), text(*facts), rule(), text(*lists or ["No lists."]))


def _cut(line: str, limit: int) -> str:
    return line if len(line) <= limit else f"{line[: limit - 1].rpartition(',')[0]} …"


def _price(price: Price) -> str:
    # A single price that is not exact says "about" by itself.
    kind = ", exact" if price.exact else "" if price.low == price.high else ", an estimate"
    return f"{price} an image{kind}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _usual(bounds: Bounds) -> str:
    return "" if bounds.default is None else f", {_number(bounds.default)} where none is named"


def _grid(engine: Engine) -> str:
    grid = engine.grid
    return "" if grid is None else f"both sides {grid.low} to {grid.high} pixels, a multiple of {grid.step}"


def _engine(engine: Engine, price: Price, *, default: bool, room: int) -> str:
    name = f"**{safe(engine.name, 100)}**" + (" · used where you name none" if default else "")
    lines = [
        f"{_price(price)} · {safe(engine.id, 120)}",
        quiet(f"Takes: {listed(_takes(engine)) or 'a prompt and a size'}"),
        quiet(f"Sizes: {_sizes(engine)}"),
    ]
    if engine.styles:
        shown = [safe(style, 40) for style in engine.styles[:_STYLES_SHOWN]]
        more = len(engine.styles) - len(shown)
        lines.append(quiet(f"Styles: {', '.join(shown)}" + (f" and {more} more" if more > 0 else "")))
    return "\n".join(within([name, *lines], room))


def _takes(engine: Engine) -> list[str]:
    bounds = {Ability.STEPS: engine.steps, Ability.GUIDANCE: engine.guidance}
    return [word + _range(bounds.get(ability)) for ability, word in _ABILITIES.items() if ability in engine.abilities]


def _range(bounds: Bounds | None) -> str:
    return "" if bounds is None else f" {_number(bounds.low)} to {_number(bounds.high)}"


def _sizes(engine: Engine) -> str:
    if engine.grid is not None:
        return _grid(engine)
    shown = [f"{size} ({ratio_name(size)})" for size in engine.sizes[:_SIZES_SHOWN]]
    more = len(engine.sizes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")

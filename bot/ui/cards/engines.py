"""The cards of the engines: a list of all engines, and the options of one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from discord import ui

from bot.domain.engines import few
from bot.domain.money import Price
from bot.domain.options import OPTIONS, PROMPT_LIMIT, SEED, SIZE, Feature, Option, features
from bot.domain.sizes import size_text
from bot.jobs.view import Page
from bot.providers.base import Bounds, Engine, SizeGrid
from bot.text import Text, message, plural, t
from bot.ui.cards.buttons import ENGINES_BACK, ENGINES_MORE, turning
from bot.ui.cards.layout import TEXT_AT_MOST, Card, quiet, rule, text, within
from bot.ui.cards.wording import safe, units

DEFAULT = message("engines_card.default", "default")
RETIRED = message("engines_card.retired", "no longer available")
EXACT_PRICE = message("engines_card.exact_price", "{price} an image, exact")
SINGLE_PRICE = message("engines_card.single_price", "{price} an image")
ESTIMATED_PRICE = message("engines_card.estimated_price", "{price} an image, an estimate")
TOGETHER = message("engines_card.together", "Makes {count} image at a time", "Makes {count} images at a time")
TAKES = message("engines_card.takes", "Options: {options}")

_SIZES_SHOWN = 9
_STYLES_SHOWN = 8
_LIST_AT_MOST = 900
# A card has at most 40 components, and an engine's own section uses two.
_ENGINES_APART = 16
_ENGINES_A_PAGE = 15
_ROOM = TEXT_AT_MOST - 300


def engines_card(
    engines: Iterable[Engine],
    price: Callable[[str], Price],
    *,
    default: str,
    page: int = 1,
    retired: Collection[str] = frozenset(),
) -> Card:
    """The options and the price of each engine. If there are many, each gets one line, on pages.

    ``retired`` are the ids of engines that can no longer be used.
    """
    every = list(engines)
    if len(every) > _ENGINES_APART:
        return _engines_page(every, price, default=default, page=page, retired=retired)
    room = _ROOM // max(1, len(every))
    entries = [
        _engine(engine, price(engine.id), _marks(engine, default=engine.id == default, retired=retired), room=room)
        for engine in every
    ]
    parts: list[ui.Item[Any]] = [text(t("**Engines**"))]
    for entry in within(entries, _ROOM):
        parts += [rule(), text(entry)]
    return Card(*parts)


def _engines_page(
    engines: list[Engine], price: Callable[[str], Price], *, default: str, page: int, retired: Collection[str]
) -> Card:
    where = Page.of(page, things=len(engines), at_once=_ENGINES_A_PAGE)
    shown = engines[where.offset(_ENGINES_A_PAGE) :][:_ENGINES_A_PAGE]
    room = _ROOM // _ENGINES_A_PAGE
    lines = [
        _line(engine, price(engine.id), _marks(engine, default=engine.id == default, retired=retired), room=room)
        for engine in shown
    ]
    return Card(
        text(t("**Engines**, page {page} of {pages}", page=where.number, pages=where.pages), *lines),
        ui.ActionRow(*turning(where, ENGINES_BACK, ENGINES_MORE)),
        text(
            quiet(plural("{count} engine.", "{count} engines.", len(engines))),
            quiet(t("Type /engines and a name to see everything that an engine can do.")),
        ),
    )


def _line(engine: Engine, price: Price, marks: str, *, room: int) -> str:
    costs = f" · {_price(price)}{marks}"
    name = safe(engine.name, 60)
    # People have to type the id, so it is never cut to make room for the name.
    return f"**{name}** · {safe(engine.id, max(40, room - units(costs) - units(name) - 10))}{costs}"


def engine_card(engine: Engine, price: Price, *, default: bool, retired: Collection[str] = frozenset()) -> Card:
    """All options of one engine, and its price."""
    facts = [
        t("Price: {price}", price=_price(price)),
        *_together(engine),
        TAKES(options=[SIZE.label, *_takes(engine)]),
        t("Prompt: up to {limit} characters", limit=min(engine.prompt_limit, PROMPT_LIMIT)),
        *(
            t("{label}: {range}", label=feature.label, range=_with_default(bounds))
            for feature in features()
            if (bounds := feature.bounds(engine)) is not None
        ),
        t("Default size: {size}", size=str(engine.default_size)),
    ]
    if engine.grid is not None:
        facts.append(t("Any size: {grid}", grid=_grid(engine.grid)))
    lists = [_list(t("Sizes"), [str(size_text(size)) for size in engine.sizes])] if engine.sizes else []
    lists += [
        _list(option.label, [safe(name, 60) for name in names])
        for option in OPTIONS.values()
        if (names := option.names(engine))
    ]
    return Card(
        text(
            f"**{safe(engine.name, 100)}**{_marks(engine, default=default, retired=retired)}",
            quiet(safe(engine.id, 120)),
        ),
        rule(),
        text(*facts),
        rule(),
        text(*lists or [str(t("It has no list of sizes or styles."))]),
    )


def _list(label: Text, names: list[str]) -> str:
    line = str(t("{label}: {names}", label=label, names=", ".join(names)))
    return line if len(line) <= _LIST_AT_MOST else f"{line[: _LIST_AT_MOST - 1].rpartition(',')[0]} …"


def _marks(engine: Engine, *, default: bool, retired: Collection[str]) -> str:
    """What follows the engine's name."""
    marks = [*([DEFAULT] if default else []), *([RETIRED] if engine.id in retired else [])]
    return "".join(f" · {mark}" for mark in marks)


def _price(price: Price) -> Text:
    if price.exact:
        return EXACT_PRICE(price=str(price))
    # The text of an estimated price contains "about" already.
    if price.low == price.high:
        return SINGLE_PRICE(price=str(price))
    return ESTIMATED_PRICE(price=str(price))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _range(bounds: Bounds) -> Text:
    return t("{low} to {high}", low=_number(bounds.low), high=_number(bounds.high))


def _with_default(bounds: Bounds) -> Text:
    if bounds.default is None:
        return _range(bounds)
    return t("{range}, default {value}", range=_range(bounds), value=_number(bounds.default))


def _grid(grid: SizeGrid) -> Text:
    return t(
        "both sides {low:plain} to {high:plain} pixels, in steps of {step:plain}",
        low=grid.low,
        high=grid.high,
        step=grid.step,
    )


def _engine(engine: Engine, price: Price, marks: str, *, room: int) -> str:
    options = _takes(engine)
    lines = [
        f"**{safe(engine.name, 100)}**{marks}",
        f"{_price(price)} · {safe(engine.id, 120)}",
        *map(quiet, _together(engine)),
        quiet(TAKES(options=[SIZE.label, *options])),
        quiet(t("Sizes: {sizes}", sizes=_sizes(engine))),
    ]
    if engine.styles:
        lines.append(
            quiet(t("Styles: {styles}", styles=few([safe(style, 40) for style in engine.styles], _STYLES_SHOWN)))
        )
    return "\n".join(within(lines, room))


def _together(engine: Engine) -> list[Text]:
    """The number of images that it always makes together, if that is more than one."""
    return [TOGETHER(count=engine.batch)] if engine.batch > 1 else []


def _takes(engine: Engine) -> list[Text]:
    """The options that the engine supports, with their ranges."""
    return [_option(feature, engine) for feature in features() if feature.taken_by(engine)]


def _option(feature: Feature, engine: Engine) -> Text:
    bounds = feature.bounds(engine)
    # The ranges of seeds and weights are omitted: few people need them.
    if bounds is None or not isinstance(feature, Option) or feature is SEED:
        return feature.label
    return t("{label} {range}", label=feature.label, range=_range(bounds))


def _sizes(engine: Engine) -> Text | str:
    if engine.grid is not None:
        return _grid(engine.grid)
    return few([str(size_text(size)) for size in engine.sizes], _SIZES_SHOWN)

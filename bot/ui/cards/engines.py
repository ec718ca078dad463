"""The cards of the engines: a list of all engines with what each can do, and one engine in full."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from discord import ui

from bot.domain.edits import NAMES
from bot.domain.engines import few
from bot.domain.features import Feature, Option
from bot.domain.money import Price
from bot.domain.options import OPTIONS, PROMPT_LIMIT, SEED, SIZE, STYLE, features
from bot.domain.sizes import size_text
from bot.jobs.view import Page
from bot.providers.base import Bounds, Engine, SizeGrid
from bot.providers.operations import Operation, PictureRules
from bot.text import Text, message, plural, t
from bot.ui.cards.buttons import ENGINES_BACK, ENGINES_MORE, turning
from bot.ui.cards.layout import TEXT_AT_MOST, Card, Words, facts, quiet, rule, text, within
from bot.ui.cards.wording import price_text, safe, units

DEFAULT = message("engines_card.default", "default")
RETIRED = message("engines_card.retired", "no longer available")
EXACT_PRICE = message("engines_card.exact_price", "{price} an image, exact")
SINGLE_PRICE = message("engines_card.single_price", "{price} an image")
ESTIMATED_PRICE = message("engines_card.estimated_price", "{price} an image, an estimate")
DOES = message("engines_card.does", "{operations}: {price}")
DOES_AND_COSTS = message("engines_card.does_and_costs", "**{operation}**: {price}")
PRICES = message("engines_card.prices", "Prices are in credits per image.")
TOGETHER = message("engines_card.together", "Makes {count} image at a time", "Makes {count} images at a time")
TAKES = message("engines_card.takes", "Options: {options}")
NO_OPTIONS = message("engines_card.no_options", "Options: none")
WANTS_PICTURE = message("engines_card.wants_picture", "Picture: {shape}")
ANY_SHAPE = message("engines_card.any_shape", "any shape")
NEW_SHAPE = message("engines_card.new_shape", "any; it's made to fit the size of the new image")
UP_TO_RATIO = message("engines_card.up_to_ratio", "up to {ratio}:1; a longer one is cropped or gets a border")
EXTENDED_BY = message("engines_card.extended_by", "Adds up to {most} pixels on each side")
UPSCALED_BY = message("engines_card.upscaled_by", "Makes a picture {scales:or} times larger on each side")
PART_NEEDED = message("engines_card.part_needed", "You mark the part")
NO_WORDS_NEEDED = message("engines_card.no_words_needed", "Needs no prompt")

PriceOf = Callable[[Engine], Price]
"""Returns the price of one image of an engine, for the operation that it is given for."""
IsRetired = Callable[[Engine], bool]
"""Returns whether an engine can no longer be used for the operation that it is given for."""

_SIZES_SHOWN = 6
_STYLES_SHOWN = 8
_LIST_AT_MOST = 900
_LISTS_AT_MOST = 2700
# A card has at most 40 components, and an engine's own section uses two.
_ENGINES_APART = 16
_ENGINES_A_PAGE = 15
_ROOM = TEXT_AT_MOST - 300
_ENGINE_ROOM = TEXT_AT_MOST - 100


def _none(_engine: Engine) -> bool:
    return False


def engines_card(
    engines: Iterable[Engine], price: PriceOf, *, default: str, page: int = 1, retired: IsRetired = _none
) -> Card:
    """What each engine can do, with its prices and options. If there are many, each gets one line, on pages."""
    every = list(engines)
    if len(every) > _ENGINES_APART:
        return _engines_page(every, price, default=default, page=page, retired=retired)
    room = _ROOM // max(1, len(every))
    entries = [
        _engine(engine, price, _marks(engine, default=default, retired=retired), retired, room=room) for engine in every
    ]
    parts: list[ui.Item[Any]] = [text(t("**Engines**"), *_unit(every, price))]
    for entry in within(entries, _ROOM):
        parts += [rule(), text(entry)]
    return Card(*parts)


def _unit(engines: Iterable[Engine], price: PriceOf) -> list[str]:
    """The unit of the prices, unless all of them are free."""
    return [quiet(PRICES)] if any(price(each).high for engine in engines for each in _each(engine)) else []


def _engines_page(engines: list[Engine], price: PriceOf, *, default: str, page: int, retired: IsRetired) -> Card:
    where = Page.of(page, things=len(engines), at_once=_ENGINES_A_PAGE)
    shown = engines[where.offset(_ENGINES_A_PAGE) :][:_ENGINES_A_PAGE]
    room = _ROOM // _ENGINES_A_PAGE
    lines = [
        _line(engine, price, _marks(engine, default=default, retired=retired), retired, room=room) for engine in shown
    ]
    return Card(
        text(t("**Engines**, page {page} of {pages}", page=where.number, pages=where.pages), *lines),
        ui.ActionRow(*turning(where, ENGINES_BACK, ENGINES_MORE)),
        text(
            quiet(plural("{count} engine.", "{count} engines.", len(engines))),
            *_unit(engines, price),
            quiet(t("Type /engines and a name to see everything that an engine can do.")),
        ),
    )


def _line(engine: Engine, price: PriceOf, marks: str, retired: IsRetired, *, room: int) -> str:
    name = safe(engine.name, 60)
    # People have to type the id, so it is never cut to make room for the name or the operations.
    line = f"**{name}**{marks} · {safe(engine.id, max(40, room - units(name) - units(marks) - 50))}"
    does = _operations(engine, price, retired)
    while does and units(line) + units(" · ".join(does)) + 10 > room:
        del does[-1]
    return " · ".join([line, *does])


def engine_card(engine: Engine, price: PriceOf, *, default: str, retired: IsRetired = _none) -> Card:
    """All operations of one engine with their prices and options, and its sizes, styles and samplers."""
    parts: list[ui.Item[Any]] = [
        text(
            f"**{safe(engine.name, 100)}**{_marks(engine, default=default, retired=retired)}",
            t("Its id: {engine}", engine=safe(engine.id, 120)),
            *_together(engine),
            *filter(None, [facts(*busy_texts(engine))]),
        )
    ]
    every = [_bounds(each) for each in _each(engine)]
    # What is the same for all operations is said once, at the end.
    common = [line for line in every[0] if all(line in lines for lines in every)]
    last = [*map(str, common), *_lists(engine)]
    sections = [
        "\n".join([*map(str, _section(each, price, retired)), *(quiet(line) for line in lines if line not in common)])
        for each, lines in zip(_each(engine), every, strict=True)
    ]
    room = _ENGINE_ROOM - sum(units(each) + 1 for each in last)
    for section in within(sections, room):
        parts += [rule(), text(section)]
    if last:
        parts += [rule(), text(*last)]
    return Card(*parts)


def busy_texts(engine: Engine) -> Iterator[Text]:
    """How many machines offer the engine, and how long their queue is, as far as the service tells."""
    if engine.workers is not None:
        yield plural("{count} machine", "{count} machines", engine.workers)
    if engine.queue_seconds:
        yield t("{wait:duration} of work waiting", wait=engine.queue_seconds)


def _section(engine: Engine, price: PriceOf, retired: IsRetired) -> list[Words]:
    """What an engine takes for one of its operations."""
    operation, cost = engine.operation, RETIRED() if retired(engine) else _price(price(engine))
    options = [*([SIZE.label] if engine.sized else []), *(each.label for each in features() if each.taken_by(engine))]
    lines: list[Words] = [DOES_AND_COSTS(operation=NAMES[operation], price=cost)]
    lines.append(TAKES(options=options) if options else NO_OPTIONS())
    if operation.has_source:
        lines.append(WANTS_PICTURE(shape=_shape(engine.picture or PictureRules())))
    if operation.has_mask:
        lines.append(PART_NEEDED())
    if operation is Operation.OUTPAINT:
        lines.append(EXTENDED_BY(most=(engine.picture or PictureRules()).margin))
    if operation is Operation.UPSCALE:
        lines.append(UPSCALED_BY(scales=[str(scale) for scale in sorted(engine.scales)]))
    if not operation.needs_prompt:
        lines.append(NO_WORDS_NEEDED())
    return [lines[0], *map(quiet, lines[1:])]


def _bounds(engine: Engine) -> list[Text]:
    """The values that it takes for one of its operations."""
    lines = []
    if engine.operation.needs_prompt:
        lines.append(t("Prompt: up to {limit} characters", limit=min(engine.prompt_limit, PROMPT_LIMIT)))
    lines += [
        t("{label}: {range}", label=feature.label, range=_with_default(bounds))
        for feature in features()
        if feature.taken_by(engine) and (bounds := feature.bounds(engine)) is not None
    ]
    if engine.sized:
        lines.append(t("Default size: {size}", size=str(engine.default_size)))
    if engine.grid is not None:
        lines.append(t("Any size: {grid}", grid=_grid(engine.grid)))
    return lines


def _shape(rules: PictureRules) -> Text:
    if rules.exact:
        return NEW_SHAPE()
    return ANY_SHAPE() if rules.ratio is None else UP_TO_RATIO(ratio=_number(rules.ratio))


def _lists(engine: Engine) -> list[str]:
    """The values of the options that have a list, over all operations."""
    every = _each(engine)
    sizes = dict.fromkeys(str(size_text(size)) for each in every for size in each.sizes)
    lists = [(t("Sizes"), list(sizes))] if sizes else []
    for option in OPTIONS.values():
        names = dict.fromkeys(name for each in every for name in option.names(each))
        # A server can have a thousand LoRAs. Even the shortest names fill the room before that.
        lists += [(option.label, [safe(name, 60) for name in islice(names, _LIST_AT_MOST)])] if names else []
    room = min(_LIST_AT_MOST, _LISTS_AT_MOST // max(1, len(lists)))
    return [_list(label, names, room) for label, names in lists]


def _each(engine: Engine) -> list[Engine]:
    """The engine, once for each of its operations."""
    return [engine, *engine.others]


def _list(label: Text, names: list[str], room: int) -> str:
    line = str(t("{label}: {names}", label=label, names=", ".join(names)))
    return line if len(line) <= room else f"{line[: room - 1].rpartition(',')[0]} …"


def _marks(engine: Engine, *, default: str, retired: IsRetired) -> str:
    """What follows the engine's name."""
    marks = [*([DEFAULT] if engine.id == default else []), *([RETIRED] if all(map(retired, _each(engine))) else [])]
    return "".join(f" · {mark}" for mark in marks)


def _operations(engine: Engine, price: PriceOf, retired: IsRetired) -> list[str]:
    """The operations that can be used, with their prices. Those that cost the same are together."""
    costing: dict[str, list[Text]] = {}
    for each in _each(engine):
        if not retired(each):
            costing.setdefault(str(price_text(price(each))), []).append(NAMES[each.operation])
    return [str(DOES(operations=operations, price=cost)) for cost, operations in costing.items()]


def _price(price: Price) -> Text:
    if not price.high:
        return price.text
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


def _engine(engine: Engine, price: PriceOf, marks: str, retired: IsRetired, *, room: int) -> str:
    every = _each(engine)
    sized, styles = next((each for each in every if each.sized), None), STYLE.names(engine)
    lines = [f"**{safe(engine.name, 100)}**{marks}"]
    does = _operations(engine, price, retired)
    if does:
        lines.append(" · ".join(does))
    lines.append(quiet(safe(engine.id, 120)))
    lines += map(quiet, _together(engine))
    options = [*([SIZE.label] if sized is not None else []), *_takes(*every)]
    lines.append(quiet(TAKES(options=options) if options else NO_OPTIONS()))
    if sized is not None:
        lines.append(quiet(t("Sizes: {sizes}", sizes=_sizes(sized))))
    if styles:
        lines.append(quiet(t("Styles: {styles}", styles=few([safe(style, 40) for style in styles], _STYLES_SHOWN))))
    # What is left out is on the engine's own card.
    while sum(units(line) + 1 for line in lines) > room and len(lines) > 1:
        del lines[-1]
    return "\n".join(lines)


def _together(engine: Engine) -> list[Text]:
    """The number of images that it always makes together, if that is more than one."""
    return [TOGETHER(count=engine.batch)] if engine.batch > 1 else []


def _takes(*engines: Engine) -> list[Text]:
    """The options that at least one of the engines takes, with their ranges."""
    return [
        _option(feature, taker)
        for feature in features()
        if (taker := next((engine for engine in engines if feature.taken_by(engine)), None)) is not None
    ]


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

"""The cards that answer a question: what was spent, what engines there are, what one can do here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from discord import ui

from bot.actions import CreditsView, Price, UsageView
from bot.credits import amount_text, credits_text
from bot.display.cards import TEXT_AT_MOST, Card, quiet, rule, text, within
from bot.display.wording import counted, listed, moment, safe
from bot.generation.sizes import ratio_name
from bot.providers.base import Ability, Bounds, Engine
from storage.ledger import Totals

_SIZES_SHOWN = 9
_STYLES_SHOWN = 8
# A card has 40 parts at most, and an engine that stands apart takes two.
_ENGINES_APART = 16
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


# --- credits ------------------------------------------------------------------------------------------------------


def credits_card(view: CreditsView, *, names: Mapping[str, str]) -> Card:
    """What one person has spent and has in flight. ``names`` are the engines' names by their ids."""
    lines = [
        f"Today: {_spent(view.today)}",
        f"This month: {_spent(view.month)}",
        f"In flight: {credits_text(view.month.in_flight)} held for jobs that are not finished",
    ]
    if view.daily_limit is not None:
        left = max(0, view.daily_limit - view.today.spent - view.today.in_flight)
        lines.append(f"Left today: {credits_text(left)} of {credits_text(view.daily_limit)}, renewed at 00:00 UTC")
    parts = [text("**Your credits**"), text(*lines)]
    if view.by_engine:
        engines = [f"{safe(names.get(engine, engine), 100)}: {credits_text(spent)}" for engine, spent in view.by_engine]
        parts.append(text("**This month by engine**", *within(engines, 1500)))
    parts.append(text(quiet("Days and months are those of UTC. What failed or was cancelled in time cost nothing.")))
    return Card(*parts)


def usage_card(view: UsageView, *, place: str) -> Card:
    """What everybody in a server has spent, most first."""
    people = [
        f"<@{user.user_id}>: {credits_text(user.spent)}"
        + (f" ({amount_text(user.spent_estimated)} estimated)" if user.spent_estimated else "")
        + (f", {amount_text(user.in_flight)} in flight" if user.in_flight else "")
        + f", {counted(user.jobs, 'job')}"
        + (f", {user.failed} failed" if user.failed else "")
        for user in view.users
    ]
    since = f"Since {moment(view.since, 'D')}" if view.since else "Since the beginning"
    summary = [f"{since}: {_spent(view.totals)}"]
    if view.totals.in_flight:
        summary.append(f"In flight: {credits_text(view.totals.in_flight)}")
    if view.monthly_limit is not None:
        summary.append(f"Limit of this server: {credits_text(view.monthly_limit)} a month")
    return Card(
        text(f"**What {safe(place, 100)} has spent**", *summary),
        rule(),
        text(*within(people or ["Nobody has made an image in this time."], _ROOM - 400)),
    )


def _spent(totals: Totals) -> str:
    estimated = f", {amount_text(totals.spent_estimated)} of them estimated" if totals.spent_estimated else ""
    return f"{credits_text(totals.spent)} spent{estimated}"


# --- engines ------------------------------------------------------------------------------------------------------


def engines_card(engines: Iterable[Engine], price: Callable[[str], Price], *, default: str) -> Card:
    """What each engine takes and costs."""
    every = list(engines)
    room = _ROOM // max(1, len(every))
    entries = [_engine(engine, price(engine.id), default=engine.id == default, room=room) for engine in every]
    if len(entries) > _ENGINES_APART:
        return Card(text("**Engines**", *within(entries, _ROOM)))
    parts: list[ui.Item[Any]] = [text("**Engines**")]
    for entry in within(entries, _ROOM):
        parts += [rule(), text(entry)]
    return Card(*parts)


def _engine(engine: Engine, price: Price, *, default: bool, room: int) -> str:
    name = f"**{safe(engine.name, 100)}**" + (" · used where none is named" if default else "")
    lines = [
        f"{price} an image · {safe(engine.id, 120)}",
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
    return "" if bounds is None else f" {bounds.low:g} to {bounds.high:g}"


def _sizes(engine: Engine) -> str:
    if engine.grid is not None:
        grid = engine.grid
        return f"both sides {grid.low} to {grid.high} pixels, a multiple of {grid.step}"
    shown = [f"{size} ({ratio_name(size)})" for size in engine.sizes[:_SIZES_SHOWN]]
    more = len(engine.sizes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


# --- help ---------------------------------------------------------------------------------------------------------


def help_card(mention: Callable[[str], str]) -> Card:
    """What one can do here. ``mention`` turns a command's name into something to click on."""
    return Card(
        text(
            "**Easel makes pictures from words.**",
            f"Type {mention('imagine')} with a prompt such as *a lighthouse on a cliff*. A card follows the work until "
            "the images stand in its place.",
        ),
        rule(),
        text(
            "**In the prompt**",
            "`castle::2 fog::-0.5` gives parts a weight",
            "`--no people` leaves something out",
            "`--ar 16:9` or `--size 1024x1024` sets the shape",
            "`--images 2`, `--style neon-punk`, `--steps 45` and `--seed 7` set what the fields of the command set",
            "`{red, blue} car` makes an image of each",
        ),
        rule(),
        text(
            "**Buttons**",
            "Cancel drops what has not been sent yet",
            "Again makes the same once more, for whoever presses it; New seed does so with another seed",
            "Details shows every setting, the cost and each step",
            "Delete takes a result away",
        ),
        rule(),
        text(
            "**More**",
            f"{mention('engines')}: what each engine takes and costs",
            f"{mention('credits')}: what you have spent and what is in flight",
            f"{mention('usage report')}: what everybody in this server has spent (needs Manage Server)",
        ),
        text(quiet("Only you see private jobs. What fails, or is cancelled before it was sent, costs nothing.")),
    )

"""The card that welcomes a server when the bot joins it."""

from __future__ import annotations

from collections.abc import Sequence

from discord import ui

from bot.domain.money import Price
from bot.text import message, t
from bot.ui.cards.buttons import SET_UP, TRY_IT
from bot.ui.cards.help import Mention
from bot.ui.cards.layout import Card, Words, rule, text, within

WELCOME = message("welcome.title", "**Hi, I'm Easel. I make images from words.**")
HOW = message(
    "welcome.how",
    "Type {imagine} and describe an image, for example *a lighthouse on a cliff, storm*. You'll see the progress, then "
    "your image.",
)
COSTS = message("welcome.costs", "An image by {engine} costs {price}. {help} explains the rest.")
FREE = message("welcome.free", "Images by {engine} are free. {help} explains the rest.")
FOR_MANAGERS = message("welcome.for_managers", "**For server managers**")


def welcome_card(mention: Mention, *, engine: str, price: Price, missing: Sequence[Words]) -> Card:
    """What the bot does, how to try it, and what is ``missing`` in this server."""
    about = COSTS(engine=engine, price=price.text, help=mention("help"))
    if not price.high:
        about = FREE(engine=engine, help=mention("help"))
    parts: list[ui.Item[ui.LayoutView]] = [text(WELCOME, HOW(imagine=mention("imagine"))), text(about)]
    if missing:
        parts += [rule(), text(FOR_MANAGERS, *within((str(t("⚠ {problem}", problem=one)) for one in missing), 1500))]
    return Card(*parts, ui.ActionRow(TRY_IT.button(), SET_UP.button()))

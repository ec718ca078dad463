"""The forms of a picture's panel: they ask for the words, and for the engine if several could do it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import discord
from discord import ui

from bot.domain.edits import FIND_AT_MOST
from bot.domain.options import PROMPT_LIMIT, STRENGTH, ImagineOptions
from bot.domain.values import whole_number
from bot.errors import UserError
from bot.jobs.picture_tools import Offer
from bot.text import Text, message, t
from bot.ui.cards.layout import facts
from bot.ui.cards.wording import plain, price_text
from bot.ui.client import Interaction
from bot.ui.forms import FORM_SECONDS
from bot.ui.interactions import handle

NOT_A_STRENGTH = message(
    "panel.not_a_strength", "“{text}” isn't a strength. Write a whole number from 0 to 100, such as 35."
)

_ENGINES_AT_MOST = 25
_STRENGTH_AT_MOST = 10

Start: TypeAlias = Callable[[Interaction, ImagineOptions], Awaitable[None]]
"""Starts a job with these options."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a form asks besides the prompt. ``words`` is its label, and ``hint`` an example of an answer.

    ``find`` asks what to replace. ``strength`` asks how much may change.
    """

    title: Text
    words: Text
    hint: Text
    find: bool = False
    strength: bool = False


class PictureForm(ui.Modal):
    """A form that completes options and then starts a job. ``offers`` are the engines that could do it."""

    def __init__(
        self,
        question: Question,
        options: ImagineOptions,
        offers: Sequence[Offer],
        start: Start,
        *,
        job_id: int | None,
    ) -> None:
        super().__init__(title=str(question.title), timeout=FORM_SECONDS)
        self.job_id = job_id
        self._question = question
        self._options = options
        self._offers = tuple(offers)
        self._start = start
        self._find = self._strength = None
        self._engine: ui.Select[Any] | None = None
        if question.find:
            self._find = _line(options.search, t("the red car"), most=FIND_AT_MOST)
            self._add(t("Find"), t("What to replace in the picture"), self._find)
        self._prompt: ui.TextInput[Any] = ui.TextInput(
            style=discord.TextStyle.paragraph,
            default=options.prompt[:PROMPT_LIMIT] or None,
            placeholder=str(question.hint),
            max_length=PROMPT_LIMIT,
        )
        self._add(question.words, None, self._prompt)
        if question.strength:
            strength = "" if options.strength is None else str(options.strength)
            self._strength = _line(strength, t("0 to 100"), most=_STRENGTH_AT_MOST, required=False)
            self._add(STRENGTH.label, STRENGTH.description, self._strength)
        if len(self._offers) > 1:
            self._engine = _engine_select(self._offers, options.engine)
            self._add(t("Engine"), None, self._engine)

    def _add(self, label: Text, description: Text | None, item: ui.Item[Any]) -> None:
        hint = None if description is None else str(description)
        self.add_item(ui.Label(text=str(label), description=hint, component=item))

    async def on_submit(self, interaction: Interaction, /) -> None:  # type: ignore[override]  # typed for any client
        await handle(interaction, self._sent, doing="form.picture", job_id=self.job_id)

    async def _sent(self, interaction: Interaction) -> None:
        await self._start(interaction, self._completed())

    def copy(self) -> PictureForm:
        """A new form with the same input, since a form can be submitted only once."""
        return PictureForm(self._question, self._options, self._offers, self._start, job_id=self.job_id)

    def _completed(self) -> ImagineOptions:
        """The options with what was typed. Raises UserError."""
        options = replace(self._options, prompt=self._prompt.value)
        if self._find is not None:
            options = replace(options, search=self._find.value)
        if self._strength is not None:
            options = replace(options, strength=_percent(self._strength.value))
        if self._engine is not None and self._engine.values:
            options = replace(options, engine=self._engine.values[0])
        return options


def _percent(typed: str) -> int | None:
    """Read a strength. Raises UserError."""
    text = typed.strip().removesuffix("%").strip()
    if not text:
        return None
    try:
        return whole_number(text)
    except ValueError:
        raise UserError(NOT_A_STRENGTH(text=typed)) from None


def _line(value: str | None, placeholder: Text, *, most: int, required: bool = True) -> ui.TextInput[Any]:
    return ui.TextInput(default=value or None, placeholder=str(placeholder), required=required, max_length=most)


def _engine_select(offers: Sequence[Offer], chosen: str | None) -> ui.Select[Any]:
    return ui.Select(
        options=[
            discord.SelectOption(
                label=facts(plain(offer.engine.name, 80), price_text(offer.price)),
                value=offer.engine.id,
                default=offer.engine.id == chosen,
            )
            for offer in offers[:_ENGINES_AT_MOST]
        ]
    )

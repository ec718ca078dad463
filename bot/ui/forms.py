"""Forms that people fill in: the one by which a job is changed and asked for again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any

import discord
from discord import ui

from bot.domain.form_data import Draft
from bot.errors import UserError
from bot.logs import bound
from bot.providers.base import Engine
from bot.ui.cards.layout import CALM, WARM, text
from bot.ui.cards.wording import plain, safe
from bot.ui.first_answer import looked_up
from bot.ui.interactions import origin_of, planned, start
from bot.ui.replies import Press, explain, tell

# A form that nobody sends is forgotten after so many seconds, and so is the offer to go on with one.
_PATIENCE = 30 * 60
_SELECT_AT_MOST = 25
_TEXT_AT_MOST = 4000


class Form(ui.Modal):
    """Any form. Whatever goes wrong in it is told to the one who sent it, and logged once."""

    def __init__(self, title: str, *, job_id: int) -> None:
        super().__init__(title=title, timeout=_PATIENCE)
        self.job_id = job_id

    @abstractmethod
    async def filled(self, interaction: Press) -> None:
        """Do what the form is for."""

    async def on_submit(self, interaction: Press, /) -> None:  # type: ignore[override]  # the library types it for any client
        with bound(job=self.job_id):
            try:
                interaction.client.check_place(interaction)
                await self.filled(interaction)
            except Exception as error:  # noqa: BLE001 - told and logged by explain; the library would only log it
                await explain(interaction, error, doing=f"form {self.title}", job_id=self.job_id)


class EditForm(Form):
    """The prompt and the main settings of a job, to be changed and asked for as a job of one's own."""

    def __init__(self, draft: Draft, engines: Mapping[str, Engine], *, job_id: int, title: str) -> None:
        super().__init__(title, job_id=job_id)
        self._draft = draft
        self._engines = engines
        self._prompt: ui.TextInput[Any] = ui.TextInput(
            style=discord.TextStyle.paragraph, default=draft.prompt[:_TEXT_AT_MOST], max_length=_TEXT_AT_MOST
        )
        self._engine = _engine_select(draft, engines)
        self._size = _line(draft.size, "The engine's own")
        self._negative = _line(draft.negative, "Nothing in particular")
        self._further = _line(draft.further, "--images 2 --style anime --steps 30 --seed 7")
        compared = draft.engines is not None
        for label, description, component in (
            ("Prompt", None, self._prompt),
            (
                "Engines to compare" if compared else "Engine",
                None if compared else _more_engines(engines),
                self._engine,
            ),
            ("Size", "Width x height such as 1024x1024, or a shape such as 16:9", self._size),
            ("Leave out", "What should not be in the picture", self._negative),
            ("More settings", "As they end a prompt; an engine that does not take one says so", self._further),
        ):
            self.add_item(ui.Label(text=label, description=description, component=component))

    async def filled(self, interaction: Press) -> None:
        draft = self._changed()
        try:
            plan = await planned(interaction, draft.options(), complete=True)
        except UserError as error:
            # What was typed took a while: it is offered again together with what is wrong with it.
            problems = [safe(str(problem), 1000) for problem in error.problems[:3]]
            form = EditForm(draft, self._engines, job_id=self.job_id, title=self.title)
            await tell(interaction, Offer(problems, form, label="Edit again", accent=WARM))
            return
        await start(interaction, plan, parent_id=self.job_id)

    def anew(self) -> EditForm:
        """The same form once more: one that was sent is done with."""
        return EditForm(self._draft, self._engines, job_id=self.job_id, title=self.title)

    def _changed(self) -> Draft:
        chosen = tuple(self._engine.values)
        compared = self._draft.engines is not None
        return replace(
            self._draft,
            prompt=self._prompt.value,
            engine=None if compared or not chosen else chosen[0],
            engines=chosen if compared else None,
            size=self._size.value,
            negative=self._negative.value,
            further=self._further.value,
        )


class Offer(ui.LayoutView):
    """Why there is no form yet, with a button that opens it. It lives for a while and in memory only."""

    def __init__(self, sentences: Iterable[str], form: EditForm, *, label: str, accent: discord.Colour) -> None:
        super().__init__(timeout=_PATIENCE)
        self._form = form
        opens: ui.Button[Any] = ui.Button(label=label)
        opens.callback = self._open  # type: ignore[method-assign,assignment]  # a callback without a decorator
        self.add_item(ui.Container(text(*sentences), ui.ActionRow(opens), accent_colour=accent))

    async def _open(self, interaction: Press) -> None:
        await interaction.response.send_modal(self._form.anew())

    async def on_error(self, interaction: discord.Interaction[Any], error: Exception, item: ui.Item[Any], /) -> None:
        await explain(interaction, error, doing="button of a form")


async def edit(interaction: Press, job_id: int) -> None:
    """Open the form with the job in it."""
    await _open(interaction, _known(job_id), prompt_alone=False)


async def use_prompt(interaction: Press, job: int | Coroutine[Any, Any, int]) -> None:
    """Open the form with the job's prompt in it and everything else as it is by default; it may have to be found."""
    await _open(interaction, _known(job) if isinstance(job, int) else job, prompt_alone=True)


async def _known(job_id: int) -> int:
    return job_id


async def _open(interaction: Press, job: Coroutine[Any, Any, int], *, prompt_alone: bool) -> None:
    client = interaction.client
    origin = origin_of(interaction)

    async def drafted() -> tuple[int, Draft]:
        job_id = await job
        return job_id, await client.actions.draft(origin, job_id, prompt_alone=prompt_alone)

    # A form has to be the first answer, and cannot be promised.
    job_id, draft = await looked_up(interaction, drafted())
    # Where a server uses none of those that there are, the rules say so to whoever sends the form.
    engines = {engine.id: engine for engine in client.actions.offered(origin)} or client.actions.engines
    title = "Use this prompt" if prompt_alone else f"Edit job {job_id}"
    form = EditForm(draft, engines, job_id=job_id, title=title)
    if interaction.response.is_done():
        await tell(interaction, Offer(["It took a while to look this up."], form, label="Open the form", accent=CALM))
    else:
        await interaction.response.send_modal(form)


def _engine_select(draft: Draft, engines: Mapping[str, Engine]) -> ui.Select[Any]:
    chosen = draft.engines if draft.engines is not None else (draft.engine,)
    # Those that are chosen come first, in case that there are more than fit.
    ordered = sorted(engines.values(), key=lambda engine: engine.id not in chosen)[:_SELECT_AT_MOST]
    shown = [engine for engine in engines.values() if engine in ordered]
    options = [
        discord.SelectOption(
            label=plain(engine.name, 100),
            value=engine.id,
            description=plain(engine.id, 100),
            default=engine.id in chosen,
        )
        for engine in shown
    ]
    if draft.engines is not None:
        return ui.Select(options=options, min_values=min(2, len(options)), max_values=len(options))
    # Where the prompt itself names the engine, none has to be chosen.
    required = draft.engine is not None and len(engines) <= _SELECT_AT_MOST
    return ui.Select(options=options, required=required, placeholder="As the prompt says")


def _more_engines(engines: Mapping[str, Engine]) -> str | None:
    """How to use an engine for which there is no room in the list."""
    more = len(engines) - _SELECT_AT_MOST
    return (
        f"For one of {more} more: choose none, and write --engine and its id under More settings" if more > 0 else None
    )


def _line(value: str, placeholder: str) -> ui.TextInput[Any]:
    return ui.TextInput(
        default=value[:_TEXT_AT_MOST] or None, placeholder=placeholder, required=False, max_length=_TEXT_AT_MOST
    )

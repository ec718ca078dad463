"""The form that edits a job and runs it as a new one."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

import discord
from discord import ui

from bot.domain.characters import typed
from bot.domain.edits import EXTENSION_AT_MOST, FIND_AT_MOST
from bot.domain.form_data import Draft
from bot.domain.options import NEGATIVE, STRENGTH, ImagineOptions
from bot.errors import UserError
from bot.jobs.service import JobService
from bot.providers.base import Engine
from bot.providers.operations import Operation
from bot.text import Text, plural, t
from bot.ui.cards.edit_text import TIMES
from bot.ui.cards.layout import CALM, Words, text
from bot.ui.cards.wording import plain
from bot.ui.client import Interaction
from bot.ui.interactions import handle, looked_up, origin_of, tell
from bot.ui.pictures import IncomingPicture

FORM_SECONDS = 30 * 60
"""Seconds for which a form can be submitted, or an offered form can be opened."""
_SELECT_AT_MOST = 25
_TEXT_AT_MOST = 4000


class Starter(Protocol):
    """Starts jobs: :class:`~bot.ui.job_starter.JobStarter`."""

    async def run(
        self,
        interaction: Interaction,
        options: ImagineOptions,
        *,
        complete: bool = False,
        parent_id: int | None = None,
        draft: Draft | None = None,
        picture: IncomingPicture | None = None,
        mask: IncomingPicture | None = None,
    ) -> int | None: ...


class Incoming(Protocol):
    """The pictures of a command that were not received yet: :class:`~bot.ui.job_starter.Incoming`."""

    @property
    def picture(self) -> IncomingPicture: ...

    @property
    def mask(self) -> IncomingPicture | None: ...


class EditForm(ui.Modal):
    """A form with the prompt and the main settings of a job or a refused command. Submitting it starts a new job.

    ``job_id`` is the job that it continues, if any. ``complete``: empty fields are not filled in with defaults.
    ``incoming`` has the pictures that it starts from, if they were not received yet.
    """

    def __init__(
        self,
        draft: Draft,
        engines: Mapping[str, Engine],
        starter: Starter,
        *,
        job_id: int | None,
        title: str,
        complete: bool = True,
        incoming: Incoming | None = None,
    ) -> None:
        super().__init__(title=title, timeout=FORM_SECONDS)
        self.job_id = job_id
        self._complete = complete
        self._incoming = incoming
        self._draft = draft
        self._engines = engines
        self._starter = starter
        operation = draft.base.operation
        self._prompt = _paragraph(draft.prompt, required=operation.needs_prompt)
        self._find = _line(draft.base.search or "", t("the car"), required=True, most=FIND_AT_MOST)
        hint = t("wider, or left 256 right 256")
        self._extend = _line(draft.base.extend or "", hint, required=True, most=EXTENSION_AT_MOST)
        self._scale = _scale_select(draft, engines)
        self._engine = _engine_select(draft, engines)
        self._size = _line(draft.size, t("The engine's default"))
        self._negative = _line(draft.negative, t("Nothing in particular"))
        self._further = _line(draft.further, "--images 2 --style anime" if not operation.has_source else "--images 2")
        for field in self._fields(operation):
            self.add_item(field)

    def _fields(self, operation: Operation) -> Iterator[ui.Label[Any]]:
        """The fields that this operation has, at most five."""
        engines = self._engines.values()
        if operation.takes_prompt:
            finds = operation is Operation.SEARCH_AND_REPLACE
            yield _label(t("Put there") if finds else t("Prompt"), self._prompt)
        if operation is Operation.SEARCH_AND_REPLACE:
            yield _label(t("Find"), self._find)
        if operation is Operation.OUTPAINT:
            yield _label(t("Extend"), self._extend)
        if operation is Operation.UPSCALE:
            yield _label(t("Scale"), self._scale)
        compared = self._draft.engines is not None
        label = t("Engines to compare") if compared else t("Engine")
        yield _label(label, self._engine, None if compared else _more_engines(self._engines))
        if not operation.has_source or any(engine.sized for engine in engines):
            description = t("Width x height such as 1024x1024, or a shape such as 16:9")
            yield _label(t("Size"), self._size, description)
        if not operation.has_source or self._draft.negative or any(map(NEGATIVE.taken_by, engines)):
            yield _label(t("Leave out"), self._negative, t("What should not be in the image"))
        if not operation.has_variants:
            return
        description = t("Flags, for example --images 2 --style anime")
        if any(STRENGTH.taken_by(engine) for engine in engines):
            description = t("Flags, for example --images 2 --strength 50")
        elif operation.has_source:
            description = t("Flags, for example --images 2 --seed 7")
        yield _label(t("More settings"), self._further, description)

    async def on_submit(self, interaction: Interaction, /) -> None:  # type: ignore[override]  # typed for any client
        await handle(interaction, self._sent, doing="form.edit", job_id=self.job_id)

    async def _sent(self, interaction: Interaction) -> None:
        draft = self._changed()
        await self._starter.run(
            interaction,
            draft.options(),
            complete=self._complete,
            parent_id=self.job_id,
            draft=draft,
            picture=None if self._incoming is None else self._incoming.picture,
            mask=None if self._incoming is None else self._incoming.mask,
        )

    def copy(self) -> EditForm:
        """A new form with the same input, since a form can be submitted only once."""
        return EditForm(
            self._draft,
            self._engines,
            self._starter,
            job_id=self.job_id,
            title=self.title,
            complete=self._complete,
            incoming=self._incoming,
        )

    def _changed(self) -> Draft:
        chosen = tuple(self._engine.values)
        compared = self._draft.engines is not None
        base = replace(
            self._draft.base,
            search=typed(self._find.value),
            extend=typed(self._extend.value),
            scale=int(self._scale.values[0]) if self._scale.values else self._draft.base.scale,
        )
        return replace(
            self._draft,
            base=base,
            prompt=self._prompt.value,
            engine=None if compared or not chosen else chosen[0],
            engines=chosen if compared else None,
            size=self._size.value,
            negative=self._negative.value,
            further=self._further.value,
        )


class Form(Protocol):
    """A form that can be offered by a button. ``job_id`` is for the log."""

    @property
    def job_id(self) -> int | None: ...

    def copy(self) -> ui.Modal:
        """A new form with the same input, since a form can be submitted only once."""


class FormOffer(ui.LayoutView):
    """A card that says why no form was opened, with a button to open it. It is kept in memory for a limited time."""

    def __init__(self, sentences: Iterable[Words], form: Form, *, label: Words, accent: discord.Colour) -> None:
        super().__init__(timeout=FORM_SECONDS)
        self._form = form
        opens: ui.Button[Any] = ui.Button(label=str(label))
        opens.callback = self._pressed  # type: ignore[method-assign,assignment]  # a callback without a decorator
        self.add_item(ui.Container(text(*sentences), ui.ActionRow(opens), accent_colour=accent))

    async def _pressed(self, interaction: Interaction) -> None:
        await handle(interaction, self._open, doing="form.open", job_id=self._form.job_id)

    async def _open(self, interaction: Interaction) -> None:
        await interaction.response.send_modal(self._form.copy())


async def show_form(interaction: Interaction, form: Form) -> None:
    """Open the form. If the answer was deferred, because a lookup was slow, offer the form by a button."""
    if interaction.response.is_done():
        offer = FormOffer([t("It took a while to look this up.")], form, label=t("Open the form"), accent=CALM)
        await tell(interaction, offer)
    else:
        await interaction.response.send_modal(form.copy())


class EditForms:
    """Opens forms that are filled from a job."""

    def __init__(self, *, service: JobService, starter: Starter) -> None:
        self._service = service
        self._starter = starter

    async def edit(self, interaction: Interaction, job_id: int) -> None:
        """Open the form with the job's prompt and settings."""
        await self._open(interaction, _known(job_id), prompt_alone=False)

    async def use_prompt(self, interaction: Interaction, job: int | Coroutine[Any, Any, int]) -> None:
        """Open the form with the job's prompt and defaults otherwise. ``job`` may be a coroutine for the id."""
        await self._open(interaction, _known(job) if isinstance(job, int) else job, prompt_alone=True)

    async def _open(self, interaction: Interaction, job: Coroutine[Any, Any, int], *, prompt_alone: bool) -> None:
        origin = origin_of(interaction)

        async def drafted() -> tuple[int, Draft]:
            job_id = await job
            return job_id, await self._service.draft(origin, job_id, prompt_alone=prompt_alone)

        # A form has to be the first answer and cannot be deferred.
        job_id, draft = await looked_up(interaction, drafted())
        # If the server allows none of the existing engines, its rules refuse the form when it is submitted.
        operation = draft.base.operation
        offered = {engine.id: engine for engine in self._service.offered(origin, operation)}
        engines = offered or self._service.engines_doing(operation)
        if not engines:
            raise UserError(self._service.none_offered(operation))
        title = t("Use this prompt") if prompt_alone else t("Edit job {job:plain}", job=job_id)
        form = EditForm(draft, engines, self._starter, job_id=job_id, title=str(title))
        await show_form(interaction, form)


async def _known(job_id: int) -> int:
    return job_id


def _engine_select(draft: Draft, engines: Mapping[str, Engine]) -> ui.Select[Any]:
    chosen = draft.engines if draft.engines is not None else (draft.engine,)
    # Chosen engines come first, since there may be more engines than fit.
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
    # If the prompt itself names the engine, no choice is required.
    required = draft.engine is not None and len(engines) <= _SELECT_AT_MOST
    return ui.Select(options=options, required=required, placeholder=str(t("The default, or as the prompt says")))


def _scale_select(draft: Draft, engines: Mapping[str, Engine]) -> ui.Select[Any]:
    scales = {scale for engine in engines.values() for each in (engine, *engine.others) for scale in each.scales}
    options = [
        discord.SelectOption(label=str(TIMES(scale=scale)), value=str(scale), default=scale == draft.base.scale)
        for scale in sorted(scales)
    ]
    return ui.Select(options=options, required=False)


def _more_engines(engines: Mapping[str, Engine]) -> Text | None:
    """A hint on how to use an engine that does not fit in the list."""
    more = len(engines) - _SELECT_AT_MOST
    if more <= 0:
        return None
    return plural(
        "For {count} more engine: choose none, and write --engine and its id under More settings",
        "For {count} more engines: choose none, and write --engine and an id under More settings",
        more,
    )


def _label(label: Text, component: ui.Item[Any], description: Text | None = None) -> ui.Label[Any]:
    return ui.Label(text=str(label), description=None if description is None else str(description), component=component)


def _paragraph(value: str, *, required: bool) -> ui.TextInput[Any]:
    return ui.TextInput(
        style=discord.TextStyle.paragraph,
        default=value[:_TEXT_AT_MOST] or None,
        required=required,
        max_length=_TEXT_AT_MOST,
    )


def _line(value: str, placeholder: Words, *, required: bool = False, most: int = _TEXT_AT_MOST) -> ui.TextInput[Any]:
    return ui.TextInput(default=value[:most] or None, placeholder=str(placeholder), required=required, max_length=most)

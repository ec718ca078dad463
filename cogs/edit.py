"""/edit: goes on from a picture. Each subcommand is an operation of engines."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str
from discord.ext import commands

from bot.domain.areas import AREA_AT_MOST
from bot.domain.characters import typed
from bot.domain.command_line import EDIT_COMMANDS
from bot.domain.edits import EXTENSION_AT_MOST, FIND_AT_MOST, NAMES, NOT_OFFERED, SCALE_AT_MOST
from bot.domain.engines import find_engine
from bot.domain.features import NAME_AT_MOST, Option
from bot.domain.options import OPTIONS, PROMPT_LIMIT, ImagineOptions
from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.picture_tools import PictureTools
from bot.jobs.service import JobService
from bot.providers.base import Engine
from bot.providers.operations import Fit, Operation
from bot.text import message
from bot.ui.autocomplete import Suggestions, calmly
from bot.ui.client import Interaction
from bot.ui.commands import Callback, takes
from bot.ui.interactions import TOO_SLOW, origin_of, promise
from bot.ui.job_starter import JobStarter
from bot.ui.part_picker import PartPicker
from bot.ui.picked_pictures import PickedPicture, PickedPictures

AREA_AND_MASK = message("edits.area_and_mask", "Mark the part once: either with area, or with a mask.")

REFERENCE_AT_MOST = NAME_AT_MOST

ENGINE_OPTIONS: Mapping[Operation, tuple[str, ...]] = {
    Operation.IMAGE_TO_IMAGE: ("strength", *(name for name in OPTIONS if name not in {"strength", "high_res"})),
    Operation.SEARCH_AND_REPLACE: ("engine", "images", "negative", "seed"),
    Operation.INPAINT: ("engine", "images", "negative", "seed"),
    Operation.ERASE: ("engine", "images", "seed"),
    Operation.OUTPAINT: ("engine", "images", "seed"),
    Operation.SKETCH: ("strength", "engine", "images", "negative", "seed"),
    Operation.STRUCTURE: ("strength", "engine", "images", "negative", "seed"),
    Operation.UPSCALE: ("engine",),
    Operation.RESTORE_FACES: ("engine",),
    Operation.REMOVE_BACKGROUND: ("engine",),
}
"""The options of each subcommand: those that an engine has for the operation."""

_AREA = locale_str("The part, as cells of a grid of 4 rows and 4 columns, such as 1,2,5 or 8x8:1-4")
_DESCRIPTIONS = {
    "picture": locale_str("The picture to start from"),
    "image": locale_str("Or one of your images and pictures"),
    "fit": locale_str("What to do if the engine needs another shape"),
    "thread": locale_str("Which of your threads this belongs to; by default your current one"),
    "private": locale_str("Only you see it"),
    "spoiler": locale_str("Hide the images until somebody clicks on them"),
}
_FITS = [
    Choice(name=locale_str("crop the picture"), value=Fit.CROP.value),
    Choice(name=locale_str("add a border"), value=Fit.PAD.value),
]
# The library's type stub does not accept values here.
_RANGE: Any = Range
_FIRST: Mapping[str, tuple[Any, Any]] = {
    "picture": (discord.Attachment | None, None),
    "image": (_RANGE[str, 1, REFERENCE_AT_MOST] | None, None),
}
_LAST: Mapping[str, tuple[Any, Any]] = {
    "thread": (_RANGE[str, 1, NAME_AT_MOST] | None, None),
    "private": (bool | None, None),
    "spoiler": (bool, False),
}
_FIT: Mapping[str, tuple[Any, Any]] = {"fit": (str | None, None)}


def edits(operation: Operation) -> Callable[[Callback], Any]:
    """Replace a command's ``**`` parameter by the parameters that all edits have, and by the options of this one."""

    def decorate(callback: Callback) -> Any:
        # The engines that take a mask take every shape.
        last = _LAST if operation.has_mask else {**_FIT, **_LAST}
        signature = inspect.signature(callback)
        this, interaction, *own, further = signature.parameters.values()
        required = [each for each in own if each.default is inspect.Parameter.empty]
        optional = own[len(required) :]
        every = [this, interaction, *required, *_parameters(_FIRST), *optional, *_parameters(last), further]
        callback.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]  # as inspect documents it
        if not operation.has_mask:
            callback = app_commands.choices(fit=_FITS)(callback)
        described = {name: words for name, words in _DESCRIPTIONS.items() if name in {**_FIRST, **last}}
        callback = app_commands.describe(**described)(callback)
        after = optional[-1].name if optional else list(_FIRST)[-1]
        return takes([OPTIONS[name] for name in ENGINE_OPTIONS[operation]], after=after)(callback)

    return decorate


def _parameters(table: Mapping[str, tuple[Any, Any]]) -> Iterable[inspect.Parameter]:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    for name, (annotation, default) in table.items():
        yield inspect.Parameter(name, kind, annotation=annotation, default=default)


class Edit(
    commands.GroupCog,
    group_name="edit",
    group_description=locale_str("Change a picture: one of your images, or one that you attach"),
):
    """The commands that start from a picture."""

    def __init__(
        self,
        *,
        service: JobService,
        starter: JobStarter,
        suggestions: Suggestions,
        pictures: PickedPictures,
        tools: PictureTools,
        part_picker: PartPicker,
    ) -> None:
        self._service = service
        self._starter = starter
        self.suggestions = suggestions
        self._pictures = pictures
        self._tools = tools
        self._part_picker = part_picker

    @app_commands.command(description=locale_str("Make another version of a picture, a little or very different"))
    @edits(Operation.IMAGE_TO_IMAGE)
    @app_commands.describe(prompt=locale_str("What it should show; by default the words of the image"))
    async def vary(
        self, interaction: Interaction, prompt: Range[str, 1, PROMPT_LIMIT] | None = None, **given: Any
    ) -> None:
        await self._run(interaction, Operation.IMAGE_TO_IMAGE, given, prompt=prompt)

    @app_commands.command(description=locale_str("Find something in a picture, and put something else there"))
    @edits(Operation.SEARCH_AND_REPLACE)
    @app_commands.describe(
        find=locale_str("What to replace, such as: the red car"), prompt=locale_str("What to put there")
    )
    async def words(
        self,
        interaction: Interaction,
        find: Range[str, 1, FIND_AT_MOST],
        prompt: Range[str, 1, PROMPT_LIMIT],
        **given: Any,
    ) -> None:
        await self._run(interaction, Operation.SEARCH_AND_REPLACE, given, prompt=prompt, search=find)

    @app_commands.command(description=locale_str("Paint a part of a picture again; you mark it on the picture"))
    @edits(Operation.INPAINT)
    @app_commands.describe(
        prompt=locale_str("What should be there"),
        area=_AREA,
        mask=locale_str("Or a picture of the same shape, white where it should change"),
    )
    async def part(
        self,
        interaction: Interaction,
        prompt: Range[str, 1, PROMPT_LIMIT] | None = None,
        area: Range[str, 1, AREA_AT_MOST] | None = None,
        mask: discord.Attachment | None = None,
        **given: Any,
    ) -> None:
        await self._run(interaction, Operation.INPAINT, given, prompt=prompt, area=area, mask=mask)

    @app_commands.command(description=locale_str("Remove something from a picture; you mark it on the picture"))
    @edits(Operation.ERASE)
    @app_commands.describe(
        area=_AREA,
        mask=locale_str("Or a picture of the same shape, white where something should go"),
    )
    async def erase(
        self,
        interaction: Interaction,
        area: Range[str, 1, AREA_AT_MOST] | None = None,
        mask: discord.Attachment | None = None,
        **given: Any,
    ) -> None:
        await self._run(interaction, Operation.ERASE, given, area=area, mask=mask)

    @app_commands.command(description=locale_str("Make a picture larger: wider, taller, or zoomed out"))
    @edits(Operation.OUTPAINT)
    @app_commands.describe(
        by=locale_str("A way from the list, or pixels such as: left 256 right 256"),
        prompt=locale_str("What should be around it; by default, more of the same"),
    )
    async def extend(
        self,
        interaction: Interaction,
        by: Range[str, 1, EXTENSION_AT_MOST],
        prompt: Range[str, 1, PROMPT_LIMIT] | None = None,
        **given: Any,
    ) -> None:
        await self._run(interaction, Operation.OUTPAINT, given, prompt=prompt, extend=by)

    @app_commands.command(description=locale_str("Turn a drawing into a picture"))
    @edits(Operation.SKETCH)
    @app_commands.describe(prompt=locale_str("What it should become"))
    async def sketch(self, interaction: Interaction, prompt: Range[str, 1, PROMPT_LIMIT], **given: Any) -> None:
        await self._run(interaction, Operation.SKETCH, given, prompt=prompt)

    @app_commands.command(description=locale_str("Make a new picture with the layout of another"))
    @edits(Operation.STRUCTURE)
    @app_commands.describe(prompt=locale_str("What it should become"))
    async def structure(self, interaction: Interaction, prompt: Range[str, 1, PROMPT_LIMIT], **given: Any) -> None:
        await self._run(interaction, Operation.STRUCTURE, given, prompt=prompt)

    @app_commands.command(description=locale_str("Enlarge a picture, and draw its details more finely"))
    @edits(Operation.UPSCALE)
    @app_commands.describe(scale=locale_str("How many times larger each side becomes; the engine decides by default"))
    async def upscale(
        self, interaction: Interaction, scale: Range[int, 2, SCALE_AT_MOST] | None = None, **given: Any
    ) -> None:
        await self._run(interaction, Operation.UPSCALE, given, scale=scale)

    @app_commands.command(description=locale_str("Repair the faces in a picture"))
    @edits(Operation.RESTORE_FACES)
    async def faces(self, interaction: Interaction, **given: Any) -> None:
        await self._run(interaction, Operation.RESTORE_FACES, given)

    @app_commands.command(description=locale_str("Make the background of a picture transparent"))
    @edits(Operation.REMOVE_BACKGROUND)
    async def background(self, interaction: Interaction, **given: Any) -> None:
        await self._run(interaction, Operation.REMOVE_BACKGROUND, given)

    # --- what all of them do ------------------------------------------------------------------------------------

    async def _run(
        self,
        interaction: Interaction,
        operation: Operation,
        given: Mapping[str, Any],
        *,
        prompt: str | None = None,
        search: str | None = None,
        extend: str | None = None,
        area: str | None = None,
        mask: discord.Attachment | None = None,
        scale: int | None = None,
    ) -> None:
        """Start the job, or let the person mark the part of the picture first. Raises UserError."""
        if area is not None and mask is not None:
            raise UserError(AREA_AND_MASK)
        origin = origin_of(interaction)
        picked = await self._pictures.of(interaction, given["picture"], given["image"])
        marked = None if mask is None else self._pictures.mask(interaction, mask)
        options = ImagineOptions(
            prompt=prompt or "",
            operation=operation,
            search=search,
            extend=extend,
            area=area,
            thread=given["thread"],
            private=self._private(origin, picked, given["private"]),
            spoiler=given["spoiler"] or (picked is not None and picked.known is not None and picked.known.spoiler),
            fit=None if given.get("fit") is None else Fit(given["fit"]),
            scale=scale,
        )
        if operation is Operation.IMAGE_TO_IMAGE and typed(prompt) is None and picked is not None:
            options = self._with_own_words(origin, options, picked, given["engine"])
        values = {name: given[name] for name in ENGINE_OPTIONS[operation] if given[name] is not None}
        options = options.setting(values)
        if operation.has_mask and picked is not None and area is None and marked is None:
            await self._pick_part(interaction, picked, options)
            return
        if interaction.response.is_done():
            raise UserError(TOO_SLOW)
        await self._starter.run(
            interaction,
            options,
            parent_id=None if picked is None else picked.job_id,
            picture=None if picked is None else picked.incoming,
            mask=marked,
        )

    def _private(self, origin: Origin, picked: PickedPicture | None, private: bool | None) -> bool:
        """What the person says; else private if the picture is; else by the person's own setting."""
        if private is not None:
            return private
        of_private = picked is not None and picked.known is not None and picked.known.private
        return of_private or self._service.private_by_default(origin)

    def _with_own_words(
        self, origin: Origin, options: ImagineOptions, picked: PickedPicture, name: str | None
    ) -> ImagineOptions:
        """The options with the words of the image, as far as the engine takes them."""
        engine = self._engine(origin, options.operation, name)
        if picked.known is None or engine is None:
            return options
        return self._tools.with_words(options, picked.known, engine)

    def _engine(self, origin: Origin, operation: Operation, name: str | None) -> Engine | None:
        """The engine with this name, or else the one that would be used."""
        engines = self._service.engines_doing(operation)
        try:
            return find_engine(typed(name) or self._service.engine_by_default(origin, operation), engines)
        except UserError:
            return None  # The check of the options says so.

    async def _pick_part(self, interaction: Interaction, picked: PickedPicture, options: ImagineOptions) -> None:
        """Let the person mark the part of the picture."""
        origin, operation = origin_of(interaction), options.operation
        self._service.require_picture_allowed(origin, picked.incoming.expected.kind)
        if not self._service.offered(origin, operation):
            raise UserError(NOT_OFFERED(operation=NAMES[operation]))
        self._service.require_picture_allowed(origin, picked.incoming.expected.kind)
        if typed(options.engine) is not None:
            engine = find_engine(typed(options.engine) or "", self._service.engines_doing(operation))
            options = replace(options, engine=engine.id)
        await promise(interaction)
        await self._part_picker.open(interaction, await picked.stored(), operation, given=options)


# --- autocomplete ------------------------------------------------------------------------------------------------


async def _engines(cog: Edit, interaction: Interaction, current: str) -> list[Choice[str]]:
    return cog.suggestions.engines_here(interaction, current, _operation(interaction))


async def _pictures(cog: Edit, interaction: Interaction, current: str) -> list[Choice[str]]:
    return await cog.suggestions.pictures(interaction, current)


async def _threads(cog: Edit, interaction: Interaction, current: str) -> list[Choice[str]]:
    return await cog.suggestions.threads(interaction, current)


async def _extensions(cog: Edit, _interaction: Interaction, current: str) -> list[Choice[str]]:
    return cog.suggestions.extensions(current)


async def _sizes(cog: Edit, interaction: Interaction, current: str) -> list[Choice[str]]:
    return cog.suggestions.sizes(interaction, current, _operation(interaction))


def _names(option: Option) -> Any:
    async def names(cog: Edit, interaction: Interaction, current: str) -> list[Choice[str]]:
        return cog.suggestions.names(interaction, option, current, _operation(interaction))

    return names


_SUGGESTIONS: Mapping[str, Any] = {
    "engine": _engines,
    "image": _pictures,
    "thread": _threads,
    "by": _extensions,
    "size": _sizes,
    **{option.name: _names(option) for option in OPTIONS.values() if option.has_names},
}
_OPERATIONS = {name: operation for operation, name in EDIT_COMMANDS.items()}


def _operation(interaction: Interaction) -> Operation:
    """The operation of the command that is being typed."""
    command = interaction.command
    return _OPERATIONS[command.name if command is not None else ""]


def _suggest(command: app_commands.Command[Any, Any, Any]) -> None:
    for name, suggest in _SUGGESTIONS.items():
        if name in {parameter.name for parameter in command.parameters}:
            # The library uses this to tell a method from a function.
            suggest.__qualname__ = f"{Edit.__name__}.{name}"
            command.autocomplete(name)(calmly(suggest))


_COMMANDS: tuple[Any, ...] = (
    Edit.vary,
    Edit.words,
    Edit.part,
    Edit.erase,
    Edit.extend,
    Edit.sketch,
    Edit.structure,
    Edit.upscale,
    Edit.faces,
    Edit.background,
)
for _command in _COMMANDS:
    _suggest(_command)

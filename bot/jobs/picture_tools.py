"""The ways to go on from a picture: which of them some engine offers here and now, their prices, and their options.

Independent of Discord. A picture is an image of a result or a stored picture of the person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bot.domain.edits import EXTENSIONS
from bot.domain.engines import ImageSpec, fitted
from bot.domain.money import Price
from bot.domain.options import NEGATIVE, STYLE, ImagineOptions
from bot.domain.pictures import ImageReference, Reference, SourceKind, SourcePicture
from bot.domain.place import Origin
from bot.domain.prompt.parser import ParsedPrompt
from bot.domain.requests import read_command
from bot.errors import UserError
from bot.jobs.service import JobService
from bot.jobs.sources import IMAGE_GONE, Sources
from bot.jobs.store import JobStore
from bot.jobs.view import JobView, may_see, require_visible
from bot.providers.base import Engine, ImageRequest
from bot.providers.operations import Operation, PictureRules
from storage.images import ImageFiles
from storage.records import StoredImage

_DESCRIBING = frozenset({Operation.TEXT_TO_IMAGE, Operation.IMAGE_TO_IMAGE, Operation.SKETCH, Operation.STRUCTURE})
"""The operations whose words describe the whole image."""
_STEPS = 10
"""The maximum number of edits between an image and the one whose words describe it."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A way to go on from a picture. ``name`` is that of its button.

    ``strength`` is how much may change, in percent, and ``extend`` the name of an extension.
    """

    name: str
    operation: Operation
    strength: int | None = None
    extend: str | None = None
    own_words: bool = False
    """Whether it uses the words of the image. Otherwise, the person types words, or it needs none."""


VARY_LITTLE = Tool("vary-little", Operation.IMAGE_TO_IMAGE, strength=35, own_words=True)
VARY_LOT = Tool("vary-lot", Operation.IMAGE_TO_IMAGE, strength=70, own_words=True)
WORDS = Tool("words", Operation.SEARCH_AND_REPLACE)
PART = Tool("part", Operation.INPAINT)
ERASE = Tool("erase", Operation.ERASE)
EXTEND = Tool("extend", Operation.OUTPAINT)
STRUCTURE = Tool("structure", Operation.STRUCTURE)
SKETCH = Tool("sketch", Operation.SKETCH)
START = Tool("start", Operation.IMAGE_TO_IMAGE, strength=50)
UPSCALE = Tool("upscale", Operation.UPSCALE)
FACES = Tool("faces", Operation.RESTORE_FACES)
BACKGROUND = Tool("background", Operation.REMOVE_BACKGROUND)
FINISH = Tool("finish", Operation.IMAGE_TO_IMAGE, strength=40, own_words=True)

TOOLS = (VARY_LITTLE, VARY_LOT, WORDS, EXTEND, PART, ERASE, SKETCH, START, STRUCTURE, UPSCALE, FACES, BACKGROUND)
"""Every tool of the panel but Finish, in the order of the panel, where two share a row."""
EXTEND_TOOLS = tuple(
    Tool(name, Operation.OUTPAINT, extend=extension)
    for name, extension in (
        ("wider", "wider"),
        ("taller", "taller"),
        ("zoom-15", "zoom-1.5x"),
        ("zoom-20", "zoom-2x"),
        ("square", "square"),
    )
)
"""The choices of Extend."""


@dataclass(frozen=True, slots=True)
class EditedPicture:
    """A picture that a person may go on from.

    ``source`` has the id 0 for an image of a result: it is stored as a source when it is used. ``view`` is the job that
    made it, ``image`` its record, and ``described`` the request whose words describe it, if the person may see it.
    """

    reference: Reference
    source: SourcePicture
    file: Path
    private: bool = False
    """Whether only the person sees it, so that its edits are private too."""
    view: JobView | None = None
    image: StoredImage | None = None
    described: ImageRequest | None = None

    @property
    def job_id(self) -> int | None:
        return None if self.view is None else self.view.job.id

    @property
    def spoiler(self) -> bool:
        return self.view is not None and self.view.job.spoiler

    @property
    def siblings(self) -> tuple[Reference, ...]:
        """All images of the job, this one included. Empty if it is not of a job."""
        if self.view is None:
            return ()
        return tuple(ImageReference(self.view.job.id, place) for place in range(1, len(self.view.images) + 1))

    @property
    def made_by(self) -> ImageRequest | None:
        """The request that made it."""
        if self.view is None or self.image is None:
            return None
        submissions = self.view.submissions
        return next(each.request for each in submissions if each.record.id == self.image.submission_id)

    @property
    def cost(self) -> int | None:
        """What it cost, in millicredits. None if it is not an image of a result."""
        if self.view is None or self.image is None:
            return None
        made = next(each for each in self.view.submissions if each.record.id == self.image.submission_id)
        return (made.captured or 0) // len(made.images)


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool that can be used now, with the engine that it would use and the price there."""

    tool: Tool
    engine: Engine
    price: Price


class PictureTools:
    """Finds pictures and what can be done with them."""

    def __init__(self, *, service: JobService, store: JobStore, sources: Sources, files: ImageFiles) -> None:
        self._service = service
        self._store = store
        self._sources = sources
        self._files = files

    async def picture(self, origin: Origin, reference: Reference) -> EditedPicture:
        """Return a picture that this person may go on from. Raises UserError if they may not, or if it is gone."""
        if not isinstance(reference, ImageReference):
            source = await self._sources.own(origin.user_id, reference.source_id)
            return EditedPicture(reference, source, await self._sources.path(source.id))
        view = await self._store.view(reference.job_id)
        require_visible(origin, view.job)
        position = reference.position
        image = view.images[position - 1] if 1 <= position <= len(view.images) else None
        if image is None or image.file is None:
            raise UserError(IMAGE_GONE)
        source = SourcePicture(
            0,
            SourceKind.RESULT,
            image.width,
            image.height,
            image_id=image.id,
            job_id=view.job.id,
            author_id=view.job.user_id,
        )
        return EditedPicture(
            reference,
            source,
            self._files.path(image.file),
            private=view.job.public_in is None,
            view=view,
            image=image,
            described=await self._described(origin, view, image.id),
        )

    async def _described(self, origin: Origin, view: JobView, image_id: int | None) -> ImageRequest | None:
        """The request whose words describe the image: its own, or that of the image that it was made from."""
        for _ in range(_STEPS):
            request = next(
                (each.request for each in view.submissions if image_id in {image.id for image in each.images}), None
            )
            if request is None:
                return None
            if request.operation in _DESCRIBING:
                return request if request.prompts else None
            source = view.options.source
            if source is None or source.job_id is None:
                return None
            try:
                view, image_id = await self._store.view(source.job_id), source.image_id
            except UserError:
                return None  # It was deleted.
            if not may_see(origin, view.job):
                return None
        return None

    def require_allowed(self, origin: Origin, kind: SourceKind) -> None:
        """Raise UserError if the server does not let people start from such a picture. Does no I/O."""
        self._service.require_picture_allowed(origin, kind)

    # --- offers -------------------------------------------------------------------------------------------------

    def offers(self, origin: Origin, picture: EditedPicture) -> list[Offer]:
        """Return the tools that some engine offers here and now, each with its price. Does no I/O."""
        found: dict[Operation, Offer | None] = {}
        for tool in TOOLS:
            if tool.operation not in found:
                found[tool.operation] = self.offer(origin, picture, tool)
        return [replace(offer, tool=tool) for tool in TOOLS if (offer := found[tool.operation]) is not None]

    def offer(self, origin: Origin, picture: EditedPicture, tool: Tool) -> Offer | None:
        """Return this tool with the engine that it would use, or None if no engine offers it here and now.

        The engine is the one that made the picture, or else the default one, or else the cheapest.
        """
        usable = {engine.id: engine for engine in self._service.usable(origin, tool.operation)}
        made_by = picture.made_by
        if made_by is not None and made_by.engine in usable:
            return self._on(usable[made_by.engine], picture, tool)
        if len(usable) > 1 and (engine_id := self._service.engine_by_default(origin, tool.operation)) in usable:
            return self._on(usable[engine_id], picture, tool)
        offers = [self._on(engine, picture, tool) for engine in usable.values()]
        return min(offers, key=lambda offer: offer.price.high, default=None)

    def engines(self, origin: Origin, picture: EditedPicture, tool: Tool) -> list[Offer]:
        """Return the tool on each engine that offers it here and now, the one of :meth:`offer` first."""
        first = self.offer(origin, picture, tool)
        if first is None:
            return []
        others = [engine for engine in self._service.usable(origin, tool.operation) if engine.id != first.engine.id]
        return [first, *(self._on(engine, picture, tool) for engine in others)]

    def finish(self, origin: Origin, picture: EditedPicture) -> Offer | None:
        """Return Finish for one of several images, if an engine here varies pictures for more than the image cost."""
        made_by, cost = picture.made_by, picture.cost
        if made_by is None or cost is None or picture.described is None or len(picture.siblings) < 2:
            return None
        offers = [
            self._on(engine, picture, FINISH)
            for engine in self._service.usable(origin, FINISH.operation)
            if engine.id != made_by.engine
        ]
        dearest = max(offers, key=lambda offer: offer.price.high, default=None)
        return dearest if dearest is not None and dearest.price.high > cost else None

    def extensions(self, origin: Origin, picture: EditedPicture) -> Iterator[Offer]:
        """Yield the extensions that change this picture."""
        offer = self.offer(origin, picture, EXTEND)
        if offer is None:
            return
        rules = offer.engine.picture or PictureRules()
        for tool in EXTEND_TOOLS:
            if EXTENSIONS[tool.extend or ""].margins(picture.source.size, rules.margin).largest:
                yield replace(offer, tool=tool)

    def _on(self, engine: Engine, picture: EditedPicture, tool: Tool) -> Offer:
        return Offer(tool, engine, self._service.price(engine.id, tool.operation, picture=picture.source.size))

    # --- options ------------------------------------------------------------------------------------------------

    def options(self, origin: Origin, picture: EditedPicture, offer: Offer) -> ImagineOptions:
        """Return the options of the command that uses a tool, with the words of the image if the tool uses those.

        The picture itself is not among them. It is private if the picture is, and else by the person's own setting.
        """
        tool = offer.tool
        options = ImagineOptions(
            prompt="",
            engine=offer.engine.id,
            images=1 if tool.operation.has_variants else None,
            private=picture.private or self._service.private_by_default(origin),
            spoiler=picture.spoiler,
            operation=tool.operation,
            strength=tool.strength,
            extend=tool.extend,
        )
        return self.with_words(options, picture, offer.engine) if tool.own_words else options

    async def without_flagged(self, options: ImagineOptions) -> ImagineOptions:
        """The options without those that a flag in the typed prompt sets, because the flag was typed later."""
        command = await self._service.in_thread_if_long(options, partial(read_command, options))
        return options.setting(dict.fromkeys(command.flags))

    def with_words(self, options: ImagineOptions, picture: EditedPicture, engine: Engine) -> ImagineOptions:
        """The options with the image's words, negative prompt and style, as far as the engine takes them."""
        request = picture.described
        if request is None:
            return options
        values = {
            option.name: value
            for option in (NEGATIVE, STYLE)
            if (value := getattr(request, option.name)) and option.taken_by(engine)
        }
        spec, _ = fitted(ImageSpec(request.prompts, values), engine)
        return replace(options, prompt=ParsedPrompt(spec.parts).text()).setting(
            {name: value for name, value in spec.values.items() if isinstance(value, str)}
        )

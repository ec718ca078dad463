"""Commands that start from a picture: what they need, and the requests that they become. Sizes are pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.domain.areas import Area
from bot.domain.characters import typed
from bot.domain.engines import ENGINE_MISSPELT, UNKNOWN_ENGINE, find_engine
from bot.domain.options import ImagineOptions
from bot.domain.sizes import Ratio, closest_size, ratio_name
from bot.errors import Problem, UserError
from bot.providers.base import Engine, ImageRequest
from bot.providers.operations import Fit, Margins, Operation, PictureRules, Size
from bot.text import Text, message, t

NOT_OFFERED = message("edits.not_offered", "No engine here can do this: {operation}. /engines lists what each can do.")
CANNOT_DO = message("edits.cannot_do", "{engine} can't do this: {operation}. /engines lists what each can do.")
ENGINE_GONE = message("edits.engine_gone", "{engine} is no longer available.")
SOURCE_NEEDED = message(
    "edits.source_needed", "Which picture? Run it again and attach one as “picture”, or pick one of yours as “image”."
)
SEARCH_NEEDED = message("edits.search_needed", "Say what to replace in the picture, such as “the car”.")
AREA_NEEDED = message("edits.area_needed", "Mark the part of the picture: pick cells, or attach a mask.")
NOT_AN_AREA = message(
    "edits.not_an_area", "That isn't an area. Write cells such as 1,2,5, or leave it out and pick them on the picture."
)
NOT_AN_EXTENSION = message(
    "edits.not_an_extension",
    "“{text}” isn't a way to extend a picture. Pick one from the list, or write pixels such as left 256 right 256.",
)
EXTENDED_TOO_FAR = message("edits.extended_too_far", "A picture can be extended by at most {most} pixels on each side.")
EXTENDED_TOO_LARGE = message(
    "edits.extended_too_large",
    "The picture would be too large: {size} pixels. At most {most} megapixels are possible. Extend it by less.",
)
NOT_A_SCALE = message(
    "edits.not_a_scale", "{engine} can't make a picture {scale} times larger. It can make it {scales:or} times larger."
)
UPSCALED_TOO_LARGE = message(
    "edits.upscaled_too_large",
    "The picture would be too large: {size} pixels. At most {most} megapixels are possible.",
)
SQUARE_ALREADY = message("edits.square_already", "This picture is square already.")
FIT_NEEDED = message(
    "edits.fit_needed", "{engine} can't take a picture of this shape ({shape}). Crop it, or add a border around it."
)
OTHER_SHAPE = message(
    "edits.other_shape",
    "The picture is {shape}, and you asked for {wanted}. Crop it, or add a border around it.",
)
MASK_HAS_OTHER_SHAPE = message("edits.mask_has_other_shape", "The mask needs the same shape as the picture.")

UNFIT = frozenset({FIT_NEEDED.code, OTHER_SHAPE.code})
"""The codes of refusals that cropping or padding the picture would change."""

NAMES: Mapping[Operation, Text] = {
    Operation.TEXT_TO_IMAGE: t("New image"),
    Operation.IMAGE_TO_IMAGE: t("Vary"),
    Operation.INPAINT: t("Change a part"),
    Operation.ERASE: t("Erase a part"),
    Operation.OUTPAINT: t("Extend"),
    Operation.SEARCH_AND_REPLACE: t("Change by words"),
    Operation.SKETCH: t("From a sketch"),
    Operation.STRUCTURE: t("Keep the structure"),
    Operation.UPSCALE: t("Upscale"),
    Operation.RESTORE_FACES: t("Restore faces"),
    Operation.REMOVE_BACKGROUND: t("Remove the background"),
}
"""What people call each operation."""

FIND_AT_MOST = 200
"""The maximum length of the words for the thing to replace."""
EXTENSION_AT_MOST = 100
"""The maximum length of an extension as it is typed."""

PIXELS_AT_MOST = 4096 * 4096
"""The largest extended or upscaled picture. A larger one could not be shown in lists or edited again."""
SCALE_AT_MOST = 4

SAME_SHAPE = math.log(1.03)
"""A picture whose ratio is off by no more than this is resized, and loses at most a few pixels at its edges."""

_CUSTOM = re.compile(r"(left|right|up|down)[ =:]*([0-9]{1,5})(?:px)?", re.ASCII)
_SEPARATORS = re.compile(r"[\s,;+]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Extension:
    """A way to extend a picture, by its ``name`` in commands."""

    name: str
    label: Text
    left_and_right: float = 0.0
    """The part of the width that is added on each side."""
    up_and_down: float = 0.0
    square: bool = False

    def margins(self, size: Size, most: int) -> Margins:
        """The margins for a picture of this size, each at most ``most``."""
        across, along = round(size.width * self.left_and_right), round(size.height * self.up_and_down)
        if self.square:
            across, along = (max(0, each) for each in (size.height - size.width, size.width - size.height))
            return _capped(Margins(across // 2, across - across // 2, along // 2, along - along // 2), most)
        return _capped(Margins(across, across, along, along), most)


EXTENSIONS = {
    each.name: each
    for each in (
        Extension("wider", t("Wider"), left_and_right=0.25),
        Extension("taller", t("Taller"), up_and_down=0.25),
        Extension("zoom-1.5x", t("Zoom out 1.5x"), left_and_right=0.25, up_and_down=0.25),
        Extension("zoom-2x", t("Zoom out 2x"), left_and_right=0.5, up_and_down=0.5),
        Extension("square", t("Make square"), square=True),
    )
}
"""The ways to extend a picture, by name."""


def extension_named(text: str) -> Extension | None:
    """Return the extension with this name, or None if the text is no name."""
    return EXTENSIONS.get("-".join(word for word in text.casefold().split() if word != "out"))


def margins_of(text: str, size: Size, *, most: int) -> Margins:
    """Read an extension: a name such as ``wider``, or pixels such as ``left 256 down 64``. Raises UserError."""
    named = extension_named(text)
    if named is not None:
        margins = named.margins(size, most)
        if not margins.largest:
            raise UserError(SQUARE_ALREADY)
        return margins
    wanted = " ".join(text.casefold().split())
    sides = {match[1]: int(match[2]) for match in _CUSTOM.finditer(wanted)}
    margins = Margins(**sides)
    if not margins.largest or _SEPARATORS.fullmatch(_CUSTOM.sub("", wanted)) is None:
        raise UserError(NOT_AN_EXTENSION(text=text))
    if margins.largest > most:
        raise UserError(EXTENDED_TOO_FAR(most=most))
    return margins


def _capped(margins: Margins, most: int) -> Margins:
    left, right, up, down = (min(most, each) for each in (margins.left, margins.right, margins.up, margins.down))
    return Margins(left, right, up, down)


def about_existing(problem: Text, engines: Mapping[str, Engine], operation: Operation) -> Text:
    """Return a better problem if an engine that is unknown for an operation is one of these ``engines``.

    It exists for other operations only, or the service no longer has it.
    """
    if problem.code not in (UNKNOWN_ENGINE.code, ENGINE_MISSPELT.code):
        return problem
    try:
        engine = find_engine(str(problem.values.get("text")), engines)
    except UserError:
        return problem
    if engine.doing(operation) is None:
        return CANNOT_DO(engine=engine.name, operation=NAMES[operation])
    return ENGINE_GONE(engine=engine.name)


# --- the size in which a picture is sent --------------------------------------------------------------------------


def same_shape(one: Size, other: Size) -> bool:
    """Return whether one picture can be resized to the other without a visible loss."""
    return abs(math.log(one.width * other.height / (one.height * other.width))) <= SAME_SHAPE


def sent_size(source: Size, rules: PictureRules, fit: Fit | None) -> Size | None:
    """The size in which a picture is sent: as close to its own as the rules allow.

    Returns None if it has to be cropped or padded for that, and ``fit`` is not set. A few pixels too many are cut off.
    """
    long, short = max(source.width, source.height), min(source.width, source.height)
    if rules.ratio is not None and long > short * rules.ratio:
        few = math.log(long / (short * rules.ratio)) <= SAME_SHAPE
        if fit is None and not few:
            return None
        if fit is Fit.PAD and not few:
            short = math.ceil(long / rules.ratio)
        else:
            long = max(1, math.floor(short * rules.ratio))
    grown = max(rules.least_side / short, math.sqrt(rules.least_pixels / (long * short)))
    shrunk = math.sqrt(rules.most_pixels / (long * short))
    if grown > 1:
        long, short = (math.ceil(side * grown - 1e-6) for side in (long, short))
    elif shrunk < 1:
        long, short = (max(1, math.floor(side * shrunk + 1e-9)) for side in (long, short))
    if rules.ratio is not None:
        # Rounding may have made it a pixel too long.
        long = min(long, math.floor(short * rules.ratio))
    return Size(long, short) if source.width >= source.height else Size(short, long)


def picture_size(request: ImageRequest) -> Size:
    """The size in which the source of this request is sent."""
    if request.scale is not None:
        return Size(request.size.width // request.scale, request.size.height // request.scale)
    if request.margins is None:
        return request.size
    margins = request.margins
    return Size(request.size.width - margins.left - margins.right, request.size.height - margins.up - margins.down)


def varied_size(engine: Engine, source: Size) -> Size:
    """The engine's size for a picture of this size, if nobody chose another.

    A small picture is not enlarged if that keeps its shape. Others get the engine's usual number of pixels.
    """
    if source.pixels < engine.default_size.pixels:
        size = closest_size(engine, source)
        if same_shape(source, size):
            return size
    return closest_size(engine, Ratio(source.width, source.height))


# --- from options to a request ------------------------------------------------------------------------------------


def with_picture(request: ImageRequest, options: ImagineOptions, engine: Engine, *, sized: bool) -> ImageRequest:
    """Complete a request with the picture that the options start from. ``sized``: the person chose the size.

    Raises UserError with all problems. A request for an operation without a picture is returned as it is.
    """
    source = options.source
    if not engine.operation.has_source:
        return request
    if source is None:
        raise UserError(SOURCE_NEEDED)
    problems: list[Problem] = []
    request = replace(request, operation=engine.operation, source=source.id, fit=options.fit)
    request = replace(request, size=_size(request, options, source.size, engine, problems, sized=sized))
    if engine.operation.has_mask:
        request = _with_area(request, options, source.size, problems)
    if engine.operation is Operation.SEARCH_AND_REPLACE:
        request = replace(request, search=typed(options.search))
        problems += [SEARCH_NEEDED()] if request.search is None else []
    if engine.operation is Operation.OUTPAINT:
        request = _with_margins(request, options, source.size, engine, problems)
    if engine.operation is Operation.UPSCALE:
        request = _with_scale(request, options, engine, problems)
    if problems:
        raise UserError(*problems)
    return request


def _size(
    request: ImageRequest,
    options: ImagineOptions,
    source: Size,
    engine: Engine,
    problems: list[Problem],
    *,
    sized: bool,
) -> Size:
    """The size of the image to make, before it is extended."""
    if not engine.sized:
        sent = sent_size(source, engine.picture or PictureRules(), options.fit)
        if sent is None:
            problems.append(FIT_NEEDED(engine=engine.name, shape=ratio_name(source)))
        return sent or source
    size = request.size if sized else varied_size(engine, source)
    if options.fit is None and not same_shape(source, size):
        if sized:
            problems.append(OTHER_SHAPE(shape=ratio_name(source), wanted=ratio_name(size)))
        else:
            problems.append(FIT_NEEDED(engine=engine.name, shape=ratio_name(source)))
    return size


def _with_area(request: ImageRequest, options: ImagineOptions, source: Size, problems: list[Problem]) -> ImageRequest:
    """The request with the part of the picture to repaint: a mask, or cells."""
    if options.mask is not None:
        if not same_shape(options.mask.size, source):
            problems.append(MASK_HAS_OTHER_SHAPE())
        return replace(request, mask=options.mask.id)
    try:
        area = None if options.area is None else Area.parse(options.area)
    except ValueError:
        problems.append(NOT_AN_AREA())
        return request
    if area is None or not area.cells:
        problems.append(AREA_NEEDED())
        return request
    return replace(request, area=str(area))


def _with_margins(
    request: ImageRequest, options: ImagineOptions, source: Size, engine: Engine, problems: list[Problem]
) -> ImageRequest:
    """The request with the extension of the picture, and the size that it then has.

    If the result had too many pixels, a smaller picture is extended. For pixels that a person typed, that would change
    the shape, so those are refused.
    """
    rules, text, size = engine.picture or PictureRules(), typed(options.extend) or "", request.size
    try:
        margins = margins_of(text, size, most=rules.margin)
        # Again if rounding added a row of pixels, or if the margins were capped before.
        while extension_named(text) is not None and (beyond := _beyond(margins.around(size))) > 1:
            fewer = sent_size(source, replace(rules, most_pixels=math.floor(size.pixels / beyond)), options.fit)
            if fewer is None or fewer.pixels >= size.pixels:
                return request  # It needs another shape first, which is a problem already.
            size, margins = fewer, margins_of(text, fewer, most=rules.margin)
    except UserError as error:
        problems += error.problems
        return request
    whole = margins.around(size)
    if _beyond(whole) > 1:
        problems.append(EXTENDED_TOO_LARGE(size=str(whole), most=PIXELS_AT_MOST // 1_000_000))
    return replace(request, margins=margins, size=whole)


def _with_scale(
    request: ImageRequest, options: ImagineOptions, engine: Engine, problems: list[Problem]
) -> ImageRequest:
    """The request with the scale of the upscaled picture, and the size that it then has."""
    scale = engine.scales[0] if options.scale is None else options.scale
    if scale not in engine.scales:
        scales = [str(each) for each in sorted(engine.scales)]
        problems.append(NOT_A_SCALE(engine=engine.name, scale=scale, scales=scales))
        return request
    whole = Size(request.size.width * scale, request.size.height * scale)
    if _beyond(whole) > 1:
        problems.append(UPSCALED_TOO_LARGE(size=str(whole), most=PIXELS_AT_MOST // 1_000_000))
    return replace(request, scale=scale, size=whole)


def _beyond(whole: Size) -> float:
    """How many times the pixels of a picture are those that are possible."""
    return whole.pixels / PIXELS_AT_MOST

"""The endpoints of AI Thriving: a table with a row for each operation of each engine, and the engines made from it.

The service's pages contradict themselves in places. The rows hold the reading that was chosen:

* The pages of the edit and control endpoints describe a JSON object that contains a file, and their example posts a
  form. A file is always sent in a form, never as base64 in JSON.
* The page of SD3 has two spellings of its path, so its rows have two paths: see ``Endpoint.paths``.
* The list of fields of ``outpaint`` misses ``down``. It is sent, and the shape of the result is checked.
* ``creativity``, ``grow_mask`` and ``clip_guidance_preset`` are never sent: their ranges are uncertain, they are not
  listed, or nobody needs them.
* The pages give no default for ``output_format``, so it is always sent where it exists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from bot.providers.base import Ability, Bounds, Engine, ImageRequest, Json, Quote
from bot.providers.operations import Operation, PictureRules, Pictures, Size
from bot.providers.stable_diffusion import (
    COMMON_SIZES,
    GRID,
    GUIDANCE,
    LONG_PROMPT_LIMIT,
    PROMPT_LIMIT,
    SAMPLERS,
    SEED,
    SQUARE,
    STEPS,
)

BASIC = "aithriving/sd-1.6"
CORE = "aithriving/core"
ULTRA = "aithriving/ultra"
SD3_LARGE = "aithriving/sd3-large"
SD3_TURBO = "aithriving/sd3-large-turbo"
SD3_MEDIUM = "aithriving/sd3-medium"
EDIT = "aithriving/edit"
CONTROL = "aithriving/control"

NAMES = {
    BASIC: "Stable Diffusion 1.6",
    CORE: "Stable Image Core",
    ULTRA: "Stable Image Ultra",
    SD3_LARGE: "Stable Diffusion 3 Large",
    SD3_TURBO: "Stable Diffusion 3 Large Turbo",
    SD3_MEDIUM: "Stable Diffusion 3 Medium",
    EDIT: "Stable Image Edit",
    CONTROL: "Stable Image Control",
}
"""The display name of each engine, in the order of the list."""

SD3_FAMILY = "sd3"
_OF_SD3 = (SD3_LARGE, SD3_TURBO, SD3_MEDIUM)
SD3_PATHS = ("sdv3", "sd3")
"""The two spellings in the path of SD3: that of the page's table, and that of its example."""
RATIOS = ("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")

PNG_PIXELS = 1_500_000
"""The largest image to request as PNG, in pixels. A larger one would be too long as base64, and for Discord."""
EDITED_PIXELS = 4_000_000
"""The size of the results of inpaint, erase and search-and-replace in pixels, whatever the size of the picture."""

_SECONDS = 180.0
_ANY_RATIO = PictureRules(ratio=None)
_LIMITED_RATIO = PictureRules(ratio=2.5)
_EXACT = PictureRules(exact=True, ratio=None)
# The page of the oldest endpoint does not name its formats. These two are certain.
_EXACT_BASIC = replace(_EXACT, formats=("image/png", "image/jpeg"))
# "enhance" is a style of its presets only.
_NO_WORDS = frozenset({"enhance"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one endpoint, with the files of its pictures."""

    endpoint: Endpoint
    request: ImageRequest
    pictures: Pictures | None = None

    @property
    def shape(self) -> Size | None:
        """The size that a result made from a picture has, up to scaling. None if it does not start from a picture."""
        if self.pictures is None or not self.endpoint.uploads:
            return None
        source = self.pictures.source.size
        if self.request.operation is Operation.IMAGE_TO_IMAGE:
            return self.request.size
        return source if self.request.margins is None else self.request.margins.around(source)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a request: its name, its value (None: left out), and what an engine with this field can do."""

    name: str
    value: Callable[[Call], Json]
    ability: Ability | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the table: one operation of one engine.

    With several ``paths``, the next one is tried after a response that says that there is no such path. ``picture`` is
    the name of the file field, and makes the request a form with files; without one, the request is JSON. ``model`` is
    sent as it is. ``price`` is the key of its price. ``exact`` is False if the price is the list price of the page but
    probably not what is charged. ``seconds`` limits the whole call.
    """

    engine: str
    operation: Operation
    paths: tuple[str, ...]
    fields: tuple[Field, ...]
    price: str
    exact: bool = True
    picture: str = ""
    rules: PictureRules = _ANY_RATIO
    model: str | None = None
    strength: Bounds | None = None
    prompt_limit: int = LONG_PROMPT_LIMIT
    seconds: float = _SECONDS

    def fields_of(self, call: Call) -> dict[str, Json]:
        """The fields of this request without the files. Fields without a value are left out."""
        found = {each.name: each.value(call) for each in self.fields} | {"model": self.model}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def uploads(self) -> bool:
        """Whether the request is a form with files."""
        return bool(self.picture)

    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset(each.ability for each in self.fields if each.ability is not None)


# --- the values of the fields -----------------------------------------------------------------------------------------


def nearest_ratio(size: Size) -> str:
    """The ratio in the provider's list that is nearest to this size."""

    def distance(ratio: str) -> float:
        width, _, height = ratio.partition(":")
        return abs(math.log(size.width / size.height) - math.log(int(width) / int(height)))

    return min(RATIOS, key=distance)


def _prompt(call: Call) -> str | None:
    return ", ".join(part.text for part in call.request.prompts if part.weight > 0) or None


def _styled_prompt(call: Call) -> str | None:
    """The prompt with the style in words, for engines without presets."""
    words, style = _prompt(call), call.request.style
    return words if style is None or words is None else f"{words}, {style.replace('-', ' ')} style"


def _short(value: float | None) -> float | None:
    """Turn a whole number into an integer, because the provider's page calls this field an integer."""
    return int(value) if value is not None and value.is_integer() else value


def _strength(call: Call, *, similarity: bool) -> float | None:
    """How much may change, from 0.0 to 1.0; with ``similarity`` how much stays, which is the same turned over."""
    percent = call.request.strength
    if percent is None and call.endpoint.strength is not None and call.endpoint.strength.default is not None:
        percent = round(call.endpoint.strength.default)
    if percent is None:
        return None
    return (100 - percent) / 100 if similarity else percent / 100


def _format(call: Call) -> str:
    """PNG for results of which the base64 stays short, WebP for larger ones."""
    if call.endpoint.operation in {Operation.INPAINT, Operation.ERASE, Operation.SEARCH_AND_REPLACE}:
        pixels = EDITED_PIXELS
    else:
        pixels = call.shape.pixels if call.shape is not None else 0
    return "png" if pixels <= PNG_PIXELS else "webp"


def _margin(name: str) -> Field:
    return Field(name, lambda call: getattr(call.request.margins, name, 0) or None)


_PROMPT = Field("prompt", _prompt)
_STYLED = Field("prompt", _styled_prompt, Ability.STYLE)
_WIDTH = Field("width", lambda call: call.request.size.width)
_HEIGHT = Field("height", lambda call: call.request.size.height)
_RATIO = Field("aspect_ratio", lambda call: nearest_ratio(call.request.size))
# 0 would mean a random seed.
_SEED = Field("seed", lambda call: call.request.seed or None, Ability.SEED)
_NEGATIVE = Field("negative_prompt", lambda call: call.request.negative or None, Ability.NEGATIVE)
_STYLE = Field("style_preset", lambda call: call.request.style, Ability.STYLE)
_STEPS = Field("steps", lambda call: call.request.steps, Ability.STEPS)
_GUIDANCE = Field("cfg_scale", lambda call: _short(call.request.guidance), Ability.GUIDANCE)
_SAMPLER = Field("sampler", lambda call: call.request.sampler, Ability.SAMPLER)
_SEARCH = Field("search_prompt", lambda call: call.request.search or None)
_FORMAT = Field("output_format", _format)
_CHANGE = Field("strength", lambda call: _strength(call, similarity=False), Ability.STRENGTH)
_SIMILARITY = Field("image_strength", lambda call: _strength(call, similarity=True), Ability.STRENGTH)
_CONTROL = Field("control_strength", lambda call: _strength(call, similarity=True), Ability.STRENGTH)


# --- the table --------------------------------------------------------------------------------------------------------

_EDIT_PATH, _CONTROL_PATH = "/api/edit/", "/api/control/"


def endpoints(sd3_paths: Iterable[str] = SD3_PATHS) -> tuple[Endpoint, ...]:
    """Return the table. ``sd3_paths`` are the spellings of the SD3 paths, in the order in which they are tried."""
    diffusion = (_PROMPT, _WIDTH, _HEIGHT, _SEED, _STYLE, _STEPS, _GUIDANCE, _SAMPLER)
    return (
        Endpoint(
            BASIC,
            Operation.TEXT_TO_IMAGE,
            ("/api/generate/basic/textToImage",),
            diffusion,
            price="sd-1.6",
            exact=False,
            prompt_limit=PROMPT_LIMIT,
        ),
        Endpoint(
            BASIC,
            Operation.IMAGE_TO_IMAGE,
            ("/api/generate/basic/imageToImage",),
            (*diffusion, _SIMILARITY),
            price="sd-1.6",
            exact=False,
            picture="init_image",
            rules=_EXACT_BASIC,
            strength=Bounds(0, 100, default=65),
            prompt_limit=PROMPT_LIMIT,
        ),
        Endpoint(
            CORE,
            Operation.TEXT_TO_IMAGE,
            ("/api/generate/core",),
            (_PROMPT, _WIDTH, _HEIGHT, _RATIO, _NEGATIVE, _SEED, _STYLE),
            price="core",
        ),
        Endpoint(
            ULTRA,
            Operation.TEXT_TO_IMAGE,
            ("/api/generate/ultra",),
            (_STYLED, _WIDTH, _HEIGHT, _RATIO, _NEGATIVE, _SEED),
            price="ultra",
        ),
        *(row for engine in _OF_SD3 for row in _sd3(engine, tuple(sd3_paths))),
        _edit(Operation.INPAINT, "inpaint", _ANY_RATIO, _PROMPT, _NEGATIVE),
        _edit(Operation.ERASE, "erase", _ANY_RATIO),
        _edit(
            Operation.OUTPAINT,
            "outpaint",
            _LIMITED_RATIO,
            _margin("left"),
            _margin("right"),
            _margin("up"),
            _margin("down"),
            _PROMPT,
        ),
        _edit(Operation.SEARCH_AND_REPLACE, "search-and-replace", _LIMITED_RATIO, _PROMPT, _SEARCH, _NEGATIVE),
        _control(Operation.SKETCH, "sketch"),
        _control(Operation.STRUCTURE, "structure"),
    )


def _sd3(engine: str, spellings: tuple[str, ...]) -> tuple[Endpoint, Endpoint]:
    model = engine.partition("/")[2]
    # The turbo model ignores negative prompts.
    words = (_STYLED, _WIDTH, _HEIGHT, _SEED) if engine == SD3_TURBO else (_STYLED, _WIDTH, _HEIGHT, _NEGATIVE, _SEED)
    text = Endpoint(
        engine,
        Operation.TEXT_TO_IMAGE,
        tuple(f"/api/generate/{spelling}/textToImage" for spelling in spellings),
        (*words, _RATIO),
        price=model,
        exact=False,
        model=model,
    )
    image = Endpoint(
        engine,
        Operation.IMAGE_TO_IMAGE,
        tuple(f"/api/generate/{spelling}/imageToImage" for spelling in spellings),
        (*words, _CHANGE),
        price=model,
        exact=False,
        picture="image",
        rules=_EXACT,
        model=model,
        strength=Bounds(0, 100, default=60),
    )
    return text, image


def _edit(operation: Operation, name: str, rules: PictureRules, *fields: Field) -> Endpoint:
    common = (*fields, _SEED, _FORMAT)
    return Endpoint(EDIT, operation, (f"{_EDIT_PATH}{name}",), common, price=name, picture="image", rules=rules)


def _control(operation: Operation, name: str) -> Endpoint:
    return Endpoint(
        CONTROL,
        operation,
        (f"{_CONTROL_PATH}{name}",),
        (_PROMPT, _CONTROL, _NEGATIVE, _SEED, _FORMAT),
        price=name,
        picture="image",
        rules=_LIMITED_RATIO,
        strength=Bounds(0, 100),
    )


# --- the engines ------------------------------------------------------------------------------------------------------


def engines(
    table: Iterable[Endpoint], styles: tuple[str, ...], price: Callable[[Endpoint], Quote]
) -> tuple[Engine, ...]:
    """Make the engines from the table. ``price`` returns the range of the prices of an endpoint."""
    rows = list(table)
    made = []
    for engine in NAMES:
        first, *others = (_engine(row, styles, price(row)) for row in rows if row.engine == engine)
        made.append(replace(first, others=tuple(others)))
    return tuple(made)


def _engine(row: Endpoint, styles: tuple[str, ...], price: Quote) -> Engine:
    sized = _WIDTH in row.fields
    in_words = _STYLED in row.fields
    abilities = row.abilities

    return Engine(
        id=row.engine,
        name=NAMES[row.engine],
        abilities=abilities,
        sizes=COMMON_SIZES if sized else (),
        grid=GRID if sized else None,
        default_size=SQUARE,
        images_per_submission=1,
        prompt_limit=row.prompt_limit,
        styles=tuple(style for style in styles if not in_words or style not in _NO_WORDS)
        if Ability.STYLE in abilities
        else (),
        samplers=SAMPLERS if Ability.SAMPLER in abilities else (),
        steps=STEPS if Ability.STEPS in abilities else None,
        guidance=GUIDANCE if Ability.GUIDANCE in abilities else None,
        seed=SEED,
        strength=row.strength,
        price=price,
        operation=row.operation,
        picture=row.rules if row.uploads else None,
        family=SD3_FAMILY if row.engine in _OF_SD3 else "",
    )

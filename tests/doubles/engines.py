"""Three engines that differ like real ones: in options, sizes and images per request."""

from __future__ import annotations

from dataclasses import replace

from bot.providers.base import Ability, Bounds, Engine, SizeGrid
from bot.providers.operations import Operation, PictureRules, Size

XL = Engine(
    id="easel/xl",
    name="Easel XL",
    abilities=frozenset({Ability.NEGATIVE, Ability.WEIGHTS, Ability.STYLE, Ability.STEPS}),
    sizes=tuple(
        Size.parse(text)
        for text in "1024x1024 1152x896 896x1152 1216x832 832x1216 1344x768 768x1344 1536x640 640x1536".split()
    ),
    default_size=Size(1024, 1024),
    images_per_submission=4,
    prompt_limit=2000,
    styles=("anime", "neon-punk", "pixel-art"),
    steps=Bounds(10, 50, default=30),
    weights=Bounds(-2, 2, default=1),
)

BASIC = Engine(
    id="pencil/basic-1.6",
    name="Pencil Basic",
    abilities=frozenset({Ability.STYLE, Ability.STEPS, Ability.SEED, Ability.GUIDANCE, Ability.SAMPLER}),
    sizes=(Size(1024, 1024), Size(512, 512), Size(1344, 768)),
    grid=SizeGrid(),
    default_size=Size(1024, 1024),
    images_per_submission=1,
    prompt_limit=2000,
    samplers=("DDIM", "K_EULER"),
    steps=Bounds(10, 50, default=30),
    guidance=Bounds(0, 35, default=7),
    seed=Bounds(0, 4_294_967_294),
)

CORE = Engine(
    id="pencil/core",
    name="Pencil Core",
    abilities=frozenset({Ability.NEGATIVE, Ability.STYLE, Ability.SEED}),
    sizes=(Size(512, 512), Size(1024, 1024)),
    grid=SizeGrid(),
    default_size=Size(512, 512),
    images_per_submission=1,
    prompt_limit=100,
    styles=("anime", "cinematic"),
    seed=Bounds(0, 4_294_967_294),
)

ENGINES = {engine.id: engine for engine in (XL, BASIC, CORE)}

PAINTER = replace(
    BASIC,
    id="studio/painter",
    name="Painter",
    abilities=BASIC.abilities | {Ability.SCHEDULER, Ability.LORA, Ability.HIGH_RES},
    schedulers=("Karras", "SGM Uniform"),
    loras=("ink", "Add Detail", "neon_v2", "neon_v3"),
    high_res=Bounds(1.25, 2),
)
"""An engine with a second pass, and with LoRAs."""

_VARY = replace(
    BASIC,
    id="studio/varier",
    name="Varier",
    abilities=BASIC.abilities | {Ability.STRENGTH},
    strength=Bounds(0, 100, 65),
    operation=Operation.IMAGE_TO_IMAGE,
    picture=PictureRules(ratio=None, exact=True),
)
VARIER = replace(BASIC, id="studio/varier", name="Varier", others=(_VARY,))
"""An engine that makes images from words, and varies pictures."""


def _edit(operation: Operation, *abilities: Ability) -> Engine:
    return Engine(
        id="studio/editor",
        name="Editor",
        abilities=frozenset({Ability.SEED, *abilities}),
        sizes=(),
        default_size=Size(1024, 1024),
        images_per_submission=1,
        prompt_limit=10_000,
        seed=Bounds(0, 4_294_967_294),
        operation=operation,
        picture=PictureRules(),
    )


EDITOR = replace(
    _edit(Operation.INPAINT, Ability.NEGATIVE),
    others=(
        _edit(Operation.ERASE),
        _edit(Operation.OUTPAINT),
        _edit(Operation.SEARCH_AND_REPLACE, Ability.NEGATIVE),
        _edit(Operation.SKETCH, Ability.NEGATIVE, Ability.STRENGTH),
        _edit(Operation.STRUCTURE, Ability.NEGATIVE, Ability.STRENGTH),
    ),
)
"""An engine that only changes pictures."""

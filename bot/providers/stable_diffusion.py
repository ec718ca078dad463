"""The sizes that Stable Diffusion models accept, on any service."""

from __future__ import annotations

from bot.providers.base import Bounds, SizeGrid
from bot.providers.operations import Size

XL_SIZES = tuple(
    Size(width, height)
    for width, height in (
        (1024, 1024),
        (1152, 896),
        (896, 1152),
        (1216, 832),
        (832, 1216),
        (1344, 768),
        (768, 1344),
        (1536, 640),
        (640, 1536),
    )
)
"""All sizes that SDXL engines accept."""

GRID = SizeGrid(low=320, high=1536, step=64)
"""The sizes that all other engines accept."""

COMMON_SIZES = (
    Size(1024, 1024),
    Size(512, 512),
    Size(768, 768),
    Size(1152, 768),
    Size(768, 1152),
    Size(1280, 1024),
    Size(1024, 1280),
    Size(1344, 768),
    Size(768, 1344),
    Size(1536, 640),
    Size(640, 1536),
    Size(1536, 1536),
)
"""Sizes of the grid to offer first, in the most popular ratios."""

SQUARE = Size(1024, 1024)

STYLES = (
    "3d-model",
    "analog-film",
    "anime",
    "cinematic",
    "comic-book",
    "digital-art",
    "enhance",
    "fantasy-art",
    "isometric",
    "line-art",
    "low-poly",
    "modeling-compound",
    "neon-punk",
    "origami",
    "photographic",
    "pixel-art",
    "tile-texture",
)

SAMPLERS = (
    "DDIM",
    "DDPM",
    "K_DPMPP_2M",
    "K_DPMPP_2S_ANCESTRAL",
    "K_DPM_2",
    "K_DPM_2_ANCESTRAL",
    "K_EULER",
    "K_EULER_ANCESTRAL",
    "K_HEUN",
    "K_LMS",
)

STEPS = Bounds(10, 50, default=30)
GUIDANCE = Bounds(0, 35, default=7)
SEED = Bounds(0, 4_294_967_294)
WEIGHTS = Bounds(-10, 10, default=1)
MOST_IMAGES = 10
PROMPT_LIMIT = 2_000
LONG_PROMPT_LIMIT = 10_000


def takes_only_xl_sizes(model: str) -> bool:
    """Return whether an engine of this name belongs to the SDXL family, such as ``stable-diffusion-xl-1024-v0-9``."""
    return "xl" in model.lower().replace("_", "-").split("-")

"""The services' parameters and prices, from their documentation."""

from __future__ import annotations

STYLES = (
    "3d-model analog-film anime cinematic comic-book digital-art enhance fantasy-art isometric line-art low-poly "
    "modeling-compound neon-punk origami photographic pixel-art tile-texture"
).split()
SAMPLERS = (
    "DDIM DDPM K_DPMPP_2M K_DPMPP_2S_ANCESTRAL K_DPM_2 K_DPM_2_ANCESTRAL K_EULER K_EULER_ANCESTRAL K_HEUN K_LMS"
).split()
CLIP_GUIDANCE = "FAST_BLUE FAST_GREEN NONE SIMPLE SLOW SLOWER SLOWEST".split()
ASPECT_RATIOS = "16:9 1:1 21:9 2:3 3:2 4:5 5:4 9:16 9:21".split()
XL_SIZES = ("1024x1024 1152x896 896x1152 1216x832 832x1216 1344x768 768x1344 1536x640 640x1536").split()

SEED_LIMIT = 4_294_967_294
STEPS = range(10, 51)
SIDES = range(320, 1537, 64)
IMAGES = range(1, 11)

AI_CLIENT_IMAGE = 5_000
"""Millicredits for one image of ai-client."""
CORE = 6_000
"""Millicredits for one image of the core engine."""

_LEAST_WORK = 320 * 320 * 10
_MOST_WORK = 1536 * 1536 * 50


def basic_price(width: int, height: int, steps: int) -> int:
    """Millicredits for one image of the basic engine: 400 to 2000 by pixels times steps, rounded up to 100."""
    work = width * height * steps - _LEAST_WORK
    hundreds = -(-(4 * (_MOST_WORK - _LEAST_WORK) + 16 * work) // (_MOST_WORK - _LEAST_WORK))
    return 100 * max(4, min(20, hundreds))


def fits_grid(side: object) -> bool:
    """Whether the version 1 engines accept this side length, in pixels."""
    return isinstance(side, int) and not isinstance(side, bool) and side in SIDES

"""The services that ai-client sells, by version code: the engines of each, its form, and what an image costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from bot.providers import midjourney
from bot.providers.base import Ability, Engine, ImageRequest, Quote, WeightedText
from bot.providers.operations import Size
from bot.providers.stable_diffusion import (
    COMMON_SIZES,
    GRID,
    MOST_IMAGES,
    PROMPT_LIMIT,
    SQUARE,
    STEPS,
    STYLES,
    WEIGHTS,
    XL_SIZES,
    takes_only_xl_sizes,
)

PROVIDER = "ai-client"
STABLE_DIFFUSION = "stablediffusion_text2img"
MIDJOURNEY = "midjourney"
DALLE = "dalle2_text2img"
VERSIONS = (STABLE_DIFFUSION, MIDJOURNEY, DALLE)
"""The codes of all services that the bot knows."""
MODELS = ("stable-diffusion-xl-1024-v0-9",)

SD_CREDITS = 5_000
"""Millicredits for an image of Stable Diffusion: the service's example charges 10 credits for two."""
MIDJOURNEY_CREDITS = 10_000
"""Millicredits for the four images of one request, as in the service's example."""
DALLE_CREDITS = 5_000
"""Millicredits for an image of DALL·E 2. The service's page does not show a price, so that of Stable Diffusion."""

Form: TypeAlias = list[tuple[str, str]]

_NAMES = {
    "stable-diffusion-xl-1024-v0-9": "Stable Diffusion XL 0.9",
    "stable-diffusion-xl-1024-v1-0": "Stable Diffusion XL 1.0",
    "stable-diffusion-v1-5": "Stable Diffusion 1.5",
    "stable-diffusion-v1-6": "Stable Diffusion 1.6",
}
_DALLE_SIZES = (SQUARE, Size(512, 512), Size(256, 256))
_DALLE_PROMPT_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class Version:
    """One of ai-client's services. A thread is opened for its ``code``.

    ``form`` builds the form of an entry. It raises Refused for a request that cannot be sent. ``credits_per_image`` is
    the estimated price of one image in millicredits.
    """

    code: str
    engines: tuple[Engine, ...]
    form: Callable[[ImageRequest], Form]
    credits_per_image: int

    def quote(self, images: int) -> Quote:
        """The estimated price of this many images."""
        return _quote(images * self.credits_per_image)


def _quote(millicredits: int) -> Quote:
    return Quote(low=millicredits, high=millicredits, hold=millicredits, exact=False)


def stable_diffusion(
    code: str = STABLE_DIFFUSION,
    *,
    models: tuple[str, ...] = MODELS,
    styles: tuple[str, ...] = STYLES,
    credits_per_image: int = SD_CREDITS,
) -> Version:
    """Stable Diffusion, with an engine for each of the ``models``."""

    def engine(model: str) -> Engine:
        xl = takes_only_xl_sizes(model)
        return Engine(
            id=f"{PROVIDER}/{model}",
            name=_NAMES.get(model, model),
            abilities=frozenset({Ability.NEGATIVE, Ability.WEIGHTS, Ability.STYLE, Ability.STEPS}),
            sizes=XL_SIZES if xl else COMMON_SIZES,
            grid=None if xl else GRID,
            default_size=SQUARE,
            images_per_submission=MOST_IMAGES,
            prompt_limit=PROMPT_LIMIT,
            styles=styles,
            steps=STEPS,
            weights=WEIGHTS,
            price=_quote(credits_per_image),
        )

    return Version(code, tuple(map(engine, models)), stable_diffusion_form, credits_per_image)


def midjourney_version(credits_per_request: int = MIDJOURNEY_CREDITS) -> Version:
    """Midjourney. Every request makes four images, and they are charged together."""
    each = credits_per_request // midjourney.IMAGES
    engine = Engine(
        id=f"{PROVIDER}/midjourney",
        name="Midjourney",
        abilities=frozenset({Ability.NEGATIVE}),
        sizes=tuple(midjourney.RATIOS),
        default_size=SQUARE,
        images_per_submission=midjourney.IMAGES,
        batch=midjourney.IMAGES,
        prompt_limit=PROMPT_LIMIT,
        price=_quote(each),
    )
    return Version(MIDJOURNEY, (engine,), midjourney_form, each)


def dalle_version(credits_per_image: int = DALLE_CREDITS) -> Version:
    """DALL·E 2."""
    engine = Engine(
        id=f"{PROVIDER}/dalle-2",
        name="DALL·E 2",
        abilities=frozenset(),
        sizes=_DALLE_SIZES,
        default_size=SQUARE,
        images_per_submission=MOST_IMAGES,
        prompt_limit=_DALLE_PROMPT_LIMIT,
        price=_quote(credits_per_image),
    )
    return Version(DALLE, (engine,), dalle_form, credits_per_image)


def stable_diffusion_form(request: ImageRequest) -> Form:
    """Build the form for a request, with the field names from the service's page."""
    prompts = [*request.prompts]
    if request.negative:
        prompts.append(WeightedText(request.negative, -1))
    form = [
        ("type", "request"),
        ("engine", request.engine.partition("/")[2]),
        ("resolution", str(request.size)),
    ]
    for index, part in enumerate(prompts):
        form.append((f"prompts[{index}][text]", _sendable(part.text)))
        form.append((f"prompts[{index}][weight]", f"{part.weight:.6g}"))
    form.append(("images", str(request.images)))
    # The documentation does not say that the steps are optional, so the default number is sent.
    form.append(("steps", str(request.steps if request.steps is not None else round(STEPS.default or 30))))
    if request.style:
        form.append(("style", request.style))
    return form


def midjourney_form(request: ImageRequest) -> Form:
    """Build the form for a request: every option is a flag in the prompt. Raises Refused without any words."""
    return [("type", "request"), ("command", "imagine"), ("prompt", midjourney.prompt_of(request))]


def dalle_form(request: ImageRequest) -> Form:
    """Build the form for a request."""
    words = ", ".join(part.text for part in request.prompts if part.weight > 0)
    return [("type", "request"), ("n", str(request.images)), ("size", str(request.size)), ("prompt", _sendable(words))]


def _sendable(text: str) -> str:
    """The text without lone surrogates, which a form cannot encode."""
    return text.encode("utf-8", "ignore").decode()

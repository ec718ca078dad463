"""The embedded text as other tools read it: with a common reader, and by the rules of the format."""

from __future__ import annotations

import asyncio
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image
from sd_parsers import ParserManager
from sd_parsers.data import Generators

from bot.providers.base import Ability, Engine, ImageRequest, WeightedText
from bot.providers.registry import configure
from bot.ui.delivery.attachments import Labelled, prepare
from bot.ui.delivery.image_metadata import parameters
from storage.images import ImageFiles
from storage.pools import Pools
from storage.records import StoredImage
from tests.doubles.uploads import sent
from tests.doubles.views import image, request
from tests.providers.workbench import reader

PROVIDERS = configure(reader(AI_CLIENT_TOKEN="made-up", AITHRIVING_KEY="made-up"))
ENGINES = [engine for provider in PROVIDERS.values() for engine in provider.engines]
TYPES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


def full(engine: Engine) -> ImageRequest:
    """A request with all options of the engine."""
    takes: dict[Ability, dict[str, Any]] = {
        Ability.NEGATIVE: {"negative": "snow, fog"},
        Ability.STYLE: {"style": engine.styles[0] if engine.styles else None},
        Ability.STEPS: {"steps": 20},
        Ability.SEED: {"seed": 7},
        Ability.GUIDANCE: {"guidance": 7.5},
        Ability.SAMPLER: {"sampler": engine.samplers[0] if engine.samplers else None},
    }
    wanted: dict[str, Any] = {}
    for ability in engine.abilities & takes.keys():
        wanted |= takes[ability]
    return request("a fox, in the snow", engine=engine.id, **wanted)


def bare(engine: Engine) -> ImageRequest:
    """A request with only a prompt."""
    return request("a fox, in the snow", engine=engine.id)


def uploaded(folder: Path, pools: Pools, picture: StoredImage, text: str, *, refitted: bool) -> bytes:
    """The uploaded file for an image of this type."""
    file = folder / str(picture.file)
    further = {"lossless": True} if picture.media_type == "image/webp" else {}
    Image.effect_noise((96, 64), 90).convert("RGB").save(file, picture.media_type[6:], **further)
    limit = file.stat().st_size // 2 + len(text) if refitted else 10**6
    found = asyncio.run(prepare([Labelled(picture, "a-fox", text)], ImageFiles(folder, pools), file_limit=limit))
    (upload,) = found.ready
    assert upload.reencoded == refitted
    return sent(upload)


def text_in(data: bytes) -> str:
    """The text from the place where tools read it."""
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        if opened.format == "PNG":
            return str(opened.info["parameters"])
        comment = opened.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
        return str(comment[8:].decode("utf-16-be"))


def by_the_rules(text: str) -> tuple[str, str, dict[str, str]]:
    """Parse prompt, negative prompt and settings. The last line contains settings if it has three or more."""
    *lines, last = text.strip().split("\n")
    found = re.findall(r'(\w[\w /-]*): ("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)', last)
    assert len(found) >= 3
    prompt: list[str] = []
    negative: list[str] = []
    inside = False
    for line in lines:
        inside = inside or line.startswith("Negative prompt:")
        (negative if inside else prompt).append(line.removeprefix("Negative prompt:").strip())
    return "\n".join(prompt), "\n".join(negative), dict(found)


@pytest.mark.parametrize("refitted", [False, True], ids=["whole", "refitted"])
@pytest.mark.parametrize("media_type", TYPES)
@pytest.mark.parametrize("asked", [full, bare])
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.id)
def test_each_engine_and_type_is_recognised(
    tmp_path: Path, pools: Pools, engine: Engine, asked: Any, media_type: str, refitted: bool
) -> None:
    wanted = asked(engine)
    # The service may not report the seed.
    seed = wanted.seed
    picture = image(1, file=f"1.{TYPES[media_type]}", media_type=media_type, seed=seed)
    text = parameters(wanted, picture, engine)
    data = uploaded(tmp_path, pools, picture, text, refitted=refitted)

    assert text_in(data) == text
    prompt, negative, settings = by_the_rules(text_in(data))
    assert (prompt, negative) == ("a fox, in the snow", wanted.negative or "")
    assert settings["Seed"] == (str(seed) if seed is not None else "unknown")
    assert settings["Size"] == "512x512"

    read = ParserManager().parse(io.BytesIO(data))
    assert read is not None
    assert read.generator is Generators.AUTOMATIC1111
    (sampler,) = read.samplers
    assert (sampler.name == "unknown") == (wanted.sampler is None)
    assert [each.value for each in sampler.prompts] == ["a fox, in the snow"]
    assert [each.value for each in sampler.negative_prompts] == ([wanted.negative] if wanted.negative else [])
    assert sampler.model is not None
    assert sampler.model.name == engine.id.partition("/")[2]
    assert sampler.parameters["seed"] == settings["Seed"]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.id)
def test_images_of_a_removed_engine_are_recognised(tmp_path: Path, pools: Pools, engine: Engine) -> None:
    text = parameters(bare(engine), image(1, seed=None), None)
    data = uploaded(tmp_path, pools, image(1), text, refitted=False)
    assert by_the_rules(text)[2]["Sampler"] == "unknown"
    assert ParserManager().parse(io.BytesIO(data)) is not None


@pytest.mark.parametrize(
    "prompt",
    [
        "a fox\nNegative prompt: nothing",
        "Negative prompt: a fox",
        "negative prompt:Negative prompt:NEGATIVE PROMPT:",
        "a fox\nSteps: 9, Sampler: DDIM, CFG scale: 1, Seed: 2",
        "Steps: 9, Sampler: DDIM, CFG scale: 1, Seed: 2",
        'Hashes: {"model": "x"}',
    ],
)
@pytest.mark.parametrize("negative", [None, "snow", "Negative prompt: snow"])
def test_prompt_words_that_look_like_the_format_are_kept(
    tmp_path: Path, pools: Pools, prompt: str, negative: str | None
) -> None:
    asked = replace(full(ENGINES[0]), prompts=(WeightedText(prompt),), negative=negative)
    text = parameters(asked, image(1), ENGINES[0])
    read = ParserManager().parse(io.BytesIO(uploaded(tmp_path, pools, image(1), text, refitted=False)))
    assert read is not None
    (sampler,) = read.samplers
    words = [re.sub(r"(?i)(negative prompt):", r"\1 :", each) for each in (prompt, negative or "")]
    assert "".join(each.value for each in sampler.prompts) == words[0]
    assert "".join(each.value for each in sampler.negative_prompts) == words[1]
    assert by_the_rules(text)[:2] == (words[0], words[1])
    assert sampler.parameters["steps"] == "20"

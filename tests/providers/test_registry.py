"""The registered providers, and that a new one takes one file and one line."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Self

import pytest

from bot.config import Reader
from bot.errors import SettingsError
from bot.providers.ai_client import AiClient
from bot.providers.aithriving import Aithriving
from bot.providers.base import (
    Ability,
    Cost,
    Engine,
    FetchedImage,
    Finished,
    GeneratedImage,
    Gone,
    Handle,
    ImageRequest,
    PollResult,
    Provider,
    Quote,
    Waiting,
)
from bot.providers.credentials import Credentials
from bot.providers.errors import ProviderError, Refused
from bot.providers.fetching import keep
from bot.providers.http import Service
from bot.providers.operations import Pictures, Size
from bot.providers.registry import PROVIDERS, configure
from bot.providers.settings import SettingsReader, WrongSetting
from fakes.services import Picture, StandIn, flat
from tests.providers.workbench import asked, reader

BOTH_KEYS = {"AI_CLIENT_TOKEN": "sk-a", "AITHRIVING_KEY": "sk-b"}


class Easels(Provider):
    """The one new file: a service that draws at once and first reports a place in its queue."""

    name: ClassVar[str] = "easels"
    label = "Easels"
    credit_value = Decimal("0.5")
    rate = 2.0
    jobs = 3
    engines = (
        Engine(
            id="easels/charcoal",
            name="Charcoal",
            abilities=frozenset({Ability.SEED}),
            sizes=(Size(64, 64),),
            default_size=Size(64, 64),
            images_per_submission=4,
            prompt_limit=500,
        ),
    )

    def __init__(self, key: str) -> None:
        self.key = key
        self.retired: set[str] = set()
        self.service = Service(self.label, "https://easels.invalid", credentials=Credentials.key(key))
        self.asked: list[ImageRequest] = []

    @classmethod
    def configure(cls, settings: SettingsReader) -> Self | None:
        key = settings.secret("EASELS_KEY")
        return None if key is None else cls(key)

    def quote(self, request: ImageRequest) -> Quote:
        return Quote(100, 300, 300, exact=False)

    async def prepare(self, request: ImageRequest) -> Handle:
        return {"number": len(self.asked)}

    async def submit(self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None) -> Handle:
        self.asked.append(request)
        return {**handle, "polls": 1}

    async def find(self, handle: Handle) -> Handle | None:
        return None

    async def poll(self, handle: Handle, request: ImageRequest | None = None) -> PollResult:
        if handle.get("polls") == 1:
            return Waiting(percent=50, handle={**handle, "polls": 2})
        if handle.get("number") != 0:
            return Gone()
        picture = flat(Picture(self.asked[0].prompts[0].text, "", "", 7, 64, 64))
        return Finished((GeneratedImage(data=picture, seed=7),), Cost(200, exact=True))

    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        assert image.data is not None
        return await keep(self.service, image.data, path)

    async def check(self) -> ProviderError | None:
        return None

    async def close(self) -> None:
        self.key = ""
        await self.service.close()


async def test_another_provider_takes_one_file_and_one_line(tmp_path: Path) -> None:
    providers = configure(reader(EASELS_KEY="sk-c", **BOTH_KEYS), (*PROVIDERS, Easels))
    assert list(providers) == ["ai-client", "aithriving", "easels"]
    provider = providers["easels"]
    request = asked("easels/charcoal", size=Size(64, 64))
    handle = await provider.submit(await provider.prepare(request), request)
    assert not isinstance(handle, Finished)
    first = await provider.poll(handle)
    assert isinstance(first, Waiting)
    assert first.handle is not None
    second = await provider.poll(first.handle)
    assert isinstance(second, Finished)
    fetched = await provider.fetch(second.images[0], tmp_path / "x")
    assert (fetched.media_type, fetched.size) == ("image/png", Size(64, 64))
    await asyncio.gather(*(provider.close() for provider in providers.values()))


def test_a_provider_without_a_key_is_absent() -> None:
    assert configure(reader()) == {}
    assert list(configure(reader(AI_CLIENT_TOKEN="sk-a"))) == ["ai-client"]
    assert list(configure(reader(AITHRIVING_KEY="sk-b"))) == ["aithriving"]
    assert list(configure(reader(**BOTH_KEYS))) == ["ai-client", "aithriving"]


def test_engines_are_named_by_their_provider() -> None:
    engines = [engine for provider in configure(reader(**BOTH_KEYS)).values() for engine in provider.engines]
    assert [engine.id for engine in engines] == [
        "ai-client/stable-diffusion-xl-1024-v0-9",
        "aithriving/sd-1.6",
        "aithriving/core",
        "aithriving/ultra",
        "aithriving/sd3-large",
        "aithriving/sd3-large-turbo",
        "aithriving/sd3-medium",
        "aithriving/edit",
        "aithriving/control",
    ]
    for engine in engines:
        assert engine.price is not None
        assert engine.price.low <= engine.price.high <= engine.price.hold
        assert engine.takes_size(engine.default_size) or not engine.sized
        assert engine.model in engine.id


def test_two_of_the_same_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="easels"):
        configure(reader(EASELS_KEY="x"), (Easels, Easels))


def test_an_engine_of_another_provider_is_a_mistake() -> None:
    class Stray(Easels):
        name: ClassVar[str] = "stray"

    with pytest.raises(ValueError, match="stray"):
        configure(reader(EASELS_KEY="x"), (Stray,))


def test_all_settings_are_applied() -> None:
    settings = reader(
        **BOTH_KEYS,
        AI_CLIENT_ENGINES="stable-diffusion-xl-1024-v1-0, stable-diffusion-v1-6",
        AI_CLIENT_STYLES="anime",
        AI_CLIENT_CREDITS_PER_IMAGE="2.5",
        AI_CLIENT_CREDIT_VALUE="0.25",
        AI_CLIENT_RATE="0.5",
        AI_CLIENT_JOBS="7",
        AITHRIVING_CREDIT_VALUE="3",
        AITHRIVING_PRICES="core=7",
        AITHRIVING_RATE="4",
        AITHRIVING_JOBS="8",
    )
    client, thriving = configure(settings).values()
    assert [engine.model for engine in client.engines] == ["stable-diffusion-xl-1024-v1-0", "stable-diffusion-v1-6"]
    assert [engine.grid is None for engine in client.engines] == [True, False]
    assert client.engines[0].styles == ("anime",)
    assert client.quote(asked(images=2)).hold == 5_000
    assert (client.credit_value, client.rate, client.jobs) == (Decimal("0.25"), 0.5, 7)
    assert thriving.quote(asked("aithriving/core")).hold == 7_000
    assert (thriving.credit_value, thriving.rate, thriving.jobs) == (Decimal(3), 4.0, 8)


def test_the_services_of_ai_client_are_configurable() -> None:
    def engines(**settings: str) -> list[str]:
        provider = AiClient.configure(reader(AI_CLIENT_TOKEN="x", **settings))
        assert provider is not None
        return [engine.model for engine in provider.engines]

    sd = "stable-diffusion-xl-1024-v0-9"
    assert engines() == [sd]
    assert engines(AI_CLIENT_VERSIONS="midjourney") == ["midjourney"]
    assert engines(AI_CLIENT_VERSIONS="dalle2_text2img,stablediffusion_text2img, midjourney,dalle2_text2img") == [
        "dalle-2",
        sd,
        "midjourney",
    ]


def test_the_prices_of_ai_client_are_configurable() -> None:
    provider = AiClient.configure(
        reader(
            AI_CLIENT_TOKEN="x",
            AI_CLIENT_VERSIONS="stablediffusion_text2img,midjourney,dalle2_text2img",
            AI_CLIENT_CREDITS_PER_IMAGE="2",
            AI_CLIENT_MIDJOURNEY_CREDITS="6",
            AI_CLIENT_DALLE_CREDITS="1.5",
        )
    )
    assert provider is not None
    prices = [engine.price.hold for engine in provider.engines if engine.price is not None]
    assert prices == [2_000, 1_500, 1_500]


async def test_the_version_code_is_configurable() -> None:
    async with StandIn(seconds=(0, 0), painter=flat) as stand_in:
        provider = AiClient.configure(
            reader(AI_CLIENT_TOKEN="x", AI_CLIENT_URL=f"{stand_in.url}/api/v1", AI_CLIENT_VERSION_CODE="other")
        )
        assert provider is not None
        with pytest.raises(Refused, match="HTTP 422"):
            await provider.prepare(asked())
        await provider.close()
        assert stand_in.calls[0].body == {"ai_version_code": "other"}


@pytest.mark.parametrize("largest", ["1", "2"])
async def test_the_maximum_image_size_is_configurable(tmp_path: Path, largest: str) -> None:
    async with StandIn(seconds=(0, 0), painter=lambda picture: flat(picture) + bytes(1_200_000)) as stand_in:
        provider = Aithriving.configure(reader(AITHRIVING_KEY="x", AITHRIVING_URL=stand_in.url, IMAGE_MAX_MIB=largest))
        assert provider is not None
        made = await provider.submit({}, asked("aithriving/core"))
        with nullcontext() if largest == "2" else pytest.raises(Refused):
            await provider.fetch(made.images[0], tmp_path / "x")
        await provider.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AI_CLIENT_URL", "app.ai-client.com"),
        ("AI_CLIENT_TOKEN", "two words"),
        ("AI_CLIENT_RATE", "fast"),
        ("AI_CLIENT_RATE", "0"),
        ("AI_CLIENT_JOBS", "-1"),
        ("AI_CLIENT_CREDITS_PER_IMAGE", "-1"),
        ("AI_CLIENT_CREDIT_VALUE", "x"),
        ("AI_CLIENT_PATIENCE", "0"),
        ("AI_CLIENT_LOST_AFTER", "1"),
        ("AI_CLIENT_ENGINES", "a/b"),
        ("AI_CLIENT_STYLES", "<b>"),
        ("AI_CLIENT_VERSIONS", "stable-diffusion"),
        ("AI_CLIENT_VERSIONS", "midjourney, dalle3"),
        ("AI_CLIENT_VERSIONS", "a/b"),
        ("AI_CLIENT_MIDJOURNEY_CREDITS", "free"),
        ("AI_CLIENT_DALLE_CREDITS", "-1"),
        ("AITHRIVING_URL", "ftp://x"),
        ("AITHRIVING_STYLES", "-"),
        ("AITHRIVING_RATE", "1e9"),
        ("AITHRIVING_PRICES", "ultra=many"),
        ("AITHRIVING_SD3_PATHS", "sd3/"),
        ("IMAGE_HOSTS", "https://x.example/"),
        ("IMAGE_HOSTS", "*.example.com"),
        ("IMAGE_MAX_MIB", "0"),
    ],
)
def test_an_invalid_setting_is_named_without_its_value(name: str, value: str) -> None:
    with pytest.raises((SettingsError, WrongSetting)) as caught:
        configure(Reader((BOTH_KEYS | {name: value},)))
    assert str(caught.value).startswith(name)
    assert value not in str(caught.value).removeprefix(name) or len(value) == 1

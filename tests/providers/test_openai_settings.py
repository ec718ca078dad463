"""The settings of OpenAI-compatible services: addresses, keys, and models with their prices."""

from __future__ import annotations

import pytest

from bot.errors import SettingsError
from bot.providers.openai_images import ADDRESS, LABEL, OTHER_LABEL, OpenaiImages
from bot.providers.openai_models import MOST_MODELS, Model, Rates, read_setting
from bot.providers.openai_requests import MOST_AT_ONCE
from bot.providers.operations import Operation, Size
from bot.providers.settings import Takes, WrongSetting
from tests.providers.workbench import SECRET, asked, reader

ANY = Size(1024, 1024)


def read(text: str, *, free: bool = False) -> tuple[Model, ...]:
    return read_setting(reader(OPENAI_MODELS=text), free=free)


def configured(**settings: str) -> OpenaiImages:
    provider = OpenaiImages.configure(reader(**settings))
    assert provider is not None
    return provider


def test_the_setting_of_models() -> None:
    assert read("gpt-image-1 medium 1024x1024=0.042 1536x1024=0.063 tokens=5:10:40.5, black-forest/flux.1 0.02") == (
        Model(
            "gpt-image-1",
            "medium",
            {Size(1024, 1024): 4_200, Size(1536, 1024): 6_300},
            Rates(500_000, 1_000_000, 4_050_000),
        ),
        Model("black-forest/flux.1", prices={None: 2_000}),
    )
    assert read("a 0.00001 64x64=1")[0].prices == {None: 1, Size(64, 64): 100_000}
    assert read("a 0,b 0") == (Model("a"), Model("b"))


def test_the_same_model_in_several_qualities() -> None:
    assert [model.title for model in read("m low 1, m high 2, m 3")] == ["m low", "m high", "m"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "gpt-image-1",
        "gpt-image-1 medium",
        "gpt-image-1 tokens=5:10:40",
        "gpt-image-1 0.04 tokens=5:10",
        "gpt-image-1 0 tokens=5:10:40",
        "gpt-image-1 0.04 1024x1024=0 tokens=5:10:40",
        "gpt-image-1 0.04 tokens=5:10:40 tokens=5:10:40",
        "gpt-image-1 0.04 0.05",
        "gpt-image-1 64x64=1 64x64=2",
        "gpt-image-1 low high 1",
        "gpt-image-1 brilliant 1",
        "gpt-image-1 1024=1",
        "gpt-image-1 0x64=1",
        "gpt-image-1 =1",
        "gpt-image-1 -1",
        "gpt-image-1 1e3",
        "gpt-image-1 0.000001",
        "gpt-image-1 99999",
        "gpt-image-1 ١",
        "gpt-image-1 1:2",
        "m 1, m 2",
        "m low 1, M low 2",
        f"{'x' * 201} 1",
        ",".join(f"m{number} 1" for number in range(MOST_MODELS + 1)),
    ],
)
def test_what_is_no_list_of_models(text: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        read(text)
    assert (caught.value.name, caught.value.takes) == ("OPENAI_MODELS", Takes.MODELS)


def test_a_free_service_needs_no_prices() -> None:
    assert read("", free=True) == ()
    assert read("flux, sdxl 512x512=0", free=True) == (Model("flux"), Model("sdxl", prices={Size(512, 512): 0}))
    for priced in ("flux 0.01", "flux tokens=1:1:1"):
        with pytest.raises(WrongSetting):
            read(priced, free=True)


def test_the_service_is_configured_by_a_key_or_an_address() -> None:
    assert OpenaiImages.configure(reader(OPENAI_MODELS="m 1")) is None
    openai = configured(OPENAI_KEY=SECRET, OPENAI_MODELS="gpt-image-1 0.042")
    assert (str(openai._service.base), openai.label, openai.charges) == (ADDRESS, LABEL, True)
    own = configured(OPENAI_URL="http://127.0.0.1:8080/v1", OPENAI_FREE="1")
    assert (own.label, own.charges, own.engines) == (OTHER_LABEL, False, ())
    free = configured(OPENAI_URL="http://127.0.0.1:8080/v1", OPENAI_MODELS="flux 0")
    assert (free.charges, [engine.id for engine in free.engines]) == (False, ["openai/flux"])


@pytest.mark.parametrize(
    "free",
    [
        {"OPENAI_FREE": "1"},
        {"OPENAI_MODELS": "gpt-image-1 0"},
        {"OPENAI_MODELS": "gpt-image-1 0 1024x1024=0.042"},
        {},
    ],
)
def test_openai_itself_is_never_free(free: dict[str, str]) -> None:
    with pytest.raises(WrongSetting) as caught:
        configured(OPENAI_KEY=SECRET, **free)
    assert caught.value.name == "OPENAI_MODELS"


def test_secrets_are_known_to_the_log() -> None:
    settings = reader(OPENAI_KEY=SECRET, OPENAI_MODELS="m 1", OPENAI_ORGANIZATION="org-1", OPENAI_PROJECT="proj-1")
    assert OpenaiImages.configure(settings) is not None
    assert {SECRET, "org-1", "proj-1"} <= settings.secrets


def test_who_pays_is_named_in_headers() -> None:
    openai = configured(OPENAI_KEY=SECRET, OPENAI_MODELS="m 1", OPENAI_ORGANIZATION="org-1", OPENAI_PROJECT="proj-1")
    assert openai._service._credentials.headers == {
        "Authorization": f"Bearer {SECRET}",
        "OpenAI-Organization": "org-1",
        "OpenAI-Project": "proj-1",
    }
    assert SECRET not in repr(openai._service._credentials)


@pytest.mark.parametrize(
    "wrong",
    [
        {"OPENAI_PARTIAL_IMAGES": "4"},
        {"OPENAI_PATIENCE": "60"},
        {"OPENAI_JOBS": "0"},
        {"OPENAI_RATE": "0"},
        {"OPENAI_CREDIT_VALUE": "-1"},
        {"OPENAI_FREE": "perhaps"},
        {"OPENAI_URL": "ftp://example.com"},
        {"OPENAI_KEY": "sk \u00e9"},
    ],
)
def test_wrong_settings(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        configured(**({"OPENAI_KEY": SECRET, "OPENAI_MODELS": "m 1"} | wrong))


def test_engines_of_openais_models() -> None:
    openai = configured(OPENAI_KEY=SECRET, OPENAI_MODELS="gpt-image-1 low 0.02 tokens=5:10:40, gpt-image-1 high 0.2")
    low, high = openai.engines
    assert [each.id for each in openai.engines] == ["openai/gpt-image-1-low", "openai/gpt-image-1-high"]
    assert low.name == "gpt-image-1 low"
    assert low.sizes == (Size(1024, 1024), Size(1536, 1024), Size(1024, 1536))
    assert low.grid is None
    assert low.images_per_submission == 1
    assert low.operations == (Operation.TEXT_TO_IMAGE, Operation.IMAGE_TO_IMAGE, Operation.INPAINT)
    assert low.price is not None
    assert high.price is not None
    assert (low.price.low, low.price.exact) == (2_000, False)
    assert (high.price.high, high.price.exact) == (20_000, True)


def test_engines_of_other_models() -> None:
    free, listed = configured(OPENAI_URL="http://127.0.0.1:1", OPENAI_MODELS="flux 0, sdxl 512x768=0").engines
    assert free.takes_size(Size(64, 2048))
    assert free.images_per_submission == MOST_AT_ONCE
    assert listed.sizes == (Size(512, 768),)
    assert listed.default_size == Size(512, 768)
    assert not listed.takes_size(ANY)


def test_unfinished_images_that_nobody_sees_are_not_asked_for() -> None:
    keys = {"OPENAI_KEY": SECRET, "OPENAI_MODELS": "gpt-image-1 1 tokens=0:0:10"}
    request = asked("openai/gpt-image-1")
    for hidden in ({"OPENAI_PARTIAL_IMAGES": "0"}, {"LIVE_PREVIEWS": "0"}):
        assert configured(**keys, **hidden).quote(request).hold == 100_000
    assert configured(**keys).quote(request).hold == 100_100


def test_only_openais_models_send_unfinished_images() -> None:
    other = configured(OPENAI_KEY=SECRET, OPENAI_MODELS="flux 1 tokens=0:0:10")
    assert other.quote(asked("openai/flux")).hold == 100_000


def test_a_size_without_a_price_is_held_at_the_highest_one() -> None:
    (model,) = read("m 1024x1024=1 1536x1024=3")
    assert model.quote(asked(size=Size(64, 64)), partials=0).hold == 300_000
    (model,) = read("m 0.5 1536x1024=3")
    assert model.quote(asked(size=Size(64, 64)), partials=0).hold == 50_000


def test_unfinished_images_are_held_too() -> None:
    (model,) = read("m 1 tokens=0:0:10")
    without, with_ = [model.quote(asked(images=2), partials=partials).hold for partials in (0, 1)]
    assert with_ - without == 200

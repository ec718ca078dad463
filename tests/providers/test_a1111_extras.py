"""What A1111-compatible servers have besides models: schedulers, LoRAs, a second pass, ControlNet, upscalers."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from bot.providers.a1111 import A1111
from bot.providers.base import Ability, Json
from bot.providers.errors import NotFound, Reason, Refused
from bot.providers.image_headers import inspect
from bot.providers.loras import Lora, Loras
from bot.providers.operations import Operation, Size
from fakes.services import Fault, StandIn
from fakes.services.a1111 import Checkpoint, Kind
from fakes.services.faults import Reset, Rewrite, Status
from tests.fakes.service_calls import picture
from tests.providers.a1111_workbench import (
    DREAM,
    SQUARE,
    TXT2IMG,
    a1111_at,
    checkpoints_of,
    made,
    pictures,
    sent_body,
    varied,
)
from tests.providers.workbench import asked, reader, refusal

EXTRAS = "a1111.extras"
ULTRA = "a1111/4x-UltraSharp"
NEW = frozenset({Ability.SCHEDULER, Ability.LORA, Ability.HIGH_RES})


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "has"),
    [
        (Kind.A1111, NEW),
        (Kind.FORGE, NEW),
        (Kind.SD_NEXT, {Ability.LORA}),
        (Kind.SD_CPP, NEW),
        (Kind.KOBOLD, frozenset()),
    ],
)
async def test_each_program_has_its_own_options(stand_in: StandIn, kind: Kind, has: frozenset[Ability]) -> None:
    stand_in.a1111.kind = kind
    async with a1111_at(stand_in) as provider:
        first = checkpoints_of(provider)[0]
    assert first.abilities & NEW == has
    assert all(Ability.HIGH_RES not in each.abilities and each.high_res is None for each in first.others)
    assert first.schedulers == (("Automatic", "Karras", "Exponential") if Ability.SCHEDULER in has else ())
    assert first.loras == (stand_in.a1111.has.loras if Ability.LORA in has else ())


async def test_a_scheduler_and_loras_are_sent(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        request = asked(DREAM, scheduler="Karras", lora=Loras((Lora("ink", 0.8), Lora("Film Grain"))))
        body = await sent_body(stand_in, provider, request)
    assert body["scheduler"] == "Karras"
    assert body["prompt"] == "a lighthouse on a cliff <lora:ink:0.8> <lora:Film Grain:1>"


async def test_loras_of_a_server_that_does_not_read_them_in_prompts(stand_in: StandIn) -> None:
    stand_in.a1111.kind = Kind.SD_CPP
    async with a1111_at(stand_in) as provider:
        body = await sent_body(stand_in, provider, asked(DREAM, lora=Loras((Lora("ink", 0.8),))))
    assert body["lora"] == [{"path": "styles/ink.safetensors", "multiplier": 0.8}]
    assert body["prompt"] == "a lighthouse on a cliff"


async def test_a_lora_that_is_gone_is_not_sent(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        problem = await refusal(made(provider, asked(DREAM, lora=Loras((Lora("gone"),)))))
    assert problem.reason is Reason.RETIRED
    assert provider.outdated
    assert not stand_in.calls_to(TXT2IMG)


@pytest.mark.parametrize(
    ("setting", "offered"),
    [(None, 3), ("all", 3), ("ink, Film Grain, unknown", 2), ("none", 0)],
)
async def test_the_owner_decides_which_loras_people_may_use(
    stand_in: StandIn, setting: str | None, offered: int
) -> None:
    settings = {"A1111_URL": f"{stand_in.url}/a1111"} | ({} if setting is None else {"A1111_LORAS": setting})
    provider = A1111.configure(reader(**settings))
    assert provider is not None
    await provider.learn()
    assert len(checkpoints_of(provider)[0].loras) == offered
    await provider.close()


@pytest.mark.parametrize(
    ("downloaded", "upscaler", "redrawn"), [((), "Latent", 0.6), (("4x-UltraSharp",), "4x-UltraSharp", 0.4)]
)
async def test_the_second_pass_makes_a_larger_image(
    stand_in: StandIn, tmp_path: Path, downloaded: tuple[str, ...], upscaler: str, redrawn: float
) -> None:
    stand_in.a1111.has.downloaded = downloaded
    async with a1111_at(stand_in) as provider:
        request = asked(DREAM, size=Size(520, 392), high_res=1.3, images=2)
        result = await made(provider, request)
        for image in result.images:
            assert (await provider.fetch(image, tmp_path / "x")).size == request.result_size == Size(672, 504)
    body = stand_in.calls_to(TXT2IMG)[0].body
    assert isinstance(body, dict)
    assert {name: body[name] for name in ("enable_hr", "hr_scale", "hr_upscaler", "denoising_strength")} == {
        "enable_hr": True,
        "hr_scale": 1.3,
        "hr_upscaler": upscaler,
        "denoising_strength": redrawn,
    }
    assert (body["width"], body["height"]) == (520, 392)


@pytest.mark.parametrize("kind", [Kind.A1111, Kind.FORGE, Kind.SD_CPP])
async def test_each_program_makes_a_second_pass(stand_in: StandIn, kind: Kind) -> None:
    stand_in.a1111.kind = kind
    async with a1111_at(stand_in) as provider:
        (image,) = (await made(provider, asked(DREAM, size=SQUARE, high_res=2))).images
    assert inspect(image.data or b"").size == Size(1024, 1024)


async def test_a_list_that_takes_too_long_is_left_out(stand_in: StandIn) -> None:
    stand_in.misbehave(Fault("a1111.loras", Reset()))
    async with a1111_at(stand_in) as provider:
        first = checkpoints_of(provider)[0]
        assert Ability.LORA not in first.abilities
        assert Ability.SCHEDULER in first.abilities
        await provider.learn()
        assert Ability.LORA in checkpoints_of(provider)[0].abilities


async def test_a_list_with_much_about_each_lora_is_read(stand_in: StandIn) -> None:
    def much(answer: Json) -> Json:
        assert isinstance(answer, list)
        return [*answer, {"name": "huge", "metadata": {"ss_tag_frequency": "x" * (5 << 20)}}]

    stand_in.misbehave(Fault("a1111.loras", Rewrite(much)))
    async with a1111_at(stand_in) as provider:
        assert "huge" in checkpoints_of(provider)[0].loras


async def test_a_second_pass_without_modes_is_not_offered(stand_in: StandIn) -> None:
    stand_in.a1111.has.latent_modes = ()
    async with a1111_at(stand_in) as provider:
        assert Ability.HIGH_RES not in checkpoints_of(provider)[0].abilities


@pytest.mark.parametrize("route", ["schedulers", "loras", "upscalers", "latent_modes", "control_models"])
async def test_a_list_that_a_server_does_not_have_is_empty(stand_in: StandIn, route: str) -> None:
    stand_in.misbehave(Fault(f"a1111.{route}", Status(404), times=None))
    async with a1111_at(stand_in) as provider:
        first = checkpoints_of(provider)[0]
        assert (await made(provider)).images
    assert (Ability.SCHEDULER in first.abilities) == (route != "schedulers")
    assert (Ability.LORA in first.abilities) == (route != "loras")
    assert (Ability.HIGH_RES in first.abilities) == (route != "latent_modes")
    assert (Operation.SKETCH in first.operations) == (route != "control_models")
    assert (ULTRA in {each.id for each in provider.engines}) == (route != "upscalers")


@pytest.mark.parametrize("route", ["schedulers", "loras", "upscalers", "latent_modes", "control_models"])
@pytest.mark.parametrize(
    "answer",
    [{}, "x", 5, [None, 1, {}, {"name": 5}, {"name": "\x00"}, {"name": "x" * 500}], {"model_list": [None, {}, "\x00"]}],
    ids=["object", "text", "number", "items", "models"],
)
async def test_an_odd_list_is_empty(stand_in: StandIn, route: str, answer: Json) -> None:
    stand_in.misbehave(Fault(f"a1111.{route}", Rewrite(lambda _: answer)))
    async with a1111_at(stand_in) as provider:
        assert len(checkpoints_of(provider)) == 3
        assert (await made(provider)).images


# --- ControlNet -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "module", "model"),
    [
        (Operation.STRUCTURE, "canny", "control_v11p_sd15_canny [d14c016b]"),
        (Operation.SKETCH, "scribble_xdog", "control_v11p_sd15_scribble [d4ba51ff]"),
    ],
)
async def test_a_controlnet_takes_something_from_a_picture(
    stand_in: StandIn, tmp_path: Path, operation: Operation, module: str, model: str
) -> None:
    async with a1111_at(stand_in) as provider:
        request = varied(operation=operation, images=2, strength=60, seed=5)
        result = await made(provider, request, pictures(tmp_path))
    assert [image.seed for image in result.images] == [5, 6]
    assert [inspect(image.data or b"").size for image in result.images] == [SQUARE, SQUARE]
    (call,) = stand_in.calls_to(TXT2IMG)
    assert isinstance(call.body, dict)
    scripts = call.body["alwayson_scripts"]
    assert isinstance(scripts, dict)
    controlnet = scripts["controlnet"]
    assert isinstance(controlnet, dict)
    (unit,) = controlnet["args"] if isinstance(controlnet["args"], list) else []
    assert isinstance(unit, dict)
    assert (unit["module"], unit["model"], unit["weight"]) == (module, model, 0.8)
    assert stand_in.renderings.by_guid.popitem()[1].operation == operation.value
    assert not {"init_images", "denoising_strength"} & call.body.keys()


async def test_a_controlnet_is_offered_for_models_of_its_family(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        dream, xl, _ = checkpoints_of(provider)
    assert {Operation.SKETCH, Operation.STRUCTURE} <= set(dream.operations)
    assert Operation.STRUCTURE in xl.operations
    assert Operation.SKETCH not in xl.operations
    structure = xl.doing(Operation.STRUCTURE)
    assert structure is not None
    assert not structure.sized
    assert structure.strength is not None


async def test_flux_gets_no_controlnet_of_another_family(stand_in: StandIn) -> None:
    stand_in.a1111.checkpoints = (Checkpoint("flux1-dev", None), Checkpoint("sd3_medium", None))
    async with a1111_at(stand_in) as provider:
        for each in checkpoints_of(provider):
            assert not {Operation.SKETCH, Operation.STRUCTURE} & set(each.operations)


async def test_a_controlnet_that_is_gone_is_learnt_again(stand_in: StandIn, tmp_path: Path) -> None:
    async with a1111_at(stand_in) as provider:
        stand_in.a1111.has.controlnets = None
        problem = await refusal(made(provider, varied(operation=Operation.SKETCH), pictures(tmp_path)))
        assert isinstance(problem, Refused)
        assert provider.outdated
        await provider.learn()
        assert Operation.SKETCH not in checkpoints_of(provider)[0].operations
        again = await refusal(made(provider, varied(operation=Operation.SKETCH), pictures(tmp_path)))
        assert again.reason is Reason.RETIRED


# --- upscalers --------------------------------------------------------------------------------------------------------


LARGER = varied(ULTRA, operation=Operation.UPSCALE, size=Size(1024, 1024), scale=2)


async def test_each_upscaler_is_an_engine(stand_in: StandIn) -> None:
    async with a1111_at(stand_in) as provider:
        found = [each for each in provider.engines if each.operation is Operation.UPSCALE]
    assert [each.name for each in found] == ["R-ESRGAN 4x+", "4x-UltraSharp"]
    assert found[1].id == ULTRA
    assert all(each.scales == (2, 3, 4) and not each.abilities and not each.others for each in found)


@pytest.mark.parametrize("kind", [Kind.SD_CPP, Kind.KOBOLD])
async def test_some_programs_make_no_picture_larger(stand_in: StandIn, kind: Kind) -> None:
    stand_in.a1111.kind = kind
    async with a1111_at(stand_in) as provider:
        assert all(each.operation is not Operation.UPSCALE for each in provider.engines)


@pytest.mark.parametrize("scale", [2, 4])
async def test_a_picture_is_made_larger(stand_in: StandIn, tmp_path: Path, scale: int) -> None:
    size = Size(300 * scale, 200 * scale)
    request = varied(ULTRA, operation=Operation.UPSCALE, size=size, scale=scale)
    async with a1111_at(stand_in) as provider:
        (image,) = (await made(provider, request, pictures(tmp_path, Size(300, 200)))).images
        assert image.seed is None
        assert (await provider.fetch(image, tmp_path / "x")).size == size
    (call,) = stand_in.calls_to(EXTRAS)
    assert isinstance(call.body, dict)
    sent = {name: value for name, value in call.body.items() if name != "image"}
    assert sent == {"resize_mode": 0, "upscaling_resize": scale, "upscaler_1": "4x-UltraSharp"}


async def test_an_upscaler_that_is_gone_is_refused(stand_in: StandIn, tmp_path: Path) -> None:
    async with a1111_at(stand_in) as provider:
        assert (await refusal(made(provider, LARGER))).reason is Reason.NO_PICTURE
        stand_in.a1111.has.upscalers = ("None",)
        assert (await refusal(made(provider, LARGER, pictures(tmp_path)))).reason is Reason.BROKEN
        await provider.learn()
        assert (await refusal(made(provider, LARGER, pictures(tmp_path)))).reason is Reason.RETIRED


@pytest.mark.parametrize("answer", [{}, {"image": ""}, {"image": 5}, []])
async def test_an_answer_without_a_larger_picture(stand_in: StandIn, tmp_path: Path, answer: Json) -> None:
    async with a1111_at(stand_in) as provider:
        stand_in.misbehave(Fault(EXTRAS, Rewrite(lambda _: answer)))
        assert (await refusal(made(provider, LARGER, pictures(tmp_path)))).reason is Reason.UNREADABLE_ANSWER


async def test_a_picture_that_comes_back_as_it_was_is_no_result(stand_in: StandIn, tmp_path: Path) -> None:
    source = pictures(tmp_path)
    unchanged: Json = {"image": b64encode(picture(512, 512)).decode()}
    async with a1111_at(stand_in) as provider:
        stand_in.misbehave(Fault(EXTRAS, Rewrite(lambda _: unchanged)))
        same = await refusal(made(provider, LARGER, source))
        assert (type(same), same.reason) == (Refused, Reason.NOTHING_MADE)


async def test_a_larger_picture_in_a_format_of_the_owners_choice_is_not_made_again(
    stand_in: StandIn, tmp_path: Path
) -> None:
    """It would come in the same format the next time."""
    avif: Json = {"image": b64encode(b"\0\0\0\x1cftypavif\0\0\0\0" + bytes(64)).decode()}
    async with a1111_at(stand_in) as provider:
        stand_in.misbehave(Fault(EXTRAS, Rewrite(lambda _: avif)))
        (image,) = (await made(provider, LARGER, pictures(tmp_path))).images
        error = await refusal(provider.fetch(image, tmp_path / "x"))
        assert (type(error), error.reason) == (Refused, Reason.IMAGE_OF_OTHER_TYPE)


async def test_a_server_without_the_path_of_upscalers(stand_in: StandIn, tmp_path: Path) -> None:
    async with a1111_at(stand_in) as provider:
        stand_in.misbehave(Fault(EXTRAS, Status(404)))
        assert isinstance(await refusal(made(provider, LARGER, pictures(tmp_path))), NotFound)


@pytest.mark.parametrize(("name", "field"), [("GFPGAN", "gfpgan_visibility"), ("CodeFormer", "codeformer_visibility")])
async def test_faces_are_restored(stand_in: StandIn, tmp_path: Path, name: str, field: str) -> None:
    request = varied(f"a1111/{name}", operation=Operation.RESTORE_FACES, size=Size(300, 200))
    async with a1111_at(stand_in) as provider:
        (offered,) = (each for each in provider.engines if each.id == request.engine)
        assert (offered.operation, offered.scales) == (Operation.RESTORE_FACES, ())
        (image,) = (await made(provider, request, pictures(tmp_path, Size(300, 200)))).images
        assert (await provider.fetch(image, tmp_path / "x")).size == Size(300, 200)
    (call,) = stand_in.calls_to(EXTRAS)
    assert isinstance(call.body, dict)
    sent = {name: value for name, value in call.body.items() if name != "image"}
    assert sent == {"resize_mode": 0, "upscaling_resize": 1, "upscaler_1": "None", field: 1}
    assert stand_in.renderings.by_guid.popitem()[1].operation == "restore_faces"

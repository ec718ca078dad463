"""What is written into requests for A1111-compatible servers: prompts, LoRAs, guidance, sizes of new engines."""

from __future__ import annotations

import pytest

from bot.providers.a1111_answers import Checkpoint, read_models
from bot.providers.a1111_inventory import Control, ControlUnit, Inventory
from bot.providers.a1111_requests import Wanted, engine_of, escaped, prompts
from bot.providers.a1111_servers import Kind
from bot.providers.base import ImageRequest, Json, WeightedText
from bot.providers.errors import Refused
from bot.providers.loras import Lora, Loras
from bot.providers.model_families import Family
from bot.providers.operations import Size
from tests.providers.workbench import asked

NOTHING = Inventory()


def request_for(*parts: str | tuple[str, float], **changes: object) -> ImageRequest:
    texts = [WeightedText(*((part,) if isinstance(part, str) else part)) for part in parts]
    return asked("a1111/x", prompts=tuple(texts), **changes)


def checkpoint(title: str, name: str | None = None, digest: str | None = None) -> Checkpoint:
    found = read_models([{"title": title, "model_name": name, "hash": digest}])
    assert found
    return found[0]


def body_for(
    name: str, *, kind: Kind = Kind.FORGE, restore: bool = False, has: Inventory = NOTHING, **changes: object
) -> dict[str, Json]:
    request = request_for("x", **changes)
    wanted = Wanted(request, checkpoint(name), "easel-1", 1, 25, restore=restore, kind=kind, has=has)
    return wanted.body()


# --- prompts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("a (very) old [stone] tower", r"a \(very\) old \[stone\] tower"),
        ("a smile :)", r"a smile :\)"),
        (r"back\slash", r"back\\slash"),
        ("cats AND dogs BREAK it", "cats and dogs break it"),
        ("LAND ANDES", "LAND ANDES"),
        ("a <lora:x:2> b", "a b"),
        ("a <hypernet:x:1> <lyco:y> < lora : z > b", "a b"),
        ("1 < 2 > 0", "1 < 2 > 0"),
        ("<lora:na<lora:x:1>me:1>", "lora:na me:1>"),
        ("<<lora:x:1>lora:y:1>", "lora:y:1>"),
        ("<<<lora:x:1 < 2", "lora:x:1 2"),
        ("half a <lora:x and", "half a lora:x and"),
        ('a <sd_cpp_extra_args>{"lora": 1}</sd_cpp_extra_args> b', 'a >{"lora": 1} > b'),
        ("a <SD_cpp_<sd_cpp_extra_args>extra_args>", "a <SD_cpp_ >extra_args>"),
    ],
)
def test_syntax_in_a_persons_text_has_no_meaning(text: str, sent: str) -> None:
    assert escaped(text) == sent


def test_a_tag_cannot_be_put_together_from_two_parts() -> None:
    assert prompts(request_for("<lora:x", "y:1>"))[0] == "lora:x, y:1>"


def test_only_one_program_makes_several_images_as_a_batch() -> None:
    for kind in Kind:
        body = body_for("x", kind=kind, images=3)
        assert (body["batch_size"], body["n_iter"]) == ((3, 1) if kind is Kind.SD_CPP else (1, 3))


LORAS = Loras((Lora("ink", 0.8), Lora("Film Grain", -1.25), Lora("x")))
HAS = Inventory(
    loras={"ink": "a/ink.gguf", "Film Grain": "grain.safetensors", "x": "x"},
    controls={
        (Family.SD1, Control.DEPTH): ControlUnit("depth_midas", "sd15_depth"),
        (Family.SD1, Control.SCRIBBLE): ControlUnit("scribble_xdog", "sd15_scribble"),
        (Family.XL, Control.CANNY): ControlUnit("canny", "xl_canny"),
    },
)


def test_loras_are_written_into_the_prompt() -> None:
    sent = body_for("m", lora=LORAS, has=HAS)
    assert sent["prompt"] == "x <lora:ink:0.8> <lora:Film Grain:-1.25> <lora:x:1>"
    assert "lora" not in sent


def test_one_program_takes_loras_in_a_field() -> None:
    sent = body_for("m", kind=Kind.SD_CPP, lora=LORAS, has=HAS)
    assert sent["prompt"] == "x"
    assert sent["lora"] == [
        {"path": "a/ink.gguf", "multiplier": 0.8},
        {"path": "grain.safetensors", "multiplier": -1.25},
        {"path": "x", "multiplier": 1},
    ]


@pytest.mark.parametrize("kind", list(Kind))
def test_a_lora_that_the_server_no_longer_has_is_refused(kind: Kind) -> None:
    with pytest.raises(Refused):
        body_for("m", kind=kind, lora=Loras((Lora("ink"), Lora("gone"))), has=HAS)


def test_a_second_pass_from_latent_needs_more_strength() -> None:
    sent = body_for("m", high_res=1.5, has=Inventory(second_pass="4x-UltraSharp"))
    assert (sent["enable_hr"], sent["hr_scale"], sent["hr_upscaler"]) == (True, 1.5, "4x-UltraSharp")
    latent = body_for("m", high_res=1.5, has=Inventory(second_pass="Latent"))
    assert (latent["hr_upscaler"], sent["denoising_strength"]) == ("Latent", 0.4)
    assert latent["denoising_strength"] == 0.6


def test_weights_are_written_as_these_servers_read_them() -> None:
    request = request_for(
        "a tower", ("fog (thin)", 1.2), ("rain", 0.5), ("people", -1), ("cars", -1.5), negative="text"
    )
    assert prompts(request) == (r"a tower, (fog \(thin\):1.2), (rain:0.5)", "text, people, (cars:1.5)")


def test_a_negative_prompt_is_escaped_and_cannot_name_loras() -> None:
    assert prompts(request_for("x", negative="(blur) <lora:a:1>"))[1] == r"\(blur\)"


def test_a_lora_in_a_persons_text_is_none_even_if_the_same_one_was_chosen() -> None:
    request = request_for("x <lora:ink:2>", lora=Loras((Lora("ink", 0.5),)))
    assert prompts(request)[0] == "x <lora:ink:0.5>"
    assert prompts(request, tags=False)[0] == "x"


# --- bodies -----------------------------------------------------------------------------------------------------------


def test_flux_gets_its_guidance_in_the_field_of_its_own() -> None:
    assert body_for("flux1-dev")["distilled_cfg_scale"] == 3.5
    body = body_for("flux1-dev", guidance=2.0)
    assert (body["cfg_scale"], body["distilled_cfg_scale"]) == (1, 2.0)
    other = body_for("flux1-dev", kind=Kind.SD_NEXT, guidance=2.0)
    assert other["cfg_scale"] == 2.0
    assert "distilled_cfg_scale" not in other
    inside = body_for("flux1-dev", kind=Kind.SD_CPP, guidance=2.0)
    assert inside["cfg_scale"] == 1
    assert str(inside["prompt"]).startswith('x<sd_cpp_extra_args>{"sample_params"')


def test_the_owner_decides_whether_the_model_is_restored() -> None:
    assert body_for("x")["override_settings_restore_afterwards"] is False
    assert body_for("x", restore=True)["override_settings_restore_afterwards"] is True


def test_sides_are_multiples_of_eight() -> None:
    body = body_for("x", size=Size(517, 391))
    assert (body["width"], body["height"]) == (512, 384)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("v1-5-pruned-emaonly", 512),
        ("realistic_sd15", 512),
        ("anything-v1.4", 512),
        ("albedobaseXL_v15", 1024),
        ("sdxl-1.0", 1024),
        ("dreamshaper_8", 1024),
        ("flux1-dev", 1024),
        ("model-115", 1024),
    ],
)
def test_sizes_are_those_that_the_model_was_probably_trained_for(name: str, side: int) -> None:
    assert engine_of(checkpoint(name), NOTHING, 25).default_size == Size(side, side)


# --- the names of models ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "digest", "same"),
    [
        ("Model", None, True),
        ("folder/Model", None, True),
        ("folder_model", None, True),
        ("folder\\Model.safetensors", None, True),
        ("folder/Model.safetensors [0123456789]", None, True),
        ("Other", None, False),
        ("Other", "0123456789", True),
        ("Model", "abcdef0123", True),
        (None, "abcdef0123", False),
        (None, None, True),
        (None, "8888888888", True),
        ("Mode", None, False),
    ],
)
def test_a_model_is_recognised_in_all_spellings(name: str | None, digest: str | None, same: bool) -> None:
    item: Json = {
        "title": "folder/Model.safetensors [0123456789]",
        "model_name": "folder_Model",
        "hash": "0123456789",
        "filename": "C:\\models\\folder\\Model.safetensors",
    }
    (found,) = read_models([item]) or []
    assert found.is_called(name, digest) is same

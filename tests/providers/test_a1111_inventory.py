"""What A1111-compatible servers tell about what they have: names that can be typed, upscalers, ControlNets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.providers.a1111_inventory import (
    Control,
    ControlUnit,
    Inventory,
    read_controls,
    read_loras,
    read_names,
    read_restorers,
    read_second_pass,
    read_upscalers,
)
from bot.providers.base import Json
from bot.providers.model_families import Family
from tests.providers.test_any_answer import anything

MODES: Json = [{"name": "Latent"}, {"name": "Latent (nearest)"}]


def test_the_label_of_a_scheduler_comes_before_its_name() -> None:
    schedulers: Json = [{"name": "karras", "label": "Karras"}, {"name": "simple"}, {"label": "Karras"}, {"name": "\t"}]
    assert read_names(schedulers, "label", "name") == ("Karras", "simple")


def test_loras_that_cannot_be_typed_are_left_out() -> None:
    items: Json = [
        {"name": "ink", "path": "a/ink.safetensors"},
        {"name": "two, words"},
        {"name": "a:1"},
        {"name": "<lora:x:1>"},
        {"name": "Film Grain", "path": 5},
        {"name": "x" * 101},
    ]
    assert read_loras(items) == {"ink": "a/ink.safetensors", "Film Grain": "Film Grain"}
    assert len(read_loras([{"name": f"lora {number}"} for number in range(3000)])) == 1000


def test_upscalers_have_ids_that_no_model_has() -> None:
    items: Json = [{"name": name} for name in ("None", "Lanczos", "Nearest", "R-ESRGAN 4x+", "dream", "4x_x")]
    found = read_upscalers(items, ["dream"])
    assert list(found.values()) == ["R-ESRGAN 4x+", "dream", "4x_x"]
    assert "dream" not in found
    assert {"R-ESRGAN-4x", "4x_x"} <= found.keys()
    assert len(read_upscalers([{"name": f"up {number}"} for number in range(100)], [])) == 25


def test_upscalers_that_are_downloaded_come_first() -> None:
    paths = {"R-ESRGAN 4x+": "https://github.invalid/x.pth", "DAT x4": None, "4x-UltraSharp": "/models/4x.pth"}
    items: Json = [{"name": name, "model_path": path} for name, path in paths.items()]
    assert list(read_upscalers(items, []).values()) == ["4x-UltraSharp", "R-ESRGAN 4x+", "DAT x4"]


def test_only_restorers_that_a_request_can_name_are_known() -> None:
    assert read_restorers([{"name": "CodeFormer"}, {"name": "GFPGAN"}, {"name": "Other"}], []) == {
        "CodeFormer": "CodeFormer",
        "GFPGAN": "GFPGAN",
    }


@pytest.mark.parametrize(
    ("modes", "paths", "upscaler"),
    [
        (None, {"4x": "/models/4x.pth"}, None),
        ([], {"4x": "/models/4x.pth"}, None),
        (MODES, {}, "Latent"),
        (MODES, {"R-ESRGAN 4x+": "https://github.invalid/x.pth", "Lanczos": "/x", "DAT": None}, "Latent"),
        (MODES, {"R-ESRGAN 4x+": "https://github.invalid/x.pth", "4x": "C:\\models\\4x.pth"}, "4x"),
    ],
)
def test_the_upscaler_of_a_second_pass_is_on_the_server(
    modes: Json, paths: dict[str, str | None], upscaler: str | None
) -> None:
    upscalers: Json = [{"name": name, "model_path": path} for name, path in paths.items()]
    assert read_second_pass(modes, upscalers) == upscaler


def test_controlnets_by_family_and_kind() -> None:
    models: Json = {"model_list": ["None", "a_sd15_canny", "b_sd15_canny", "xl_depth", "xl_scribble", 5]}
    modules: Json = {"module_list": ["none", "canny", "depth_midas", "depth_zoe"]}
    found = read_controls(models, modules)
    assert found == {
        (Family.SD1, Control.CANNY): ControlUnit("canny", "a_sd15_canny"),
        (Family.XL, Control.DEPTH): ControlUnit("depth_midas", "xl_depth"),
    }
    has = Inventory(controls=found)
    assert has.control("juggernautXL_v9", Control.CANNY, Control.DEPTH) == ControlUnit("depth_midas", "xl_depth")
    assert has.control("dreamshaper_8", *Control) == ControlUnit("canny", "a_sd15_canny")
    assert has.control("flux1-dev", *Control) is None


@given(anything, anything)
def test_any_answer_is_bounded(one: Json, other: Json) -> None:
    assert len(read_names(one)) <= 200
    assert len(read_loras(one)) <= 1000
    assert len(read_upscalers(one, [])) <= 25
    read_restorers(one, [])
    read_second_pass(one, other)
    read_controls({"model_list": one}, {"module_list": other})
    read_controls(one, other)


@given(st.lists(st.text(max_size=80), max_size=8))
def test_parts_of_ids_are_safe(names: list[str]) -> None:
    for part in read_upscalers([{"name": name} for name in names], ["taken"]):
        assert 0 < len(part) <= 60
        assert part.isascii()
        assert not set(part) & set(" /:<>")

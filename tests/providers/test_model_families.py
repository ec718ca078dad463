"""The families of models, by their names."""

from __future__ import annotations

import pytest

from bot.providers.model_families import Family, family_of


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("v1-5-pruned-emaonly.safetensors", Family.SD1),
        ("sd15/realistic.safetensors", Family.SD1),
        ("control_v11p_sd15_canny.pth", Family.SD1),
        ("t2iadapter_canny_sd15v2.pth", Family.SD1),
        ("v2-1_768-ema-pruned.safetensors", Family.SD2),
        ("control_v11p_sd21_canny.safetensors", Family.SD2),
        ("sd_xl_base_1.0.safetensors", Family.XL),
        ("juggernautXL_v1.0.safetensors", Family.XL),
        ("ponyDiffusionV6.safetensors", Family.XL),
        ("control-lora-canny-rank256.safetensors", Family.XL),
        ("t2i-adapter-canny-sdxl-1.0.safetensors", Family.XL),
        ("flux1-dev-fp8.safetensors", Family.OTHER),
        ("sd3.5_large_fp8.safetensors", Family.OTHER),
        ("dreamshaper_8.safetensors", None),
    ],
)
def test_the_name_tells_the_family(name: str, family: Family | None) -> None:
    assert family_of(name) is family

"""The families of Stable Diffusion models, by their names: the servers do not tell them.

A ControlNet works only with checkpoints of its own family.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Family(StrEnum):
    """Models of one family fit together."""

    SD1 = "sd1"
    SD2 = "sd2"
    XL = "xl"
    OTHER = "other"
    """A family for which there is no built-in graph, such as Flux."""

    @property
    def small(self) -> bool:
        """Whether its models were made for 512 to 768 pixels."""
        return self in {Family.SD1, Family.SD2}


# In this order: "juggernautXL_v1.0" is XL, and "control_v11p_sd21_canny" is SD 2.
_FAMILIES = (
    (Family.OTHER, re.compile(r"flux|sd[-_ ]?3|stable[-_ ]diffusion[-_ ]?3|qwen|hunyuan|kolors|pixart|aura[-_ ]?flow")),
    (Family.XL, re.compile(r"(?<![a-z])xl|xl(?![a-z])|sdxl|pony|illustrious|noobai|animagine|control-lora")),
    (Family.SD2, re.compile(r"(?<![a-z0-9])(sd|v|stable[-_ ]diffusion)[-_ ]?v?[-_ ]?2[-_.]?[01](?![0-9])")),
    (Family.SD1, re.compile(r"(?<![a-z0-9])(sd|v|stable[-_ ]diffusion)[-_ ]?v?[-_ ]?1[-_.]?[0-5]?(?![0-9])")),
)


def family_of(file: str) -> Family | None:
    """The family that the name of a model tells. None if it tells none."""
    name = file.lower()
    return next((family for family, pattern in _FAMILIES if pattern.search(name)), None)

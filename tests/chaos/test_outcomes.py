"""What a chaos run reads from the requests to the image services."""

from __future__ import annotations

import pytest

from bot.providers.base import Json
from chaos.outcomes import LONGEST_TEXT, number_of
from chaos.users import NUMBER
from fakes.services import Call

PROMPT = f"a tower with the number {42:0{NUMBER}d}"
PICTURE = "A" * (LONGEST_TEXT + 1)


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": PROMPT, "init_images": [PICTURE]},
        {"prompt": {"3": {"inputs": {"text": PROMPT}}, "4": {"inputs": {"image": PICTURE}}}},
        [PICTURE, PROMPT],
        PROMPT,
    ],
    ids=["a1111", "comfyui", "list", "text"],
)
def test_the_number_of_a_command_is_found_in_any_request(body: Json) -> None:
    assert number_of(Call(1, "route", "POST", "/", body, {})) == 42


@pytest.mark.parametrize("body", [None, 7, {}, {"prompt": "a tower"}, {"image": f"{PROMPT} {PICTURE}"}])
def test_a_request_without_a_prompt_has_no_number(body: Json) -> None:
    assert number_of(Call(1, "route", "POST", "/", body, {})) is None

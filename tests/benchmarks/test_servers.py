"""How much of the time each server works, and what a call says about its job."""

from __future__ import annotations

import pytest

from benchmarks.kinds import prompt_of
from benchmarks.servers import idle_of, pauses_of
from fakes.services import Call
from fakes.services.call_log import Json

BUSY = [[(10.0, 14.0), (15.0, 20.0)], [(10.0, 20.0)]]


def test_a_server_is_idle_between_two_jobs() -> None:
    assert idle_of(BUSY, to_the_end=True) == pytest.approx([10.0, 0.0])
    assert pauses_of(BUSY) == pytest.approx([1000.0])


def test_after_the_last_job_has_begun_nothing_is_left_to_do() -> None:
    assert idle_of([[(10.0, 12.0)], [(10.0, 19.0), (20.0, 30.0)]]) == pytest.approx([80.0, 10.0])


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("ai-client.entry", {"prompts[0][text]": "a fox"}),
        ("a1111.txt2img", {"prompt": "a fox"}),
        ("horde.submit", {"prompt": "a fox ### people"}),
        ("comfyui.prompt", {"prompt": {"1": {"inputs": {"seed": 1}}, "2": {"inputs": {"text": "a fox"}}}}),
    ],
)
def test_every_kind_of_service_names_the_prompt(route: str, body: Json) -> None:
    assert prompt_of(Call(1, route, "POST", "/", body, {})) == "a fox"

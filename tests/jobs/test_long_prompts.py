"""The check of a long prompt runs in a thread."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from bot.domain.options import PROMPT_LIMIT, ImagineOptions
from bot.domain.place import CardAddress
from bot.errors import Problem
from bot.jobs.long_prompts import CHECKED_AT_ONCE
from tests.jobs.conftest import ADA, Workshop


@pytest.fixture
def looks(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The thread of each check of the server's rules, which may take long."""
    seen: list[int] = []

    def problems(*_: Any, **__: Any) -> list[Problem]:
        seen.append(threading.get_ident())
        return []

    monkeypatch.setattr(workshop.servers, "problems", problems)
    return seen


@pytest.mark.parametrize("complete", [True, False])
async def test_a_long_prompt_is_checked_in_a_thread(workshop: Workshop, looks: list[int], complete: bool) -> None:
    """The event loop must not block, whatever the prompt and the lists of refused words contain."""
    for prompt in ("a" * CHECKED_AT_ONCE, "a" * PROMPT_LIMIT, "ﷺ" * CHECKED_AT_ONCE):
        await workshop.service.checked(ADA, ImagineOptions(prompt), complete=complete)
    assert [each == threading.get_ident() for each in looks] == [True, False, False]


async def test_a_long_prompt_is_checked_in_a_thread_again_when_it_is_confirmed(
    workshop: Workshop, looks: list[int]
) -> None:
    for prompt in ("a {red, blue} car", "a" * (PROMPT_LIMIT - 12) + " {red, blue}"):
        plan = workshop.service.check(ADA, ImagineOptions(prompt))
        card = CardAddress(100, 1000, "token", workshop.clock.now() + 900_000)
        job_id = await workshop.service.imagine(ADA, plan, card, proposed=True)
        looks.clear()
        await workshop.service.proposals.confirm(ADA, job_id, card, private=False)
        assert [each == threading.get_ident() for each in looks] == [len(prompt) < CHECKED_AT_ONCE]

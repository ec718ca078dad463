"""Where a command is looked at: what is long is none of the event loop's business."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from bot.domain.options import PROMPT_LIMIT, ImagineOptions
from bot.domain.place import CardAddress
from bot.jobs.service import LOOKED_AT_AT_ONCE
from tests.jobs.conftest import ADA, Workshop


@pytest.mark.parametrize("complete", [True, False])
async def test_a_long_prompt_is_looked_at_in_a_thread(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, complete: bool
) -> None:
    """So that the event loop does not stand still, whatever is in it and in the lists of refused words."""
    seen: list[int] = []
    judged = workshop.actions.check

    def judging(*args: Any, **named: Any) -> Any:
        seen.append(threading.get_ident())
        return judged(*args, **named)

    monkeypatch.setattr(workshop.actions, "check", judging)
    for prompt in ("a" * LOOKED_AT_AT_ONCE, "a" * PROMPT_LIMIT, "ﷺ" * LOOKED_AT_AT_ONCE):
        await workshop.actions.checked(ADA, ImagineOptions(prompt), complete=complete)
    assert [each == threading.get_ident() for each in seen] == [True, False, False]


async def test_a_long_prompt_is_looked_at_in_a_thread_once_more_when_it_is_confirmed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def against_the_rules(*_: Any) -> list[str]:
        seen.append(threading.get_ident())
        return []

    for prompt in ("a {red, blue} car", "a" * (PROMPT_LIMIT - 12) + " {red, blue}"):
        plan = workshop.actions.check(ADA, ImagineOptions(prompt))
        card = CardAddress(100, 1000, "token", workshop.clock.now() + 900_000)
        job_id = await workshop.actions.imagine(ADA, plan, card, proposed=True)
        with monkeypatch.context() as patch:
            patch.setattr(workshop.actions, "_against_the_rules", against_the_rules)
            await workshop.actions.check_confirmed(ADA, await workshop.jobs.job(job_id))
    assert [each == threading.get_ident() for each in seen] == [True, False]

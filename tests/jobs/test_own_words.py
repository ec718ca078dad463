"""A prompt that a service repeats in its refusal affects only its own job."""

from __future__ import annotations

import logging

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress
from bot.jobs.circuit_breaker import FAILURES, SHORTEST
from fakes.services import Echo, Fate, Fault, StandIn
from fakes.services.faults import Act
from storage.records import SubmissionStatus
from tests.jobs.conftest import ADA, BEN, Workshop
from tests.jobs.fault_scene import ROUTES, OpenWorkshop, logged, provider_at
from tests.providers.workbench import BASIC, CORE, TRICKS, XL

WAYS: dict[str, tuple[str, Act | Fate]] = {
    "ai-client, a 400": (XL, Echo(400)),
    "ai-client, a 403": (XL, Echo(403)),
    "ai-client, a 422": (XL, Echo(422)),
    "ai-client, the entry's error": (XL, Fate(error="Cannot draw “{prompt}”.")),
    "ai-client, in capitals": (XL, Echo(400, how="capitals")),
    "ai-client, cut off": (XL, Echo(400, says="{prompt}", how="cut")),
    "ai-client, escaped": (XL, Echo(400, how="escaped")),
    "AI Thriving, code -1": (CORE, Echo(200)),
    "AI Thriving, code -1 of the work": (BASIC, Fate(error="{prompt}")),
    "AI Thriving, a 400": (CORE, Echo(400)),
    "AI Thriving, a 403": (BASIC, Echo(403)),
}


async def ask(workshop: Workshop, engine: str, prompt: str) -> int:
    plan = workshop.service.check(ADA, ImagineOptions(prompt=prompt, engine=engine))
    card = CardAddress(ADA.channel_id, 1000, "token", workshop.clock.now() + 900_000)
    return await workshop.service.imagine(ADA, plan, card)


@pytest.mark.slow
@pytest.mark.parametrize("prompt", TRICKS.values(), ids=TRICKS)
@pytest.mark.parametrize(("engine", "act"), WAYS.values(), ids=WAYS)
async def test_a_repeated_prompt_is_refused_once_and_affects_nobody_else(
    prompt: str,
    engine: str,
    act: Act | Fate,
    stand_in: StandIn,
    open_workshop: OpenWorkshop,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    paid = ROUTES[engine]["paid"]
    stand_in.misbehave(Fault(paid, act, times=FAILURES))
    workshop = await open_workshop(provider_at(stand_in.url, engine))
    for _ in range(FAILURES):
        job_id = await ask(workshop, engine, prompt)
        await workshop.finish()
        assert (await workshop.submission(job_id)).status is SubmissionStatus.FAILED
    assert len(stand_in.calls_to(paid)) == FAILURES
    assert workshop.worker.outages() == []
    assert "error" not in {level for _, level in logged(caplog)}
    assert prompt not in caplog.text
    began = workshop.clock.now()
    other = await workshop.imagine(BEN, engine=engine)
    await workshop.finish()
    assert (await workshop.submission(other)).status is SubmissionStatus.DONE
    # There was neither an outage nor an hour's pause.
    assert workshop.clock.now() - began < SHORTEST * 1000

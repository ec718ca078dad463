"""The stand-in of the AI Horde's alchemists, by plain HTTP."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import aiohttp
import pytest

from fakes.services import Fate, Fault, StandIn
from fakes.services.ai_horde_alchemy import MOST_ABORTS
from tests.doubles.provider import png
from tests.fakes.test_ai_horde import ask

SOURCE = b64encode(png()).decode()


def body(*forms: str, source: Any = SOURCE) -> dict[str, Any]:
    return {"source_image": source, "forms": [{"name": form} for form in forms]}


async def submitted(http: aiohttp.ClientSession, stand_in: StandIn, *forms: str) -> str:
    status, told = await ask(http, stand_in, "POST", "/interrogate/async", body(*forms))
    assert status == 202, told
    return str(told["id"])


async def status_of(http: aiohttp.ClientSession, stand_in: StandIn, id_: str, method: str = "GET") -> Any:
    status, told = await ask(http, stand_in, method, f"/interrogate/status/{id_}")
    assert status == 200
    return told


async def test_from_a_picture_to_a_webp(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    made = await submitted(http, stand_in, "RealESRGAN_x2plus", "caption")
    await stand_in.horde.alchemists.ended(made)
    told = await status_of(http, stand_in, made)
    assert told["state"] == "done"
    upscaled, caption = told["forms"]
    assert (caption["form"], caption["result"]) == ("caption", {"caption": "a picture"})
    async with http.get(upscaled["result"]["RealESRGAN_x2plus"]) as response:
        data = await response.read()
        assert (response.status, response.content_type, data[8:12]) == (200, "image/webp", b"WEBP")
    assert not stand_in.bills


async def test_one_form_that_nobody_does(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    made = await submitted(http, stand_in, "GFPGAN", "strip_background")
    await stand_in.horde.alchemists.stepped(made, 1, "done")
    told = await status_of(http, stand_in, made)
    assert (told["state"], [form["state"] for form in told["forms"]]) == ("waiting", ["waiting", "done"])
    told = await status_of(http, stand_in, made, "DELETE")
    assert (told["state"], [form["state"] for form in told["forms"]]) == ("partial", ["cancelled", "done"])
    assert "strip_background" in told["forms"][1]["result"]


async def test_a_form_fails_after_some_workers_did(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault("horde.alchemy", Fate(error="no memory")))
    made = await submitted(http, stand_in, "strip_background")
    await stand_in.horde.alchemists.ended(made)
    assert (await status_of(http, stand_in, made))["state"] == "faulted"
    assert stand_in.horde.alchemists.requests[made].forms[0].aborts == MOST_ABORTS


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (body("x"), 400, None),
        (body("GFPGAN", source=None), 400, None),
        (body("GFPGAN", source="x"), 400, "ImageValidationFailed"),
        (7, 400, None),
    ],
)
async def test_refusals(
    http: aiohttp.ClientSession, stand_in: StandIn, sent: Any, status: int, code: str | None
) -> None:
    answer, told = await ask(http, stand_in, "POST", "/interrogate/async", sent)
    assert (answer, told.get("rc")) == (status, code)


async def test_keys_and_maintenance(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    status, told = await ask(http, stand_in, "POST", "/interrogate/async", body("GFPGAN"), key="wrong")
    assert (status, told["rc"]) == (401, "InvalidAPIKey")
    stand_in.horde.maintenance = True
    status, told = await ask(http, stand_in, "POST", "/interrogate/async", body("GFPGAN"))
    assert (status, told["rc"]) == (400, "MaintenanceMode")
    for method in ("GET", "DELETE"):
        status, told = await ask(http, stand_in, method, "/interrogate/status/nothing", key="wrong")
        assert (status, told["rc"]) == (404, "RequestNotFound")


async def test_the_list_of_the_workers(http: aiohttp.ClientSession, stand_in: StandIn) -> None:
    status, told = await ask(http, stand_in, "GET", "/workers", key="wrong")
    assert status == 200
    forms = [worker["forms"] for worker in told if worker["type"] == "interrogation"]
    assert forms == [list(each) for each in stand_in.horde.alchemists.workers]
    assert {worker["controlnet"] for worker in told if worker["type"] == "image"} == {True}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"params": {"control_type": "canny"}}, "ControlNetSourceMissing"),
        (
            {"params": {"control_type": "canny"}, "source_image": SOURCE, "source_processing": "inpainting"},
            "ControlNetInpaintingMismatch",
        ),
        (
            {"params": {"control_type": "canny"}, "source_image": SOURCE, "models": ["SDXL 1.0"]},
            "ControlNetMismatch",
        ),
    ],
)
async def test_controlnet_is_not_for_everything(
    http: aiohttp.ClientSession, stand_in: StandIn, changes: dict[str, Any], code: str
) -> None:
    sent = {"prompt": "a fox", "models": ["Deliberate"]} | changes
    status, told = await ask(http, stand_in, "POST", "/generate/async", sent)
    assert (status, told["rc"]) == (400, code)

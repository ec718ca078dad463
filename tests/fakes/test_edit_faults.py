"""The faults that edits can meet, as a client sees them."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from fakes.services import Fate, Fault, StandIn, absent, answer_edits, image_variants, retired
from fakes.services.faults import Hang, Ignore, Rewrite, Slow, Spoil, Status
from tests.fakes.service_calls import decoded, edit, picture

pytestmark = pytest.mark.slow

PIC = picture(640, 320)
INPAINT = {"image": PIC, "mask": picture(640, 320, mode="L")}


async def test_down_can_be_dropped(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("aithriving.outpaint", Ignore(("down",)), times=2))
    _, answer = await edit(http, stand_in, "edit/outpaint", {"image": PIC}, up="64", down="64")
    assert decoded(answer).size == (640, 384)
    _, answer = await edit(http, stand_in, "edit/outpaint", {"image": PIC}, down="64")
    assert answer["code"] == -1
    _, answer = await edit(http, stand_in, "edit/outpaint", {"image": PIC}, down="64")
    assert decoded(answer).size == (640, 384)
    assert [call.body for call in stand_in.calls] == [{"up": "64", "down": "64"}, {"down": "64"}, {"down": "64"}]


@pytest.mark.parametrize(
    "message",
    ["flagged", ["one", "two"], answer_edits.upstream_error("content_moderation", "Your request was flagged.")],
)
async def test_the_message_can_be_a_text_a_list_or_an_object(
    stand_in: StandIn, http: aiohttp.ClientSession, message: object
) -> None:
    stand_in.misbehave(Fault("aithriving.inpaint", Rewrite(answer_edits.refused(message))))  # type: ignore[arg-type]  # its parameter is any JSON, not only these
    _, answer = await edit(http, stand_in, "edit/inpaint", INPAINT, prompt="a boat")
    assert answer == {"code": -1, "message": message}


@pytest.mark.parametrize("beside", [False, True])
async def test_a_blurred_success(stand_in: StandIn, http: aiohttp.ClientSession, beside: bool) -> None:
    change = answer_edits.finish_reason_is("CONTENT_FILTERED", beside)
    stand_in.misbehave(Fault("aithriving.sketch", Rewrite(change)))
    _, answer = await edit(http, stand_in, "control/sketch", {"image": PIC}, prompt="a boat")
    assert (answer if beside else answer["data"])["finish_reason"] == "CONTENT_FILTERED"
    stand_in.misbehave(Fault("aithriving.sketch", Fate(alter=image_variants.blurred, finish_reason="CONTENT_FILTERED")))
    _, answer = await edit(http, stand_in, "control/sketch", {"image": PIC}, prompt="a boat")
    assert (answer["code"], answer["data"]["finish_reason"]) == (0, "CONTENT_FILTERED")
    assert stand_in.charged == 12_000


async def test_a_result_of_another_size_ratio_or_type(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    seen = []
    for alter in (image_variants.halved, image_variants.squared, image_variants.resized(700, 300), image_variants.jpeg):
        stand_in.misbehave(Fault("aithriving.sketch", Spoil(alter)))
        _, answer = await edit(http, stand_in, "control/sketch", {"image": PIC}, prompt="a boat", output_format="webp")
        image = decoded(answer)
        seen.append((image.format, image.size))
    assert seen == [("PNG", (320, 160)), ("PNG", (320, 320)), ("PNG", (700, 300)), ("JPEG", (640, 320))]


async def test_a_form_can_be_too_large_for_a_proxy(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("aithriving.sketch", Status(413, "<h1>413</h1>", content_type="text/html")))
    assert await edit(http, stand_in, "control/sketch", {"image": PIC}, prompt="a boat") == (413, "<h1>413</h1>")
    status, _ = await edit(http, stand_in, "control/sketch", {"image": PIC}, prompt="a boat")
    assert (status, len(stand_in.bills)) == (200, 1)


async def test_a_retired_engine_and_an_absent_path(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(retired("aithriving.sketch", times=1), absent("aithriving.sketch", times=1, code=405))
    status, answer = await edit(http, stand_in, "control/sketch", {"image": PIC}, prompt="a boat")
    assert (status, answer["code"]) == (404, -1)
    status, page = await edit(http, stand_in, "control/sketch", {"image": PIC}, prompt="a boat")
    assert status == 405
    assert page.startswith("<!DOCTYPE html>")
    assert stand_in.bills == []


async def test_an_edit_can_be_slow_or_hang_after_it_was_charged(stand_in: StandIn, http: aiohttp.ClientSession) -> None:
    stand_in.misbehave(Fault("aithriving.sketch", Slow(0.001)), Fault("aithriving.sketch", Hang(after_doing=True)))
    _, answer = await edit(http, stand_in, "control/sketch", {"image": PIC}, prompt="a boat")
    assert answer["code"] == 0
    call = asyncio.create_task(edit(http, stand_in, "control/sketch", {"image": PIC}, prompt="a boat"))
    await stand_in.called("aithriving.sketch", 2)
    stand_in.release()
    with pytest.raises(aiohttp.ClientError):
        await call
    assert stand_in.charged == 12_000


@pytest.mark.parametrize("field", ["prompt", "search_prompt"])
async def test_filtered_words_are_refused_wherever_they_are(
    stand_in: StandIn, http: aiohttp.ClientSession, field: str
) -> None:
    fields = {"prompt": "a boat", "search_prompt": "a car"} | {field: "gore"}
    _, answer = await edit(http, stand_in, "edit/search-and-replace", {"image": PIC}, **fields)
    assert answer["code"] == -1
    assert stand_in.bills == []

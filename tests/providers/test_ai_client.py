"""ai-client as documented, its images, and its check."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.providers.ai_client import AiClient
from bot.providers.ai_client_versions import stable_diffusion, stable_diffusion_form
from bot.providers.base import Ability, Cost, Failed, Finished, Json, Quote, WeightedText
from bot.providers.errors import Refused, Unreachable
from bot.providers.operations import Size
from fakes.services import Fate, Fault, StandIn, flat, image_variants
from fakes.services.answer_edits import each_object, first_images, images_at
from fakes.services.faults import Redirect, Reset, Spoil, Status
from tests.providers.workbench import (
    ENTRIES,
    ENTRY,
    IMAGE,
    SECRET,
    XL,
    asked,
    entries,
    finished,
    make_ai_client,
    polled,
    reader,
    refusal,
    sent,
)

# --- as documented ----------------------------------------------------------------------------------------------------


async def test_a_job_from_the_thread_to_the_file(ai_client: AiClient, stand_in: StandIn, tmp_path: Path) -> None:
    result = await finished(ai_client, asked(images=2))
    assert len(result.images) == 2
    assert result.cost == Cost(10_000, exact=True)
    for number, image in enumerate(result.images):
        path = tmp_path / f"{number}"
        fetched = await ai_client.fetch(image, path)
        assert (fetched.media_type, fetched.size) == ("image/png", Size(1024, 1024))
        assert fetched.bytes == image.expected_bytes == len(path.read_bytes())
    assert stand_in.charged == 10_000


async def test_calls_follow_the_documentation(ai_client: AiClient, stand_in: StandIn) -> None:
    request = asked(
        prompts=(WeightedText("Delorean hacking time"), WeightedText("fog", 0.5)),
        negative="Clock",
        images=2,
        steps=45,
        style="neon-punk",
    )
    handle = await sent(ai_client, request)
    await ai_client.poll(handle)
    opened, posted, listed = stand_in.calls
    thread = handle["thread"]
    assert (opened.method, opened.path) == ("POST", "/api/v1/threads")
    assert opened.body == {"ai_version_code": "stablediffusion_text2img"}
    assert (posted.method, posted.path) == ("POST", f"/api/v1/threads/{thread}/entry")
    assert posted.body == {
        "type": "request",
        "engine": "stable-diffusion-xl-1024-v0-9",
        "resolution": "1024x1024",
        "prompts[0][text]": "Delorean hacking time",
        "prompts[0][weight]": "1",
        "prompts[1][text]": "fog",
        "prompts[1][weight]": "0.5",
        "prompts[2][text]": "Clock",
        "prompts[2][weight]": "-1",
        "images": "2",
        "steps": "45",
        "style": "neon-punk",
    }
    assert (listed.method, listed.path) == ("GET", f"/api/v1/threads/{thread}/entries")
    for call in stand_in.calls:
        assert call.authorization == f"Bearer {SECRET}"
        assert call.headers["Accept"] == "application/json"


def test_undocumented_fields_are_not_sent() -> None:
    form = dict(stable_diffusion_form(asked(seed=7, guidance=7.5, sampler="DDIM")))
    assert not {"seed", "guidance", "cfg_scale", "sampler", "style"} & form.keys()


@pytest.mark.parametrize(
    ("weight", "text"), [(1.0, "1"), (-1.0, "-1"), (0.5, "0.5"), (-0.25, "-0.25"), (1e-3, "0.001"), (10.0, "10")]
)
def test_weights_are_written_plainly(weight: float, text: str) -> None:
    assert dict(stable_diffusion_form(asked(prompts=(WeightedText("x", weight),))))["prompts[0][weight]"] == text


async def test_unusual_characters_in_a_prompt_arrive(ai_client: AiClient, stand_in: StandIn) -> None:
    await sent(ai_client, asked(prompts=(WeightedText("Ünï & =;+ 漢字 🎨 \ud83d\n"),)))
    body = stand_in.calls_to(ENTRY)[0].body
    assert isinstance(body, dict)
    assert body["prompts[0][text]"] == "Ünï & =;+ 漢字 🎨 \n"


async def test_the_handle_is_plain_and_holds_no_secret(ai_client: AiClient) -> None:
    handle = await sent(ai_client)
    assert SECRET not in repr(handle)
    assert set(handle) <= {"thread", "request", "images"}


def test_the_engine_declares_its_options() -> None:
    provider = make_ai_client("http://127.0.0.1:1")
    (engine,) = provider.engines
    assert engine.id == XL
    assert engine.abilities == {Ability.NEGATIVE, Ability.WEIGHTS, Ability.STYLE, Ability.STEPS}
    assert len(engine.sizes) == 9
    assert engine.takes_size(Size(1344, 768))
    assert not engine.takes_size(Size(512, 512))
    assert engine.default_size in engine.sizes
    assert engine.images_per_submission == 10
    assert provider.quote(asked(images=3)) == Quote(15_000, 15_000, 15_000, exact=False)


def test_a_version_1_engine_uses_the_grid_of_sizes() -> None:
    (engine,) = stable_diffusion(models=("stable-diffusion-v1-6",)).engines
    assert engine.takes_size(Size(512, 768))
    assert engine.takes_size(Size(320, 1536))
    assert not engine.takes_size(Size(500, 500))
    assert not engine.takes_size(Size(1600, 320))


# --- matching responses to requests -----------------------------------------------------------------------------------


async def test_each_submission_opens_its_own_thread(ai_client: AiClient) -> None:
    handles = [await ai_client.prepare(asked()) for _ in range(3)]
    assert len({str(handle["thread"]) for handle in handles}) == 3


async def test_concurrent_requests_get_their_own_images(
    slow_ai_client: AiClient, slow_stand_in: StandIn, tmp_path: Path
) -> None:
    prompts = [f"picture number {number}" for number in range(8)]
    handles = await asyncio.gather(
        *(sent(slow_ai_client, asked(prompts=(WeightedText(prompt),))) for prompt in prompts)
    )
    for work in reversed(list(slow_stand_in.renderings.by_guid)):
        slow_stand_in.finish(work)
    for number, (prompt, handle) in enumerate(zip(prompts, handles, strict=True)):
        result = await slow_ai_client.poll(handle)
        assert isinstance(result, Finished)
        path = tmp_path / f"{number}"
        await slow_ai_client.fetch(result.images[0], path)
        assert prompt.encode() in path.read_bytes()


async def test_the_response_is_the_entry_after_our_request(ai_client: AiClient, stand_in: StandIn) -> None:
    first = await ai_client.prepare(asked())
    one = await ai_client.submit(first, asked())
    two = await ai_client.submit(first, asked(images=2))
    assert not isinstance(one, Finished)
    assert not isinstance(two, Finished)
    results = [await ai_client.poll(one), await ai_client.poll({**two, "images": 2})]
    assert [len(result.images) for result in results if isinstance(result, Finished)] == [1, 2]
    assert [result.cost.millicredits for result in results if isinstance(result, Finished)] == [5_000, 10_000]


async def test_a_list_with_the_newest_entry_first(ai_client: AiClient, stand_in: StandIn) -> None:
    def reversed_list(answer: Json) -> Json:
        assert isinstance(answer, dict)
        listed = answer["data"]
        assert isinstance(listed, list)
        return {"data": listed[::-1]}

    stand_in.misbehave(entries(reversed_list))
    assert len((await finished(ai_client)).images) == 1


# --- images -----------------------------------------------------------------------------------------------------------


async def test_fewer_images_than_requested_are_delivered(ai_client: AiClient, stand_in: StandIn) -> None:
    stand_in.services.fate = Fate(images=1)
    result = await finished(ai_client, asked(images=3))
    assert len(result.images) == 1
    assert result.cost == Cost(5_000, exact=True)


async def test_surplus_images_are_not_delivered(ai_client: AiClient, stand_in: StandIn) -> None:
    stand_in.services.fate = Fate(images=5)
    assert len((await finished(ai_client, asked(images=2))).images) == 2


async def test_images_without_an_address_are_ignored(ai_client: AiClient, stand_in: StandIn) -> None:
    def first_only(item: dict[str, Json]) -> dict[str, Json]:
        content = item.get("content")
        if item.get("type") != "response" or not isinstance(content, list):
            return item
        return item | {"content": [content[0], {"dimensions": "1024x1024"}, {"url": None}]}

    stand_in.misbehave(entries(each_object(first_only)))
    assert len((await finished(ai_client, asked(images=3))).images) == 1


async def test_a_finished_job_without_images_is_a_temporary_failure(ai_client: AiClient, stand_in: StandIn) -> None:
    stand_in.misbehave(entries(first_images(0)))
    result = await polled(ai_client)
    assert isinstance(result, Failed)
    assert (result.sure, result.charged) == (False, 5_000)


async def test_an_image_that_is_not_ready_yet_is_requested_again(
    ai_client: AiClient, stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in.services.fate = Fate(misses=2)
    result = await finished(ai_client)
    assert (await ai_client.fetch(result.images[0], tmp_path / "x")).size == Size(1024, 1024)
    assert len(stand_in.calls_to(IMAGE)) == 3


async def test_an_image_that_stays_missing_may_come_later(
    ai_client: AiClient, stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in.services.fate = Fate(misses=99)
    result = await finished(ai_client)
    assert isinstance(await refusal(ai_client.fetch(result.images[0], tmp_path / "x")), Unreachable)


async def test_the_size_is_checked_against_filesize(ai_client: AiClient, stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.misbehave(Fault(IMAGE, Spoil(image_variants.resized(64, 64)), times=1))
    result = await finished(ai_client)
    fetched = await ai_client.fetch(result.images[0], tmp_path / "x")
    assert fetched.size == Size(1024, 1024)
    assert len(stand_in.calls_to(IMAGE)) == 2


async def test_images_are_downloaded_without_the_token(ai_client: AiClient, stand_in: StandIn, tmp_path: Path) -> None:
    result = await finished(ai_client)
    await ai_client.fetch(result.images[0], tmp_path / "x")
    (call,) = stand_in.calls_to(IMAGE)
    assert call.authorization is None
    assert SECRET not in str(call.headers)


async def test_images_elsewhere_are_not_fetched(ai_client: AiClient, stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.misbehave(entries(images_at("http://127.0.0.1:9/private.png")))
    result = await finished(ai_client)
    error = await refusal(ai_client.fetch(result.images[0], tmp_path / "x"))
    assert isinstance(error, Refused)
    assert error.operator


async def test_images_on_a_configured_host_are_fetched(stand_in: StandIn, tmp_path: Path) -> None:
    async with StandIn(seconds=(0, 0), painter=flat) as elsewhere:
        there = make_ai_client(elsewhere.url)
        (image,) = (await finished(there)).images
        await there.close()
        settings = reader(
            AI_CLIENT_TOKEN=SECRET,
            AI_CLIENT_URL=f"{stand_in.url}/api/v1",
            IMAGE_HOSTS=elsewhere.url.removeprefix("http://"),
        )
        provider = AiClient.configure(settings)
        assert provider is not None
        fetched = await provider.fetch(image, tmp_path / "x")
        await provider.close()
    assert fetched.size == Size(1024, 1024)
    assert [call.authorization for call in elsewhere.calls_to(IMAGE)] == [None]


async def test_an_image_without_an_address_is_refused(ai_client: AiClient, tmp_path: Path) -> None:
    (image,) = (await finished(ai_client)).images
    assert isinstance(await refusal(ai_client.fetch(replace(image, url=None), tmp_path / "x")), Refused)


# --- check ------------------------------------------------------------------------------------------------------------


async def test_check_finds_nothing_wrong(ai_client: AiClient, stand_in: StandIn) -> None:
    assert await ai_client.check() is None
    assert [call.method for call in stand_in.calls] == ["GET"]
    assert stand_in.charged == 0


@pytest.mark.parametrize(
    "act",
    [
        Status(401),
        Status(500),
        Redirect(),
        Reset(),
        Status(404, "<h1>Not Found</h1>", content_type="text/html"),
        Status(200, "<h1>Welcome</h1>", content_type="text/html"),
    ],
    ids=["key", "down", "login", "reset", "address", "page"],
)
async def test_check_reports_problems(ai_client: AiClient, stand_in: StandIn, act: Any) -> None:
    stand_in.misbehave(Fault(ENTRIES, act))
    assert await ai_client.check()

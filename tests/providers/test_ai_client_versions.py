"""ai-client's other models: Midjourney and DALL·E 2, the states of their work, and codes that are gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.providers.ai_client import AiClient
from bot.providers.ai_client_versions import (
    DALLE,
    MIDJOURNEY,
    STABLE_DIFFUSION,
    dalle_version,
    midjourney_version,
    stable_diffusion,
)
from bot.providers.base import Ability, Cost, Failed, Finished, Json, Quote, Waiting, WeightedText
from bot.providers.errors import NotFound, Reason, Refused
from bot.providers.operations import Size
from fakes.services import Fate, Fault, StandIn
from fakes.services.answer_edits import Change, each_object, state_is, without
from fakes.services.faults import Status
from fakes.services.version_faults import NO_SUCH_VERSION, retired
from tests.providers.workbench import (
    DALLE_ENGINE,
    ENTRY,
    MIDJOURNEY_ENGINE,
    THREAD,
    XL,
    asked,
    entries,
    finished,
    follow,
    make_ai_client,
    polled,
    refusal,
    sent,
)


@pytest.fixture
async def all_versions(stand_in: StandIn) -> AsyncIterator[AiClient]:
    """ai-client with all of its services."""
    provider = make_ai_client(stand_in.url, versions=(stable_diffusion(), midjourney_version(), dalle_version()))
    yield provider
    await provider.close()


FOUR = asked(MIDJOURNEY_ENGINE, images=4, size=Size(1456, 816))


# --- as documented ----------------------------------------------------------------------------------------------------


async def test_midjourney_makes_four_images_of_the_chosen_shape(
    all_versions: AiClient, stand_in: StandIn, tmp_path: Path
) -> None:
    result = await finished(all_versions, FOUR)
    assert (len(result.images), result.cost, result.sure) == (4, Cost(10_000, exact=True), True)
    for number, image in enumerate(result.images):
        fetched = await all_versions.fetch(image, tmp_path / f"{number}")
        assert fetched.size == image.size == Size(1456, 816)
    opened, posted = stand_in.calls[:2]
    assert opened.body == {"ai_version_code": MIDJOURNEY}
    assert posted.body == {"type": "request", "command": "imagine", "prompt": "a lighthouse on a cliff --ar 16:9"}
    assert [(bill.engine, bill.amount) for bill in stand_in.bills] == [("midjourney", 10_000)]


async def test_midjourneys_words_to_leave_out_arrive(all_versions: AiClient, stand_in: StandIn) -> None:
    await finished(all_versions, asked(MIDJOURNEY_ENGINE, images=4, negative="fog, boats"))
    (rendering,) = stand_in.renderings.by_guid.values()
    assert rendering.plates[0].picture.negative == "fog, boats"
    assert rendering.prompt == "a lighthouse on a cliff"


async def test_dalle_makes_as_many_squares_as_requested(all_versions: AiClient, stand_in: StandIn) -> None:
    result = await finished(all_versions, asked(DALLE_ENGINE, images=3, size=Size(512, 512)))
    assert [image.size for image in result.images] == [Size(512, 512)] * 3
    assert result.cost == Cost(15_000, exact=True)
    opened, posted = stand_in.calls[:2]
    assert opened.body == {"ai_version_code": DALLE}
    assert posted.body == {"type": "request", "n": "3", "size": "512x512", "prompt": "a lighthouse on a cliff"}


async def test_each_engine_opens_threads_with_its_own_code(all_versions: AiClient, stand_in: StandIn) -> None:
    for engine in (XL, MIDJOURNEY_ENGINE, DALLE_ENGINE):
        await all_versions.prepare(asked(engine))
    codes = [call.body for call in stand_in.calls_to(THREAD)]
    assert codes == [{"ai_version_code": code} for code in (STABLE_DIFFUSION, MIDJOURNEY, DALLE)]


def test_the_engines_declare_their_options() -> None:
    _, midjourney, dalle = make_ai_client(
        "http://127.0.0.1:1", versions=(stable_diffusion(), midjourney_version(), dalle_version())
    ).engines
    assert midjourney.abilities == {Ability.NEGATIVE}
    assert midjourney.takes_size(Size(1456, 816))
    assert not midjourney.takes_size(Size(1344, 768))
    assert dalle.abilities == frozenset()
    assert {str(size) for size in dalle.sizes} == {"256x256", "512x512", "1024x1024"}
    assert dalle.prompt_limit == 1_000


def test_each_version_has_its_own_price() -> None:
    provider = make_ai_client(
        "http://127.0.0.1:1", versions=(stable_diffusion(), midjourney_version(12_000), dalle_version(7_000))
    )
    assert provider.quote(FOUR) == Quote(12_000, 12_000, 12_000, exact=False)
    assert provider.quote(asked(DALLE_ENGINE, images=2)).hold == 14_000
    assert provider.quote(asked(XL, images=2)).hold == 10_000


@pytest.mark.parametrize(
    ("engine", "images", "estimate"), [(MIDJOURNEY_ENGINE, 4, 10_000), (DALLE_ENGINE, 2, 10_000), (XL, 2, 10_000)]
)
async def test_without_credits_in_the_response_the_cost_is_an_estimate(
    all_versions: AiClient, stand_in: StandIn, engine: str, images: int, estimate: int
) -> None:
    stand_in.misbehave(entries(without("credits")))
    assert (await finished(all_versions, asked(engine, images=images))).cost == Cost(estimate, exact=False)


async def test_a_prompt_of_flags_is_refused_before_anything_is_sent(all_versions: AiClient, stand_in: StandIn) -> None:
    request = asked(MIDJOURNEY_ENGINE, images=4, prompts=(WeightedText("--ar 16:9 --v 5"),))
    error = await refusal(all_versions.prepare(request))
    assert isinstance(error, Refused)
    assert error.reason is Reason.NO_WORDS
    assert stand_in.calls == []


# --- completion -------------------------------------------------------------------------------------------------------


async def test_midjourneys_response_exists_long_before_it_is_finished(slow_stand_in: StandIn) -> None:
    slow_stand_in.services.fate = Fate(seconds=1000)
    provider = make_ai_client(slow_stand_in.url, versions=(midjourney_version(),))
    handle = await sent(provider, FOUR)
    result = await provider.poll(handle, FOUR)
    assert isinstance(result, Waiting)
    assert result.percent is not None
    slow_stand_in.finish_all()
    assert isinstance(await provider.poll(handle, FOUR), Finished)
    await provider.close()


@pytest.mark.parametrize("state", ["completed", "Completed", "done", "success", None])
async def test_finished_states(all_versions: AiClient, stand_in: StandIn, state: str | None) -> None:
    stand_in.misbehave(entries(state_is(state)))
    result = await finished(all_versions, FOUR)
    assert (len(result.images), result.sure) == (4, True)


@pytest.mark.parametrize("images", [True, False])
@pytest.mark.parametrize("state", ["processing", "In Progress", "queued", "waiting-to-start", "melting"])
async def test_any_state_is_in_progress_while_the_response_waits(
    all_versions: AiClient, stand_in: StandIn, state: str, images: bool
) -> None:
    stand_in.misbehave(entries(state_is(state, waiting=True, images=images, percent=31)))
    assert await polled(all_versions, FOUR) == Waiting(percent=31, charged=0)


@pytest.mark.parametrize("state", ["processing", "In Progress", "queued"])
async def test_previews_of_unfinished_images_are_not_delivered(
    all_versions: AiClient, stand_in: StandIn, state: str
) -> None:
    """The entry no longer waits, but its state says that it is at work."""
    stand_in.misbehave(entries(state_is(state, percent="62%")))
    handle = await sent(all_versions, FOUR)
    result = await all_versions.poll(handle, FOUR)
    assert isinstance(result, Waiting)
    assert result.percent == 62
    stand_in.behave()
    assert isinstance(await all_versions.poll(handle, FOUR), Finished)


async def test_images_with_an_unknown_state_count_if_later_polls_confirm_them(
    all_versions: AiClient, stand_in: StandIn
) -> None:
    stand_in.misbehave(entries(state_is("gilded")))
    result = await finished(all_versions, FOUR)
    assert (len(result.images), result.sure) == (4, False)


@pytest.mark.parametrize(
    ("state", "reason", "said", "sure"),
    [
        ("failed", Reason.NOTHING_MADE, "failed.", True),
        ("Cancelled", Reason.NOTHING_MADE, "Cancelled.", True),
        ("melted", Reason.NOTHING_MADE, "melted.", False),
        ("moderated", Reason.MODERATED, "moderated.", False),
        ("completed", Reason.NOTHING_MADE, "", False),
    ],
)
async def test_a_state_without_images_is_a_failure_that_shows_the_state(
    all_versions: AiClient, stand_in: StandIn, state: str, reason: Reason, said: str, sure: bool
) -> None:
    stand_in.misbehave(entries(state_is(state, images=False)))
    for result in await follow(all_versions, await sent(all_versions, FOUR), 2):
        assert isinstance(result, Failed)
        assert (result.reason, result.said, result.sure) == (reason, said, sure)


async def test_an_error_inside_the_content_is_shown(all_versions: AiClient, stand_in: StandIn) -> None:
    stand_in.misbehave(entries(state_is("failed", images=False, error="The moon is down")))
    result = await polled(all_versions, FOUR)
    assert isinstance(result, Failed)
    assert (result.reason, result.said) == (Reason.REFUSED, "The moon is down.")


async def test_the_state_of_one_thread_says_nothing_about_the_words(all_versions: AiClient, stand_in: StandIn) -> None:
    request = asked(MIDJOURNEY_ENGINE, images=4, prompts=(WeightedText("a neon sign that reads: failed, percent 40"),))
    assert len((await finished(all_versions, request)).images) == 4


@pytest.mark.parametrize("as_object", [True, False])
async def test_addresses_without_an_object_around_each(
    all_versions: AiClient, stand_in: StandIn, as_object: bool
) -> None:
    stand_in.misbehave(entries(_addresses(as_object=as_object)))
    assert len((await finished(all_versions, FOUR)).images) == 4


def _addresses(*, as_object: bool) -> Change:
    def change(item: dict[str, Json]) -> dict[str, Json]:
        content = item.get("content")
        if item.get("type") != "response" or not isinstance(content, dict):
            return item
        images = content["images"]
        assert isinstance(images, list)
        urls: list[Json] = [image["url"] for image in images if isinstance(image, dict)]
        return item | {"content": {"state": "completed", "images": urls} if as_object else urls}

    return each_object(change)


async def test_midjourneys_own_refusal_is_a_free_failure(all_versions: AiClient, stand_in: StandIn) -> None:
    stand_in.services.fate = Fate(error="Banned prompt detected")
    result = await polled(all_versions, FOUR)
    assert isinstance(result, Failed)
    assert (result.reason, result.charged) == (Reason.MODERATED, 0)
    assert stand_in.charged == 0


# --- version codes that are gone --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        NO_SUCH_VERSION,
        Status(422, {"message": "No.", "errors": {"ai_version_code": ["No."]}}),
        Status(422, {"message": "This version was discontinued."}),
        Status(404, {"message": "This model was retired"}),
        Status(410, {"message": "no longer available"}),
    ],
)
async def test_a_code_that_the_service_no_longer_has_is_switched_off(
    all_versions: AiClient, stand_in: StandIn, answer: Status
) -> None:
    stand_in.misbehave(retired(MIDJOURNEY, answer))
    for _ in range(3):
        error = await refusal(all_versions.prepare(FOUR))
        assert isinstance(error, Refused)
        assert error.reason is Reason.RETIRED
    assert all_versions.retired == {MIDJOURNEY_ENGINE}
    assert len(stand_in.calls) == 1, "it is not asked for again"
    assert len((await finished(all_versions, asked(XL))).images) == 1, "the others go on"


async def test_a_refusal_of_something_else_switches_nothing_off(all_versions: AiClient, stand_in: StandIn) -> None:
    bodies: list[Json] = [{"message": "No.", "errors": {"title": ["The title is invalid."]}}, {"message": "No."}]
    for body in bodies:
        stand_in.misbehave(Fault(THREAD, Status(422, body)))
        assert (await refusal(all_versions.prepare(FOUR))).reason is Reason.REFUSED
    assert all_versions.retired == set()
    await all_versions.prepare(FOUR)


async def test_the_operator_learns_of_it_once(all_versions: AiClient, stand_in: StandIn) -> None:
    stand_in.misbehave(retired(MIDJOURNEY))
    first, second = [await refusal(all_versions.prepare(FOUR)) for _ in range(2)]
    assert isinstance(first, Refused)
    assert isinstance(second, Refused)
    assert (first.operator, second.operator) == (True, False)


async def test_all_models_of_a_code_are_switched_off_together(stand_in: StandIn) -> None:
    models = ("stable-diffusion-xl-1024-v0-9", "stable-diffusion-xl-1024-v1-0")
    provider = make_ai_client(stand_in.url, versions=(stable_diffusion(models=models), dalle_version()))
    stand_in.misbehave(retired(STABLE_DIFFUSION))
    await refusal(provider.prepare(asked(XL)))
    assert provider.retired == {f"ai-client/{model}" for model in models}
    await provider.close()


async def test_a_model_that_is_refused_with_its_request_is_switched_off_alone(stand_in: StandIn) -> None:
    old, new = ("stable-diffusion-xl-1024-v0-9", "stable-diffusion-xl-1024-v1-0")
    provider = make_ai_client(stand_in.url, versions=(stable_diffusion(models=(old, new)),))
    stand_in.misbehave(Fault(ENTRY, Status(400, {"message": "This engine is no longer available."})))
    for _ in range(2):
        assert (await refusal(sent(provider, asked(XL)))).reason is Reason.RETIRED
    assert provider.retired == {XL}
    assert len(stand_in.calls_to(ENTRY)) == 1
    await sent(provider, asked(f"ai-client/{new}"))
    await provider.close()


async def test_a_plain_404_may_be_a_restart_of_the_service(all_versions: AiClient, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(THREAD, Status(404), times=10))
    for _ in range(5):
        for engine in (XL, MIDJOURNEY_ENGINE):
            assert isinstance(await refusal(all_versions.prepare(asked(engine))), NotFound)
    assert all_versions.retired == set()
    await all_versions.prepare(FOUR)


async def test_a_plain_404_counts_if_other_codes_are_accepted_all_the_while(
    all_versions: AiClient, stand_in: StandIn
) -> None:
    stand_in.misbehave(retired(MIDJOURNEY, Status(404)))
    reasons = []
    for _ in range(5):
        reasons.append((await refusal(all_versions.prepare(FOUR))).reason)
        await all_versions.prepare(asked(XL))
    assert reasons == [Reason.NOT_FOUND] * 3 + [Reason.RETIRED] * 2
    assert all_versions.retired == {MIDJOURNEY_ENGINE}


async def test_one_success_makes_earlier_404s_meaningless(all_versions: AiClient, stand_in: StandIn) -> None:
    for _ in range(3):
        stand_in.misbehave(retired(MIDJOURNEY, Status(404), times=2))
        for _ in range(2):
            await refusal(all_versions.prepare(FOUR))
            await all_versions.prepare(asked(XL))
        await all_versions.prepare(FOUR)
    assert all_versions.retired == set()


async def test_an_engine_that_is_not_configured_any_more_is_refused(ai_client: AiClient, stand_in: StandIn) -> None:
    """Its request was queued before the operator took it out of the settings."""
    for call in (ai_client.prepare(FOUR), ai_client.submit({"thread": "x"}, FOUR)):
        assert (await refusal(call)).reason is Reason.RETIRED
    assert stand_in.calls_to(ENTRY) == []
    assert ai_client.quote(FOUR).hold == 20_000


async def test_what_was_sent_before_a_code_was_gone_is_still_delivered(
    all_versions: AiClient, stand_in: StandIn
) -> None:
    handle = await sent(all_versions, FOUR)
    stand_in.misbehave(retired(MIDJOURNEY))
    await refusal(all_versions.prepare(FOUR))
    assert isinstance(await all_versions.poll(handle, FOUR), Finished)

"""ai-client's answers where the documentation is vague or wrong: errors, shapes, completion, cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.providers.ai_client import AiClient
from bot.providers.base import Cost, Failed, Finished, Gone, Json, PollResult, Waiting
from bot.providers.errors import Reason, Unreachable
from fakes.services import Fate, Fault, StandIn
from fakes.services.answer_edits import (
    Change,
    content_as_object,
    content_as_one_image,
    each_object,
    error_is,
    numbers_as_strings,
    replaced,
    request_error_is,
    response_error_is,
    unwrapped,
    waiting,
    without,
    without_entries,
)
from fakes.services.faults import Rewrite
from tests.providers.workbench import (
    ENTRIES,
    IMAGE,
    SECRET,
    asked,
    entries,
    finished,
    follow,
    make_ai_client,
    polled,
    reader,
    refusal,
    sent,
)

# --- "None" for no error ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "", "None", "null", "none"])
async def test_no_error_in_all_its_spellings(ai_client: AiClient, stand_in: StandIn, value: Json) -> None:
    stand_in.misbehave(entries(error_is(value)))
    assert len((await finished(ai_client)).images) == 1


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("The model fell over", "The model fell over."),
        (["too long", "too odd"], "too long too odd."),
        ({"message": "The model fell over", "code": 500}, "The model fell over."),
        ({"prompts": ["is too long"]}, "is too long."),
    ],
    ids=["text", "list", "object", "fields"],
)
@pytest.mark.parametrize("change", [request_error_is, response_error_is], ids=["request", "response"])
async def test_any_other_error_is_a_failure_to_show(
    ai_client: AiClient, stand_in: StandIn, change: Callable[[Json], Change], value: Json, told: str
) -> None:
    if change is request_error_is:
        stand_in.services.fate = Fate(error="x")
    stand_in.misbehave(entries(change(value)))
    result = await polled(ai_client)
    assert isinstance(result, Failed)
    assert (result.reason, result.said) == (Reason.REFUSED, told)


async def test_a_failure_as_the_service_really_reports_it(ai_client: AiClient, stand_in: StandIn) -> None:
    stand_in.services.fate = Fate(error="NSFW content was detected")
    result = await polled(ai_client)
    assert isinstance(result, Failed)
    assert (result.reason, result.said) == (Reason.MODERATED, "NSFW content was detected.")
    assert stand_in.charged == 0


async def test_a_key_repeated_in_an_error_is_not_shown(ai_client: AiClient, stand_in: StandIn) -> None:
    stand_in.services.fate = Fate(error=f"your token {SECRET} is odd")
    result = await polled(ai_client)
    assert isinstance(result, Failed)
    assert SECRET not in result.said


# --- shapes -----------------------------------------------------------------------------------------------------------


async def test_answers_without_the_data_wrapper(ai_client: AiClient, stand_in: StandIn) -> None:
    stand_in.misbehave(
        Fault("ai-client.*", Rewrite(unwrapped), times=None, match=lambda call: "/storage" not in call.path)
    )
    assert len((await finished(ai_client, asked(images=2))).images) == 2


async def test_fields_that_some_samples_lack(ai_client: AiClient, stand_in: StandIn) -> None:
    lacking = without("thread_guid", "created_at", "updated_at", "title", "ai_code", "thumbnail_url")
    stand_in.misbehave(Fault("ai-client.*", Rewrite(lacking), times=None))
    assert len((await finished(ai_client)).images) == 1


async def test_numbers_as_strings(ai_client: AiClient, stand_in: StandIn) -> None:
    stand_in.misbehave(
        Fault("ai-client.*", Rewrite(numbers_as_strings), times=None, match=lambda call: call.route != IMAGE)
    )
    result = await finished(ai_client, asked(images=2))
    assert result.cost == Cost(10_000, exact=True)
    assert all(isinstance(image.expected_bytes, int) for image in result.images)


@pytest.mark.parametrize("value", ["false", 0, "0"])
async def test_flags_as_strings_and_numbers(ai_client: AiClient, stand_in: StandIn, value: Json) -> None:
    stand_in.misbehave(entries(each_object(lambda item: item | {"waiting_response": value})))
    assert len((await finished(ai_client)).images) == 1


@pytest.mark.parametrize("change", [content_as_object, content_as_one_image])
async def test_content_as_a_list_or_an_object(ai_client: AiClient, stand_in: StandIn, change: Change) -> None:
    stand_in.misbehave(entries(change))
    assert len((await finished(ai_client)).images) == 1


async def test_lists_as_objects_with_numbers_for_keys(ai_client: AiClient, stand_in: StandIn) -> None:
    def numbered(answer: Json) -> Json:
        if isinstance(answer, list):
            return {str(index): numbered(item) for index, item in enumerate(answer)}
        return {name: numbered(value) for name, value in answer.items()} if isinstance(answer, dict) else answer

    stand_in.misbehave(entries(numbered))
    assert len((await finished(ai_client, asked(images=2))).images) == 2


async def test_images_as_bare_addresses_each_counted_once(ai_client: AiClient, stand_in: StandIn) -> None:
    def bare(item: dict[str, Json]) -> dict[str, Json]:
        if item.get("type") != "response":
            return item
        content = item["content"]
        assert isinstance(content, list)
        urls: list[Json] = [image["url"] for image in content if isinstance(image, dict)]
        return item | {"content": [*urls, *urls, None, {}]}

    stand_in.misbehave(entries(each_object(bare)))
    assert len((await finished(ai_client, asked(images=2))).images) == 2


# --- completion -------------------------------------------------------------------------------------------------------


async def test_waiting_while_it_renders(slow_ai_client: AiClient, slow_stand_in: StandIn) -> None:
    handle = await sent(slow_ai_client)
    assert await slow_ai_client.poll(handle) == Waiting()
    slow_stand_in.finish_all()
    assert isinstance(await slow_ai_client.poll(handle), Finished)


async def test_a_response_entry_that_exists_before_it_is_finished(
    slow_ai_client: AiClient, slow_stand_in: StandIn
) -> None:
    slow_stand_in.services.fate = Fate(early=True)
    handle = await sent(slow_ai_client)
    assert await slow_ai_client.poll(handle) == Waiting(percent=0)
    slow_stand_in.finish_all()
    assert isinstance(await slow_ai_client.poll(handle), Finished)


@pytest.mark.parametrize("kind", ["request", "response"])
async def test_done_only_when_both_entries_say_so(ai_client: AiClient, stand_in: StandIn, kind: str) -> None:
    stand_in.misbehave(Fault(ENTRIES, Rewrite(waiting(kind)), times=3))
    said = await follow(ai_client, await sent(ai_client), 4)
    assert [type(result) for result in said[:3]] == [Waiting] * 3
    assert isinstance(said[3], Finished)


@pytest.mark.parametrize(("told", "shown"), [(40, 40), ("40", 40), ("40%", 40), (140, 100), ("half", None)])
@pytest.mark.parametrize("where", ["entry", "content"])
async def test_progress_is_shown_if_the_service_reports_it(
    ai_client: AiClient, stand_in: StandIn, where: str, told: Json, shown: int | None
) -> None:
    def change(item: dict[str, Json]) -> dict[str, Json]:
        if item.get("type") != "response":
            return item
        item = item | {"waiting_response": True, "content": {"state": "processing", "images": []}}
        if where == "entry":
            return item | {"percent": told}
        return item | {"content": {"state": "processing", "percent": told, "images": []}}

    stand_in.misbehave(entries(each_object(change)))
    assert await polled(ai_client) == Waiting(percent=shown)


async def test_a_finished_request_without_a_response_is_a_temporary_failure(
    ai_client: AiClient, stand_in: StandIn
) -> None:
    stand_in.services.fate = Fate(silent=True)
    for result in await follow(ai_client, await sent(ai_client), 20):
        assert isinstance(result, Failed)
        assert not result.sure


async def test_a_response_that_arrives_a_moment_after_the_request_has_ended(
    ai_client: AiClient, stand_in: StandIn
) -> None:
    stand_in.misbehave(Fault(ENTRIES, Rewrite(without_entries("response")), times=20))
    said = await follow(ai_client, await sent(ai_client), 21)
    assert isinstance(said[-1], Finished)


async def test_a_list_without_our_request_means_gone_or_uses_the_remaining_entries(
    ai_client: AiClient, stand_in: StandIn
) -> None:
    handle = await sent(ai_client)
    stand_in.misbehave(Fault(ENTRIES, Rewrite(replaced({"data": []}))))
    assert await ai_client.poll(handle) == Gone()
    stand_in.misbehave(Fault(ENTRIES, Rewrite(without_entries("request"))))
    left = await ai_client.poll(handle)
    assert isinstance(left, Finished)
    assert not left.sure


async def test_entries_of_another_thread_are_ignored(ai_client: AiClient, stand_in: StandIn) -> None:
    stand_in.misbehave(entries(each_object(lambda item: item | {"thread_guid": "another"} if "type" in item else item)))
    handle = await sent(ai_client)
    for call in (ai_client.poll(handle), ai_client.find(handle)):
        assert isinstance(await refusal(call), Unreachable)


# --- one request that arrived twice -----------------------------------------------------------------------------------

Item = dict[str, Json]


def request_entry(guid: str, *, waiting: bool = False, error: str | None = None) -> Item:
    return {"guid": guid, "type": "request", "error": error, "waiting_response": waiting, "credits": 0}


def response_entry(name: str, *, waiting: bool = False) -> Item:
    content: list[Json] = [{"url": f"https://app.ai-client.com/{name}.png"}]
    return {"guid": name, "type": "response", "waiting_response": waiting, "content": content, "credits": 5}


FIRST, SECOND = request_entry("one"), request_entry("two")
ONE, TWO = response_entry("a"), response_entry("b")


async def said_of(ai_client: AiClient, stand_in: StandIn, *listed: Item, own: str = "two") -> PollResult:
    handle = await ai_client.prepare(asked())
    stand_in.misbehave(Fault(ENTRIES, Rewrite(replaced({"data": list(listed)}))))
    return await ai_client.poll(handle | {"request": own})


@pytest.mark.parametrize(("own", "image"), [("one", "a"), ("two", "b")])
@pytest.mark.parametrize("order", [(FIRST, ONE, SECOND, TWO), (SECOND, TWO, FIRST, ONE)])
async def test_each_request_gets_its_own_response_and_the_other_bill_is_reported(
    ai_client: AiClient, stand_in: StandIn, order: tuple[Item, ...], own: str, image: str
) -> None:
    result = await said_of(ai_client, stand_in, *order, own=own)
    assert isinstance(result, Finished)
    assert [each.url for each in result.images] == [f"https://app.ai-client.com/{image}.png"]
    assert (result.cost, result.beyond, result.sure) == (Cost(5_000, exact=True), 5_000, True)


MIXED = pytest.mark.parametrize(
    "order", [(FIRST, SECOND, ONE, TWO), (TWO, ONE, SECOND, FIRST), (ONE, FIRST, SECOND, TWO)]
)


@MIXED
async def test_from_ambiguous_responses_only_the_requested_number_of_images_is_taken(
    ai_client: AiClient, stand_in: StandIn, order: tuple[Item, ...]
) -> None:
    result = await said_of(ai_client, stand_in, *order)
    assert isinstance(result, Finished)
    assert len(result.images) == 1
    assert (result.cost, result.beyond) == (Cost(5_000, exact=True), 5_000)


@MIXED
async def test_without_credits_the_estimate_counts_the_taken_images(
    ai_client: AiClient, stand_in: StandIn, order: tuple[Item, ...]
) -> None:
    unpriced = [{name: value for name, value in item.items() if name != "credits"} for item in order]
    result = await said_of(ai_client, stand_in, *unpriced)
    assert isinstance(result, Finished)
    assert (len(result.images), result.cost, result.beyond) == (1, Cost(5_000, exact=False), 0)


@pytest.mark.parametrize(
    ("own", "sure"),
    [
        (request_entry("two", error="it broke"), True),
        (request_entry("two"), False),
        (request_entry("two", waiting=True), False),
    ],
    ids=["failed", "without an answer", "not over"],
)
async def test_if_its_own_response_is_missing_the_other_one_is_used(
    ai_client: AiClient, stand_in: StandIn, own: Item, sure: bool
) -> None:
    result = await said_of(ai_client, stand_in, FIRST, ONE, own)
    assert isinstance(result, Finished)
    assert [each.url for each in result.images] == ["https://app.ai-client.com/a.png"]
    assert (result.cost, result.beyond, result.sure) == (Cost(5_000, exact=True), 0, sure)


async def test_charges_are_reported_while_waiting_and_on_failure(ai_client: AiClient, stand_in: StandIn) -> None:
    empty = ONE | {"content": []}
    going_on = await said_of(ai_client, stand_in, FIRST, empty, request_entry("two", waiting=True))
    assert going_on == Waiting(charged=5_000)
    failed = await said_of(ai_client, stand_in, FIRST, empty, request_entry("two", error="it broke"))
    assert isinstance(failed, Failed)
    assert (failed.charged, failed.sure) == (5_000, True)


async def test_a_request_is_given_up_after_ten_minutes_or_as_configured() -> None:
    assert make_ai_client("http://127.0.0.1:1").patience == 600
    provider = AiClient.configure(reader(AI_CLIENT_TOKEN="x", AI_CLIENT_PATIENCE="90"))
    assert provider is not None
    assert provider.patience == 90


# --- credits ----------------------------------------------------------------------------------------------------------


async def test_the_request_entrys_credits_are_not_the_price(ai_client: AiClient, stand_in: StandIn) -> None:
    stand_in.misbehave(
        entries(each_object(lambda item: item | {"credits": 99} if item.get("type") == "request" else item))
    )
    assert (await finished(ai_client, asked(images=2))).cost == Cost(10_000, exact=True)


async def test_the_credits_of_several_response_entries_are_added(ai_client: AiClient, stand_in: StandIn) -> None:
    def doubled(answer: Json) -> Json:
        assert isinstance(answer, dict)
        listed = answer["data"]
        assert isinstance(listed, list)
        response = listed[-1]
        assert isinstance(response, dict)
        return {"data": [*listed, response | {"content": [], "credits": "2.5"}]}

    stand_in.misbehave(entries(doubled))
    assert (await finished(ai_client)).cost == Cost(7_500, exact=True)


async def test_without_credits_in_the_response_the_cost_is_an_estimate(ai_client: AiClient, stand_in: StandIn) -> None:
    stand_in.misbehave(entries(without("credits")))
    assert (await finished(ai_client, asked(images=2))).cost == Cost(10_000, exact=False)

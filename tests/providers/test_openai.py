"""OpenAI-compatible services: what is sent, what comes back, and what it costs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.providers.answers import Answer
from bot.providers.base import Ability, ImageRequest, Json, WeightedText
from bot.providers.errors import Reason, Refused, TooLarge
from bot.providers.image_headers import inspect
from bot.providers.openai_models import Model
from bot.providers.operations import Operation, PictureFile, Pictures, Size
from fakes.services import Fate, Fault, StandIn
from fakes.services.faults import Rewrite
from fakes.services.image_variants import resized
from fakes.services.openai_images import Kind
from fakes.services.uploads import Upload
from tests.fakes.service_calls import picture
from tests.providers.openai_workbench import (
    EDITS,
    GENERATIONS,
    GPT,
    IMAGE,
    PRICED,
    SD_CPP,
    SQUARE,
    WIDE,
    alpha_mask,
    fails,
    made,
    on_its_way,
    openai_at,
    own_server_at,
    pictures,
    repainted,
    sent_body,
    varied,
)
from tests.providers.workbench import SECRET, asked, refusal


async def test_an_image_from_the_request_to_the_file(stand_in: StandIn, tmp_path: Path) -> None:
    async with openai_at(stand_in) as provider:
        finished = await made(provider)
        (image,) = finished.images
        fetched = await provider.fetch(image, tmp_path / "image")
    assert (fetched.media_type, fetched.size) == ("image/png", SQUARE)
    assert (tmp_path / "image").stat().st_size == fetched.bytes
    (call,) = stand_in.calls_to(GENERATIONS)
    assert call.authorization == f"Bearer {SECRET}"
    assert finished.cost.exact
    assert finished.cost.millicredits == stand_in.charged > 4_200


async def test_the_text_in_a_file_is_removed(stand_in: StandIn, tmp_path: Path) -> None:
    async with openai_at(stand_in) as provider:
        (image,) = (await made(provider)).images
        assert b"lighthouse" in (image.data or b"")
        await provider.fetch(image, tmp_path / "image")
    assert b"lighthouse" not in (tmp_path / "image").read_bytes()


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_what_openai_is_sent(stand_in: StandIn) -> None:
    async with openai_at(stand_in) as provider:
        body = await sent_body(stand_in, provider, asked(GPT, size=WIDE))
    assert body == {
        "model": "gpt-image-1",
        "prompt": "a lighthouse on a cliff",
        "n": 1,
        "size": "1536x1024",
        "quality": "medium",
        "output_format": "png",
        "stream": True,
        "partial_images": 1,
    }


async def test_without_partial_images_several_images_come_at_once(stand_in: StandIn) -> None:
    async with openai_at(stand_in, partials=0) as provider:
        (engine,) = provider.engines
        request = asked(GPT, images=engine.images_per_submission)
        body = await sent_body(stand_in, provider, request)
        finished = await made(provider, request)
    assert body["n"] == 4
    assert not {"stream", "partial_images"} & body.keys()
    assert len(finished.images) == 4


async def test_other_models_are_sent_no_more_than_they_take(stand_in: StandIn) -> None:
    async with own_server_at(stand_in, Kind.LOCAL_AI) as provider:
        body = await sent_body(stand_in, provider, asked(provider.engines[0].id))
        assert "response_format" not in body
    stand_in.openai.models = ("flux",)
    async with own_server_at(stand_in, Kind.LOCAL_AI) as provider:
        body = await sent_body(stand_in, provider, asked("openai/flux", size=Size(1152, 896)))
    assert body == {"model": "flux", "prompt": "a lighthouse on a cliff", "n": 1, "size": "1152x896"}


@pytest.mark.parametrize(
    "prompt",
    [
        'a fox <sd_cpp_extra_args>{"seed": 1}</sd_cpp_extra_args>',
        'a fox < SD_cpp_Extra_Args >{"seed": 1}</sd_cpp_extra_args>',
        'a fox <<sd_cpp_extra_argssd_cpp_extra_args>{"seed": 1}<</sd_cpp_extra_args/sd_cpp_extra_args>',
        'a fox <sd_<sd_cpp_extra_argscpp_extra_args>{"seed": 1}</sd_cpp_extra_args>',
    ],
)
async def test_a_prompt_sets_no_parameters_of_the_server(stand_in: StandIn, prompt: str) -> None:
    async with own_server_at(stand_in) as provider:
        await made(provider, asked(SD_CPP, prompts=(WeightedText(prompt),), seed=7))
    assert stand_in.openai.extras == [{"seed": 7}]
    assert stand_in.renderings.by_guid.popitem()[1].plates[0].picture.seed == 7


async def test_a_bar_in_a_prompt_begins_no_negative_prompt(stand_in: StandIn) -> None:
    stand_in.openai.models = ("flux",)
    async with own_server_at(stand_in, Kind.LOCAL_AI) as provider:
        body = await sent_body(stand_in, provider, asked("openai/flux", prompts=(WeightedText("a|b"),)))
    assert body["prompt"] == "a,b"
    assert not stand_in.openai.negatives


async def test_seeds_of_stable_diffusion_cpp(stand_in: StandIn) -> None:
    async with own_server_at(stand_in) as provider:
        (engine,) = provider.engines
        given = await made(provider, asked(SD_CPP, seed=7, images=2))
        chosen = [await made(provider, asked(SD_CPP)) for _ in range(2)]
    assert Ability.SEED in engine.abilities
    assert [image.seed for image in given.images] == [7, 8]
    assert chosen[0].images[0].seed != chosen[1].images[0].seed
    assert stand_in.openai.extras[1:] == [{"seed": each.images[0].seed} for each in chosen]


# --- edits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partials", [0, 1])
async def test_a_picture_is_varied(stand_in: StandIn, tmp_path: Path, partials: int) -> None:
    async with openai_at(stand_in, partials=partials) as provider:
        finished = await made(provider, varied(), pictures(tmp_path))
    (call,) = stand_in.calls_to(EDITS)
    assert set(call.files) == {"image[]"}
    assert isinstance(call.body, dict)
    assert call.body["prompt"] == "a lighthouse on a cliff"
    assert call.body.get("stream") == ("true" if partials else None)
    assert finished.cost.millicredits == stand_in.charged
    assert not finished.images[0].reshaped


async def test_a_part_is_repainted(stand_in: StandIn, tmp_path: Path) -> None:
    async with openai_at(stand_in) as provider:
        engine = provider.engines[0].doing(Operation.INPAINT)
        assert engine is not None
        assert engine.takes_size(SQUARE)
        await made(provider, repainted(), pictures(tmp_path, mask=alpha_mask()))
    (call,) = stand_in.calls_to(EDITS)
    assert call.files["mask"] == Upload.of(alpha_mask())
    assert {upload.filename for upload in call.files.values()} == {"image.png", "mask.png"}
    assert stand_in.bills[0].operation == "inpaint"


async def test_an_opaque_mask_is_refused(stand_in: StandIn, tmp_path: Path) -> None:
    async with openai_at(stand_in) as provider:
        problem = await fails(provider, repainted(), pictures(tmp_path, mask=picture(1024, 1024)))
    assert isinstance(problem, Refused)
    assert not stand_in.bills


@pytest.mark.parametrize(
    ("wanted", "with_picture", "reason"),
    [(varied(), False, Reason.NO_PICTURE), (repainted(), True, Reason.NOTHING_MARKED)],
)
async def test_an_edit_without_its_pictures(
    stand_in: StandIn, tmp_path: Path, wanted: ImageRequest, with_picture: bool, reason: Reason
) -> None:
    async with openai_at(stand_in) as provider:
        problem = await fails(provider, wanted, pictures(tmp_path) if with_picture else None)
    assert problem.reason is reason
    assert not stand_in.calls_to(EDITS)


async def test_pictures_with_too_many_bytes(stand_in: StandIn, tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    file.write_bytes(bytes(9 << 20))
    large = Pictures(PictureFile(file, "image/png", SQUARE, 9 << 20))
    async with openai_at(stand_in) as provider:
        problem = await fails(provider, varied(), large)
    assert isinstance(problem, TooLarge)
    assert not stand_in.calls_to(EDITS)


async def test_an_image_of_another_shape_is_reported(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.misbehave(Fault(EDITS, Fate(alter=resized(256, 128))))
    async with openai_at(stand_in) as provider:
        finished = await made(provider, varied(), pictures(tmp_path))
    assert finished.images[0].reshaped


# --- images -----------------------------------------------------------------------------------------------------------


async def test_images_at_addresses_are_downloaded_without_the_key(stand_in: StandIn, tmp_path: Path) -> None:
    async with own_server_at(stand_in, Kind.LOCAL_AI) as provider:
        finished = await made(provider, asked(provider.engines[0].id))
        (image,) = finished.images
        assert image.data is None
        fetched = await provider.fetch(image, tmp_path / "image")
    assert fetched.size == SQUARE
    (call,) = stand_in.calls_to(IMAGE)
    assert call.authorization is None
    assert (finished.cost.millicredits, finished.cost.exact) == (0, True)


# --- while it is made -------------------------------------------------------------------------------------------------


async def test_the_unfinished_image_is_shown_meanwhile(slow_stand_in: StandIn) -> None:
    async with openai_at(slow_stand_in) as provider, on_its_way(provider, slow_stand_in) as (handle, submit):
        async with asyncio.timeout(20):
            while (preview := (await provider.progress(handle)).preview) is None:
                await asyncio.sleep(0)
        assert inspect(preview).size == SQUARE
        assert (await provider.progress(handle)).preview is preview
        slow_stand_in.finish_all()
        (image,) = (await submit).images
        assert image.data != preview
        assert (await provider.progress(handle)).preview is None


async def test_what_charges_cannot_be_cancelled(stand_in: StandIn) -> None:
    """It is charged all the same, and its unfinished image has been seen."""
    async with openai_at(stand_in) as provider, own_server_at(stand_in) as own:
        assert (provider.cancels, own.cancels) == (False, True)


async def test_a_free_service_is_cancelled(slow_stand_in: StandIn) -> None:
    async with (
        own_server_at(slow_stand_in) as provider,
        on_its_way(provider, slow_stand_in, asked(SD_CPP)) as (handle, submit),
    ):
        for _ in range(3):
            assert await provider.cancel(handle)
            await asyncio.sleep(0)
        problem = await refusal(submit)
        assert await provider.cancel(handle), "once more, when it has ended"
    assert isinstance(problem, Refused)
    assert problem.reason is Reason.CANCELLED


async def test_cancel_does_not_lose_an_image_that_has_arrived(stand_in: StandIn) -> None:
    """It arrives while the connection is being closed."""
    async with openai_at(stand_in, models=(Model("gpt-image-1", "medium"),)) as provider:
        handle, call = await provider.prepare(asked(GPT)), provider._service.call

        async def and_cancelled(*args: Any, **options: Any) -> Answer:
            await call(*args, **options)
            await provider.cancel(handle)
            await asyncio.Event().wait()
            raise AssertionError

        provider._service.call = and_cancelled  # type: ignore[method-assign]  # to cancel at this very moment
        assert len((await provider.submit(handle, asked(GPT))).images) == 1


async def test_a_shutdown_is_no_cancellation(slow_stand_in: StandIn) -> None:
    async with openai_at(slow_stand_in) as provider, on_its_way(provider, slow_stand_in) as (_, submit):
        submit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submit


# --- what it costs ----------------------------------------------------------------------------------------------------


async def test_the_quote_covers_the_charge(stand_in: StandIn, tmp_path: Path) -> None:
    async with openai_at(stand_in) as provider:
        for request, files in ((asked(GPT), None), (repainted(), pictures(tmp_path, mask=alpha_mask()))):
            quote, before = provider.quote(request), stand_in.charged
            finished = await made(provider, request, files)
            assert quote.low <= stand_in.charged - before == finished.cost.millicredits <= quote.hold == quote.high
            assert not quote.exact


async def test_without_the_tokens_the_price_is_an_estimate(stand_in: StandIn) -> None:
    stand_in.openai.usage = False
    async with openai_at(stand_in) as provider:
        cost = (await made(provider)).cost
    assert (cost.millicredits, cost.exact) == (4_200, False)


@pytest.mark.parametrize(
    ("details", "kind"),
    [
        ({"cached_tokens": 4}, "input_tokens_details"),
        ({"cached_tokens_details": {"text_tokens": 4}}, "input_tokens_details"),
        ({"text_tokens": 20, "image_tokens": 1_000}, "output_tokens_details"),
    ],
)
async def test_tokens_with_a_price_of_their_own_make_it_an_estimate(
    stand_in: StandIn, details: dict[str, Json], kind: str
) -> None:
    def told(answer: Json) -> Json:
        assert isinstance(answer, dict)
        usage = answer["usage"]
        assert isinstance(usage, dict)
        more = usage.get(kind)
        return answer | {"usage": usage | {kind: (more if isinstance(more, dict) else {}) | details}}

    stand_in.misbehave(Fault(GENERATIONS, Rewrite(told)))
    async with openai_at(stand_in, partials=0) as provider:
        cost = (await made(provider)).cost
    assert (cost.millicredits, cost.exact) == (stand_in.charged, False)


async def test_a_price_by_the_image_is_exact(stand_in: StandIn) -> None:
    async with openai_at(stand_in, models=(Model("gpt-image-1", prices={None: 5_000}),), partials=0) as provider:
        request = asked("openai/gpt-image-1", images=2)
        quote, cost = provider.quote(request), (await made(provider, request)).cost
    assert (quote.low, quote.high, quote.hold, quote.exact) == (10_000, 10_000, 10_000, True)
    assert (cost.millicredits, cost.exact) == (10_000, True)


async def test_what_a_service_charges_for(stand_in: StandIn) -> None:
    async with openai_at(stand_in) as charging:
        assert charging.charges
    async with own_server_at(stand_in) as free:
        assert not free.charges
        assert free.quote(asked(SD_CPP)).hold == 0
    async with openai_at(stand_in, models=(Model("flux"), PRICED)) as mixed:
        assert mixed.charges
        assert mixed.quote(asked("openai/flux")).hold == 0

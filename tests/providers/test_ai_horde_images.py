"""The AI Horde: requests that do not end well, and images that are withheld, missing or elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from bot.providers.ai_horde import AiHorde
from bot.providers.base import Failed, Finished, GeneratedImage, Json
from bot.providers.errors import (
    ProviderError,
    Reason,
    Refused,
    Unreachable,
)
from bot.providers.operations import Pictures
from fakes.services import Fate, Fault, StandIn
from fakes.services.ai_horde import LINK_SECONDS
from fakes.services.faults import Half, Spoil, Status
from fakes.services.image_variants import html
from tests.providers.ai_horde_workbench import (
    CHECK,
    STATUS,
    SUBMIT,
    answering,
    answering_images,
    failed,
    finished,
    over,
    queued,
    varied,
    wanted,
)
from tests.providers.workbench import refusal

PassTime = Callable[[float], None]


# --- how it ended -----------------------------------------------------------------------------------------------------


async def test_a_request_whose_workers_failed_is_not_called_failed(ai_horde: AiHorde, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(SUBMIT, Fate(error="no memory")))
    handle = await queued(ai_horde)
    await stand_in.horde.ended(handle["id"])
    assert await ai_horde.poll(handle) == Failed(Reason.BROKEN)
    assert not stand_in.calls_to(STATUS)


async def test_a_failed_request_need_not_be_done(slow_ai_horde: AiHorde, slow_stand_in: StandIn) -> None:
    handle = await queued(slow_ai_horde)
    slow_stand_in.misbehave(answering(CHECK, faulted=True, done=False))
    assert await slow_ai_horde.poll(handle) == Failed(Reason.BROKEN)


async def test_a_failed_request_keeps_what_is_finished(ai_horde: AiHorde, stand_in: StandIn) -> None:
    stand_in.horde.workers = 1
    stand_in.misbehave(Fault(SUBMIT, Fate(images=2)))
    result = await over(ai_horde, stand_in, wanted(images=3))
    assert stand_in.horde.requests.popitem()[1].count("faulted") == 1
    assert isinstance(result, Finished)
    assert len(result.images) == 2


@pytest.mark.parametrize(("report", "abuse"), [("nsfw", False), ("csam", True)])
async def test_censored_images_are_not_shown(ai_horde: AiHorde, stand_in: StandIn, report: str, abuse: bool) -> None:
    stand_in.misbehave(Fault(SUBMIT, Fate(finish_reason=report)))
    with capture_logs() as logs:
        assert await failed(ai_horde, stand_in) == Failed(Reason.MODERATED, abuse=abuse)
    assert ("ai_horde.csam_reported" in [line["event"] for line in logs]) is abuse
    assert not stand_in.calls_to("horde.image")


def reporting(kind: str, value: str, *, images: int = 1) -> Fault:
    """A fault in which the first images have a report of this kind."""
    report: Json = [{"type": kind, "value": value, "ref": kind}]
    return answering_images(lambda index, image: image | ({"gen_metadata": report} if index < images else {}))


@pytest.mark.parametrize("value", ["download_failed", "parse_failed"])
@pytest.mark.parametrize("images", [1, 2])
async def test_an_image_that_was_made_without_the_picture_is_no_result(
    ai_horde: AiHorde, stand_in: StandIn, files: Pictures, value: str, images: int
) -> None:
    """A worker that cannot get the picture makes an image from the words alone."""
    stand_in.misbehave(reporting("source_image", value, images=images))
    result = await over(ai_horde, stand_in, varied(images=2), files)
    if images == 2:
        assert result == Failed(Reason.PICTURE_NOT_LOADED)
    else:
        assert isinstance(result, Finished)
        assert len(result.images) == 1


async def test_a_remark_about_an_image_is_no_fault(ai_horde: AiHorde, stand_in: StandIn) -> None:
    stand_in.misbehave(reporting("information", "see_ref"))
    assert (await finished(ai_horde, stand_in)).images


@pytest.mark.parametrize(("report", "abuse"), [("nsfw", False), ("csam", True)])
async def test_a_report_about_one_of_two_images_counts(
    ai_horde: AiHorde, stand_in: StandIn, report: str, abuse: bool
) -> None:
    """The log names the job, so that the operator can find who it was."""
    stand_in.misbehave(reporting("censorship", report))
    with bound_contextvars(job=7), capture_logs(processors=[merge_contextvars]) as logs:
        made = await finished(ai_horde, stand_in, wanted(images=2))
    assert made.abuse is abuse
    assert [line["job"] for line in logs if line["event"] == "ai_horde.csam_reported"] == [7] * abuse


async def test_one_of_two_is_censored(ai_horde: AiHorde, stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.misbehave(answering_images(lambda index, image: image | ({"censored": True} if index == 0 else {})))
    made = await finished(ai_horde, stand_in, wanted(images=2))
    assert [(image.filtered, image.url is None) for image in made.images] == [(True, True), (False, False)]
    assert (await refusal(ai_horde.fetch(made.images[0], tmp_path / "x"))).reason is Reason.MODERATED


@pytest.mark.parametrize(
    "broken", [{"img": "N/A"}, {"img": None}, {"img": "n o base 64"}, {"state": "faulted"}, {"img": ""}]
)
async def test_an_image_that_is_missing_leaves_the_others(
    ai_horde: AiHorde, stand_in: StandIn, broken: dict[str, Json]
) -> None:
    stand_in.misbehave(answering_images(lambda index, image: image | (broken if index == 1 else {})))
    made = await finished(ai_horde, stand_in, wanted(images=3))
    assert len(made.images) == 2


@pytest.mark.parametrize("images", [[], 7, None, [7, "x", {}], [{"img": "N/A"}]])
async def test_a_result_without_images_is_doubted(ai_horde: AiHorde, stand_in: StandIn, images: Json) -> None:
    stand_in.misbehave(answering(STATUS, generations=images))
    assert await failed(ai_horde, stand_in) == Failed(Reason.NOTHING_MADE, sure=False)


async def test_images_made_together_share_one_seed(ai_horde: AiHorde, stand_in: StandIn) -> None:
    stand_in.horde.shared_seed = True
    made = await finished(ai_horde, stand_in, wanted(images=3))
    first, *others = [image.seed for image in made.images]
    assert first is not None
    assert others == [None, None]


@pytest.mark.parametrize(
    ("seed", "read"), [("77", 77), (77, 77), ("x", None), (None, None), (-1, None), ("1e40", None)]
)
async def test_a_seed_is_a_text(ai_horde: AiHorde, stand_in: StandIn, seed: Json, read: int | None) -> None:
    stand_in.misbehave(answering_images(lambda _, image: image | {"seed": seed}))
    assert (await finished(ai_horde, stand_in)).images[0].seed == read


# --- images -----------------------------------------------------------------------------------------------------------


async def test_images_in_the_answer(ai_horde: AiHorde, stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.horde.storage = False
    made = await finished(ai_horde, stand_in, wanted(images=2))
    assert all(image.url is None and image.data for image in made.images)
    fetched = await ai_horde.fetch(made.images[1], tmp_path / "x")
    assert fetched.media_type == "image/webp"
    assert not stand_in.calls_to("horde.image")


@pytest.mark.parametrize("url", ["https://elsewhere.example/x.webp", "http://169.254.169.254/x", "https://[/"])
async def test_an_image_elsewhere_is_not_fetched(
    ai_horde: AiHorde, stand_in: StandIn, tmp_path: Path, url: str
) -> None:
    stand_in.misbehave(answering_images(lambda _, image: image | {"img": url}))
    made = await finished(ai_horde, stand_in)
    assert isinstance(await refusal(ai_horde.fetch(made.images[0], tmp_path / "x")), Refused)


async def test_a_link_that_has_expired(
    ai_horde: AiHorde, stand_in: StandIn, tmp_path: Path, pass_time: PassTime
) -> None:
    made = await finished(ai_horde, stand_in)
    pass_time(LINK_SECONDS + 1)
    error = await refusal(ai_horde.fetch(made.images[0], tmp_path / "x"))
    assert (type(error), error.reason) == (Unreachable, Reason.IMAGE_NOT_READY)


@pytest.mark.parametrize(("act", "kind"), [(Spoil(html), Refused), (Half(), Unreachable), (Status(404), Unreachable)])
async def test_an_image_that_cannot_be_fetched(
    ai_horde: AiHorde, stand_in: StandIn, tmp_path: Path, act: Any, kind: type[ProviderError]
) -> None:
    made = await finished(ai_horde, stand_in)
    stand_in.misbehave(Fault("horde.image", act, times=None))
    assert type(await refusal(ai_horde.fetch(made.images[0], tmp_path / "x"))) is kind


async def test_an_image_without_anything(ai_horde: AiHorde, tmp_path: Path) -> None:
    assert (await refusal(ai_horde.fetch(GeneratedImage(), tmp_path / "x"))).reason is Reason.IMAGE_MISSING
    page = GeneratedImage(data=b64encode(b"<html>"))
    assert isinstance(await refusal(ai_horde.fetch(page, tmp_path / "x")), Refused)

"""Job views for cards, created without a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.domain.money import Price
from bot.domain.options import ImagineOptions
from bot.domain.requests import encode_request
from bot.jobs.provider_text import as_stored, as_texts
from bot.jobs.view import JobView, Progress, SubmissionView
from bot.providers.base import Engine, ImageRequest, WeightedText
from bot.providers.operations import Size
from bot.text import VERBATIM, Text
from storage.records import Job, JobStatus, StoredImage, Submission, SubmissionStatus
from tests.doubles.provider import ScriptedProvider

ENGINE = ScriptedProvider().engines[0]
NOW = 1_790_000_000_000


def request(prompt: str = "a lighthouse", **wanted: Any) -> ImageRequest:
    return ImageRequest(**{"engine": ENGINE.id, "prompts": (WeightedText(prompt),), "size": Size(512, 512), **wanted})


def image(number: int, *, submission_id: int = 1, **known: Any) -> StoredImage:
    return StoredImage(
        **{
            "id": number,
            "submission_id": submission_id,
            "position": number,
            "file": f"{number}.png",
            "media_type": "image/png",
            "width": 512,
            "height": 512,
            "bytes": 1000,
            "seed": number,
            "filtered": False,
            "created_at": NOW,
            **known,
        }
    )


def submission(
    number: int = 1,
    status: SubmissionStatus = SubmissionStatus.QUEUED,
    *,
    asked: ImageRequest | None = None,
    images: Sequence[StoredImage] = (),
    held: int = 0,
    captured: int | None = None,
    exact: bool = True,
    told: Text | str | None = None,
    **known: Any,
) -> SubmissionView:
    wanted = asked or request()
    problems = None if told is None else as_stored(VERBATIM(words=told) if isinstance(told, str) else told)
    record = Submission(
        **{
            "id": number,
            "job_id": 12,
            "position": number - 1,
            "user_id": 7,
            "engine": wanted.engine,
            "provider": wanted.engine.partition("/")[0],
            "status": status,
            "request": encode_request(wanted),
            "handle": None,
            "attempts": 0,
            "next_attempt_at": None,
            "sent_at": None,
            "finished_at": None,
            "ended_at": None,
            "problems": problems,
            "created_at": NOW,
            "updated_at": NOW,
            **known,
        }
    )
    return SubmissionView(record, wanted, tuple(images), held, captured, exact, as_texts(problems))


def job(status: JobStatus = JobStatus.WORKING, **known: Any) -> Job:
    return Job(
        **{
            "id": 12,
            "thread_id": 1,
            "parent_id": None,
            "user_id": 7,
            "server_id": 10,
            "status": status,
            "options": {},
            "private": False,
            "spoiler": False,
            "channel_id": 100,
            "message_id": 1000,
            "interaction_token": "aToken",
            "token_expires_at": NOW + 900_000,
            "bot_present": True,
            "file_limit": 10 * 2**20,
            "attempting": None,
            "delivered_by": None,
            "delivery_reasons": (),
            "lapse_reason": None,
            "resumed_at": None,
            "created_at": NOW,
            "updated_at": NOW,
            "ended_at": None,
            "delivered_at": None,
            **known,
        }
    )


def view(
    *submissions: SubmissionView,
    prompt: str = "a lighthouse",
    progress: Progress | None = None,
    engines: Sequence[Engine] = (ENGINE,),
    title: str | None = "lighthouses",
    quoted_exactly: bool = True,
    of: Job | None = None,
    compared: Sequence[str] | None = None,
    planned: Sequence[ImageRequest] = (),
) -> JobView:
    return JobView(
        job=of or job(),
        options=ImagineOptions(prompt=prompt, engines=None if compared is None else tuple(compared)),
        engines=tuple(engines),
        submissions=submissions or (() if planned else (submission(),)),
        thread_title=title,
        progress=progress or Progress(),
        quoted_exactly=quoted_exactly,
        planned=tuple(planned),
        prices=tuple(Price(400, 6000, exact=False) for _ in planned),
    )

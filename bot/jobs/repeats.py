"""Commands that would make the same images again, because their seeds are fixed."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from bot.domain.options import ImagineOptions
from bot.domain.requests import Plan
from bot.jobs.view import JobView
from bot.providers.base import ImageRequest
from storage.records import JobStatus

REMEMBERED = 2000
"""The number of latest results that are remembered."""


def makes_the_same(plan: Plan, view: JobView) -> bool:
    """Return whether the plan makes the images that this job's result shows: all of them, and all with fixed seeds."""
    whole = view.job.status is JobStatus.DELIVERED and len(view.images) == plan.images
    return whole and _fixed(plan.requests) and plan.requests == view.requests


class RecentResults:
    """The latest results with fixed seeds, in memory: for a check that may do no I/O."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[bytes, int] = OrderedDict()

    def add(self, view: JobView) -> None:
        """Remember the job if its seeds are fixed."""
        if view.images and _fixed(view.requests):
            key = _key(view.job.user_id, view.options, view.requests)
            self._jobs[key] = view.job.id
            self._jobs.move_to_end(key)
            if len(self._jobs) > REMEMBERED:
                self._jobs.popitem(last=False)

    def same(self, user_id: int, plan: Plan) -> int | None:
        """Return the id of this person's latest job with the same command and the same requests, or None."""
        return self._jobs.get(_key(user_id, plan.options, plan.requests)) if _fixed(plan.requests) else None


def _fixed(requests: Sequence[ImageRequest]) -> bool:
    return all(request.seed is not None for request in requests)


def _key(user_id: int, options: ImagineOptions, requests: Sequence[ImageRequest]) -> bytes:
    """A digest, so that no prompts are kept."""
    whole = repr((user_id, options, tuple(requests)))
    return hashlib.blake2s(whole.encode(errors="replace"), digest_size=16).digest()

"""Which of the limits that a server's admins set holds for a person."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from storage.quotas import Quota, Subject


@dataclass(frozen=True, slots=True)
class Allowance:
    """What holds for one person in a server; None: no limit of this kind. Credits are millicredits a period.

    ``everybody`` is what all people of the server may spend together.
    """

    everybody: int | None = None
    credits: int | None = None
    images: int | None = None
    jobs: int | None = None


def allowance(quotas: Iterable[Quota], *, user_id: int, role_ids: Collection[int]) -> Allowance:
    """Of each kind of limit the person's own, else the best of their roles', else the default.

    The images a job and the jobs at once that are set for the server hold for everybody on top of that.
    """
    every = list(quotas)
    server = next((quota for quota in every if quota.subject is Subject.SERVER), Quota(Subject.SERVER))
    own = [quota for quota in every if quota.subject is Subject.USER and quota.subject_id == user_id]
    roles = [quota for quota in every if quota.subject is Subject.ROLE and quota.subject_id in role_ids]
    default = [quota for quota in every if quota.subject is Subject.DEFAULT]

    def best(limit: Callable[[Quota], int | None]) -> int | None:
        for group in (own, roles, default):
            known = [found for quota in group if (found := limit(quota)) is not None]
            if known:
                return max(known)
        return None

    return Allowance(
        everybody=server.credits,
        credits=best(lambda quota: quota.credits),
        images=_least(best(lambda quota: quota.images), server.images),
        jobs=_least(best(lambda quota: quota.jobs), server.jobs),
    )


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)

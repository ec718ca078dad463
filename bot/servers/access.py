"""What one person may do in one place, found with the checks of /imagine."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.place import Origin
from bot.domain.rules import (
    CHANNELS_GONE,
    NOT_THIS_CHANNEL,
    NOT_YOUR_ROLE,
    OTHER_CHANNELS,
    PROMPT_TOO_LONG,
    ROLES_GONE,
    WORD_REFUSED,
    WORD_RESTRICTED,
)
from bot.errors import Problem
from bot.jobs.limits import TOO_EXPENSIVE, TOO_MANY_FREE, TOO_MANY_JOBS, LimitKind
from bot.jobs.new_jobs import NewJobs
from bot.jobs.refusals import CommandRefused
from bot.jobs.service import JobService
from bot.providers.base import Engine
from bot.servers.settings import Servers
from bot.text import Text

PROMPT = "a lighthouse"
"""The prompt that the check uses. Refused words are ignored."""
CHANNEL_PROBLEMS = frozenset({NOT_THIS_CHANNEL.code, OTHER_CHANNELS.code, CHANNELS_GONE.code})
ROLE_PROBLEMS = frozenset({NOT_YOUR_ROLE.code, ROLES_GONE.code})
"""The codes of problems with the channel, and with the person's roles."""
_WORDS = {WORD_REFUSED.code, WORD_RESTRICTED.code, PROMPT_TOO_LONG.code}
_OF_OPERATOR = {
    TOO_MANY_JOBS.code,
    TOO_MANY_FREE[LimitKind.FREE_DAILY].code,
    *(TOO_EXPENSIVE[kind].code for kind in (LimitKind.USER_DAILY, LimitKind.SERVER_MONTHLY, LimitKind.BOT_DAILY)),
}


@dataclass(frozen=True, slots=True)
class Access:
    """The reasons why a person cannot make an image with their default options here.

    ``place``: channel and role. ``engine``: the engine and its service. ``limits``: limits that it would exceed,
    ``operators`` those of the bot's operator. ``offered`` are the engines that may be used, ``default`` is the id of
    the one that is used by default.
    """

    place: tuple[Text, ...]
    engine: tuple[Text, ...]
    limits: tuple[Text, ...]
    operators: tuple[Text, ...]
    offered: tuple[Engine, ...]
    default: str

    @property
    def open(self) -> bool:
        """Whether the person can make an image here."""
        return not (self.place or self.engine or self.limits or self.operators)


class AccessCheck:
    """Finds what people may do."""

    def __init__(self, service: JobService, new_jobs: NewJobs, servers: Servers) -> None:
        self._service = service
        self._new_jobs = new_jobs
        self._servers = servers

    async def of(self, origin: Origin) -> Access:
        """Check a command with the default options of the person in this place. Raises StorageError."""
        service = self._service
        plan, problems = None, tuple[Text, ...]()
        try:
            plan = await service.checked(origin, service.example(origin, PROMPT))
        except CommandRefused as error:
            plan, problems = error.plan, error.problems
        place = self._servers.problems_of_place(origin)
        requests, images = ((), 1) if plan is None else (plan.requests, plan.images)
        beyond = [_text(problem) for problem in await self._new_jobs.limit_problems(origin, requests, images)]
        return Access(
            place=tuple(place),
            engine=tuple(each for each in problems if each not in [*place, *beyond] and each.code not in _WORDS),
            limits=tuple(each for each in beyond if each.code not in _OF_OPERATOR),
            operators=tuple(each for each in beyond if each.code in _OF_OPERATOR),
            offered=tuple(service.offered(origin)),
            default=service.engine_by_default(origin),
        )


def _text(problem: Problem) -> Text:
    return problem if isinstance(problem, Text) else problem()

"""Where a job came from and what was made from it, as far as whoever asks may see it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bot.domain.form_data import Draft, draft_of, draft_of_prompt
from bot.domain.place import Origin
from bot.domain.requests import ImagineOptions
from bot.errors import UserError
from bot.jobs.service import Actions
from bot.jobs.store import BEING_SHOWN, Jobs
from bot.jobs.view import JobView
from storage import jobs as rows
from storage import lineage
from storage.jobs import Event, JobStatus

NOT_MINE = "That message shows no job of mine. Pick one of my results."
GONE = "The files of this result are no longer stored. Again makes it once more."


@dataclass(frozen=True, slots=True)
class Detailed:
    """A job with every step of its life and its kin: the parent, and the jobs made from it, oldest first.

    ``hidden`` is how many of these kin whoever asks may not see; ``mine`` whether it is their own. ``kept_until`` is
    until when the images are kept of one that could not be shown (Unix milliseconds).
    """

    view: JobView
    mine: bool
    events: list[Event]
    parent: int | None
    children: tuple[int, ...]
    hidden: int
    kept_until: int


class Lineage:
    """What can be done from a result."""

    def __init__(self, *, jobs: Jobs, actions: Actions) -> None:
        self._jobs = jobs
        self._actions = actions

    async def detailed(self, origin: Origin, job_id: int) -> Detailed:
        """Everything about a job that this person may see. Raises UserError where they may not."""
        view, events = await self._actions.details(origin, job_id)
        parent = view.job.parent_id
        async with self._jobs.database.read() as connection:
            children = await lineage.children(connection, job_id)
            kin = [*children, *([] if parent is None else [parent])]
            seen = {job.id for job in await rows.get_jobs(connection, kin) if self._actions.may_see(origin, job)}
        return Detailed(
            view,
            view.job.user_id == origin.user_id,
            events,
            parent if parent in seen else None,
            tuple(child for child in children if child in seen),
            hidden=len(kin) - len(seen),
            kept_until=self._jobs.kept_until(view.job),
        )

    async def job_of_message(self, named: Collection[int], message_id: int) -> int:
        """The job that a message of the bot's shows: of those that its buttons name, or the one whose card it is.

        Raises UserError where there is none, or where there are several.
        """
        if len(named) > 1:
            raise UserError("That message shows several jobs. Use the buttons under the one that you mean.")
        if named:
            return next(iter(named))
        async with self._jobs.database.read() as connection:
            found = await lineage.unfinished_of_message(connection, message_id)
        if found is None:
            raise UserError(NOT_MINE)
        return found

    async def draft(self, origin: Origin, job_id: int, *, prompt_alone: bool = False) -> Draft:
        """The job as something to be changed and asked for again; or its prompt alone, with nothing else set."""
        view = await self._jobs.view((await self._actions.visible(origin, job_id)).id)
        if prompt_alone:
            base = ImagineOptions(prompt=view.options.prompt, private=self._actions.private_by_default(origin))
            return draft_of_prompt(base, view.options, engine=self._actions.engine_by_default(origin))
        options = view.options
        if view.job.user_id != origin.user_id:
            options = options.for_another_person(private=self._actions.private_by_default(origin))
        engines = tuple(dict.fromkeys(request.engine for request in view.requests))
        return draft_of(options, engine=engines[0] if len(engines) == 1 else None)

    async def shareable(self, origin: Origin, job_id: int) -> JobView:
        """A private result that this person may show to the others here. Raises UserError where it is not one."""
        job = await self._jobs.job(job_id)
        if job.user_id != origin.user_id:
            raise UserError("Only the person who asked for it may share it.")
        if origin.server_id is None:
            raise UserError("There is nobody here to share it with: share it in a server's channel.")
        if job.public_in is not None:
            raise UserError("This is public already.")
        if job.status is JobStatus.READY:
            raise UserError(BEING_SHOWN)
        if job.status not in (JobStatus.DELIVERED, JobStatus.UNDELIVERED):
            raise UserError("This is not finished yet. Share it when the images are there.")
        view = await self._jobs.view(job_id)
        if not any(image.file for image in view.images):
            raise UserError(GONE if view.images else "There are no images to share.")
        self._actions.check_sharing(origin, view.options)
        return view

    async def begin_share(self, job_id: int, *, server_id: int, channel_id: int, message_id: int) -> bool:
        """Record where it is about to be shared, before it is; False if it was, or may have been, shared before."""
        return await self._jobs.begin_share(job_id, server_id=server_id, channel_id=channel_id, message_id=message_id)

    async def shared(self, job_id: int, *, message_id: int) -> bool:
        """The images are in that message now, for all there to see; False if the job was deleted in the meantime."""
        return await self._jobs.shared(job_id, message_id=message_id)

    async def not_shared(self, job_id: int, *, message_id: int) -> None:
        """The images are surely not in that message."""
        await self._jobs.not_shared(job_id, message_id=message_id)

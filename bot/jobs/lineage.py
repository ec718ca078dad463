"""The family of a job: what it was made from, and what was made from it, as far as a person may see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from bot.domain.place import Origin
from bot.errors import UserError
from bot.jobs.image_files import Previews
from bot.jobs.store import GONE, JobStore
from bot.jobs.view import JobView, load_all, may_see, require_visible
from bot.pictures import family_tree, tree_layout
from bot.pictures.family_tree import Face, Sign
from bot.pictures.tree_layout import Chosen
from bot.providers.operations import Operation
from storage import jobs, lineage, sources
from storage.database import AsyncConnection
from storage.lineage import Made
from storage.pools import Pools
from storage.records import NEVER_STARTED, UNSHOWN, Job, JobStatus, SourceKind, StoredImage, StoredSource

ANCESTORS_AT_MOST = 100
DESCENDANTS_AT_MOST = 500
"""The number of jobs that are looked at. A larger family is drawn without the rest."""


class Step(Enum):
    """How a member of the family came to be, unless an operation on a picture says it."""

    NEW = auto()
    """Made from words."""
    REPEATED = auto()
    """Made from the same words as its parent."""
    REWORDED = auto()
    """Made from other words than its parent."""
    ATTACHED = auto()
    """A picture that a person attached."""
    POSTED = auto()
    """A picture in a message."""
    COPIED = auto()
    """An image of the bot whose job is gone."""
    PRIVATE = auto()
    """The person may not see it."""
    DELETED = auto()
    """It is deleted, and something that was made from it is not."""


@dataclass(frozen=True, slots=True)
class Member:
    """A job or a picture in a family, as a person sees it.

    ``made_by`` is the id of the person who made or brought it; None if that is unknown or hidden. ``job_id`` is None
    for a picture, and if it is hidden. ``count`` is the number of hidden jobs that this member stands for. ``image`` is
    the number of the image that is shown, of ``images``.
    """

    step: Step | Operation
    picture: bytes | Sign
    made_by: int | None = None
    job_id: int | None = None
    count: int = 1
    image: int = 1
    images: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """The family of the job ``asked``. Its members have numbers: jobs their ids, pictures the negative of theirs.

    ``chosen`` says which members are drawn, and what was made from what. ``complete`` is False if there are more than
    were counted. ``spoiler`` is whether an image is hidden until it is clicked.
    """

    asked: int
    chosen: Chosen
    members: Mapping[int, Member]
    complete: bool
    spoiler: bool

    @property
    def people(self) -> frozenset[int]:
        """The people who made or brought its members, as far as they are not hidden."""
        return frozenset(member.made_by for member in self.members.values() if member.made_by is not None)

    @property
    def omitted(self) -> int:
        """The number of members that are not drawn."""
        return self.chosen.skipped + sum(self.chosen.omitted.values())


class Lineage:
    """Families of jobs."""

    def __init__(self, *, store: JobStore, previews: Previews, pools: Pools) -> None:
        self._database = store.database
        self._providers = store.providers
        self._previews = previews
        self._pools = pools

    async def family(self, origin: Origin, job_id: int) -> Family:
        """Return the family of a job. Raises UserError if this person may not see the job."""
        async with self._database.read() as connection:
            line = await lineage.ancestors(connection, job_id, limit=ANCESTORS_AT_MOST)
            if not line:
                raise UserError(GONE)
            below = await lineage.descendants(connection, job_id, limit=DESCENDANTS_AT_MOST)
            every = await jobs.get_jobs(connection, {made.job_id for made in (*line, *below)})
            source = await _source(connection, line[0])
        sight = _Sight(origin, {job.id: job for job in every})
        if job_id not in sight.known:
            raise UserError(GONE)
        require_visible(origin, sight.known[job_id])
        numbers, hidden = sight.ancestors(line, source)
        pairs = sight.descendants(below, job_id, hidden)
        chosen = await self._pools.pictures.run(tree_layout.chosen, numbers, pairs)
        async with self._database.read() as connection:
            visible = [sight.known[number] for number in chosen.nodes if number > 0 and sight.sees(number)]
            views = {view.job.id: view for view in await load_all(connection, visible, self._providers)}
        copies = {made.job_id: made.image_id for made in (*line, *below)}
        members = {}
        for number, parent in _with_parents(chosen):
            if source is not None and number == -source.id:
                members[number] = await self._brought(source, origin)
            elif number in views:
                used = [copies.get(child) for child in chosen.children.get(number, ())]
                members[number] = await self._made(views[number], None if parent is None else views.get(parent), used)
            else:
                step = Step.DELETED if sight.deleted(number) else Step.PRIVATE
                members[number] = Member(step, Sign.PRIVATE, count=hidden.get(number, 1))
        return Family(
            job_id,
            chosen,
            members,
            complete=len(below) < DESCENDANTS_AT_MOST and line[0].parent is None,
            spoiler=any(view.job.spoiler for view in views.values()),
        )

    async def drawn(self, family: Family, faces: Mapping[int, Face], *, foot: str = "") -> bytes:
        """Draw the family. ``faces`` are those of all members, and ``foot`` is a line below."""
        return await self._pools.pictures.run(family_tree.draw, family.chosen, faces, asked=family.asked, foot=foot)

    async def _made(self, view: JobView, parent: JobView | None, used: Sequence[int | None]) -> Member:
        """A job that the person may see. ``used`` are the images from which the drawn members below were made."""
        shown = _shown(view.images, used)
        picture = None if shown is None else await self._previews.of(view.images[shown])
        return Member(
            _step(view, parent),
            picture or (Sign.WAITING if view.job.status in UNSHOWN else Sign.NONE),
            made_by=view.job.user_id,
            job_id=view.job.id,
            image=1 + (shown or 0),
            images=len(view.images),
        )

    async def _brought(self, source: StoredSource, origin: Origin) -> Member:
        """A picture at the start. Only the person who started from it sees it: it may be from anywhere."""
        if source.user_id != origin.user_id:
            return Member(Step.PRIVATE, Sign.PRIVATE)
        step = {SourceKind.MESSAGE: Step.POSTED, SourceKind.RESULT: Step.COPIED}.get(source.kind, Step.ATTACHED)
        picture = None if source.file is None else await self._previews.of_file(source.file)
        made_by = source.user_id if step is Step.ATTACHED else source.author_id
        return Member(step, picture or Sign.NONE, made_by=made_by)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a person may see of these jobs."""

    origin: Origin
    known: Mapping[int, Job]

    def sees(self, job_id: int) -> bool:
        """Whether they may see the job and it has, or will have, a result."""
        job = self.known.get(job_id)
        return job is not None and may_see(self.origin, job)

    def deleted(self, job_id: int) -> bool:
        job = self.known.get(job_id)
        return job is None or job.status is JobStatus.DELETED

    def ancestors(self, line: Sequence[Made], source: StoredSource | None) -> tuple[list[int], dict[int, int]]:
        """The numbers from the first member to the asked job, and how many hidden jobs some of them stand for.

        Hidden jobs that follow each other become one. Deleted ones at the start are left out.
        """
        numbers: list[int] = [] if source is None else [-source.id]
        hidden: dict[int, int] = {}
        for made in line:
            job_id = made.job_id
            if self.deleted(job_id) and not numbers:
                continue
            if not self.sees(job_id) and numbers and numbers[-1] in hidden:
                hidden[numbers[-1]] += 1
                continue
            if not self.sees(job_id):
                hidden[job_id] = 1
            numbers.append(job_id)
        return numbers, hidden

    def descendants(self, below: Sequence[Made], asked: int, hidden: dict[int, int]) -> list[tuple[int, int]]:
        """Pairs of a job and its parent, generation by generation.

        Hidden jobs without a visible descendant become one for each parent, and are counted in ``hidden``. Deleted
        ones, and those that never started, are left out.
        """
        parents = {made.job_id: made.parent for made in below}
        led = {asked}
        for made in reversed(below):
            if self._has_result(made.job_id) or made.job_id in led:
                led.add(made.job_id)
                if made.parent is not None:
                    led.add(made.parent)
        pairs = []
        stand_ins: dict[int, int] = {}
        for job_id, parent in parents.items():
            if parent is None or parent not in led:
                continue
            if job_id in led:
                pairs.append((job_id, parent))
            elif not self.deleted(job_id) and self.known[job_id].status not in NEVER_STARTED:
                stand_in = stand_ins.setdefault(parent, job_id)
                hidden[stand_in] = hidden.get(stand_in, 0) + 1
                if stand_in == job_id:
                    pairs.append((job_id, parent))
        return pairs

    def _has_result(self, job_id: int) -> bool:
        return self.sees(job_id) and self.known[job_id].status not in NEVER_STARTED


async def _source(connection: AsyncConnection, first: Made) -> StoredSource | None:
    """The picture that the first job of a line started from."""
    if first.parent is not None or first.source_id is None:
        return None
    return await sources.get(connection, first.source_id)


def _with_parents(chosen: Chosen) -> Iterable[tuple[int, int | None]]:
    yield chosen.root, None
    for parent, below in chosen.children.items():
        yield from ((number, parent) for number in below)


def _shown(its: Sequence[StoredImage], used: Iterable[int | None]) -> int | None:
    """The index of the image to show: the one from which the drawn members below were made, or else the first one."""
    ids = [image.id for image in its]
    chosen = {image_id for image_id in used if image_id in ids}
    if len(chosen) == 1:
        return ids.index(chosen.pop())
    return 0 if ids else None


def _step(view: JobView, parent: JobView | None) -> Step | Operation:
    """How a job was made. A parent that the person may not see counts as none."""
    request = next(iter(view.requests), None)
    if request is not None and request.operation is not Operation.TEXT_TO_IMAGE:
        return request.operation
    before = None if parent is None else next(iter(parent.requests), None)
    if request is None or before is None:
        return Step.NEW
    return Step.REPEATED if request.prompts == before.prompts else Step.REWORDED

"""The family of a job: who made what from what, and what somebody else may see of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.place import CardAddress, Origin
from bot.errors import UserError
from bot.jobs.image_files import Previews
from bot.jobs.lineage import Family, Lineage, Member, Step
from bot.jobs.store import GONE
from bot.jobs.view import OTHER_CHANNEL, PRIVATE_JOB
from bot.pictures.family_tree import Face, Sign
from bot.providers.operations import Operation
from storage import images, jobs, lineage, sources
from storage.records import JobStatus, SourceKind
from tests.doubles.provider import png
from tests.doubles.texts import codes
from tests.jobs.conftest import ADA, BEN, Workshop

pytestmark = pytest.mark.slow

CY = replace(ADA, user_id=3, user_name="cy")


class Families:
    """A workshop with shorthands for families."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.lineage = Lineage(
            store=workshop.jobs, previews=Previews(workshop.database, workshop.files), pools=workshop.files.pools
        )

    async def made(self, origin: Origin = ADA, parent: int | None = None, prompt: str = "a fox", **options: Any) -> int:
        """A finished job."""
        service = self.workshop.service
        plan = service.check(origin, ImagineOptions(prompt=prompt, **options))
        card = CardAddress(origin.channel_id, 1000, "token", self.workshop.clock.now() + 900_000)
        job_id = await service.imagine(origin, plan, card, parent_id=parent)
        await self.workshop.finish()
        return job_id

    async def picture(self, of: int, *, kind: SourceKind = SourceKind.ATTACHED, **known: Any) -> int:
        """A picture from which the job ``of`` was made."""
        files = self.workshop.files
        name = sources.new_name("image/png")
        await asyncio.to_thread(files.path(name).write_bytes, png())
        facts = {"media_type": "image/png", "width": 8, "height": 8, "bytes": len(png()), "digest": name}
        values: dict[str, Any] = {"user_id": ADA.user_id, **facts, "created_at": self.workshop.clock.now()} | known
        async with self.workshop.database.write() as tx:
            source_id = await sources.add(tx, sources.NewSource(kind=kind, file=name, **values))
            await jobs.update_job(tx, of, source_id=source_id)
        return source_id

    async def of(self, job_id: int, origin: Origin = ADA) -> Family:
        return await self.lineage.family(origin, job_id)


@pytest.fixture
async def families(workshop: Workshop) -> Families:
    await workshop.files.prepare()
    return Families(workshop)


def steps(family: Family) -> list[Step | Operation]:
    return [member.step for member in family.members.values()]


async def test_a_job_alone_is_a_family_of_one(families: Families) -> None:
    job_id = await families.made(images=2)
    family = await families.of(job_id)
    (member,) = family.members.values()
    assert (member.step, member.made_by, member.job_id) == (Step.NEW, ADA.user_id, job_id)
    assert (member.image, member.images) == (1, 2)
    assert isinstance(member.picture, bytes)
    assert (family.omitted, family.complete, family.spoiler) == (0, True, False)


async def test_each_hand_is_named_with_what_it_did(families: Families) -> None:
    first = await families.made()
    again = await families.made(BEN, first)
    other = await families.made(CY, again, prompt="a cat")
    family = await families.of(again)
    assert list(family.members) == [first, again, other]
    assert steps(family) == [Step.NEW, Step.REPEATED, Step.REWORDED]
    assert [member.made_by for member in family.members.values()] == [ADA.user_id, BEN.user_id, CY.user_id]
    assert family.people == {ADA.user_id, BEN.user_id, CY.user_id}
    assert family.chosen.children == {first: [again], again: [other]}


async def test_an_operation_is_how_a_job_was_made(families: Families) -> None:
    job_id = await families.made()
    async with families.workshop.database.write() as tx:
        await tx.exec_driver_sql("""UPDATE submissions SET request = json_set(request, '$.operation', 'outpaint')""")
    assert steps(await families.of(job_id)) == [Operation.OUTPAINT]


@pytest.mark.parametrize(
    ("kind", "known", "step", "by"),
    [
        (SourceKind.ATTACHED, {}, Step.ATTACHED, ADA.user_id),
        (SourceKind.MESSAGE, {"author_id": BEN.user_id}, Step.POSTED, BEN.user_id),
        (SourceKind.MESSAGE, {}, Step.POSTED, None),
        (SourceKind.RESULT, {"author_id": CY.user_id}, Step.COPIED, CY.user_id),
    ],
)
async def test_a_family_starts_with_its_first_picture(
    families: Families, kind: SourceKind, known: dict[str, Any], step: Step, by: int | None
) -> None:
    job_id = await families.made()
    source_id = await families.picture(job_id, kind=kind, **known)
    family = await families.of(job_id)
    assert list(family.members) == [-source_id, job_id]
    picture = family.members[-source_id]
    assert (picture.step, picture.made_by) == (step, by)
    assert isinstance(picture.picture, bytes)


async def test_somebody_elses_picture_is_private_even_if_the_result_is_public(families: Families) -> None:
    job_id = await families.made()
    source_id = await families.picture(job_id)
    family = await families.of(job_id, BEN)
    assert family.members[-source_id] == Member(Step.PRIVATE, Sign.PRIVATE)
    assert family.members[job_id].made_by == ADA.user_id


async def test_a_picture_without_its_file_is_still_named(families: Families) -> None:
    job_id = await families.made()
    source_id = await families.picture(job_id)
    async with families.workshop.database.write() as tx:
        await sources.forget_files(tx, [source_id])
    assert (await families.of(job_id)).members[-source_id].picture is Sign.NONE


async def test_a_broken_picture_does_not_hide_the_tree(families: Families) -> None:
    job_id = await families.made()
    source_id = await families.picture(job_id)
    async with families.workshop.database.read() as connection:
        source = await sources.get(connection, source_id)
    assert source is not None
    assert source.file is not None
    await asyncio.to_thread(families.workshop.files.path(source.file).write_bytes, b"no picture")
    assert (await families.of(job_id)).members[-source_id].picture is Sign.NONE


async def test_the_image_that_was_used_is_shown(families: Families) -> None:
    first = await families.made(images=4)
    async with families.workshop.database.read() as connection:
        third = (await images.images_of(connection, first))[2]
    child = await families.made(parent=first)
    await families.picture(child, kind=SourceKind.RESULT, job_id=first, image_id=third.id)
    member = (await families.of(child)).members[first]
    assert (member.image, member.images) == (3, 4)
    other = await families.made(parent=first)
    family = await families.of(first)
    assert family.chosen.children == {first: [child, other]}
    assert family.members[first].image == 3


# --- what somebody else sees --------------------------------------------------------------------------------------


async def test_only_who_may_see_a_job_sees_its_family(families: Families) -> None:
    private = await families.made(private=True)
    public = await families.made()
    for origin, job_id, problem in (
        (BEN, private, PRIVATE_JOB),
        (replace(BEN, channel_id=7), public, OTHER_CHANNEL),
        (BEN, 999, GONE),
    ):
        with pytest.raises(UserError) as refused:
            await families.of(job_id, origin)
        assert codes(refused.value) == [problem.code]


async def test_a_private_job_between_public_ones_is_blank(families: Families) -> None:
    first = await families.made()
    secret = await families.made(BEN, first, private=True)
    last = await families.made(BEN, secret)
    for asked in (first, last):
        family = await families.of(asked, CY)
        assert list(family.members) == [first, secret, last]
        assert family.members[secret] == Member(Step.PRIVATE, Sign.PRIVATE)
        # Whether the words are those of a hidden job says something about it.
        assert family.members[last].step is Step.NEW
        assert family.people == {ADA.user_id, BEN.user_id}
    assert (await families.of(last, BEN)).members[secret].made_by == BEN.user_id


async def test_private_jobs_without_a_visible_descendant_are_only_counted(families: Families) -> None:
    first = await families.made()
    secrets = [await families.made(BEN, first, private=True) for _ in range(3)]
    await families.made(BEN, secrets[0], private=True)
    family = await families.of(first)
    assert list(family.members) == [first, secrets[0]]
    assert family.members[secrets[0]] == Member(Step.PRIVATE, Sign.PRIVATE, count=3)


async def test_private_ancestors_in_a_row_become_one(families: Families) -> None:
    one = await families.made(BEN, private=True)
    two = await families.made(BEN, one, private=True)
    last = await families.made(parent=two)
    family = await families.of(last)
    assert family.members[one] == Member(Step.PRIVATE, Sign.PRIVATE, count=2)
    assert list(family.members) == [one, last]


async def test_a_deleted_job_is_shown_only_between_others(families: Families) -> None:
    first = await families.made()
    gone = await families.made(parent=first)
    last = await families.made(parent=gone)
    alone = await families.made(parent=first)
    for job_id in (gone, alone):
        await families.workshop.results.delete(ADA, job_id)
    family = await families.of(first)
    assert list(family.members) == [first, gone, last]
    assert family.members[gone] == Member(Step.DELETED, Sign.PRIVATE)
    await families.workshop.results.delete(ADA, first)
    assert list((await families.of(last)).members) == [last]


async def test_jobs_that_never_started_are_left_out(families: Families) -> None:
    first = await families.made()
    for status in (JobStatus.PROPOSED, JobStatus.LAPSED):
        job_id = await families.made(parent=first)
        async with families.workshop.database.write() as tx:
            await jobs.move_job(tx, job_id, JobStatus.DELIVERED, status, at=families.workshop.clock.now())
    assert list((await families.of(first)).members) == [first]


async def test_an_unfinished_job_waits_and_a_failed_one_has_no_picture(families: Families) -> None:
    first = await families.made()
    for status, sign in ((JobStatus.WORKING, Sign.WAITING), (JobStatus.DELIVERED, Sign.NONE)):
        async with families.workshop.database.write() as tx:
            await tx.exec_driver_sql("DELETE FROM images")
            await jobs.move_job(tx, first, JobStatus.DELIVERED, status, at=families.workshop.clock.now())
        assert (await families.of(first)).members[first].picture is sign
        async with families.workshop.database.write() as tx:
            await jobs.move_job(tx, first, status, JobStatus.DELIVERED, at=families.workshop.clock.now())


async def test_one_spoiler_hides_the_whole_drawing(families: Families) -> None:
    first = await families.made()
    await families.made(parent=first, spoiler=True)
    assert (await families.of(first)).spoiler
    secret = await families.made(BEN, spoiler=True, private=True)
    child = await families.made(parent=secret)
    assert not (await families.of(child)).spoiler


async def test_a_large_family_is_read_and_drawn_in_bounds(families: Families, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.jobs.lineage.DESCENDANTS_AT_MOST", 5)
    first = await families.made()
    for _ in range(5):
        await families.made(parent=first)
    family = await families.of(first)
    assert len(family.members) == 6
    assert not family.complete


async def test_it_is_drawn_by_the_pool_for_pictures(families: Families) -> None:
    first = await families.made()
    await families.made(parent=first)
    family = await families.of(first)
    faces = {number: Face(["Ada"], "varied", member.picture) for number, member in family.members.items()}
    assert (await families.lineage.drawn(family, faces)).startswith(b"RIFF")


async def test_the_order_of_members_is_that_of_the_line_and_the_generations(families: Families) -> None:
    first = await families.made()
    child = await families.made(parent=first)
    grandchild = await families.made(parent=child)
    second = await families.made(parent=first)
    async with families.workshop.database.read() as connection:
        below = await lineage.descendants(connection, first, limit=9)
    assert [made.job_id for made in below] == [child, second, grandchild]
    assert set((await families.of(first)).members) == {first, child, second, grandchild}


async def test_a_repetition_by_another_person_was_made_from_the_repeated_job(families: Families) -> None:
    first = await families.made()
    image = (await families.workshop.view(first)).images[0].id
    edit = await families.made(parent=first)
    await families.picture(edit, kind=SourceKind.RESULT, image_id=image, job_id=first)
    again = await families.made(BEN, parent=edit)
    await families.picture(again, kind=SourceKind.RESULT, image_id=image, job_id=first, user_id=BEN.user_id)
    assert (await families.of(first)).chosen.children == {first: [edit], edit: [again]}
    async with families.workshop.database.read() as connection:
        assert await lineage.parent(connection, again) == edit
        assert await lineage.parent(connection, edit) == first
        assert await lineage.parent(connection, first) is None
        assert await lineage.children(connection, first) == [edit]
        assert await images.places(connection, [first, edit]) == {
            each: {(await families.workshop.view(each)).images[0].id: 1} for each in (first, edit)
        }

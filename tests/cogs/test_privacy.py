"""/privacy as people use it: the export and the deletion of all their data."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from zipfile import ZipFile

import pytest
import simcord

from bot.errors import UserError
from bot.jobs.limits import TOO_EXPENSIVE, LimitKind
from bot.people.privacy import JOBS_UNFINISHED, NOTHING_STORED, TOO_LARGE, Export
from bot.retention import Ages, apply_retention
from bot.text import Text
from bot.ui.cards.wording import JOBS, THREADS
from bot.ui.questions import KEPT
from cogs.privacy import (
    DELETED,
    LEFT_OUT,
    LIMITS_STAY,
    NOT_REMOVED,
    OWN_SETTINGS,
    PERMANENT,
    STORED_IMAGES,
    STORED_JOBS,
    STORED_PICTURES,
)
from storage import ledger, privacy, sources
from storage.database import database_path
from storage.errors import StorageError
from storage.images import ImageFiles
from storage.records import SourceKind
from storage.sources import NewSource
from tests.cogs.conftest import BASIC, MakeStudio, Shown, Studio, card, told
from tests.doubles.texts import codes, shows

DAY = 86_400_000
SECRET, OTHER = "a turquoise walrus", "an orange heron"


def stored(studio: Studio) -> bytes:
    """All bytes of the database's files."""
    path = database_path(studio.runtime.settings.database_url)
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")) if file.suffix != ".lock")


def pictures(studio: Studio) -> set[str]:
    folder = Path(studio.environ["DATA_DIR"]) / "images"
    return {file.name for file in folder.iterdir()}


async def everything_of(studio: Studio, person: simcord.MemberActor) -> dict[str, object]:
    result = await person.slash(studio.channel, "privacy export")
    (attachment,) = told(result).raw.attachments
    found: dict[str, object] = json.loads(studio.env.backend.cdn.get(attachment.url) or b"")
    return found


async def ask_to_delete(studio: Studio, person: simcord.MemberActor) -> simcord.InteractionResult:
    return await person.slash(studio.channel, "privacy delete")


async def confirm(person: simcord.MemberActor, question: simcord.InteractionResult) -> Shown:
    await person.click(told(question).raw, label="Delete everything")
    return told(question)


def summary(*more: Text, jobs: int, images: int, pictures: int = 0, threads: int) -> list[Text]:
    counts = [STORED_JOBS(jobs=JOBS(count=jobs)), STORED_IMAGES(count=images)]
    if pictures:
        counts.append(STORED_PICTURES(count=pictures))
    return [*counts, THREADS(count=threads), *more]


async def attach(studio: Studio, person: simcord.MemberActor, data: bytes) -> str:
    """Store a picture that the person started from. Returns the name of its file."""
    runtime = studio.runtime
    name = sources.new_name("image/png")
    await asyncio.to_thread(runtime.files.path(name).write_bytes, data)
    source = NewSource(
        person.id, SourceKind.ATTACHED, name, "image/png", 64, 64, len(data), "a digest", studio.clock.now()
    )
    async with runtime.database.write() as tx:
        await sources.add(tx, source)
    return name


async def archive_of(studio: Studio, person: simcord.MemberActor, file_limit: int) -> tuple[Export, ZipFile]:
    export = await studio.runtime.privacy.export(person.id, file_limit=file_limit)
    assert len(export.data) <= file_limit
    return export, ZipFile(io.BytesIO(export.data))


async def test_the_export_contains_all_of_a_persons_data_and_no_other(studio: Studio) -> None:
    await studio.imagine(prompt=SECRET, engine=BASIC, images=2)
    await studio.imagine(studio.ben, prompt=OTHER)
    await studio.finish()
    await studio.ada.slash(studio.channel, "settings set", text="in oil")
    found = await everything_of(studio, studio.ada)
    text = json.dumps(found)
    assert SECRET in text
    assert "in oil" in text
    assert OTHER not in text
    assert str(studio.ben.id) not in text
    tables = {name: rows for name, rows in found.items() if isinstance(rows, list)}
    assert tables.pop("events")
    assert {name: len(rows) for name, rows in tables.items() if rows} == {
        "jobs": 1, "submissions": 2, "images": 2, "threads": 1, "current_threads": 1, "user_settings": 1, "ledger": 6,
        "hints": 1,
    }  # fmt: skip
    assert "interaction_token" not in text


async def test_a_delete_leaves_no_trace_in_the_database(studio: Studio) -> None:
    for number in range(12):
        await studio.imagine(prompt=f"{SECRET} {number}", private=number % 2 == 0)
        await studio.imagine(studio.ben, prompt=f"{OTHER} {number}")
        await studio.finish()
    await studio.ada.slash(studio.channel, "settings set", text=f"like {SECRET}")
    before = stored(studio)
    assert SECRET.encode() in before
    async with studio.runtime.database.read() as connection:
        rows = await privacy.everything(connection, studio.ada.id)
    theirs = tuple(Path(row["file"]).stem for row in rows["images"])
    assert len([name for name in pictures(studio) if name.startswith(theirs)]) >= len(theirs) == 12
    question = await ask_to_delete(studio, studio.ada)
    theirs_in_all = summary(OWN_SETTINGS(), jobs=12, images=12, threads=1)
    assert shows(told(question).text, PERMANENT(stored=theirs_in_all))
    assert shows(told(question).text, LIMITS_STAY)
    assert stored(studio).count(SECRET.encode()), "the question deletes nothing"
    assert shows((await confirm(studio.ada, question)).text, DELETED(stored=theirs_in_all))
    after = stored(studio)
    assert SECRET.encode() not in after
    assert OTHER.encode() in after
    left = pictures(studio)
    assert left
    assert not [name for name in left if name.startswith(theirs)]
    assert (await everything_of(studio, studio.ada))["jobs"] == []
    assert studio.runtime.personal.of(studio.ada.id).text is None
    # Other people's jobs are unchanged, and the bot still works.
    again = await studio.imagine(prompt="a fox")
    await studio.finish()
    assert len(card(again).images) == 1


async def test_the_export_contains_the_pictures_that_a_person_started_from(studio: Studio) -> None:
    name = await attach(studio, studio.ada, b"a picture of Ada's")
    await attach(studio, studio.ben, b"a picture of Ben's")
    result = await studio.ada.slash(studio.channel, "privacy export")
    (attachment,) = told(result).raw.attachments
    assert attachment.filename == "easel-my-data.zip"
    archive = ZipFile(io.BytesIO(studio.env.backend.cdn.get(attachment.url) or b""))
    assert archive.namelist() == ["easel-my-data.json", f"pictures/{name}"]
    assert archive.read(f"pictures/{name}") == b"a picture of Ada's"
    (row,) = json.loads(archive.read("easel-my-data.json"))["sources"]
    assert row["file"] == name
    assert not shows(told(result).text, LEFT_OUT)


async def test_an_export_leaves_out_the_oldest_pictures_if_they_do_not_fit(studio: Studio) -> None:
    large = [await attach(studio, studio.ada, bytes([number]) * 50_000) for number in range(4)]
    export, archive = await archive_of(studio, studio.ada, 120_000)
    assert (export.pictures, export.left_out) == (2, 2)
    assert archive.namelist()[1:] == [f"pictures/{name}" for name in (large[3], large[2])]
    everything, _ = await archive_of(studio, studio.ada, 2**20)
    assert (everything.pictures, everything.left_out) == (4, 0)
    exact, _ = await archive_of(studio, studio.ada, len(everything.data) + 2000)
    assert exact.left_out == 0
    nothing, archive = await archive_of(studio, studio.ada, 20_000)
    assert (nothing.pictures, nothing.left_out) == (0, 4)
    assert archive.testzip() is None
    with pytest.raises(UserError) as error:
        await studio.runtime.privacy.export(studio.ada.id, file_limit=100)
    assert codes(error.value) == [TOO_LARGE.code]


async def test_pictures_are_deleted_with_everything_else(studio: Studio) -> None:
    name = await attach(studio, studio.ada, b"a picture of Ada's")
    other = await attach(studio, studio.ben, b"a picture of Ben's")
    question = await ask_to_delete(studio, studio.ada)
    theirs = summary(jobs=0, images=0, pictures=1, threads=0)
    assert shows(told(question).text, PERMANENT(stored=theirs))
    assert shows((await confirm(studio.ada, question)).text, DELETED(stored=theirs))
    assert pictures(studio) == {other}
    assert name.encode() not in stored(studio)
    assert shows(told(await ask_to_delete(studio, studio.ada)).text, NOTHING_STORED)


async def test_deletion_is_refused_while_a_job_runs(slow_studio: Studio) -> None:
    studio = slow_studio
    running = await studio.imagine(prompt=SECRET)
    await studio.begun()
    assert shows(told(await ask_to_delete(studio, studio.ada)).text, JOBS_UNFINISHED(count=1))
    studio.stand_in.finish_all()
    await studio.finish()
    question = await ask_to_delete(studio, studio.ada)
    await studio.imagine(prompt="another one")
    await studio.begun(count=2)
    # A job that was started after the question counts too.
    pressed = await studio.ada.click(told(question).raw, label="Delete everything")
    assert shows(told(pressed).text, JOBS_UNFINISHED(count=1))
    studio.stand_in.finish_all()
    await studio.finish()
    assert len(card(running).images) == 1
    assert SECRET.encode() in stored(studio)


async def test_keep_beside_the_question_deletes_nothing(studio: Studio) -> None:
    await studio.imagine(prompt=SECRET)
    await studio.finish()
    question = await ask_to_delete(studio, studio.ada)
    kept = await studio.press(studio.ada, told(question), "Keep")
    assert shows(card(kept).text, KEPT)
    assert SECRET.encode() in stored(studio)


async def test_proposals_are_deleted_too(studio: Studio) -> None:
    proposed = await studio.imagine(prompt="a {red, blue} walrus")
    (confirm_it,) = (label for label in card(proposed).labels if label != "Cancel")
    await confirm(studio.ada, await ask_to_delete(studio, studio.ada))
    pressed = await studio.press(studio.ada, card(proposed), confirm_it)
    assert "went wrong" not in told(pressed).text
    await studio.finish()
    assert studio.stand_in.calls == []
    assert b"walrus" not in stored(studio)


async def test_deletion_does_not_reset_a_limit(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="10")
    await studio.imagine()
    await studio.finish()
    await confirm(studio.ada, await ask_to_delete(studio, studio.ada))
    said = told(await studio.imagine()).text
    assert shows(said, TOO_EXPENSIVE[LimitKind.USER_DAILY])
    assert " 4 of " in said
    async with studio.runtime.database.read() as connection:
        before = await ledger.totals(connection)
    studio.clock.advance(32 * DAY / 1000)
    runtime = studio.runtime
    ages = Ages(image_days=7, job_days=365)
    await apply_retention(runtime.database, runtime.files, runtime.previews, studio.clock, ages)
    async with studio.runtime.database.read() as connection:
        assert await ledger.totals(connection) == before
        assert (await ledger.totals(connection, user_id=studio.ada.id)).captures == 0
    # The encoding of an integer of this size in SQLite.
    assert studio.ada.id.to_bytes(8, "big") not in stored(studio)
    assert (await everything_of(studio, studio.ada))["ledger"] == []


async def test_an_empty_export_is_reported(studio: Studio) -> None:
    assert shows(told(await ask_to_delete(studio, studio.ada)).text, NOTHING_STORED)


async def test_a_file_that_cannot_be_removed_does_not_stop_the_deletion(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await studio.imagine(prompt=f"{SECRET} {number}", private=True)
        await studio.finish()
    stubborn = min(pictures(studio))
    remove = ImageFiles.remove

    async def refuse(self: ImageFiles, name: str) -> None:
        if name == stubborn:
            raise StorageError("The image files cannot be used: Operation not permitted.")
        await remove(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(ImageFiles, "remove", refuse)
        said = (await confirm(studio.ada, await ask_to_delete(studio, studio.ada))).text
    assert shows(said, DELETED(stored=summary(jobs=4, images=4, threads=1)))
    assert shows(said, NOT_REMOVED(count=1))
    assert pictures(studio) == {stubborn}
    assert SECRET.encode() not in stored(studio)
    assert shows(told(await ask_to_delete(studio, studio.ada)).text, NOTHING_STORED)
    runtime = studio.runtime
    await apply_retention(
        runtime.database, runtime.files, runtime.previews, studio.clock, Ages(image_days=7, job_days=365)
    )
    assert pictures(studio) == set(), "the deletion is retried an hour later"


async def test_files_left_by_a_crash_are_removed_at_the_next_start(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.imagine(prompt=SECRET, private=True)
    await studio.finish()

    async def die(self: ImageFiles, name: str) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(ImageFiles, "remove", die)
        with pytest.raises(asyncio.CancelledError):
            await studio.runtime.privacy.delete(studio.ada.id)
    assert len(pictures(studio)) == 1
    runtime = studio.runtime
    await apply_retention(
        runtime.database, runtime.files, runtime.previews, studio.clock, Ages(image_days=7, job_days=365)
    )
    assert pictures(studio) == set()

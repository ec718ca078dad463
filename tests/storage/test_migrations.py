"""Migrations: forwards, whole or not at all, a copy first, and nothing strange is touched."""

from __future__ import annotations

import asyncio
import importlib
import json
import shutil
import sqlite3
import string
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from bot.domain.periods import Period
from bot.domain.rules import Privacy, Rules
from bot.jobs.polling import NOT_HEARD
from bot.jobs.provider_text import SAYING, TEXTS, as_texts
from bot.jobs.store import CANCELLED
from bot.jobs.submission import MISSING_IMAGES
from bot.providers.errors import Reason
from bot.text import CATALOGUE, VERBATIM, Text
from storage import threads
from storage.database import Database, migrate
from storage.errors import Fault
from storage.migrations import FOLDER, known_versions
from storage.records import EventReason
from storage.sqlite import backups
from storage.sqlite import connection as sqlite
from storage.sqlite import upgrade as schema_module
from storage.tables import metadata
from tests.doubles.texts import fails
from tests.storage.database_files import (
    add_step,
    contents,
    declared,
    differences,
    editing,
    fill,
    fill_every_table,
    made_at,
    read_everything,
    rows,
    schema,
    version,
)
from tests.storage.rows import address

MIGRATION = '''"""A step that a test made up."""
import sqlalchemy as sa
from alembic import op

revision = "{version}"
down_revision = "{before}"


def upgrade():
    {body}
'''
ADD_A_TABLE = 'op.create_table("added", sa.Column("id", sa.Integer, primary_key=True))'
ADD_A_COLUMN = 'op.add_column("jobs", sa.Column("mood", sa.Text))'
REBUILD_JOBS = """with op.batch_alter_table("jobs", recreate="always") as jobs:
        jobs.add_column(sa.Column("mood", sa.Text, nullable=False, server_default="calm"))"""


VERSIONS = known_versions()
CURRENT, NEXT = VERSIONS[-1], f"{int(VERSIONS[-1]) + 1:04}"
FILLED = ("jobs", "submissions", "images", "events")


@pytest.fixture(scope="module")
def migrated_from(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A database of an older version, with one row in every table."""

    @cache
    def made(version: str) -> Path:
        path = tmp_path_factory.mktemp("older") / "easel.db"
        made_at(path, version)
        fill_every_table(path)
        return path

    def copied(version: str) -> Path:
        return Path(shutil.copy(made(version), tmp_path_factory.mktemp("copied") / "easel.db"))

    return copied


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    """The folder of the real steps, to which a test adds one."""
    return Path(shutil.copytree(FOLDER, tmp_path / "100% steps", ignore=shutil.ignore_patterns("__pycache__")))


def test_a_blank_database_becomes_what_the_tables_say(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "easel.db"
    asyncio.run(migrate(address(path)))
    assert differences(path) == []
    made = schema(path)
    expected = declared(tmp_path / "declared.db")
    assert made.keys() == expected.keys()
    for name, sql in expected.items():
        # Beyond what Alembic compares: every table STRICT, no id used twice where the tables say so, partial indexes.
        assert ("STRICT" in made[name]) == ("STRICT" in sql), name
        assert ("AUTOINCREMENT" in made[name]) == ("AUTOINCREMENT" in sql), name
        assert made[name] == sql or not name.startswith("ix_")
    assert all("STRICT" in made[name] for name in metadata.tables)
    assert not (path.parent / "backups").exists()


def test_a_second_time_changes_nothing_and_makes_no_copy(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    asyncio.run(migrate(address(path)))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_start_with_nothing_to_migrate_does_not_load_alembic(path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from storage.database import Database, migrate\n"
        "async def start(url):\n"
        "    await migrate(url)\n"
        "    await (await Database.open(url)).close()\n"
        f"asyncio.run(start({address(path)!r}))\n"
        "sys.exit(any(name.partition('.')[0] in ('alembic', 'mako') for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=FOLDER.parents[1], check=False).returncode == 0  # noqa: S603 - our own program


def test_the_versions_are_one_line_named_in_their_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    line = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert known_versions() == tuple(reversed(line))


def test_an_older_version_is_copied_and_brought_up_to_date_with_its_rows(path: Path, steps: Path) -> None:
    url = address(path)
    asyncio.run(fill(url))
    add_step(steps, ADD_A_TABLE)
    asyncio.run(migrate(url, migrations=steps))
    assert version(path) == NEXT
    assert "added" in schema(path)
    copy = path.parent / "backups" / f"easel-{CURRENT}-1.db"
    assert version(copy) == CURRENT
    assert "added" not in schema(copy)
    for file in (path, copy):
        assert rows(file, *FILLED) == [1, 1, 1, 1]


@pytest.mark.parametrize("old", VERSIONS)
def test_every_older_version_comes_up_to_date_with_rows_in_every_table(tmp_path: Path, old: str) -> None:
    path = tmp_path / "easel.db"
    made_at(path, old)
    before = fill_every_table(path)
    asyncio.run(migrate(address(path)))
    assert version(path) == CURRENT
    assert differences(path) == []
    after = contents(path)
    for table, row in before.items():
        kept = {name: row[name] for name in row.keys() & after[table].keys()}
        if table == "events" and old < "0010":
            kept["why"] = "other"
        assert after[table].items() >= kept.items(), table
    with editing(path) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    asyncio.run(read_everything(address(path)))
    copied = [file.name for file in (tmp_path / "backups").glob("*")]
    assert copied == ([] if old == CURRENT else [f"easel-{old}-1.db"])


OVER, GONE = "the interaction's token was over", "the card was deleted"


@pytest.mark.parametrize(
    ("status", "note", "codes"),
    [
        ("delivered", None, (None, None, None)),
        ("delivered", "edited by the interaction's token", ("token", [], None)),
        ("delivered", f"edited by the bot itself, since {OVER}", ("bot_edit", ["token_expired"], None)),
        (
            "delivered",
            f"sent as a direct message, since {OVER}, then the bot may not see or write there",
            ("direct_message", ["token_expired", "not_allowed"], None),
        ),
        ("delivered", "found in its card", ("found_in_card", [], None)),
        ("delivered", "shown in the history", ("history", [], None)),
        ("delivered", "shared by its author", ("share", [], None)),
        ("delivered", "in a dream", ("other", None, None)),
        ("kept", f"kept: {OVER}, then {GONE}", (None, ["token_expired", "message_gone"], None)),
        ("kept", "kept: no way was open", (None, [], None)),
        ("kept", "kept: put back from a copy, and may have been shown before", (None, ["restored"], None)),
        ("kept", "kept: it rained", (None, ["other"], None)),
        ("kept", "it rained", (None, ["other"], None)),
        ("kept", "edited by the interaction's token, without the images", ("token", [], None)),
        ("kept", f"edited by the bot itself, since {OVER}, without the images", ("bot_edit", ["token_expired"], None)),
        ("ready", f"begun: posted as a new message, since {OVER}", (None, ["token_expired"], None)),
        ("ready", f"kept: {OVER}", (None, ["token_expired"], None)),
        ("lapsed", "its price was not confirmed in time", (None, None, "expired")),
        ("lapsed", "cancelled before its price was confirmed", (None, None, "cancelled")),
        ("lapsed", "cancelled by an admin", (None, None, "cancelled_by_admin")),
        ("lapsed", "it rained", (None, None, "other")),
        ("lapsed", None, (None, None, None)),
        ("deleted", "its price was not confirmed in time", (None, None, "expired")),
    ],
)
def test_every_sentence_about_a_delivery_becomes_codes(
    migrated_from: Callable[[str], Path], status: str, note: str | None, codes: tuple[object, ...]
) -> None:
    path = migrated_from("0008")
    with editing(path) as connection:
        connection.execute("UPDATE jobs SET status = ?, delivery_note = ?, delivery_nonce = NULL", (status, note))
    asyncio.run(migrate(address(path)))
    job = contents(path)["jobs"]
    reasons = None if job["delivery_reasons"] is None else json.loads(job["delivery_reasons"])
    assert (job["delivered_by"], reasons, job["lapse_reason"]) == codes
    assert job["status"] == ("undelivered" if status == "kept" else status)
    assert job["attempting"] is None


@pytest.mark.parametrize(
    ("status", "nonce", "attempting"),
    [
        ("ready", "1-post", "new_message"),
        ("ready", "1-dm-again", "direct_message"),
        ("kept", "1-token", "token"),
        ("ready", None, None),
        ("delivered", "1-post", None),
    ],
)
def test_a_delivery_that_was_begun_is_still_begun(
    migrated_from: Callable[[str], Path], status: str, nonce: str | None, attempting: str | None
) -> None:
    path = migrated_from("0008")
    with editing(path) as connection:
        connection.execute("UPDATE jobs SET status = ?, delivery_note = NULL, delivery_nonce = ?", (status, nonce))
    asyncio.run(migrate(address(path)))
    assert contents(path)["jobs"]["attempting"] == attempting


@pytest.mark.parametrize(
    ("steps", "sendings"),
    [
        (["queued"], 0),
        (["queued", "submitting"], 1),
        (["queued", "submitting", "rendering", "done"], 1),
        (["queued", "submitting", "queued the provider is busy", "submitting"], 1),
        (["queued", "submitting", "queued it did not arrive", "submitting", "unknown"], 2),
        (["queued", "submitting", "queued it did not arrive"], 1),
    ],
)
def test_the_sendings_are_counted_by_the_events(tmp_path: Path, steps: list[str], sendings: int) -> None:
    path = tmp_path / "easel.db"
    made_at(path, "0005")
    fill_every_table(path)
    with editing(path) as connection:
        connection.execute("DELETE FROM events")
        before = None
        for step in steps:
            status, _, why = step.partition(" ")
            connection.execute(
                "INSERT INTO events (submission_id, old_status, new_status, at, why) VALUES (1, ?, ?, 1, ?)",
                (before, status, why or "a test"),
            )
            before = status
    asyncio.run(migrate(address(path)))
    with editing(path) as connection:
        assert connection.execute("SELECT sendings FROM submissions").fetchall() == [(sendings,)]


@pytest.mark.parametrize(
    ("sentence", "problems"),
    [
        (None, None),
        ("Cancelled.", [CANCELLED()]),
        (
            "1 of 3 pictures did not come: AI Thriving sent a PNG that ends too early.",
            [MISSING_IMAGES(count=1, asked=3), TEXTS[Reason.IMAGE_CUT_SHORT](label="AI Thriving")],
        ),
        ("2 of 3 pictures did not come.", [MISSING_IMAGES(count=2, asked=3)]),
        (
            "Your pictures are not here after 10 minutes, so we stopped asking for them. Painter could not be reached.",
            [NOT_HEARD(minutes=10), TEXTS[Reason.UNREACHABLE](label="Painter")],
        ),
        (
            "ai-client refused this: The sky: is down.",
            [SAYING[Reason.REFUSED](label="ai-client", said="The sky: is down.")],
        ),
        (
            "Painter refused this: A castle is busy.",
            [SAYING[Reason.REFUSED](label="Painter", said="A castle is busy.")],
        ),
        (
            "Painter no longer has this image. Painter sent no picture.",
            [VERBATIM(words="Painter no longer has this image. Painter sent no picture.")],
        ),
        ("Something else.", [VERBATIM(words="Something else.")]),
    ],
)
def test_stored_sentences_become_codes_with_values(
    tmp_path: Path, sentence: str | None, problems: list[Text] | None
) -> None:
    path = tmp_path / "easel.db"
    made_at(path, "0008")
    fill_every_table(path)
    with editing(path) as connection:
        connection.execute("UPDATE submissions SET error = ?", (sentence,))
        connection.execute("UPDATE events SET why = 'the provider is busy'")
        connection.execute("UPDATE ledger SET kind = 'release', note = 'rendering for too long'")
    asyncio.run(migrate(address(path)))
    after = contents(path)
    told = after["submissions"]["problems"]
    assert (None if told is None else list(as_texts(json.loads(told)))) == problems
    assert (after["events"]["why"], after["ledger"]["note"]) == (EventReason.BUSY, EventReason.TIMED_OUT)


def test_every_code_of_a_stored_sentence_is_a_message_that_gets_its_values() -> None:
    step = importlib.import_module("storage.migrations.versions.0010_codes")
    assert set(step.WHY.values()) <= set(EventReason)
    for code, pattern in (
        *step._CODES,
        ("submission.not_heard", step._NOT_TOLD),
        ("submission.missing_images", step._MISSING),
    ):
        values = set(pattern.groupindex) | set(step._ALWAYS.get(code, ()))
        needed = {name for _, name, _, _ in string.Formatter().parse(CATALOGUE[code].english) if name}
        assert needed <= values, code


def test_what_was_deleted_before_loses_its_words(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    made_at(path, "0005")
    fill_every_table(path)
    with editing(path) as connection:
        connection.execute(
            "UPDATE jobs SET status = 'deleted', options = '{\"prompt\": \"heliotrope\"}', thread_id = 1"
        )
        connection.execute("UPDATE jobs SET words = 'heliotrope', created_at = 5")
        connection.execute("UPDATE threads SET title = 'heliotrope', created_at = 5")
        connection.execute("UPDATE events SET why = 'heliotrope'")
        connection.execute(
            "UPDATE submissions SET error = 'heliotrope', "
            """request = '{"engine": "core", "steps": 5, "prompts": [{"text": "heliotrope", "weight": 1}]}'"""
        )
        connection.execute("UPDATE ledger SET note = 'heliotrope'")
    asyncio.run(migrate(address(path), tmp_path / "copies"))
    after = contents(path)
    assert "heliotrope" not in repr(after)
    assert after["threads"]["title"] == threads.UNTITLED
    assert json.loads(after["submissions"]["request"]) == {"engine": "core", "steps": 5, "prompts": []}


@pytest.mark.parametrize(
    ("words", "code"),
    [("as people like", None), ("always private", Privacy.FORCED), ("never private", Privacy.FORBIDDEN)],
)
def test_whether_a_servers_results_are_private_becomes_a_code(tmp_path: Path, words: str, code: Privacy | None) -> None:
    path = tmp_path / "easel.db"
    made_at(path, "0008")
    others = {"refused": ["never private"], "period": "week"}
    with editing(path) as connection:
        settings = json.dumps({**others, "privacy": words})
        connection.executemany(
            "INSERT INTO server_settings (server_id, settings, updated_at) VALUES (?, ?, 1)",
            [(1, settings), (2, json.dumps(others))],
        )
        connection.executemany(
            "INSERT INTO admin_log (server_id, user_id, what, details, at) VALUES (1, 1, ?, ?, 1)",
            [("server set", json.dumps({"privacy": words})), ("quota grant", json.dumps({"note": words}))],
        )
    asyncio.run(migrate(address(path), tmp_path / "copies"))
    with editing(path) as connection:
        stored = [json.loads(row) for (row,) in connection.execute("SELECT settings FROM server_settings")]
        log = [json.loads(row) for (row,) in connection.execute("SELECT details FROM admin_log ORDER BY id")]
    read = [Rules.from_json(each) for each in stored]
    wanted = code or Privacy.FREE
    assert [rules.privacy for rules in read] == [wanted, Privacy.FREE]
    assert {rules.refused for rules in read} == {("never private",)}
    assert {rules.period for rules in read} == {Period.WEEK}
    assert log == [{"privacy": wanted.value}, {"note": words}]


@pytest.mark.parametrize(
    ("before", "after"), [("late results", "late_results"), ("long jobs too", "long_jobs"), ("never", "never")]
)
def test_when_direct_messages_may_come_becomes_a_code(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "easel.db"
    made_at(path, "0005")
    fill_every_table(path)
    with editing(path) as connection:
        connection.execute("UPDATE user_settings SET settings = ?", (json.dumps({"messages": before, "images": 2}),))
    asyncio.run(migrate(address(path)))
    assert json.loads(contents(path)["user_settings"]["settings"]) == {"messages": after, "images": 2}


def test_only_the_latest_copies_are_kept(path: Path, steps: Path) -> None:
    folder = path.parent / "backups"
    folder.mkdir()
    others = ["easel-2026-01-31T120000Z.db", "easel-replaced-2026-01-31T120000Z.db", "notes.txt"]
    for name in (*others, *(f"easel-0001-{number}.db" for number in (9, 10, 11, 12, 13, 14))):
        (folder / name).touch()
    add_step(steps, ADD_A_TABLE)
    asyncio.run(migrate(address(path), folder, migrations=steps))
    kept = [f"easel-0001-{number}.db" for number in (11, 12, 13, 14)] + [f"easel-{CURRENT}-15.db"]
    assert len(kept) == backups.KEPT_BEFORE_MIGRATIONS
    assert {file.name for file in folder.iterdir()} == {*others, *kept}


def test_a_migration_that_fails_at_every_start_leaves_no_copies(path: Path, steps: Path) -> None:
    add_step(steps, "raise RuntimeError('the author was tired')")
    for _ in range(3):
        with fails(Fault.UPGRADE_FAILED):
            asyncio.run(migrate(address(path), migrations=steps))
    assert list((path.parent / "backups").iterdir()) == []


def test_an_earlier_copy_is_never_overwritten(path: Path, steps: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / f"easel-{CURRENT}-1.db").write_text("an earlier copy")
    add_step(steps, ADD_A_TABLE)
    asyncio.run(migrate(address(path), folder, migrations=steps))
    assert sorted(file.name for file in folder.iterdir()) == [f"easel-{CURRENT}-1.db", f"easel-{CURRENT}-2.db"]
    assert (folder / f"easel-{CURRENT}-1.db").read_text() == "an earlier copy"


def test_rebuilding_a_table_keeps_the_rows_that_point_at_it(path: Path, steps: Path) -> None:
    url = address(path)
    asyncio.run(fill(url))
    add_step(steps, REBUILD_JOBS)
    asyncio.run(migrate(url, migrations=steps))
    assert "mood" in schema(path)["jobs"]
    assert rows(path, *FILLED) == [1, 1, 1, 1]


def test_a_table_that_is_rebuilt_gives_no_id_again(path: Path, steps: Path) -> None:
    """Its highest row is not the last that it ever had."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('jobs', 4711)")
        connection.commit()
    add_step(steps, REBUILD_JOBS)
    asyncio.run(migrate(address(path), migrations=steps))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetchall() == [(4711,)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f"{ADD_A_TABLE}\n    {ADD_A_COLUMN}\n    raise RuntimeError('the author was tired')", "the author was tired"),
        (f"{ADD_A_TABLE}\n    op.drop_table('nowhere')", "no such table"),
        (
            f"{ADD_A_TABLE}\n    op.get_bind().execute(sa.delete(sa.table('jobs')))",
            "rows would reference rows that do not exist",
        ),
    ],
    ids=["an error of its own", "a statement that fails", "foreign keys that are broken"],
)
def test_a_step_that_fails_half_way_changes_nothing(path: Path, steps: Path, body: str, reason: str) -> None:
    url = address(path)
    asyncio.run(fill(url))
    before = (schema(path), rows(path, *FILLED))
    add_step(steps, body)
    with fails(Fault.UPGRADE_FAILED, reason):
        asyncio.run(migrate(url, migrations=steps))
    assert (schema(path), rows(path, *FILLED)) == before
    assert version(path) == CURRENT


def test_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    with editing(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with fails(Fault.NEWER_VERSION):
        asyncio.run(migrate(address(path)))
    with fails(Fault.NEWER_VERSION):
        asyncio.run(Database.open(address(path)))
    assert path.read_bytes() == before


def test_an_older_version_is_not_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_module, "known_versions", lambda: (*VERSIONS, NEXT))
    with fails(Fault.OUTDATED):
        asyncio.run(Database.open(address(path)))


def test_a_file_that_is_not_a_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    path.write_bytes(b"this is a letter to my aunt, " * 100)
    with fails(Fault.NOT_A_DATABASE):
        asyncio.run(migrate(address(path)))
    assert path.read_bytes() == b"this is a letter to my aunt, " * 100


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    with editing(path) as connection:
        connection.execute("CREATE TABLE cookies (name)")
    with fails(Fault.OTHER_PROGRAM):
        asyncio.run(migrate(address(path)))
    assert schema(path).keys() == {"cookies"}


def test_an_empty_file_counts_as_blank(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    path.touch()
    asyncio.run(migrate(address(path)))
    assert version(path) == known_versions()[-1]


def test_a_full_disk_is_said_plainly_and_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "easel.db"
    monkeypatch.setattr(sqlite, "MIGRATOR", ("PRAGMA max_page_count = 8", *sqlite.MIGRATOR))
    with fails(Fault.DISK_FULL):
        asyncio.run(migrate(address(path)))
    assert schema(path) == {}


def test_a_locked_database_is_said_plainly(path: Path, steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE_SECONDS", 0)
    add_step(steps, ADD_A_TABLE)
    with editing(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with fails(Fault.LOCKED):
            asyncio.run(migrate(address(path), migrations=steps))
    assert version(path) == CURRENT


def test_a_folder_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with fails(Fault.FOLDER_UNUSABLE):
        asyncio.run(migrate(address(tmp_path / "file" / "easel.db")))

"""What older versions stored as sentences becomes codes, and stored values keep their meaning."""

from __future__ import annotations

import asyncio
import importlib
import json
import shutil
import string
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from bot.domain.periods import Period
from bot.domain.rules import Privacy, Rules
from bot.jobs.polling import NOT_HEARD
from bot.jobs.provider_text import MISSING_IMAGES, SAYING, TEXTS, as_texts
from bot.jobs.store import CANCELLED
from bot.providers.errors import Reason
from bot.text import CATALOGUE, VERBATIM, Text
from storage import jobs, threads
from storage.database import migrate
from storage.records import EventReason
from tests.storage.database_files import (
    contents,
    editing,
    fill_every_table,
    made_at,
)
from tests.storage.rows import address

pytestmark = pytest.mark.slow


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


@pytest.mark.parametrize("prompt", ["a café in İstanbul", "a cafe\u0301 in I\u0307stanbul", "a ＣＡＦÉ in Istanbul"])
def test_old_jobs_are_found_with_and_without_accents(migrated_from: Callable[[str], Path], prompt: str) -> None:
    path = migrated_from("0015")
    with editing(path) as connection:
        connection.execute("UPDATE jobs SET words = ?", (" ".join(prompt.casefold().split()),))
    asyncio.run(migrate(address(path)))
    assert contents(path)["jobs"]["words"] == jobs.folded(prompt) == "a cafe in istanbul"


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
    ("before", "after"),
    [
        ("late results", {"messages": "late_results"}),
        ("long jobs too", {"notify": "dm"}),
        ("never", {"messages": "never"}),
    ],
)
def test_when_direct_messages_may_come_becomes_a_code(tmp_path: Path, before: str, after: dict[str, str]) -> None:
    path = tmp_path / "easel.db"
    made_at(path, "0005")
    fill_every_table(path)
    with editing(path) as connection:
        connection.execute("UPDATE user_settings SET settings = ?", (json.dumps({"messages": before, "images": 2}),))
    asyncio.run(migrate(address(path)))
    assert json.loads(contents(path)["user_settings"]["settings"]) == {**after, "images": 2}


@pytest.mark.parametrize(("delivered_at", "seen"), [(5, [(1, "first_result", 5)]), (None, [])])
def test_people_who_have_seen_results_get_no_hint_about_their_first(
    tmp_path: Path, delivered_at: int | None, seen: list[tuple[int, str, int]]
) -> None:
    path = tmp_path / "easel.db"
    made_at(path, "0012")
    fill_every_table(path)
    with editing(path) as connection:
        connection.execute("UPDATE jobs SET delivered_at = ?", (delivered_at,))
    asyncio.run(migrate(address(path)))
    with editing(path) as connection:
        assert connection.execute("SELECT user_id, hint, shown_at FROM hints").fetchall() == seen
        # Nobody is notified of jobs that an older version delivered.
        assert connection.execute("SELECT notification FROM jobs").fetchall() == [(None,)]

"""The command line: exit statuses, and errors as one plain line."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot import __main__ as command_line
from bot.app import NO_PROVIDER, assembled
from bot.config import INVALID, MISSPELT, UNQUOTED, load
from bot.doctor import NEXT_FIX, NEXT_RUN, READABLE_BY_OTHERS
from bot.errors import SettingsError
from bot.health import HEARTBEAT
from storage.database import InstanceLock, database_url
from storage.errors import Fault, StorageError
from tests.doubles.texts import shows

ROOT = Path(__file__).parent.parent
TOKEN = "made-up.token.of-a-bot"


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


@pytest.fixture
def easel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ended]]:
    """Run a command in an empty folder with only these settings."""
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    for name in list(os.environ):
        if name.startswith(("DISCORD_", "AI_CLIENT_", "AITHRIVING_", "LOG_")) or name in {"DATA_DIR", "DATABASE_URL"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    mask = os.umask(0)
    os.umask(mask)
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions

    def run(*words: str, **settings: str) -> Ended:
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            status = command_line.main(words)
        captured = capsys.readouterr()
        return Ended(status, captured.out, captured.err)

    yield run
    os.umask(mask)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raising
    logging.captureWarnings(capture=False)
    for name in ("bot", "cogs", "storage", "playground"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"AITHRIVING_KEY": "key"}, ["DISCORD_TOKEN"]),
        ({"DISCORD_TOKEN": TOKEN}, ["AI_CLIENT_TOKEN", "AITHRIVING_KEY", "DEMO_PROVIDER=1"]),
        ({"DISCORD_TOKEN": TOKEN, "IMAGE_DAYS": "many"}, ["IMAGE_DAYS"]),
        ({"DISCORD_TOKEN": TOKEN, "AITHRIVING_KEY": "a key"}, ["AITHRIVING_KEY"]),
        ({"DISCORD_TOKEN": TOKEN, "AITHRIVING_KEY": "key", "AITHRIVING_STYLES": "<b>"}, ["AITHRIVING_STYLES"]),
        (
            {"DISCORD_TOKEN": TOKEN, "AITHRIVING_KEY": "key", "DEFAULT_ENGINE": "x"},
            ["DEFAULT_ENGINE", "aithriving/core"],
        ),
    ],
)
def test_a_missing_or_wrong_setting_is_reported_in_one_line(
    easel: Callable[..., Ended], tmp_path: Path, settings: dict[str, str], names: list[str]
) -> None:
    ended = easel("run", **settings)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("easel: ")
    assert ended.err.count("\n") == 1
    assert all(name in ended.err for name in names)
    assert TOKEN not in ended.err
    assert list(tmp_path.iterdir()) == [], "nothing was started"


def test_each_wrong_setting_is_reported_in_its_own_line(easel: Callable[..., Ended]) -> None:
    ended = easel("run", IMAGE_DAYS="many", LOG_LEVEL="loud")
    assert ended.status == 2
    first, second = ended.err.splitlines()
    assert first.startswith("easel: IMAGE_DAYS ")
    assert second.startswith("easel: LOG_LEVEL ")


def test_all_wrong_and_missing_settings_are_reported_at_once(easel: Callable[..., Ended]) -> None:
    ended = easel("run", IMAGE_DAYS="many", AI_CLIENT_TOKEN="x", AI_CLIENT_RATE="fast", AI_CLIENT_STYLES="<b>")
    assert ended.status == 2
    names = [line.removeprefix("easel: ").partition(" ")[0] for line in ended.err.splitlines()]
    assert names == ["IMAGE_DAYS", "AI_CLIENT_STYLES", "AI_CLIENT_RATE"]
    missing = easel("run")
    assert missing.status == 2
    assert shows(missing.err, command_line.NO_TOKEN())
    assert shows(missing.err, NO_PROVIDER())


def test_an_unknown_name_is_reported_with_the_most_similar_setting(easel: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("USER_DAILY_CREDIT=5\n")
    away = {"DISCORD_TOKEN": TOKEN, "AITHRIVING_KEY": "key", "DISCORD_API_URL": "http://127.0.0.1:1/api/v10"}
    ran = easel("run", **away, BOT_DAILY_CREDIT="7")
    for name in ("USER_DAILY_CREDIT", "BOT_DAILY_CREDIT"):
        assert f"settings.unknown_name name={name} meant={name}S" in ran.err
    looked = easel("doctor")
    assert looked.status == 1
    assert shows(looked.out, MISSPELT(name="USER_DAILY_CREDIT", meant="USER_DAILY_CREDITS"))
    assert "fine   settings" not in looked.out


def test_run_logs_what_is_to_do_about_the_files(easel: Callable[..., Ended], tmp_path: Path) -> None:
    away = {"DISCORD_TOKEN": TOKEN, "AITHRIVING_KEY": "key", "DISCORD_API_URL": "http://127.0.0.1:1/api/v10"}
    (tmp_path / "data").mkdir(mode=0o700)
    assert "to_do" not in easel("run", **away).err
    (tmp_path / "data").chmod(0o755)
    (line,) = [line for line in easel("run", **away).err.splitlines() if "to_do" in line]
    assert "WARNING" in line
    assert f"code={READABLE_BY_OTHERS.code} " in line


def test_a_token_in_quotation_marks_has_its_own_error(easel: Callable[..., Ended]) -> None:
    for command, status in (("run", 2), ("sync", 2), ("doctor", 1)):
        away = {"AITHRIVING_KEY": "key", "AITHRIVING_URL": "http://127.0.0.1:1"}
        ended = easel(command, DISCORD_TOKEN=f'"{TOKEN}"', **away)
        assert ended.status == status
        assert shows(ended.err + ended.out, INVALID(name="DISCORD_TOKEN", wanted=UNQUOTED))
        assert TOKEN not in ended.err + ended.out


def test_run_starts_the_playground_without_a_token_if_requested(
    easel: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "playground.page", None)
    ended = easel("run", "--or-playground")
    assert "DISCORD_TOKEN" in ended.out
    assert (ended.status, ended.err) == (1, f"easel: {command_line.NOT_INSTALLED}\n")


def test_a_second_bot_on_the_same_data_does_not_start(easel: Callable[..., Ended], tmp_path: Path) -> None:
    lock = InstanceLock(f"sqlite+aiosqlite:///{tmp_path}/data/easel.db")
    asyncio.run(lock.__aenter__())
    try:
        ended = easel("run", DISCORD_TOKEN=TOKEN, AITHRIVING_KEY="key")
    finally:
        asyncio.run(lock.__aexit__(None, None, None))
    assert (ended.status, ended.out) == (1, "")
    assert str(StorageError(Fault.ALREADY_RUNNING, path="data/easel.db")) in ended.err
    assert ended.err.count("\n") == 1


def test_a_second_bot_on_the_same_images_does_not_start(easel: Callable[..., Ended], tmp_path: Path) -> None:
    """Each would delete the other's images as unused files."""
    (tmp_path / "link").symlink_to("data")
    lock = InstanceLock(database_url(tmp_path / "elsewhere" / "easel.db"), tmp_path / "data")
    asyncio.run(lock.__aenter__())
    try:
        for folder in ("data", "link"):
            ended = easel("run", DISCORD_TOKEN=TOKEN, AITHRIVING_KEY="key", DATA_DIR=folder)
            assert (ended.status, ended.out) == (1, "")
            assert str(StorageError(Fault.ALREADY_RUNNING, path=folder)) in ended.err
    finally:
        asyncio.run(lock.__aexit__(None, None, None))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only there a process sees its own open files")
def test_sqlite_keeps_its_temporary_files_in_the_data_folder(tmp_path: Path) -> None:
    """Compacting writes a copy of the whole database, and the usual folder may be too small for it."""
    script = """
import os, sys
from pathlib import Path
from bot.__main__ import main

assert main(["migrate"]) == 0
import sqlite3

connection = sqlite3.connect(Path(os.environ["DATA_DIR"], "easel.db"), isolation_level=None)
connection.execute("CREATE TABLE large AS WITH RECURSIVE n(i) AS "
    "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000) SELECT i, randomblob(1000) AS data FROM n")
seen = set()

def look():
    for each in Path("/proc/self/fd").iterdir():
        try:
            seen.add(os.readlink(each))
        except OSError:
            pass

connection.set_progress_handler(look, 1000)
connection.execute("VACUUM")
print([name for name in seen if "etilqs" in name])
"""
    environ = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    names = done.stdout.splitlines()[-1]
    assert f"'{tmp_path}/data/etilqs_" in names, done


@pytest.mark.parametrize("command", ["run", "sync"])
def test_an_unreachable_discord_is_reported_in_one_line(easel: Callable[..., Ended], command: str) -> None:
    easel("migrate")
    ended = easel(command, DISCORD_TOKEN=TOKEN, AITHRIVING_KEY="key", DISCORD_API_URL="http://127.0.0.1:1/api/v10")
    assert (ended.status, ended.out) == (1, "")
    assert "easel: Discord cannot be reached at http://127.0.0.1:1/api/v10" in ended.err
    assert "Traceback" not in ended.err
    assert TOKEN not in ended.err


def test_migrate_creates_the_database_and_can_be_repeated(easel: Callable[..., Ended], tmp_path: Path) -> None:
    for _ in range(2):
        ended = easel("migrate")
        assert (ended.status, ended.err) == (0, "")
        assert "data/easel.db" in ended.out
    assert (tmp_path / "data" / "easel.db").is_file()


def test_health(easel: Callable[..., Ended], tmp_path: Path) -> None:
    assert easel("health").status == 1
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / HEARTBEAT).touch()
    assert easel("health").status == 0
    os.utime(tmp_path / "data" / HEARTBEAT, (time.time() - 3600,) * 2)
    assert easel("health").status == 1


def test_the_doctor_exits_with_1_if_there_is_something_to_do(easel: Callable[..., Ended]) -> None:
    ended = easel("doctor")
    assert ended.status == 1
    assert ended.out.splitlines()[-2:] == [f"1. {NEXT_FIX(count=2)}", f"2. {NEXT_RUN()}"]
    assert ended.out.count("TO DO  ") == 2
    broken = easel("doctor", LOG_FORMAT="xml")
    assert broken.status == 1
    assert broken.out.startswith("TO DO  settings: LOG_FORMAT ")
    assert broken.out.count("TO DO  ") == 3, "everything else is checked too"


def test_a_bug_is_logged_and_not_printed_as_a_traceback(
    easel: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def burst(*_: object) -> int:
        raise LookupError("where is it")

    monkeypatch.setitem(command_line.COMMANDS, "migrate", burst)
    ended = easel("migrate")
    assert ended.status == 1
    assert ended.err.count("\n") == 1
    assert "CRITICAL" in ended.err
    assert "where is it" in ended.err


@pytest.mark.parametrize("words", [(), ("paint",), ("run", "--fast")])
def test_unknown_arguments_exit_with_2(easel: Callable[..., Ended], words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        easel(*words)
    assert caught.value.code == 2


async def test_a_bot_without_an_image_service_is_not_assembled(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="AI_CLIENT_TOKEN"):
        async with assembled(load({"DATA_DIR": str(tmp_path)}, None)):
            pass
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []

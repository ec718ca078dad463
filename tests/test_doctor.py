"""The doctor's checks, one by one, and their findings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.config import Settings, load
from bot.discord_checks import (
    CODE_GRANT,
    DISCORD_ANSWERED,
    DISCORD_AWAY,
    DISCORD_ODD,
    ENDPOINT_SET,
    INVITE,
    NO_TOKEN,
    TOKEN_UNKNOWN,
    application,
    command_names,
)
from bot.doctor import (
    DATABASE_MISSING,
    DISK_NEARLY_FULL,
    FOLDER_FINE,
    FOLDER_MISSING,
    FOLDER_NOT_WRITABLE,
    LEAST_FREE_GIB,
    NEXT_FIX,
    NEXT_RUN,
    NO_KEY,
    SERVICE_FINE,
    conclusion,
    data_folder,
    database,
    examine,
    image_sources,
    services,
    sqlite_library,
    waiting,
)
from bot.findings import Finding, Level
from bot.jobs.provider_text import TEXTS
from bot.providers.errors import ProviderError, Reason, Unreachable
from bot.text import Message
from bot.unreachable import REFUSED
from storage import submissions
from storage.database import Database, migrate
from storage.records import JobStatus, SubmissionStatus
from tests.doubles.provider import ScriptedProvider
from tests.storage.rows import NOW, add_job, add_submission

TOKEN = "made-up.token.of-a-bot"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({"DATA_DIR": str(tmp_path), "DISCORD_TOKEN": TOKEN}, env_file=None)


@pytest.fixture
async def discord() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Serve one response in place of Discord, and return its address."""
    runners = []

    async def serve(told: Any, status: int = 200) -> str:
        async def answer(request: web.Request) -> web.Response:
            if request.headers["Authorization"] != f"Bot {TOKEN}":
                return web.json_response({"message": "401: Unauthorized"}, status=401)
            return told if isinstance(told, web.Response) else web.json_response(told, status=status)

        async def empty(request: web.Request) -> web.Response:
            return web.json_response([])

        app = web.Application()
        app.router.add_get("/api/v10/applications/@me", answer)
        for nothing in ("/applications/42/commands", "/users/@me/guilds"):
            app.router.add_get(f"/api/v10{nothing}", empty)
        runner = web.AppRunner(app, access_log=None)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/api/v10"

    yield serve
    for runner in runners:
        await runner.cleanup()


def found(finding: Finding) -> tuple[Level, str]:
    return finding.level, finding.text.code


def test_a_usable_data_folder(tmp_path: Path) -> None:
    assert found(data_folder(tmp_path)) == (Level.FINE, FOLDER_FINE.code)
    assert found(data_folder(tmp_path / "not" / "yet")) == (Level.FINE, FOLDER_MISSING.code)
    assert list(tmp_path.iterdir()) == [], "no file remains"


def test_an_unusable_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below"):
        assert found(data_folder(folder)) == (Level.TO_DO, FOLDER_NOT_WRITABLE.code)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": LEAST_FREE_GIB * 2**30 - 1}))
    assert found(data_folder(tmp_path)) == (Level.TO_DO, DISK_NEARLY_FULL.code)


async def test_a_database_before_and_after_the_first_start(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/easel.db"
    assert found(await database(url)) == (Level.FINE, DATABASE_MISSING.code)
    await migrate(url)
    assert (await database(url)).level is Level.FINE


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "easel.db").write_bytes(b"a letter to my aunt " * 100)
    finding = await database(f"sqlite+aiosqlite:///{tmp_path}/easel.db")
    assert finding.level is Level.TO_DO
    assert "easel.db" in str(finding)


@pytest.mark.parametrize("hosts", [(), ("cdn.lan:9000",)])
def test_the_note_on_image_hosts_mentions_ports(hosts: tuple[str, ...]) -> None:
    finding = image_sources(hosts)
    assert finding.level is Level.FINE
    assert str(finding).count("cdn.lan:9000") == len(hosts) + 1
    assert "IMAGE_HOSTS" in str(finding)


async def test_services(settings: Settings) -> None:
    provider = ScriptedProvider()
    fine, pictures = [finding async for finding in services(settings, {"scripted": provider})]
    assert fine == Finding(provider.label, SERVICE_FINE(engines=[engine.id for engine in provider.engines]))
    assert pictures.level is Level.FINE
    (none,) = [finding async for finding in services(settings, {})]
    assert found(none) == (Level.TO_DO, NO_KEY.code)
    assert all(name in str(none) for name in ("AI_CLIENT_TOKEN", "AITHRIVING_KEY", "DEMO_PROVIDER"))
    (painted,) = [finding async for finding in services(replace(settings, demo_provider=True), {})]
    assert painted.level is Level.FINE


async def test_an_unreachable_service(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(self: ScriptedProvider) -> ProviderError:
        return Unreachable()

    monkeypatch.setattr(ScriptedProvider, "check", check)
    finding, _ = [finding async for finding in services(settings, {"scripted": ScriptedProvider()})]
    assert (finding.level, str(finding.text)) == (Level.TO_DO, str(TEXTS[Reason.UNREACHABLE](label="Scripted")))


async def test_requests_that_wait_for_a_setting(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/easel.db"
    providers = {"ai-client": ScriptedProvider()}
    assert [finding async for finding in waiting(url, providers)] == []
    await migrate(url)
    assert [finding async for finding in waiting(url, providers)] == []
    opened = await Database.open(url)
    rendering, unknown = SubmissionStatus.RENDERING, SubmissionStatus.UNKNOWN
    host = {"handle": {"thread": "x"}, "waits_for": "IMAGE_HOSTS", "result": {"why": "http://cdn.lan:9000"}}
    async with opened.write() as tx:
        for provider, status, columns in (
            ("aithriving", rendering, {}),
            ("gone", rendering, {}),
            ("ai-client", rendering, {}),
            ("ai-client", unknown, host),
            ("ai-client", unknown, host),
            ("ai-client", unknown, {}),
        ):
            id_ = await add_submission(tx, await add_job(tx), provider=provider)
            await submissions.move_submission(tx, id_, SubmissionStatus.QUEUED, status, at=NOW, why="", **columns)
        deleted = await add_submission(tx, await add_job(tx, status=JobStatus.DELETED), provider="ai-client")
        await submissions.move_submission(tx, deleted, SubmissionStatus.QUEUED, unknown, at=NOW, why="", **host)
    await opened.close()
    findings = [finding async for finding in waiting(url, providers)]
    assert [finding.subject for finding in findings] == ["IMAGE_HOSTS", "AITHRIVING_KEY", "gone"]
    assert {finding.level for finding in findings} == {Level.TO_DO}
    assert "http://cdn.lan:9000" in str(findings[0])
    assert "python -m bot retry" in str(findings[0])


async def test_a_working_application_is_shown_with_its_invitation(
    settings: Settings, discord: Callable[..., Awaitable[str]]
) -> None:
    url = await discord(
        {"id": "42", "name": "Easel", "interactions_endpoint_url": None, "bot_require_code_grant": False}
    )
    finding = await application(replace(settings, discord_api_url=url))
    assert found(finding) == (Level.FINE, INVITE.code)
    assert "client_id=42" in str(finding)
    assert "permissions=274878008320" in str(finding)
    assert TOKEN not in str(finding)


@pytest.mark.parametrize(
    ("told", "status", "wanted"),
    [
        ({"id": "42", "interactions_endpoint_url": "https://example.com"}, 200, ENDPOINT_SET),
        ({"id": "42", "bot_require_code_grant": True}, 200, CODE_GRANT),
        ({"message": "down"}, 503, DISCORD_ANSWERED),
        ("text", 200, DISCORD_ODD),
        ({"name": "no id"}, 200, DISCORD_ODD),
    ],
)
async def test_a_misconfigured_application(
    settings: Settings, discord: Callable[..., Awaitable[str]], told: Any, status: int, wanted: Message
) -> None:
    finding = await application(replace(settings, discord_api_url=await discord(told, status)))
    assert found(finding) == (Level.TO_DO, wanted.code)


async def test_a_missing_or_wrong_token(settings: Settings, discord: Callable[..., Awaitable[str]]) -> None:
    missing = await application(replace(settings, discord_token=None))
    assert found(missing) == (Level.TO_DO, NO_TOKEN.code)
    wrong = await application(replace(settings, discord_token="another", discord_api_url=await discord({})))
    assert found(wrong) == (Level.TO_DO, TOKEN_UNKNOWN.code)


async def test_discord_is_unreachable(settings: Settings) -> None:
    finding = await application(replace(settings, discord_api_url="http://127.0.0.1:1/api/v10"))
    assert (finding.level, finding.text) == (Level.TO_DO, DISCORD_AWAY(reason=REFUSED()))


async def test_all_checks_run_in_order(settings: Settings, discord: Callable[..., Awaitable[str]]) -> None:
    ready = replace(settings, discord_api_url=await discord({"id": "42", "name": "Easel"}), demo_provider=True)
    findings = [finding async for finding in examine(ready)]
    assert [finding.subject for finding in findings if finding.subject != "SQLite"] == [
        "settings",
        "data folder",
        "database",
        "image services",
        "Discord",
        "commands",
    ]
    assert not [finding for finding in findings if finding.level is Level.TO_DO]
    assert conclusion(findings) == NEXT_RUN()
    assert all(str(finding).isprintable() for finding in findings)
    wrong = replace(ready, reader=ready.reader.but({"AI_CLIENT_TOKEN": "x", "AI_CLIENT_RATE": "fast"}))
    findings = [finding async for finding in examine(wrong)]
    assert findings[0].level is Level.TO_DO
    assert "AI_CLIENT_RATE" in str(findings[0])
    assert [finding for finding in findings[1:] if finding.level is Level.TO_DO] == [], "each problem is reported once"
    assert conclusion(findings) == NEXT_FIX(count=1)


async def test_the_names_of_the_commands_are_complete() -> None:
    assert await command_names() >= {"imagine", "credits", "usage", "engines", "help"}


@pytest.mark.parametrize(
    ("version", "sound"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 46, 1), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_a_faulty_sqlite_is_a_note(version: tuple[int, ...], sound: bool) -> None:
    findings = list(sqlite_library(version))
    assert [finding.level for finding in findings] == ([] if sound else [Level.NOTE])
    assert sound or ".".join(map(str, version)) in str(findings[0])

"""What the doctor looks at, one thing at a time, and the words for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.config import Settings, load
from bot.doctor import (
    LEAST_FREE_BYTES,
    application,
    command_tree,
    commands_told,
    data_folder,
    database,
    examine,
    image_sources,
    services,
    sqlite_library,
    waiting,
)
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
    """Serve one answer as Discord and return the address to set."""
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


def test_a_data_folder_that_is_fine(tmp_path: Path) -> None:
    assert data_folder(tmp_path).fine
    later = data_folder(tmp_path / "not" / "yet")
    assert later.fine
    assert "first start" in later.text
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_a_data_folder_that_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    assert "DATA_DIR" in data_folder(file).text
    assert not data_folder(file / "below").fine
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": LEAST_FREE_BYTES - 1}))
    assert not data_folder(tmp_path).fine


async def test_a_database_before_and_after_the_first_start(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/easel.db"
    before = await database(url)
    assert before.fine
    assert "first start" in before.text
    await migrate(url)
    assert (await database(url)).fine


async def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "easel.db").write_bytes(b"a letter to my aunt " * 100)
    finding = await database(f"sqlite+aiosqlite:///{tmp_path}/easel.db")
    assert not finding.fine
    assert "is not a database" in finding.text


@pytest.mark.parametrize("hosts", [(), ("cdn.lan:9000",)])
def test_it_says_that_a_port_has_to_be_named(hosts: tuple[str, ...]) -> None:
    finding = image_sources(hosts)
    assert finding.fine
    assert finding.text.count("cdn.lan:9000") == len(hosts) + 1
    assert "IMAGE_HOSTS" in finding.text


async def test_services(settings: Settings) -> None:
    provider = ScriptedProvider()
    fine, pictures = [finding async for finding in services(settings, {"scripted": provider})]
    assert fine.fine
    assert pictures.fine
    assert provider.engines[0].id in fine.text
    (none,) = [finding async for finding in services(settings, {})]
    assert not none.fine
    assert all(name in none.text for name in ("AI_CLIENT_TOKEN", "AITHRIVING_KEY", "DEMO_PROVIDER"))
    (painted,) = [finding async for finding in services(replace(settings, demo_provider=True), {})]
    assert painted.fine


async def test_a_service_that_cannot_be_reached(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(self: ScriptedProvider) -> str:
        return "It is away."

    monkeypatch.setattr(ScriptedProvider, "check", check)
    finding, _ = [finding async for finding in services(settings, {"scripted": ScriptedProvider()})]
    assert (finding.fine, finding.text) == (False, "It is away.")


async def test_what_waits_for_a_setting(tmp_path: Path) -> None:
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
    assert not any(finding.fine for finding in findings)
    assert "http://cdn.lan:9000" in findings[0].text
    assert "python -m bot retry" in findings[0].text


async def test_an_application_that_is_fine_comes_with_its_invitation(
    settings: Settings, discord: Callable[..., Awaitable[str]]
) -> None:
    url = await discord(
        {"id": "42", "name": "Easel", "interactions_endpoint_url": None, "bot_require_code_grant": False}
    )
    finding = await application(replace(settings, discord_api_url=url))
    assert finding.fine
    assert "client_id=42" in finding.text
    assert "permissions=274878008320" in finding.text
    assert TOKEN not in str(finding)


@pytest.mark.parametrize(
    ("told", "status", "words"),
    [
        ({"id": "42", "interactions_endpoint_url": "https://example.com"}, 200, "Interactions Endpoint URL"),
        ({"id": "42", "bot_require_code_grant": True}, 200, "Code Grant"),
        ({"message": "down"}, 503, "answered 503"),
        ("text", 200, "cannot be understood"),
        ({"name": "no id"}, 200, "cannot be understood"),
    ],
)
async def test_an_application_that_is_not(
    settings: Settings, discord: Callable[..., Awaitable[str]], told: Any, status: int, words: str
) -> None:
    finding = await application(replace(settings, discord_api_url=await discord(told, status)))
    assert not finding.fine
    assert words in finding.text


async def test_a_token_that_is_missing_or_wrong(settings: Settings, discord: Callable[..., Awaitable[str]]) -> None:
    missing = await application(replace(settings, discord_token=None))
    assert not missing.fine
    assert "DISCORD_TOKEN" in missing.text
    wrong = await application(replace(settings, discord_token="another", discord_api_url=await discord({})))
    assert not wrong.fine
    assert "DISCORD_TOKEN" in wrong.text


async def test_a_discord_that_is_away(settings: Settings) -> None:
    finding = await application(replace(settings, discord_api_url="http://127.0.0.1:1/api/v10"))
    assert not finding.fine
    assert "cannot be reached (the connection is refused)" in finding.text


def option(**more: Any) -> dict[str, Any]:
    return {"type": 3, "name": "colour", "description": "Which", **more}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Paint"}, "cannot be a command's name"),
        ({"description": ""}, "0 characters"),
        ({"description": "x" * 101}, "101 characters"),
        ({"options": [option(name=f"o{number}") for number in range(26)]}, "more than 25"),
        ({"options": [option(choices=[{"name": "x", "value": "x"}] * 26)]}, "more than 25"),
        ({"options": [option(choices=[{"name": "x", "value": "x"}], autocomplete=True)]}, "choices and autocomplete"),
        ({"options": [option(), option(name="size", required=True)]}, "required"),
        ({"options": [option(choices=[{"name": "x" * 100, "value": "y" * 100}] * 25)] * 2}, "characters"),
        ({"options": [{"type": 1, "name": "sub", "description": "", "options": []}]}, "0 characters"),
    ],
)
def test_a_command_that_discord_would_not_take(change: dict[str, Any], words: str) -> None:
    command = {"type": 1, "name": "paint", "description": "Paints", "options": [option(required=True), option()]}
    assert command_tree([command, {"type": 3, "name": "Use this"}]).fine
    finding = command_tree([{**command, **change}])
    assert not finding.fine
    assert words in finding.text


def test_too_many_commands() -> None:
    assert not command_tree([{"type": 1, "name": "paint", "description": "Paints"}] * 101).fine


async def test_our_own_commands_are_fine() -> None:
    commands = await commands_told()
    assert {command["name"] for command in commands} >= {"imagine", "credits", "usage", "engines", "help"}
    assert command_tree(commands).fine


async def test_everything_in_turn(settings: Settings, discord: Callable[..., Awaitable[str]]) -> None:
    ready = replace(settings, discord_api_url=await discord({"id": "42", "name": "Easel"}), demo_provider=True)
    findings = [finding async for finding in examine(ready)]
    assert [finding.subject for finding in findings if finding.subject != "SQLite"] == [
        "settings",
        "data folder",
        "database",
        "image services",
        "commands",
        "Discord",
        "commands",
    ]
    assert all(finding.fine for finding in findings), findings
    assert all(str(finding).isprintable() for finding in findings)
    wrong = replace(ready, reader=ready.reader.but({"AI_CLIENT_TOKEN": "x", "AI_CLIENT_RATE": "fast"}))
    findings = [finding async for finding in examine(wrong)]
    assert not findings[0].fine
    assert "AI_CLIENT_RATE" in findings[0].text
    assert [finding for finding in findings[1:] if not finding.fine] == [], (
        "nothing follows from the first that is no news"
    )


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
def test_an_sqlite_with_the_fault_is_named_and_is_no_task(version: tuple[int, ...], sound: bool) -> None:
    found = list(sqlite_library(version))
    assert not found if sound else [(finding.fine, finding.note) for finding in found] == [(True, True)]
    assert sound or ".".join(map(str, version)) in found[0].text

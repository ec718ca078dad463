"""The doctor's checks of the application at Discord, and all checks together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.config import Settings, load, read
from bot.discord_checks import (
    DISCORD_ANSWERED,
    DISCORD_AWAY,
    DISCORD_ODD,
    KNOWN_AS,
    application,
    command_names,
)
from bot.doctor import (
    NEXT_FIX,
    NEXT_INVITE,
    NEXT_RUN,
    NEXT_SETUP,
    conclusion,
    examine,
)
from bot.findings import ANYBODY_MAY_ADD, CODE_GRANT, ENDPOINT_SET, SUGGESTED_LIMIT, Finding, Level
from bot.run import NO_TOKEN, WRONG_TOKEN
from bot.text import Message
from bot.ui.client import REFUSED

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


PRIVATE = {"id": "42", "name": "Easel", "bot_public": False}


async def test_a_working_application_is_shown_with_its_invitation(
    settings: Settings, discord: Callable[..., Awaitable[str]]
) -> None:
    url = await discord({**PRIVATE, "interactions_endpoint_url": None, "bot_require_code_grant": False})
    known = await application(replace(settings, discord_api_url=url))
    assert known.findings == (Finding("Discord", KNOWN_AS(name="Easel")),)
    assert known.invitation is not None
    assert "client_id=42" in known.invitation
    assert "permissions=274878008320" in known.invitation
    assert TOKEN not in str(known)


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"interactions_endpoint_url": "https://example.com"}, [ENDPOINT_SET]),
        ({"bot_require_code_grant": True}, [CODE_GRANT]),
        ({"bot_public": True}, [ANYBODY_MAY_ADD]),
        (
            {"interactions_endpoint_url": "x", "bot_require_code_grant": True, "bot_public": True},
            [ENDPOINT_SET, CODE_GRANT, ANYBODY_MAY_ADD],
        ),
    ],
)
async def test_a_misconfigured_application(
    settings: Settings, discord: Callable[..., Awaitable[str]], told: dict[str, Any], wanted: list[Message]
) -> None:
    known = await application(replace(settings, discord_api_url=await discord(PRIVATE | told)))
    to_do = [finding.text.code for finding in known.findings if finding.level is Level.TO_DO]
    assert to_do == [message.code for message in wanted]
    assert known.id == 42


@pytest.mark.parametrize(("allowed", "warned"), [("", True), ("11", False), ("all", False), ("ALL", False)])
async def test_a_public_bot_is_fine_only_on_purpose(
    settings: Settings, discord: Callable[..., Awaitable[str]], allowed: str, warned: bool
) -> None:
    ready = load({"DISCORD_TOKEN": TOKEN, "ALLOWED_GUILDS": allowed}, None)
    known = await application(replace(ready, discord_api_url=await discord(PRIVATE | {"bot_public": True})))
    assert ([finding.level for finding in known.findings] == [Level.FINE, Level.TO_DO]) == warned


@pytest.mark.parametrize(
    ("told", "status", "wanted"),
    [
        ({"message": "down"}, 503, DISCORD_ANSWERED),
        ("text", 200, DISCORD_ODD),
        ({"name": "no id"}, 200, DISCORD_ODD),
    ],
)
async def test_an_odd_answer_of_discord(
    settings: Settings, discord: Callable[..., Awaitable[str]], told: Any, status: int, wanted: Message
) -> None:
    known = await application(replace(settings, discord_api_url=await discord(told, status)))
    assert [found(finding) for finding in known.findings] == [(Level.TO_DO, wanted.code)]
    assert known.invitation is None


async def test_a_missing_or_wrong_token(settings: Settings, discord: Callable[..., Awaitable[str]]) -> None:
    (missing,) = (await application(replace(settings, discord_token=None))).findings
    assert found(missing) == (Level.TO_DO, NO_TOKEN.code)
    wrong = replace(settings, discord_token="another", discord_api_url=await discord({}))
    (refused,) = (await application(wrong)).findings
    assert found(refused) == (Level.TO_DO, WRONG_TOKEN.code)


async def test_discord_is_unreachable(settings: Settings) -> None:
    (finding,) = (await application(replace(settings, discord_api_url="http://127.0.0.1:1/api/v10"))).findings
    assert (finding.level, finding.text) == (Level.TO_DO, DISCORD_AWAY(reason=REFUSED()))


async def test_the_names_of_the_commands_are_complete() -> None:
    assert await command_names() >= {"imagine", "credits", "usage", "engines", "help"}


async def test_all_checks_run_in_order(settings: Settings, discord: Callable[..., Awaitable[str]]) -> None:
    ready = replace(settings, discord_api_url=await discord(PRIVATE), demo_provider=True)
    findings = [finding async for finding in examine(ready)]
    assert [finding.subject for finding in findings if finding.subject != "SQLite"] == [
        "settings",
        "data folder",
        "database",
        "image services",
        "Discord",
        "commands",
        "invitation",
    ]
    assert not [finding for finding in findings if finding.level is Level.TO_DO]
    assert [step.code for step in conclusion(findings)] == [NEXT_INVITE.code, NEXT_RUN.code, NEXT_SETUP.code]
    assert all(str(finding).isprintable() for finding in findings)
    wrong = replace(ready, reader=ready.reader.but({"AI_CLIENT_TOKEN": "x", "AI_CLIENT_RATE": "fast"}))
    findings = [finding async for finding in examine(wrong)]
    assert findings[0].level is Level.TO_DO
    assert "AI_CLIENT_RATE" in str(findings[0])
    assert [finding for finding in findings[1:] if finding.level is Level.TO_DO] == [], "each problem is reported once"
    assert conclusion(findings)[0] == NEXT_FIX(count=1)


async def test_invalid_settings_do_not_keep_other_checks_from_running(
    tmp_path: Path, discord: Callable[..., Awaitable[str]]
) -> None:
    environ = {
        "DATA_DIR": str(tmp_path),
        "DISCORD_TOKEN": TOKEN,
        "DISCORD_API_URL": await discord(PRIVATE | {"bot_public": True}),
        "IMAGE_DAYS": "many",
        "LOG_LEVEL": "loud",
        "AI_CLIENT_TOKEN": "two words",
        "AI_CLIENT_RATE": "fast",
        "AI_CLIENT_STYLES": "<b>",
        "AITHRIVING_KEY": "key",
        "AITHRIVING_URL": "http://127.0.0.1:1",
        "AITHRIVING_JOBS": "none",
        "DEFAULT_ENGINE": "dalle",
    }
    settings, problems = read(environ, None)
    findings = [finding async for finding in examine(settings, problems)]
    to_do = [finding for finding in findings if finding.level is Level.TO_DO]
    about = ("IMAGE_DAYS", "LOG_LEVEL", "AI_CLIENT_TOKEN", "AITHRIVING_JOBS", "DEFAULT_ENGINE")
    assert all(name in str(finding) for name, finding in zip(about, to_do, strict=False))
    # The settings of a provider without a valid key are not read.
    assert [finding.text.code for finding in to_do[len(about) :]] == [SUGGESTED_LIMIT.code, ANYBODY_MAY_ADD.code]
    assert {"data folder", "database", "Discord", "commands", "invitation"} <= {one.subject for one in findings}

"""The doctor's checks, one by one, and their findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bot.app import NO_PROVIDER
from bot.config import Settings, load, read
from bot.doctor import (
    DATABASE_MISSING,
    DATABASE_NOT_MADE,
    DEMO_IS_ON,
    DEMO_NOT_INSTALLED,
    DISK_NEARLY_FULL,
    FOLDER_FINE,
    FOLDER_MISSING,
    FOLDER_NOT_WRITABLE,
    FREE_ONLY,
    KEY_REFUSED,
    LEAST_FREE_GIB,
    LIMITED,
    NO_API,
    NO_CREDITS,
    NO_ENGINES,
    OTHER_SERVER,
    PASSWORD_REFUSED,
    SERVER_NOT_TRUSTED,
    SERVER_UNREACHABLE,
    SERVICE_FINE,
    about_spending,
    data_folder,
    database,
    examine,
    image_sources,
    services,
    sqlite_library,
    waiting,
)
from bot.findings import NO_LIMIT, Finding, Level
from bot.jobs.provider_text import TEXTS
from bot.provider_settings import configured, read_providers
from bot.providers.base import Provider
from bot.providers.errors import NotFound, ProviderError, Reason, Refused, Unreachable
from bot.providers.server_states import ServerState, Silence
from bot.text import Text
from fakes.services import Fault, StandIn, flat
from fakes.services.faults import Redirect
from storage import submissions
from storage.database import Database, migrate
from storage.records import JobStatus, SubmissionStatus
from tests.doubles.free_provider import FreeProvider
from tests.doubles.provider import ScriptedProvider
from tests.storage.rows import NOW, add_job, add_submission

TOKEN = "made-up.token.of-a-bot"
ELSEWHERE = "https://elsewhere.example"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({"DATA_DIR": str(tmp_path), "DISCORD_TOKEN": TOKEN}, env_file=None)


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


def test_no_class_name_is_shown_for_an_error_without_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> object:
        raise OSError

    monkeypatch.setattr("shutil.disk_usage", fail)
    finding = data_folder(tmp_path)
    assert found(finding) == (Level.TO_DO, FOLDER_NOT_WRITABLE.code)
    assert "OSError" not in str(finding)


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
    assert found(none) == (Level.TO_DO, NO_PROVIDER.code)
    assert all(name in str(none) for name in ("AI_CLIENT_TOKEN", "AITHRIVING_KEY", "DEMO_PROVIDER"))
    (painted,) = [finding async for finding in services(replace(settings, demo_provider=True), {})]
    assert painted.level is Level.FINE


async def test_an_unreachable_service(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(self: ScriptedProvider) -> ProviderError:
        return Unreachable()

    monkeypatch.setattr(ScriptedProvider, "check", check)
    finding, _ = [finding async for finding in services(settings, {"scripted": ScriptedProvider()})]
    assert (finding.level, str(finding.text)) == (Level.TO_DO, str(TEXTS[Reason.UNREACHABLE](label="Scripted")))


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [(Reason.WRONG_KEY, KEY_REFUSED(setting="AI_CLIENT_TOKEN")), (Reason.NO_CREDITS, NO_CREDITS())],
)
async def test_what_the_operator_can_do_about_a_refusing_service(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, reason: Reason, wanted: Text
) -> None:
    async def check(self: ScriptedProvider) -> ProviderError:
        return Refused(reason, operator=True)

    monkeypatch.setattr(ScriptedProvider, "check", check)
    monkeypatch.setattr(ScriptedProvider, "key_setting", "AI_CLIENT_TOKEN")
    finding, _ = [finding async for finding in services(settings, {"scripted": ScriptedProvider()})]
    assert (finding.level, finding.text) == (Level.TO_DO, wanted)


@pytest.mark.parametrize(
    ("further", "wanted"),
    [
        ({"OPENAI_MODELS": "gpt-image-1 low 0.011"}, SERVICE_FINE(engines=["openai/gpt-image-1-low"])),
        ({"OPENAI_FREE": "1"}, SERVICE_FINE(engines=["openai/gpt-image-1", "openai/gpt-image-1-mini"])),
        ({"OPENAI_MODELS": "m 1", "OPENAI_KEY": "another"}, KEY_REFUSED(setting="OPENAI_KEY")),
    ],
)
async def test_a_service_with_the_api_of_openai(further: dict[str, str], wanted: Text) -> None:
    async with StandIn(painter=flat, keys=frozenset({"a-key"})) as stand_in:
        keys = {"OPENAI_URL": f"{stand_in.url}/openai/v1", "OPENAI_KEY": "a-key", **further}
        settings = load(keys, None)
        providers = configured(settings)
        finding, _ = [finding async for finding in services(settings, providers)]
        for provider in providers.values():
            await provider.close()
    assert finding.text == wanted


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (Unreachable(), SERVER_UNREACHABLE(setting="COMFYUI_URL")),
        (NotFound(), OTHER_SERVER(setting="COMFYUI_URL")),
        (Refused(Reason.WRONG_KEY), KEY_REFUSED(setting="COMFYUI_URL")),
        (None, NO_ENGINES()),
    ],
)
async def test_what_is_wrong_with_a_server_of_the_operator(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: ProviderError | None, wanted: Text
) -> None:
    async def check(self: ScriptedProvider) -> ProviderError | None:
        return error

    provider = ScriptedProvider()
    provider.engines = ()
    monkeypatch.setattr(ScriptedProvider, "check", check)
    for name in ("key_setting", "address_setting"):
        monkeypatch.setattr(ScriptedProvider, name, "COMFYUI_URL")
    finding, _ = [finding async for finding in services(settings, {"scripted": provider})]
    assert (finding.level, finding.text) == (Level.TO_DO, wanted)


async def test_a_server_with_the_api_of_openai_that_is_away() -> None:
    settings = load({"OPENAI_URL": "http://127.0.0.1:9/v1", "OPENAI_FREE": "1"}, None)
    providers = configured(settings)
    finding, _ = [finding async for finding in services(settings, providers)]
    for provider in providers.values():
        await provider.close()
    assert finding.text == SERVER_UNREACHABLE(setting="OPENAI_URL")


@pytest.mark.parametrize(
    ("further", "wanted"),
    [
        ({"A1111_URL": "/a1111"}, PASSWORD_REFUSED(user="A1111_USER", setting="A1111_PASSWORD")),
        ({"COMFYUI_URL": "/comfyui"}, PASSWORD_REFUSED(user="COMFYUI_USER", setting="COMFYUI_PASSWORD")),
        ({"COMFYUI_URL": "/comfyui", "COMFYUI_HEADER": "X-Key: another"}, KEY_REFUSED(setting="COMFYUI_HEADER")),
        ({"A1111_URL": "/nowhere"}, NO_API(setting="A1111_URL")),
        ({"COMFYUI_URL": "/nowhere"}, OTHER_SERVER(setting="COMFYUI_URL")),
        ({"COMFYUI_URL": "https"}, SERVER_NOT_TRUSTED(setting="COMFYUI_URL")),
        (
            {"A1111_URL": "/moved"},
            TEXTS[Reason.MOVED](label="Stable Diffusion", setting="A1111_URL", address=ELSEWHERE),
        ),
    ],
)
async def test_what_is_wrong_with_a_real_server_of_the_operator(further: dict[str, str], wanted: Text) -> None:
    async with StandIn(painter=flat, keys=frozenset({"a-key"})) as stand_in:
        stand_in.a1111.accounts = {("owner", "a-key")}
        if "/moved" in further.values():
            further, stand_in.a1111.accounts = {"A1111_URL": "/a1111"}, None
            stand_in.misbehave(Fault("a1111.samplers", Redirect(f"{ELSEWHERE}/sdapi/v1/samplers")))
        if further == {"COMFYUI_URL": "https"}:
            further = {"COMFYUI_URL": stand_in.url.replace("http", "https")}
        urls = {name: f"{stand_in.url}{value}" if value.startswith("/") else value for name, value in further.items()}
        settings = load(urls, None)
        providers = configured(settings)
        finding, _ = [finding async for finding in services(settings, providers)]
        for provider in providers.values():
            await provider.close()
    assert (finding.level, finding.text) == (Level.TO_DO, wanted)


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
            ("ai-client", SubmissionStatus.DONE, host),
            ("ai-client", SubmissionStatus.DONE, {}),
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


async def spending_of(settings: Settings, providers: Mapping[str, Provider]) -> list[Finding]:
    return [finding async for finding in about_spending(settings, providers)]


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ({}, (Level.TO_DO, NO_LIMIT.code)),
        ({"USER_DAILY_CREDITS": "50"}, (Level.FINE, LIMITED.code)),
        ({"SERVER_MONTHLY_CREDITS": "50"}, (Level.FINE, LIMITED.code)),
        ({"BOT_DAILY_CREDITS": "0"}, (Level.FINE, LIMITED.code)),
    ],
)
async def test_spending_without_a_limit(limits: dict[str, str], wanted: tuple[Level, str]) -> None:
    settings = load(limits, None)
    (finding,) = await spending_of(settings, {"scripted": ScriptedProvider()})
    assert found(finding) == wanted
    assert all(name in str(finding) for name in limits)


async def test_free_engines_have_a_limit_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedProvider, "charges", False)
    settings = load({"USER_DAILY_CREDITS": "50", "FREE_IMAGES_PER_USER": "7"}, None)
    (finding,) = await spending_of(settings, {"scripted": ScriptedProvider()})
    assert finding.text == FREE_ONLY(count=7)
    assert await spending_of(settings, {}) == [], "without a service nothing is spent"
    assert await spending_of(replace(settings, demo_provider=True), {"scripted": ScriptedProvider()}) == []


async def test_the_suggested_limit_is_converted_from_the_price_of_the_default_engine() -> None:
    keys = {"AI_CLIENT_TOKEN": "made-up", "AITHRIVING_KEY": "made-up", "AITHRIVING_CREDIT_VALUE": "2.5"}
    for engine, credits_ in (("", 40 * 5), ("aithriving/core", 40 * 15)):
        settings = load({**keys, "DEFAULT_ENGINE": engine}, None)
        (finding,) = await spending_of(settings, configured(settings))
        assert finding.text.values["credits"] == credits_
        assert f"BOT_DAILY_CREDITS={credits_}" in str(finding)


async def checked(environ: dict[str, str]) -> list[Finding]:
    """The findings with these settings, as ``doctor`` prints them."""
    settings, problems = read(environ, None)
    return [finding async for finding in examine(settings, problems) if finding.subject != "SQLite"]


async def test_what_depends_on_an_invalid_setting_is_not_checked(tmp_path: Path) -> None:
    invalid = {
        "DATA_DIR": "$NOWHERE",
        "DISCORD_TOKEN": "two words",
        "HTTPS_PROXY": "socks5://x",
        "HTTP_PROXY": "a b",
        "USER_DAILY_CREDITS": "some",
        "AI_CLIENT_TOKEN": "x",
        "AI_CLIENT_RATE": "fast",
        "AI_CLIENT_STYLES": "<b>",
        "IMAGE_HOSTS": "http://x/y",
    }
    findings = await checked(invalid)
    assert {finding.subject for finding in findings} == {"settings"}
    named = {str(finding.text.values["name"]) for finding in findings}
    assert named == invalid.keys() - {"AI_CLIENT_TOKEN"}
    assert len(findings) == len(named), "each is reported once"


AWAY = {"AI_CLIENT_URL": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    "wrong", [{"AI_CLIENT_TOKEN": "two words"}, {"AI_CLIENT_TOKEN": "x", "AI_CLIENT_ENGINES": "<b>"}]
)
def test_a_default_engine_of_an_invalid_provider_may_be_right(wrong: dict[str, str]) -> None:
    environ = {"AITHRIVING_KEY": "key", "DEFAULT_ENGINE": "ai-client/another", **wrong}
    assert len(read_providers(load(environ, None)).problems) == 1


async def test_a_wrong_key_is_not_reported_as_a_missing_one(tmp_path: Path) -> None:
    for wrong in ({"AI_CLIENT_TOKEN": "two words"}, {"AI_CLIENT_TOKEN": "x", **AWAY, "DEFAULT_ENGINE": "dalle"}):
        findings = await checked({"DATA_DIR": str(tmp_path), **wrong})
        codes = [finding.text.code for finding in findings if finding.level is Level.TO_DO]
        assert NO_PROVIDER.code not in codes
        assert len([finding for finding in findings if finding.subject == "settings"]) == 1


async def test_an_unwritable_folder_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    findings = await checked({"DATA_DIR": str(tmp_path / "file" / "below")})
    assert "database" not in {finding.subject for finding in findings}
    elsewhere = await checked(
        {"DATA_DIR": str(tmp_path), "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/file/below/easel.db"}
    )
    (about,) = [finding for finding in elsewhere if finding.subject == "database"]
    assert found(about) == (Level.TO_DO, DATABASE_NOT_MADE.code)


async def test_a_silent_server_among_several_is_noted(settings: Settings) -> None:
    provider = FreeProvider()
    provider.states = (ServerState(), ServerState(Silence(Reason.UNREACHABLE, 0.0)))
    _, silent, _ = [finding async for finding in services(settings, {"scripted": provider})]
    assert silent == Finding("Scripted 2", TEXTS[Reason.UNREACHABLE](label="Scripted 2"), Level.NOTE)


async def test_with_the_demo_own_servers_are_checked(settings: Settings) -> None:
    providers = {"paid": ScriptedProvider(name="paid"), "free": FreeProvider()}
    found = [finding async for finding in services(replace(settings, demo_provider=True), providers)]
    assert [finding.text for finding in found[:2]] == [DEMO_IS_ON(), SERVICE_FINE(engines=["scripted/brush"])]
    assert SERVICE_FINE.code not in [finding.text.code for finding in found[2:]]


async def test_the_demo_without_the_playground_is_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.doctor.find_spec", lambda name: None)
    (finding,) = [finding async for finding in services(replace(settings, demo_provider=True), {})]
    assert found(finding) == (Level.TO_DO, DEMO_NOT_INSTALLED.code)


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

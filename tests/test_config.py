"""The settings: accepted values, refused values and the messages about them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import BAD_LINE, INVALID, NUMBER, TOKEN, UNQUOTED, UNREADABLE, Reader, load
from bot.config import read as read_all
from bot.errors import SettingsError
from bot.providers.settings import SettingsReader
from bot.text import Message
from storage.database import Database, InstanceLock, database_path, migrate
from tests.doubles.texts import codes

SECRET = "MTIz.secret-token_that.nobody/may+see="


def names_of(error: SettingsError) -> list[object]:
    """The names of the settings that the error calls invalid."""
    assert set(codes(error)) == {INVALID.code}
    return [problem.values["name"] for problem in error.problems]


def read(**values: str) -> Reader:
    return load(values, env_file=None).reader


def test_nothing_set_gives_the_defaults() -> None:
    settings = load({}, env_file=None)
    assert settings.discord_token is None
    assert settings.discord_api_url == "https://discord.com/api/v10"
    assert settings.database_url == "sqlite+aiosqlite:///data/easel.db"
    assert settings.data_dir == Path("data")
    assert (settings.image_days, settings.jobs_per_user) == (7, 5)
    assert (settings.user_daily_credits, settings.server_monthly_credits, settings.bot_daily_credits) == (None,) * 3
    assert (settings.allowed_guilds, settings.command_guilds) == (frozenset(), ())
    assert (settings.log_level, settings.log_format) == ("info", "text")
    assert not settings.demo_provider


def test_every_setting_is_read() -> None:
    settings = load(
        {
            "DISCORD_TOKEN": SECRET,
            "DISCORD_API_URL": "http://127.0.0.1:8080/api/v10/",
            "DATABASE_URL": "sqlite+aiosqlite:////srv/easel/some.db",
            "DATA_DIR": "/srv/easel",
            "IMAGE_DAYS": "30",
            "DEFAULT_ENGINE": "aithriving/core",
            "DEMO_PROVIDER": "Yes",
            "USER_DAILY_CREDITS": "12.5",
            "SERVER_MONTHLY_CREDITS": "1000",
            "BOT_DAILY_CREDITS": "0",
            "JOBS_PER_USER": "3",
            "ALLOWED_GUILDS": "11, 22 11",
            "COMMAND_GUILDS": "22,11",
            "LOG_LEVEL": "DEBUG",
            "LOG_FORMAT": "json",
        },
        env_file=None,
    )
    assert settings.discord_token == SECRET
    assert settings.discord_api_url == "http://127.0.0.1:8080/api/v10"
    assert settings.database_url == settings.named_database == "sqlite+aiosqlite:////srv/easel/some.db"
    assert settings.data_dir == Path("/srv/easel")
    assert (settings.image_days, settings.jobs_per_user) == (30, 3)
    assert settings.default_engine == "aithriving/core"
    assert settings.demo_provider
    assert settings.user_daily_credits == 12_500
    assert settings.server_monthly_credits == 1_000_000
    assert settings.bot_daily_credits == 0
    assert settings.allowed_guilds == {11, 22}
    assert settings.command_guilds == (22, 11)
    assert (settings.log_level, settings.log_format) == ("debug", "json")


def test_the_database_is_in_the_data_folder_by_default() -> None:
    assert load({"DATA_DIR": "/srv/easel"}, None).database_url == "sqlite+aiosqlite:////srv/easel/easel.db"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DISCORD_TOKEN", "two words"),
        ("DISCORD_TOKEN", "snowman-☃"),
        ("DISCORD_TOKEN", "line\nbreak"),
        ("DISCORD_API_URL", "discord.com/api/v10"),
        ("DISCORD_API_URL", "https://discord.com"),
        ("DISCORD_API_URL", "ftp://discord.com/api/v10"),
        ("DISCORD_API_URL", "https://me:pass@discord.com/api/v10"),
        ("DISCORD_API_URL", "http://[::1/api/v10"),
        ("DISCORD_API_URL", "http://host:99999/api/v10"),
        ("DATABASE_URL", "easel.db"),
        ("DATABASE_URL", "postgresql://host/easel"),
        ("DATABASE_URL", "sqlite+aiosqlite:///"),
        ("DATABASE_URL", "sqlite+aiosqlite:///:memory:"),
        ("IMAGE_DAYS", "0"),
        ("IMAGE_DAYS", "seven"),
        ("IMAGE_DAYS", "1.5"),
        ("IMAGE_DAYS", "nan"),
        ("JOBS_PER_USER", "1e999999"),
        ("DEMO_PROVIDER", "perhaps"),
        ("USER_DAILY_CREDITS", "-1"),
        ("SERVER_MONTHLY_CREDITS", "Infinity"),
        ("BOT_DAILY_CREDITS", "ten"),
        ("ALLOWED_GUILDS", "my server"),
        ("COMMAND_GUILDS", "12,-3"),
        ("COMMAND_GUILDS", "9" * 5000),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("DATA_DIR", "a\0b"),
    ],
)
def test_a_wrong_value_is_reported_in_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value}, env_file=None)
    assert names_of(caught.value) == [name]
    assert "\n" not in str(caught.value)


def test_all_wrong_values_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"IMAGE_DAYS": "x", "DISCORD_API_URL": "x", "LOG_LEVEL": "loud"}, env_file=None)
    assert names_of(caught.value) == ["DISCORD_API_URL", "IMAGE_DAYS", "LOG_LEVEL"]


def test_an_invalid_setting_is_replaced_by_its_default() -> None:
    """So that ``doctor`` can check everything else."""
    settings, problems = read_all({"IMAGE_DAYS": "x", "DATA_DIR": "$NOWHERE", "JOBS_PER_USER": "3"}, None)
    assert [problem.values["name"] for problem in problems] == ["DATA_DIR", "IMAGE_DAYS"]
    assert (settings.data_dir, settings.image_days, settings.jobs_per_user) == (Path("data"), 7, 3)


def test_both_wrong_proxies_are_reported() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"HTTPS_PROXY": "socks5://x", "HTTP_PROXY": "a b"}, None)
    assert names_of(caught.value) == ["HTTPS_PROXY", "HTTP_PROXY"]


@pytest.mark.parametrize(
    ("value", "allowed", "open_to_all"), [("", set(), False), ("11", {11}, False), (" All ", set(), True)]
)
def test_every_server_can_be_allowed_on_purpose(value: str, allowed: set[int], open_to_all: bool) -> None:
    settings = load({"ALLOWED_GUILDS": value}, None)
    assert settings.allowed_guilds == allowed
    assert settings.open_to_all == open_to_all


@pytest.mark.parametrize(
    "name",
    (
        "DISCORD_TOKEN DISCORD_API_URL DATABASE_URL IMAGE_DAYS DEMO_PROVIDER "
        "BOT_DAILY_CREDITS ALLOWED_GUILDS LOG_LEVEL LOG_FORMAT"
    ).split(),
)
def test_a_token_in_the_wrong_line_is_not_repeated(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: f"{SECRET} {SECRET}"}, env_file=None)
    assert SECRET not in str(caught.value)


def test_providers_read_their_own_settings() -> None:
    reader: SettingsReader = read(
        A_KEY=f" {SECRET} ", A_URL="http://localhost:1/x/", A_RATE="2.5", SOME=" b, a  b,", A_TEXT=" Token "
    )
    assert reader.secret("A_KEY") == SECRET
    assert reader.secret("NO_KEY") is None
    assert reader.url("A_URL", "https://example.com") == "http://localhost:1/x"
    assert reader.url("NO_URL", "https://example.com/") == "https://example.com"
    assert reader.number("A_RATE", 10, low=0.1, high=100) == Decimal("2.5")
    assert reader.number("NO_RATE", 0.1, low=0.1, high=100) == Decimal("0.1")
    assert reader.names("SOME") == ("b", "a")
    assert reader.names("NONE", ("x",)) == ("x",)
    assert reader.text("A_TEXT") == "Token"
    with pytest.raises(SettingsError) as caught:
        reader.number("A_RATE", 4, low=3, high=5)
    assert caught.value.problems == (INVALID(name="A_RATE", wanted=NUMBER(low=3, high=5)),)


def test_a_secret_is_collected_and_never_shown() -> None:
    settings = load({"DISCORD_TOKEN": SECRET, "A_KEY": "other-secret"}, env_file=None)
    settings.reader.secret("A_KEY")
    assert settings.reader.secrets == {SECRET, "other-secret"}
    assert SECRET not in repr(settings)
    assert "other-secret" not in repr(settings)


def test_an_added_layer_takes_precedence_and_shares_the_secrets() -> None:
    below = read(A_URL="https://example.com", A_KEY="below")
    above = below.but({"A_KEY": "above-secret"})
    assert above.secret("A_KEY") == "above-secret"
    assert above.url("A_URL", "http://localhost") == "https://example.com"
    assert "above-secret" in below.secrets


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "\ufeff# a comment\nIMAGE_DAYS=3 # days\nexport DATA_DIR='some where'\nJOBS_PER_USER=9\n"
        "DEFAULT_ENGINE=\nLOG_LEVEL\nDISCORD_TOKEN=a${b}c$d\n",
        encoding="utf-8",
    )
    settings = load({"JOBS_PER_USER": "2"}, file)
    assert (settings.image_days, settings.jobs_per_user) == (3, 2)
    assert settings.data_dir == Path("some where")
    assert settings.default_engine is None
    assert settings.log_level == "info"
    assert settings.discord_token == "a${b}c$d"


def test_a_blank_value_in_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DISCORD_TOKEN=secret-in-the-file\n")
    assert load({}, file).discord_token == "secret-in-the-file"
    assert load({"DISCORD_TOKEN": " "}, file).discord_token is None


def test_a_missing_file_is_no_error(tmp_path: Path) -> None:
    assert load({}, tmp_path / ".env").image_days == 7


@pytest.mark.parametrize(
    ("content", "wanted"),
    [(b"IMAGE_DAYS=7\nDISCORD_TOKEN secret words\n", BAD_LINE), (b"IMAGE_DAYS=\xff\xfe\n", UNREADABLE)],
)
def test_an_error_in_the_file_names_its_line(tmp_path: Path, content: bytes, wanted: Message) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load({}, file)
    assert codes(caught.value) == [wanted.code]
    assert caught.value.problems[0].values.get("line", 2) == 2
    assert "secret words" not in str(caught.value)


def test_every_bad_line_is_reported_with_the_other_problems(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("one bad line\nIMAGE_DAYS=x\nanother bad line\nJOB_DAYS=40\n")
    settings, problems = read_all({}, file)
    assert [problem.code for problem in problems] == [BAD_LINE.code, BAD_LINE.code, INVALID.code]
    assert [problem.values["line"] for problem in problems[:2]] == [1, 3]
    assert settings.job_days == 40


@given(st.dictionaries(st.sampled_from(["A", "B"]), st.text()), st.sampled_from(["A", "B"]))
def test_any_text_gives_a_value_or_one_plain_line(values: dict[str, str], name: str) -> None:
    reader = Reader((values,))
    for ask in (
        lambda: reader.text(name),
        lambda: reader.secret(name),
        lambda: reader.url(name, "https://example.com"),
        lambda: reader.number(name, 1, low=0, high=2),
        lambda: reader.whole(name, 1, low=0, high=2),
        lambda: reader.credits(name),
        lambda: reader.flag(name),
        lambda: reader.choice(name, "x", ("x", "y")),
        lambda: reader.names(name),
        lambda: reader.ids(name),
    ):
        refusal = None
        try:
            ask()
        except SettingsError as error:
            refusal = error
        assert refusal is None or (names_of(refusal) == [name] and str(refusal).isprintable())


# --- common mistakes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "folder", ["a%20b", "a b", "a?b", "a#b", "a%b", "a+b", "~", "mal~", "Bücher", "a;b&c=d", "a@b:c", "a'b", "%"]
)
async def test_the_data_folder_may_have_any_name(tmp_path: Path, folder: str) -> None:
    settings = load({"DATA_DIR": str(tmp_path / folder)}, None)
    await migrate(settings.database_url)
    opened = await Database.open(settings.database_url)
    await opened.close()
    async with InstanceLock(settings.database_url):
        there = await asyncio.to_thread(lambda: sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")))
    assert there[:2] == [Path(folder), Path(folder, "easel.db")]
    assert {path.parts[0] for path in there} == {folder}
    assert database_path(settings.database_url) == settings.data_dir / "easel.db"


@pytest.mark.parametrize(
    ("value", "folder"),
    [
        ("~", "/home/ada"),
        ("~/easel", "/home/ada/easel"),
        ("${HOME}/easel", "/home/ada/easel"),
        ("$HOME/easel", "/home/ada/easel"),
        ("/srv/${WHO}/x", "/srv/ada/x"),
        ("/srv/~/x", "/srv/~/x"),
        ("./~", "~"),
    ],
)
def test_a_path_is_expanded_as_in_a_shell(monkeypatch: pytest.MonkeyPatch, value: str, folder: str) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert load({"DATA_DIR": value, "HOME": "/home/ada", "WHO": "ada"}, None).data_dir == Path(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATA_DIR", "${NOWHERE}/easel"),
        ("DATA_DIR", "$NOWHERE"),
        ("DATA_DIR", "a$/b"),
        ("DATA_DIR", "${HOME/x"),
        ("DATA_DIR", "~a-user-that-is-not-there/easel"),
        ("DATABASE_URL", "sqlite+aiosqlite:///~/easel.db"),
        ("DATABASE_URL", "sqlite+aiosqlite:///${HOME}/easel.db"),
    ],
)
def test_a_path_that_cannot_be_expanded_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value}, None)
    assert names_of(caught.value) == [name]


@pytest.mark.parametrize("quoted", ['"{}"', "'{}'", "“{}”", '"{}', '{}"', ' "{}" ', "`{}`"])
@pytest.mark.parametrize(
    ("name", "value"), [("DISCORD_TOKEN", SECRET), ("AITHRIVING_KEY", SECRET), ("DATA_DIR", "/x"), ("IMAGE_DAYS", "3")]
)
def test_quotation_marks_in_a_value_are_reported(name: str, value: str, quoted: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: quoted.format(value)}, None).reader.secret(name)
    assert caught.value.problems == (INVALID(name=name, wanted=UNQUOTED),)
    assert value not in str(caught.value)


@pytest.mark.parametrize("typed", [f"Bot {SECRET}", f"Bearer {SECRET}", f"{SECRET[:9]}\n{SECRET[9:]}"])
def test_a_token_must_be_a_single_word(typed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"DISCORD_TOKEN": typed}, None)
    assert caught.value.problems == (INVALID(name="DISCORD_TOKEN", wanted=TOKEN),)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("around", [f"{SECRET}  ", f"\t{SECRET}\r", f"{SECRET}\n"])
def test_invisible_characters_around_a_token_are_removed(around: str) -> None:
    assert load({"DISCORD_TOKEN": around}, None).discord_token == SECRET


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("USER_DAILY_CREDIT", "USER_DAILY_CREDITS"),
        ("user_daily_credits", "USER_DAILY_CREDITS"),
        ("DISCROD_TOKEN", "DISCORD_TOKEN"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("AI_CLIENT_KEY", "AI_CLIENT_RATE"),
        ("SOMETHING_ELSE", None),
    ],
)
def test_an_unknown_name_in_the_file_is_reported(tmp_path: Path, name: str, meant: str | None) -> None:
    file = tmp_path / ".env"
    file.write_text(f"{name}=5\nIMAGE_DAYS=3\nCOMPOSE_PROJECT_NAME=easel\nhttps_proxy=\n")
    (unknown,) = load({}, file).unknown
    assert unknown.name == name
    assert meant is None or unknown.meant is not None
    if name != "AI_CLIENT_KEY":
        assert unknown.meant == meant


def test_names_of_other_programs_in_the_environment_are_ignored() -> None:
    others = {"PATH": "/bin", "HOME": "/", "LOG_FILE": "x", "DISCORD_WEBHOOK": "x", "DATA": "x", "ALL_PROXY": "x"}
    ours = {"USER_DAILY_CREDIT": "5", "DATABASE_URI": "x"}
    assert [one.name for one in load({**others, **ours}, None).unknown] == list(ours)
    # If the right name is set too, the other one belongs to another program.
    assert load({"DATABASE_URI": "x", "DATABASE_URL": "sqlite+aiosqlite:////x/y.db"}, None).unknown == ()


PROXY = "http://ben:swordfish@proxy.example.com:3128"


@pytest.mark.parametrize(
    ("environ", "url", "through"),
    [
        ({"HTTPS_PROXY": PROXY}, "https://discord.com/api/v10", True),
        ({"https_proxy": PROXY}, "https://discord.com/api/v10", True),
        ({"HTTPS_PROXY": PROXY}, "wss://gateway.discord.gg", True),
        ({"HTTPS_PROXY": PROXY}, "http://discord.com", False),
        ({"HTTP_PROXY": PROXY}, "http://cdn.lan:9000", True),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "other, cdn.lan"}, "http://cdn.lan:9000", False),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".example.com"}, "https://a.example.com", False),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "*"}, "https://discord.com", False),
        ({"HTTP_PROXY": PROXY}, "http://127.0.0.1:8080", False),
        ({"HTTP_PROXY": PROXY}, "http://localhost:8080", False),
        ({}, "https://discord.com", False),
    ],
)
def test_a_proxy_is_used_only_for_its_scheme_and_hosts(environ: dict[str, str], url: str, through: bool) -> None:
    settings = load(environ, None)
    assert settings.reader.proxy(url) == (PROXY if through else None)
    assert ("swordfish" in settings.reader.secrets) == bool(environ)
    assert "swordfish" not in repr(settings)


@pytest.mark.parametrize("wrong", ["socks5://127.0.0.1:1080", "http://", "http://host:99999", "a b"])
def test_an_unsupported_kind_of_proxy_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"http_proxy": wrong}, None)
    assert names_of(caught.value) == ["HTTP_PROXY"]

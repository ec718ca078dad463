"""The settings: read from the environment and ``.env``, checked and typed.

This is the only module that reads the environment. A wrong value raises SettingsError. The error names the setting and
says what it must be. It never repeats the value, because somebody may have pasted a token into the wrong line.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from dotenv.parser import parse_stream

from bot.errors import SettingsError
from bot.setting_names import KNOWN
from bot.text import Message, Text, message

T = TypeVar("T")

INVALID = message("settings.invalid", "{name} isn't valid: it must be {wanted}.")
PLAIN_TEXT = message("settings.plain_text", "one line of plain text")
TOKEN = message("settings.token", "a token or key alone, without spaces or a word such as Bot or Bearer before it")
HEADER = message("settings.header", "a header as Name: value, in letters of English")
PATH = message("settings.path", "a path; ~ and ${{NAME}} in it stand for a home folder and for a variable that is set")
ADDRESS = message(
    "settings.address", "an address that begins with http:// or https://, without a user name, a question mark or a #"
)
PROXY = message("settings.proxy", "the address of an HTTP proxy, such as http://proxy.example.com:3128")
NUMBER = message("settings.number", "a number from {low} to {high}")
WHOLE_NUMBER = message("settings.whole_number", "a whole number from {low} to {high}")
CREDITS = message("settings.credits", "a number of credits from {low} to {high}")
FLAG = message("settings.flag", "1 or 0")
CHOICE = message("settings.choice", "{choices:or}")
IDS = message("settings.ids", "a list of Discord ids (long numbers), separated by commas")
UNQUOTED = message("settings.unquoted", "a value without quotation marks around it, which `docker --env-file` keeps")
API_ADDRESS = message("settings.api_address", "an address that ends in /api/v10")
DATABASE = message(
    "settings.database", "{start} and the full path of a file, such as {start}/srv/easel.db; ~ and $ are not expanded"
)
UNREADABLE = message(
    "settings.unreadable", "{file} cannot be read: it must be a UTF-8 text file that this user may read."
)
BAD_LINE = message("settings.bad_line", "{file} line {line:plain}: expected NAME=value.")
UNKNOWN = message("settings.unknown", "{name} is not a setting.")
MISSPELT = message("settings.misspelt", "{name} is not a setting. Did you mean {meant}?")

DISCORD_API = "https://discord.com/api/v10"
EVERY_SERVER = "all"
"""The value of ALLOWED_GUILDS that allows every server."""
BACKUPS = "backups"
"""The folder for copies of the database, in the data folder."""

# How similar a name must be to the name of a setting to count as a misspelling. The file should hold settings only; the
# environment is full of other programs' names.
_IN_THE_FILE, _IN_THE_ENVIRONMENT = 0.6, 0.85
_NO_GUILDS: tuple[frozenset[int], bool] = frozenset(), False
_SQLITE = "sqlite+aiosqlite:///"
_QUOTES = "\"'`“”„‘’"
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads settings by name from the first of ``layers`` that has the name. A blank value counts as not set.

    Every method raises SettingsError for a value in quotation marks: ``docker run --env-file`` passes the quotation
    marks of a file on. ``secrets`` collects every secret that was read, so that the log can remove it.
    """

    layers: tuple[Mapping[str, str], ...] = field(repr=False)
    secrets: set[str] = field(default_factory=set, repr=False)

    def text(self, name: str, default: str = "") -> str:
        """The value without surrounding white space. Raises SettingsError if it has control characters."""
        value = self._raw(name)
        if not value:
            return default
        if not value.isprintable():
            raise _invalid(name, PLAIN_TEXT)
        return value

    def secret(self, name: str) -> str | None:
        """A token or key, or None. Raises SettingsError if it cannot be one, since it goes into an HTTP header."""
        value = self._raw(name)
        if not value:
            return None
        self.secrets.add(value)
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise _invalid(name, TOKEN)
        return value

    def header(self, name: str) -> tuple[str, str] | None:
        """A secret HTTP header as ``Name: value``, or None. Raises SettingsError for anything else."""
        raw = self._raw(name)
        if not raw:
            return None
        called, colon, value = raw.partition(":")
        value = value.strip()
        self.secrets.update({raw, value} if value else {raw})
        if not (colon and value and _HEADER_NAME.fullmatch(called) and raw.isascii() and raw.isprintable()):
            raise _invalid(name, HEADER)
        return called, value

    def path(self, name: str, default: str) -> Path:
        """A file or folder; ``~`` and ``${NAME}`` are expanded as in a shell. Raises SettingsError if they cannot."""

        def filled_in(variable: re.Match[str]) -> str:
            value = self._raw(variable[1] or variable[2])
            if not value:
                raise _invalid(name, PATH)
            return value

        value = _VARIABLE.sub(filled_in, self.text(name, default))
        if "$" in value:
            raise _invalid(name, PATH)
        if value.startswith("~"):
            try:
                return Path(value).expanduser()
            except RuntimeError:
                raise _invalid(name, PATH) from None
        return Path(value)

    def url(self, name: str, default: str) -> str:
        """An http or https address without a slash at its end. Raises SettingsError for anything else."""
        value = self.text(name, default).rstrip("/")
        try:
            parts = urlsplit(value)
            sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            raise _invalid(name, ADDRESS) from None
        if not sound or parts.username is not None or parts.query or parts.fragment or " " in value:
            raise _invalid(name, ADDRESS)
        return value

    def proxy(self, url: str) -> str | None:
        """The address of the proxy for this address, or None. Raises SettingsError."""
        secure, plain = self.proxy_address("HTTPS_PROXY"), self.proxy_address("HTTP_PROXY")
        exceptions = self.text("NO_PROXY") or self.text("no_proxy")
        parts = urlsplit(url)
        host = parts.hostname or ""
        if _is_loopback(host) or any(_names(exception, host) for exception in exceptions.split(",")):
            return None
        return secure if parts.scheme in {"https", "wss"} else plain

    def proxy_address(self, name: str) -> str | None:
        """The address of an HTTP proxy, or None; the name in lower case counts too. Raises SettingsError."""
        value = self.text(name) or self.text(name.lower())
        if not value:
            return None
        value = value if "://" in value else f"http://{value}"
        try:
            parts = urlsplit(value)
            sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and " " not in value
        except ValueError:
            sound = False
        else:
            self.secrets.update({parts.password, unquote(parts.password)} if parts.password else ())
        if not sound:
            raise _invalid(name, PROXY)
        return value

    def number(self, name: str, default: Decimal | float, *, low: float, high: float) -> Decimal:
        """A number from ``low`` to ``high``, both included. Raises SettingsError for anything else."""
        value = self._decimal(name, NUMBER(low=low, high=high), low, high)
        return Decimal(str(default)) if value is None else value

    def whole(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included. Raises SettingsError for anything else."""
        value = self._decimal(name, WHOLE_NUMBER(low=low, high=high), low, high, whole=True)
        return default if value is None else int(value)

    def credits(self, name: str) -> int | None:
        """An amount of credits in millicredits, or None if not set. Raises SettingsError."""
        most = 1_000_000_000
        value = self._decimal(name, CREDITS(low=0, high=most), 0, most)
        return None if value is None else int(value * 1000)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or False. Raises SettingsError for anything else."""
        value = self.text(name).lower()
        if not value:
            return default
        if value not in _TRUE | _FALSE:
            raise _invalid(name, FLAG)
        return value in _TRUE

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """One of ``choices``, in any letter case. Raises SettingsError for anything else."""
        value = self.text(name, default).lower()
        if value not in choices:
            raise _invalid(name, CHOICE(choices=choices))
        return value

    def names(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list separated by commas or spaces, without duplicates."""
        found = tuple(dict.fromkeys(self.text(name).replace(",", " ").split()))
        return found or default

    def ids(self, name: str) -> tuple[int, ...]:
        """A list of Discord ids. Raises SettingsError if something else is in it."""
        found = self.names(name)
        if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in found):
            raise _invalid(name, IDS)
        return tuple(int(part) for part in found)

    def but(self, values: Mapping[str, str]) -> Reader:
        """A reader in which ``values`` take precedence; it shares the collected secrets."""
        return Reader((values, *self.layers), self.secrets)

    def _raw(self, name: str) -> str:
        value = next((layer[name].strip() for layer in self.layers if name in layer), "")
        if value and (value[0] in _QUOTES or value[-1] in _QUOTES):
            raise _invalid(name, UNQUOTED)
        return value

    def _decimal(self, name: str, wanted: Text, low: float, high: float, *, whole: bool = False) -> Decimal | None:
        text = self.text(name)
        if not text:
            return None
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise _invalid(name, wanted) from None
        if not value.is_finite() or not low <= value <= high or (whole and value != value.to_integral_value()):
            raise _invalid(name, wanted)
        return value


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that is not a setting. `meant` is the setting with the most similar name, if one is similar."""

    name: str
    meant: str | None

    @property
    def problem(self) -> Text:
        # Before the equals sign in a file there may be anything.
        name = self.name if self.name.isprintable() else ascii(self.name)
        return UNKNOWN(name=name) if self.meant is None else MISSPELT(name=name, meant=self.meant)


@dataclass(frozen=True, slots=True)
class Settings:
    """The bot's own settings. The providers read their settings through ``reader``.

    The three limits are in millicredits; None means no limit. ``default_engine`` is None if none is set.
    ``named_database`` is None if the database is in ``data_dir``. ``allowed_guilds`` is empty if every server may use
    the bot; ``open_to_all`` is True if ALLOWED_GUILDS says that. ``unknown`` are names that are not settings.
    """

    discord_token: str | None = field(repr=False)
    discord_api_url: str
    discord_proxy: str | None = field(repr=False)
    named_database: str | None
    data_dir: Path
    image_days: int
    job_days: int
    preview_days: int
    default_engine: str | None
    demo_provider: bool
    live_previews: bool
    user_daily_credits: int | None
    server_monthly_credits: int | None
    bot_daily_credits: int | None
    jobs_per_user: int
    free_images_per_user: int
    allowed_guilds: frozenset[int]
    open_to_all: bool
    command_guilds: tuple[int, ...]
    log_level: str
    log_format: str
    unknown: tuple[UnknownName, ...]
    reader: Reader

    @property
    def database_url(self) -> str:
        """The address of the database."""
        if self.named_database is not None:
            return self.named_database
        # Imported late, because the import takes longer than the commands that need no database.
        from storage.database import database_url

        return database_url(self.data_dir / "easel.db")


def load(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")) -> Settings:
    """Read the settings as ``read`` does. Raises SettingsError with every problem."""
    settings, problems = read(environ, env_file)
    if problems:
        raise SettingsError(*problems)
    return settings


def read(
    environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")
) -> tuple[Settings, tuple[Text, ...]]:
    """Read the settings; the environment takes precedence over the file. Also returns a text for each problem.

    An invalid setting has its default value; the problem has its name in ``values["name"]``. ``environ`` replaces the
    environment in tests. ``env_file`` None ignores the file. A missing file is no error. Raises SettingsError if the
    file cannot be read, because then all settings are unknown.
    """
    file, bad_lines = ({}, []) if env_file is None else _read_file(env_file)
    environ = os.environ if environ is None else environ
    reader = Reader((environ, file))
    problems: list[Text] = [*bad_lines]

    def checked(read: Callable[[], T], default: T) -> T:
        try:
            return read()
        except SettingsError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
            return default

    api_url = checked(lambda: _api_url(reader), DISCORD_API)
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        checked(partial(reader.proxy_address, name), None)
    allowed = checked(lambda: _allowed_guilds(reader), _NO_GUILDS)
    settings = Settings(
        discord_token=checked(lambda: reader.secret("DISCORD_TOKEN"), None),
        discord_api_url=api_url,
        discord_proxy=checked(lambda: reader.proxy(api_url), None),
        named_database=checked(lambda: _named_database(reader), None),
        data_dir=checked(lambda: reader.path("DATA_DIR", "data"), Path("data")),
        image_days=checked(lambda: reader.whole("IMAGE_DAYS", 7, low=1, high=3650), 7),
        # A server's monthly spending is counted from that month's jobs.
        job_days=checked(lambda: reader.whole("JOB_DAYS", 365, low=32, high=36_500), 365),
        preview_days=checked(lambda: reader.whole("PREVIEW_DAYS", 90, low=1, high=36_500), 90),
        default_engine=checked(lambda: reader.text("DEFAULT_ENGINE"), "") or None,
        demo_provider=checked(lambda: reader.flag("DEMO_PROVIDER"), default=False),
        live_previews=checked(lambda: reader.flag("LIVE_PREVIEWS", default=True), default=True),
        user_daily_credits=checked(lambda: reader.credits("USER_DAILY_CREDITS"), None),
        server_monthly_credits=checked(lambda: reader.credits("SERVER_MONTHLY_CREDITS"), None),
        bot_daily_credits=checked(lambda: reader.credits("BOT_DAILY_CREDITS"), None),
        jobs_per_user=checked(lambda: reader.whole("JOBS_PER_USER", 5, low=1, high=1000), 5),
        free_images_per_user=checked(lambda: reader.whole("FREE_IMAGES_PER_USER", 100, low=0, high=100_000), 100),
        allowed_guilds=allowed[0],
        open_to_all=allowed[1],
        command_guilds=checked(lambda: reader.ids("COMMAND_GUILDS"), ()),
        log_level=checked(lambda: reader.choice("LOG_LEVEL", "info", ("debug", "info", "warning", "error")), "info"),
        log_format=checked(lambda: reader.choice("LOG_FORMAT", "text", ("text", "json")), "text"),
        unknown=_unknown_names(file, environ.keys()),
        reader=reader,
    )
    return settings, tuple(problems)


def keep_temporary_files_in(folder: Path) -> None:
    """Have SQLite put temporary files, such as a whole database while it is compacted, into the data folder.

    The usual folder may be too small, because it is often in memory. SQLite reads this when it is loaded. A value that
    the environment already has stays.
    """
    os.environ.setdefault("SQLITE_TMPDIR", str(folder.absolute()))


def _invalid(name: str, wanted: Text | Message) -> SettingsError:
    return SettingsError(INVALID(name=name, wanted=wanted))


def _names(exception: str, host: str) -> bool:
    """Whether an entry of NO_PROXY is this host, a parent domain, or ``*``."""
    wanted = exception.strip().lower().removeprefix("*").removeprefix(".").partition(":")[0]
    return exception.strip() == "*" or (bool(wanted) and (host == wanted or host.endswith(f".{wanted}")))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _api_url(reader: Reader) -> str:
    url = reader.url("DISCORD_API_URL", DISCORD_API)
    # The library supports this version only; with another base the first request fails with an obscure error.
    if not url.endswith("/api/v10"):
        raise _invalid("DISCORD_API_URL", API_ADDRESS)
    return url


def _allowed_guilds(reader: Reader) -> tuple[frozenset[int], bool]:
    """The servers that may use the bot, and whether the setting allows every server in so many words."""
    if reader.text("ALLOWED_GUILDS").lower() == EVERY_SERVER:
        return frozenset(), True
    return frozenset(reader.ids("ALLOWED_GUILDS")), False


def _named_database(reader: Reader) -> str | None:
    url = reader.text("DATABASE_URL")
    path = url.removeprefix(_SQLITE)
    if not url:
        return None
    # An address is not expanded: ~ would be a folder of that name.
    if path == url or path in {"", ":memory:"} or "?" in path or "$" in path or path.startswith("~"):
        raise _invalid("DATABASE_URL", DATABASE(start=_SQLITE))
    return url


def _read_file(path: Path) -> tuple[dict[str, str], list[Text]]:
    """The settings in this file and its unreadable lines; none if it does not exist. Raises SettingsError."""
    try:
        # Windows editors write a byte order mark, which would become part of the first name.
        with path.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(UNREADABLE(file=str(path))) from error
    bad = [BAD_LINE(file=str(path), line=binding.original.line) for binding in bindings if binding.error]
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}, bad


def _unknown_names(file: Iterable[str], environment: Collection[str]) -> tuple[UnknownName, ...]:
    """Names in the file that are not settings, and names in the environment that look like misspelt settings."""
    found = {
        name: UnknownName(name, _nearest(name, _IN_THE_FILE))
        for name in file
        if name not in KNOWN and not _is_anothers(name)
    }
    for name in environment:
        if name not in KNOWN and name not in found and not _is_anothers(name):
            meant = _nearest(name, _IN_THE_ENVIRONMENT)
            # If the setting itself is set too, this name belongs to another program.
            if meant is not None and meant not in environment:
                found[name] = UnknownName(name, meant)
    return tuple(found.values())


def _nearest(name: str, least: float) -> str | None:
    return next(iter(get_close_matches(name.upper(), sorted(KNOWN), n=1, cutoff=least)), None)


def _is_anothers(name: str) -> bool:
    # Proxies also have lower-case names, and Docker reads the same file.
    return name.upper().endswith("_PROXY") or name.startswith(("COMPOSE_", "DOCKER_"))

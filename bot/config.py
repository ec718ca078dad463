"""The settings: what the environment and ``.env`` say, checked and typed.

This is the only module that reads the environment. A wrong value raises SettingsError, which names the setting and
what it takes and never repeats the value, since somebody may have pasted a token into the wrong line.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dotenv.parser import parse_stream

from bot.errors import SettingsError
from bot.known_settings import UnknownName, unknown_names

DISCORD_API = "https://discord.com/api/v10"
BACKUPS = "backups"
"""The folder for copies of the database, in the data folder."""
_SQLITE = "sqlite+aiosqlite:///"
_QUOTES = "\"'`“”„‘’"
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads settings by name out of the first of ``layers`` that has the name. A blank value counts as not set.

    Any of its methods raises SettingsError for a value with quotation marks around it: who passes a file of settings on
    as it is, as ``docker run --env-file`` does, passes these on too.
    ``secrets`` collects every secret that was handed out, so that the log can blot it out.
    """

    layers: tuple[Mapping[str, str], ...] = field(repr=False)
    secrets: set[str] = field(default_factory=set, repr=False)

    def text(self, name: str, default: str = "") -> str:
        """The value without the white space around it. Raises SettingsError if it holds control characters."""
        value = self._raw(name)
        if not value:
            return default
        if not value.isprintable():
            raise _takes(name, "one line of plain text")
        return value

    def secret(self, name: str) -> str | None:
        """A token or key, or None. Raises SettingsError if it cannot be one, since it goes into an HTTP header."""
        value = self._raw(name)
        if not value:
            return None
        self.secrets.add(value)
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise _takes(
                name, "a token or key alone, in one line and without spaces: no word such as Bot or Bearer before it"
            )
        return value

    def path(self, name: str, default: str) -> Path:
        """A file or folder; ``~`` and ``${NAME}`` are filled in as a shell does. Raises SettingsError where they cannot
        be.
        """
        wanted = "a path; ~ and ${NAME} in it stand for a home folder and for a variable that is set"

        def filled_in(variable: re.Match[str]) -> str:
            value = self._raw(variable[1] or variable[2])
            if not value:
                raise _takes(name, wanted)
            return value

        value = _VARIABLE.sub(filled_in, self.text(name, default))
        if "$" in value:
            raise _takes(name, wanted)
        if value.startswith("~"):
            try:
                return Path(value).expanduser()
            except RuntimeError:
                raise _takes(name, wanted) from None
        return Path(value)

    def url(self, name: str, default: str) -> str:
        """An http or https address without a slash at its end. Raises SettingsError for anything else."""
        value = self.text(name, default).rstrip("/")
        wanted = "an address such as https://example.com, without a user name, a question mark or a number sign"
        try:
            parts = urlsplit(value)
            sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            raise _takes(name, wanted) from None
        if not sound or parts.username is not None or parts.query or parts.fragment or " " in value:
            raise _takes(name, wanted)
        return value

    def proxy(self, url: str) -> str | None:
        """The address of the proxy through which this one is reached, or None. Raises SettingsError."""
        secure, plain = self._proxy("HTTPS_PROXY"), self._proxy("HTTP_PROXY")
        exceptions = self.text("NO_PROXY") or self.text("no_proxy")
        parts = urlsplit(url)
        host = parts.hostname or ""
        if _is_loopback(host) or any(_names(exception, host) for exception in exceptions.split(",")):
            return None
        return secure if parts.scheme in {"https", "wss"} else plain

    def number(self, name: str, default: Decimal | float, *, low: float, high: float) -> Decimal:
        """A number from ``low`` to ``high``, both included. Raises SettingsError for anything else."""
        value = self._decimal(name, low, high, "a number")
        return Decimal(str(default)) if value is None else value

    def whole(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included. Raises SettingsError for anything else."""
        value = self._decimal(name, low, high, "a whole number")
        return default if value is None else int(value)

    def credits(self, name: str) -> int | None:
        """An amount of credits as millicredits, or None where none is set. Raises SettingsError."""
        value = self._decimal(name, 0, 1_000_000_000, "a number of credits")
        return None if value is None else int(value * 1000)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Yes or no. Raises SettingsError for anything that is neither."""
        value = self.text(name).lower()
        if not value:
            return default
        if value not in _TRUE | _FALSE:
            raise _takes(name, "1 or 0")
        return value in _TRUE

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """One of ``choices``, in any case of letters. Raises SettingsError for any other."""
        value = self.text(name, default).lower()
        if value not in choices:
            raise _takes(name, f"{', '.join(choices[:-1])} or {choices[-1]}")
        return value

    def names(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list with commas or spaces between its parts; what stands twice counts once."""
        found = tuple(dict.fromkeys(self.text(name).replace(",", " ").split()))
        return found or default

    def ids(self, name: str) -> tuple[int, ...]:
        """A list of Discord's ids. Raises SettingsError if something in it is none."""
        found = self.names(name)
        if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in found):
            raise _takes(name, "ids of Discord's (long numbers) with commas between them")
        return tuple(int(part) for part in found)

    def but(self, values: Mapping[str, str]) -> Reader:
        """A reader to which ``values`` come first; it collects the secrets in the same place."""
        return Reader((values, *self.layers), self.secrets)

    def _raw(self, name: str) -> str:
        value = next((layer[name].strip() for layer in self.layers if name in layer), "")
        if value and (value[0] in _QUOTES or value[-1] in _QUOTES):
            raise _takes(name, "a value without quotation marks around it, which `docker --env-file` leaves there")
        return value

    def _proxy(self, name: str) -> str | None:
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
            raise _takes(name, "the address of an HTTP proxy, such as http://proxy.example.com:3128")
        return value

    def _decimal(self, name: str, low: float, high: float, what: str) -> Decimal | None:
        text = self.text(name)
        if not text:
            return None
        wanted = f"{what} from {low:,} to {high:,}"
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise _takes(name, wanted) from None
        if not value.is_finite() or not low <= value <= high:
            raise _takes(name, wanted)
        if what == "a whole number" and value != value.to_integral_value():
            raise _takes(name, wanted)
        return value


@dataclass(frozen=True, slots=True)
class Settings:
    """The bot's own settings. The providers read theirs through ``reader``.

    The three limits are millicredits, None where there is no limit. ``default_engine`` is None where none is named,
    and ``named_database`` where the database is in ``data_dir``. ``unknown`` are the names that set nothing.
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
    user_daily_credits: int | None
    server_monthly_credits: int | None
    bot_daily_credits: int | None
    jobs_per_user: int
    allowed_guilds: frozenset[int]
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
        # What knows of databases takes longer to load than the commands that need none.
        from storage.database import database_url

        return database_url(self.data_dir / "easel.db")


def load(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")) -> Settings:
    """Read the settings; the environment comes before the file. Raises SettingsError.

    ``environ`` stands in for the environment, ``env_file`` None leaves the file out; a file that is not there is fine.
    """
    file = {} if env_file is None else _read_file(env_file)
    environ = os.environ if environ is None else environ
    reader = Reader((environ, file))
    return Settings(
        discord_token=reader.secret("DISCORD_TOKEN"),
        discord_api_url=(api_url := _api_url(reader)),
        discord_proxy=reader.proxy(api_url),
        named_database=_named_database(reader),
        data_dir=reader.path("DATA_DIR", "data"),
        image_days=reader.whole("IMAGE_DAYS", 7, low=1, high=3650),
        # What a server spent in a month is counted with the jobs of that month.
        job_days=reader.whole("JOB_DAYS", 365, low=32, high=36_500),
        preview_days=reader.whole("PREVIEW_DAYS", 90, low=1, high=36_500),
        default_engine=reader.text("DEFAULT_ENGINE") or None,
        demo_provider=reader.flag("DEMO_PROVIDER"),
        user_daily_credits=reader.credits("USER_DAILY_CREDITS"),
        server_monthly_credits=reader.credits("SERVER_MONTHLY_CREDITS"),
        bot_daily_credits=reader.credits("BOT_DAILY_CREDITS"),
        jobs_per_user=reader.whole("JOBS_PER_USER", 5, low=1, high=1000),
        allowed_guilds=frozenset(reader.ids("ALLOWED_GUILDS")),
        command_guilds=reader.ids("COMMAND_GUILDS"),
        log_level=reader.choice("LOG_LEVEL", "info", ("debug", "info", "warning", "error")),
        log_format=reader.choice("LOG_FORMAT", "text", ("text", "json")),
        unknown=unknown_names(file, environ.keys()),
        reader=reader,
    )


def keep_temporary_files_in(folder: Path) -> None:
    """Have SQLite write what it needs for a while, such as a whole database that is compacted, into the data folder.

    Elsewhere there may be no room for it: the usual folder is often kept in memory. Only SQLite reads this, when it is
    loaded, and not where the environment says otherwise already.
    """
    os.environ.setdefault("SQLITE_TMPDIR", str(folder.absolute()))


def _takes(name: str, what: str) -> SettingsError:
    return SettingsError(f"{name} takes {what}; what it is set to is something else.")


def _names(exception: str, host: str) -> bool:
    """Whether a part of NO_PROXY is this host, a domain above it, or ``*``."""
    wanted = exception.strip().lower().removeprefix("*").removeprefix(".").partition(":")[0]
    return exception.strip() == "*" or (bool(wanted) and (host == wanted or host.endswith(f".{wanted}")))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _api_url(reader: Reader) -> str:
    url = reader.url("DISCORD_API_URL", DISCORD_API)
    # The library speaks this version only, and a base without it fails with a riddle at the first request.
    if not url.endswith("/api/v10"):
        raise _takes("DISCORD_API_URL", "an address that ends in /api/v10")
    return url


def _named_database(reader: Reader) -> str | None:
    url = reader.text("DATABASE_URL")
    path = url.removeprefix(_SQLITE)
    if not url:
        return None
    # In an address nothing is filled in: it would be a folder called ~ in the present one.
    if path == url or path in {"", ":memory:"} or "?" in path or "$" in path or path.startswith("~"):
        raise _takes("DATABASE_URL", f"{_SQLITE} and the path of a file, written out, such as {_SQLITE}/srv/easel.db")
    return url


def _read_file(path: Path) -> dict[str, str]:
    """The settings in the file ``path``; none if there is no such file. Raises SettingsError."""
    try:
        # Editors of Windows put a byte order mark in front, which would become part of the first name.
        with path.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read: it must be a text file in UTF-8 that this user may read."
        ) from error
    for binding in bindings:
        if binding.error:
            raise SettingsError(f"Line {binding.original.line} of {path} is not NAME=value.")
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}

"""The names of all settings, and which of them a name that is none was probably meant to be."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

KNOWN = frozenset(
    """
    DISCORD_TOKEN DISCORD_API_URL ALLOWED_GUILDS COMMAND_GUILDS
    AI_CLIENT_TOKEN AITHRIVING_KEY
    AI_CLIENT_URL AI_CLIENT_VERSION_CODE AI_CLIENT_ENGINES AI_CLIENT_STYLES AI_CLIENT_RATE AI_CLIENT_JOBS
    AI_CLIENT_PATIENCE AI_CLIENT_LOST_AFTER
    AITHRIVING_URL AITHRIVING_AUTH_SCHEME AITHRIVING_STYLES AITHRIVING_RATE AITHRIVING_JOBS
    IMAGE_HOSTS IMAGE_MAX_MIB DEFAULT_ENGINE DEMO_PROVIDER
    USER_DAILY_CREDITS SERVER_MONTHLY_CREDITS BOT_DAILY_CREDITS JOBS_PER_USER
    AI_CLIENT_CREDIT_VALUE AITHRIVING_CREDIT_VALUE AI_CLIENT_CREDITS_PER_IMAGE
    DATA_DIR DATABASE_URL IMAGE_DAYS PREVIEW_DAYS JOB_DAYS
    LOG_LEVEL LOG_FORMAT HTTPS_PROXY HTTP_PROXY NO_PROXY
    """.split()
)

# How like a setting's name another must be: in the file, where every name should be one of ours, and in the
# environment, which is full of other programs' names.
_IN_THE_FILE, _IN_THE_ENVIRONMENT = 0.6, 0.85


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that sets nothing. `meant` is the setting whose name is most like it, if one is."""

    name: str
    meant: str | None

    def __str__(self) -> str:
        # What stands in a file before the equals sign may be anything.
        name = self.name if self.name.isprintable() else ascii(self.name)
        return f"{name} is no setting" + (f"; {self.meant} is." if self.meant else ".")


def unknown_names(file: Iterable[str], environment: Collection[str]) -> tuple[UnknownName, ...]:
    """Each name of the file that is no setting's, and those of the environment that can only be meant as one."""
    found = {
        name: UnknownName(name, _nearest(name, _IN_THE_FILE))
        for name in file
        if name not in KNOWN and not _is_anothers(name)
    }
    for name in environment:
        if name not in KNOWN and name not in found and not _is_anothers(name):
            meant = _nearest(name, _IN_THE_ENVIRONMENT)
            # Where the right name is set as well, the other one is somebody else's.
            if meant is not None and meant not in environment:
                found[name] = UnknownName(name, meant)
    return tuple(found.values())


def _nearest(name: str, least: float) -> str | None:
    return next(iter(get_close_matches(name.upper(), sorted(KNOWN), n=1, cutoff=least)), None)


def _is_anothers(name: str) -> bool:
    # Proxies are named in lower case as well, and Docker reads the same file.
    return name.upper().endswith("_PROXY") or name.startswith(("COMPOSE_", "DOCKER_"))

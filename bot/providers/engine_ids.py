"""Makes parts of engine ids from the free names that a service gives its models, and reads those in a setting."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping

from bot.providers.settings import SettingsReader, Takes, WrongSetting

LONGEST = 60
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9._-]+")


def id_parts(
    names: Iterable[str],
    known: Mapping[str, str] | None = None,
    *,
    taken: Iterable[str] = (),
    shorten: Callable[[str], str] = str,
) -> dict[str, str]:
    """Return a unique part of an id for each name. It depends on the names only, so it is the same after a restart.

    ``known`` are names that already have one and keep it. ``taken`` are parts that no name may get. ``shorten`` removes
    what a name does not need. If two names become the same, the one that needs no change gets it, and the others get
    it with a digest of their name.
    """
    found = dict(known or {})
    used = {part.lower() for part in (*found.values(), *taken)}
    for name in sorted(set(names) - found.keys(), key=lambda name: (_cleaned(shorten(name)) != shorten(name), name)):
        part = _cleaned(shorten(name))
        if not part or part.lower() in used:
            digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=4).hexdigest()
            part = f"{part[: LONGEST - 9]}-{digest}".lstrip("-")
        if part.lower() not in used:
            used.add(part.lower())
            found[name] = part
    return found


def _cleaned(name: str) -> str:
    return _NOT_ALLOWED.sub("-", name).strip("-._")[:LONGEST].rstrip("-._")


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def checked_names(settings: SettingsReader, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Read a list of a service's own names for engines or styles. Raises WrongSetting."""
    found = settings.names(name, default)
    if not all(_NAME.fullmatch(one) for one in found):
        raise WrongSetting(name, Takes.NAMES)
    return found

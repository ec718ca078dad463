"""Parses URLs from services without changing how they are spelled.

A signed URL is valid only byte for byte: the host may distinguish ``%2F`` from ``/``, and ``%7e`` from ``~``. So
nothing is decoded, requoted or normalised, except what an HTTP request line cannot contain.
"""

from __future__ import annotations

import re
from string import punctuation
from urllib.parse import quote

from yarl import URL

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_AUTHORITY = re.compile(r"(https?)://([^/?]*)(.*)", re.IGNORECASE)
# URL parsers ignore these.
_LEFT_OUT = str.maketrans("", "", "\t\r\n")


def as_written(text: str, base: URL | None = None) -> URL | None:
    """Parse an HTTP URL, relative to ``base`` if it is a relative one. Returns None if it is invalid.

    A URL with a user name is invalid, because the credentials would be sent to a host that did not ask for them.
    """
    text = text.translate(_LEFT_OUT).strip(" ").partition("#")[0]
    if base is not None and not _SCHEME.match(text):
        text = _absolute(text, base)
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    scheme, authority, target = found.groups()
    try:
        host = URL(f"{scheme.lower()}://{authority}/")
        if host.raw_host is None or host.user is not None or host.password is not None:
            return None
        # In Location headers, bytes that are not UTF-8 are decoded to lone surrogates.
        target = quote(target, safe=punctuation, errors="surrogateescape")
        # Path and query stay together: the library would drop the question mark before an empty query.
        target = target if target.startswith("/") else f"/{target}"
        return URL.build(scheme=host.scheme, authority=host.raw_authority, path=target, encoded=True)
    except ValueError:
        return None


def _absolute(text: str, base: URL) -> str:
    """Resolve a relative URL against ``base``."""
    if text.startswith("//"):
        return f"{base.scheme}:{text}"
    origin, path = f"{base.scheme}://{base.raw_authority}", base.raw_path_qs.partition("?")[0]
    if text.startswith("/"):
        return f"{origin}{text}"
    if not text or text.startswith("?"):
        return f"{origin}{path}{text}"
    name, mark, query = text.partition("?")
    return f"{origin}{_without_dots(path.rpartition('/')[0], name)}{mark}{query}"


def _without_dots(folder: str, name: str) -> str:
    """Join a folder and a name, and resolve ``..`` segments."""
    steps = folder.split("/")[1:]
    *between, last = name.split("/")
    for step in between:
        if step == "..":
            del steps[-1:]
        elif step != ".":
            steps.append(step)
    if last == "..":
        del steps[-1:]
    return "/".join(("", *steps, "" if last in {".", ".."} else last))

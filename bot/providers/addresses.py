"""Foreign addresses as they were written.

A signed address is valid only byte for byte: the host may tell ``%2F`` from ``/``, and ``%7e`` from ``~``. So nothing
is decoded, requoted or normalised, except what a request line cannot hold.
"""

from __future__ import annotations

import re
from string import punctuation
from urllib.parse import quote

from yarl import URL

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_AUTHORITY = re.compile(r"(https?)://([^/?]*)(.*)", re.IGNORECASE)
# Programs that read addresses leave these out.
_LEFT_OUT = str.maketrans("", "", "\t\r\n")


def as_written(text: str, base: URL | None = None) -> URL | None:
    """The http address ``text``, seen from ``base`` where it is a relative one; None where it is none.

    An address with a user name is none: it would send a word to a host that has not asked for one.
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
        # Location headers hold bytes that are no UTF-8 as half surrogates.
        target = quote(target, safe=punctuation, errors="surrogateescape")
        # As one piece: the library would drop the question mark before an empty query.
        target = target if target.startswith("/") else f"/{target}"
        return URL.build(scheme=host.scheme, authority=host.raw_authority, path=target, encoded=True)
    except ValueError:
        return None


def _absolute(text: str, base: URL) -> str:
    """What a relative address means, seen from ``base``."""
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
    """The path of a name in a folder, where ``..`` means the folder above."""
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

"""The credentials of a service: a key in a header, a user name and a password, or none."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class Credentials:
    """The headers that go with each API request, and the ``secrets`` in them, which are never shown or logged.

    They are sent to the service itself only, never to a host that serves images.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def key(cls, secret: str, scheme: str = "") -> Self:
        """A key in the Authorization header, after the ``scheme`` if there is one, for example ``Bearer``."""
        return cls({"Authorization": f"{scheme} {secret}".strip()}, (secret,))

    @classmethod
    def in_header(cls, name: str, secret: str) -> Self:
        """A key in a header of its own, for example ``apikey``."""
        return cls({name: secret}, (secret,))

    @classmethod
    def basic(cls, user: str, password: str) -> Self:
        """A user name and a password (HTTP Basic, RFC 7617, in UTF-8)."""
        encoded = b64encode(f"{user}:{password}".encode()).decode("ascii")
        return cls({"Authorization": f"Basic {encoded}"}, (password, encoded))

    def also(self, headers: Mapping[str, str], *, secret: bool = False) -> Self:
        """These credentials with more fixed headers. ``secret``: their values are never shown or logged either."""
        more = tuple(headers.values()) if secret else ()
        return type(self)({**self.headers, **headers}, (*self.secrets, *more))

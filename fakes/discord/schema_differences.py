"""The known differences between discord.py's requests and Discord's OpenAPI file, and why each is harmless.

Each one relaxes one part of the schema. A test checks that each is still needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fakes.discord.constants import Json

_NUMBER = {"type": "integer", "minimum": 0}


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in the schema (keys below ``components.schemas``) and what is also accepted there."""

    where: tuple[str | int, ...]
    also: Json
    why: str


DIFFERENCES = (
    Difference(
        ("MessageAttachmentRequest", "properties", "id"),
        _NUMBER,
        "discord.py numbers new files with integers, the schema wants strings; Discord reads both as snowflakes.",
    ),
    *(
        Difference(
            (edit, "properties", "tts"),
            {"const": False},
            "discord.py builds new messages and edits alike and always says that it is not to be read aloud.",
        )
        for edit in (
            "IncomingWebhookUpdateRequestPartial",
            "IncomingWebhookUpdateForInteractionCallbackRequestPartial",
            "MessageEditRequestPartial",
        )
    ),
    Difference(
        ("CreatePrivateChannelRequest", "properties", "recipient_id"),
        _NUMBER,
        "discord.py names the user of a direct message by an integer.",
    ),
    *(
        Difference(
            ("MessageAllowedMentionsRequest", "properties", who, "items", "oneOf", 1),
            _NUMBER,
            "discord.py names those who may be mentioned by integers.",
        )
        for who in ("users", "roles")
    ),
    Difference(
        ("ApplicationCommandUpdateRequest", "properties", "nsfw"),
        {"type": "boolean"},
        "discord.py says of each command whether it is age-restricted; Discord's documentation has the field.",
    ),
)


def loosen(schemas: Json) -> None:
    """Apply the differences to the schemas, in place."""
    for difference in DIFFERENCES:
        parent: Any = schemas
        for key in difference.where[:-1]:
            parent = parent[key]
        last = difference.where[-1]
        known = isinstance(parent, list) or last in parent
        parent[last] = {"anyOf": [parent[last], difference.also]} if known else difference.also

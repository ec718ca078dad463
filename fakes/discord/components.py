"""The component tree of a message: walks it, and converts what a bot sent to what Discord returns."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum

from fakes.discord.constants import Json
from fakes.discord.model import Attachment

REFERENCE = "attachment://"


class Component(IntEnum):
    """Component types."""

    ROW = 1
    BUTTON = 2
    CHOICE = 3
    TEXT_INPUT = 4
    USER_CHOICE = 5
    ROLE_CHOICE = 6
    MENTIONABLE_CHOICE = 7
    CHANNEL_CHOICE = 8
    SECTION = 9
    TEXT = 10
    THUMBNAIL = 11
    GALLERY = 12
    FILE = 13
    SEPARATOR = 14
    CONTAINER = 17
    LABEL = 18
    FILE_UPLOAD = 19


V2_ONLY = frozenset(
    {
        Component.SECTION,
        Component.TEXT,
        Component.THUMBNAIL,
        Component.GALLERY,
        Component.FILE,
        Component.SEPARATOR,
        Component.CONTAINER,
    }
)
CHOICES = frozenset(
    {
        Component.CHOICE,
        Component.USER_CHOICE,
        Component.ROLE_CHOICE,
        Component.MENTIONABLE_CHOICE,
        Component.CHANNEL_CHOICE,
    }
)
LINK_STYLES = frozenset({5, 6})

_DEFAULTS: dict[int, Json] = {
    Component.BUTTON: {"disabled": False},
    Component.CHOICE: {"disabled": False, "min_values": 1, "max_values": 1, "placeholder": None},
    Component.THUMBNAIL: {"description": None, "spoiler": False},
    Component.SEPARATOR: {"divider": True, "spacing": 1},
    Component.CONTAINER: {"accent_color": None, "spoiler": False},
    Component.FILE: {"spoiler": False},
}


def walk(components: Iterable[Json]) -> Iterator[Json]:
    """Every component, parents before children."""
    for component in components:
        yield component
        inner = list(component.get("components") or ())
        inner += [component[key] for key in ("component", "accessory") if component.get(key)]
        yield from walk(inner)


def media_of(component: Json) -> list[Json]:
    """The media items of this component itself: dicts with a ``url``."""
    kind = component.get("type")
    if kind == Component.GALLERY:
        return [item["media"] for item in component.get("items", ()) if "media" in item]
    if kind == Component.THUMBNAIL and "media" in component:
        return [component["media"]]
    if kind == Component.FILE and "file" in component:
        return [component["file"]]
    return []


def references(components: Iterable[Json]) -> list[str]:
    """The file names that the components reference as ``attachment://…``, in order."""
    return [
        media["url"].removeprefix(REFERENCE)
        for component in walk(components)
        for media in media_of(component)
        if str(media.get("url", "")).startswith(REFERENCE)
    ]


def settle(components: Iterable[Json], attachments: Iterable[Attachment], new_id: Callable[[], int]) -> list[Json]:
    """The components as Discord returns them: numbered, with defaults and resolved media."""
    made = copy.deepcopy(list(components))
    by_name = {attachment.filename: attachment for attachment in attachments}
    for number, component in enumerate(walk(made), start=1):
        component["id"] = component.get("id") or number
        for key, value in _DEFAULTS.get(component["type"], {}).items():
            component.setdefault(key, value)
        if component["type"] == Component.GALLERY:
            for item in component["items"]:
                item.setdefault("description", None)
                item.setdefault("spoiler", False)
        for media in media_of(component):
            _resolve(media, by_name, new_id)
        if component["type"] == Component.FILE:
            named = next((one for one in by_name.values() if one.url == component["file"]["url"]), None)
            component |= {"name": named.filename if named else None, "size": named.size if named else None}
    return made


def _resolve(media: Json, by_name: dict[str, Attachment], new_id: Callable[[], int]) -> None:
    url = media["url"]
    attachment = by_name.get(url.removeprefix(REFERENCE)) if url.startswith(REFERENCE) else None
    if attachment is None:
        media |= {"id": str(new_id()), "proxy_url": url}
        return
    media |= {
        "id": str(attachment.id),
        "url": attachment.url,
        "proxy_url": attachment.url,
        "content_type": attachment.media_type,
        "width": attachment.width,
        "height": attachment.height,
        "attachment_id": str(attachment.id),
    }

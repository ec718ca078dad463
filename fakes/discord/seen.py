"""A message as a user sees it, at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fakes.discord.components import CHOICES, LINK_STYLES, Component, media_of, walk
from fakes.discord.constants import Json
from fakes.discord.model import Attachment, Body, Message


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    custom_id: str | None
    disabled: bool
    url: str | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a gallery or beside a text. ``attachment`` is None if it comes from an external address."""

    url: str
    description: str | None
    spoiler: bool
    attachment: Attachment | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A message at one moment. ``text`` is all its readable text, one line per component."""

    id: int
    text: str
    buttons: tuple[Button, ...]
    choices: tuple[Json, ...]
    pictures: tuple[Picture, ...]
    files: tuple[Attachment, ...]
    private: bool
    loading: bool
    edits: int
    pings: frozenset[str]
    message: Message = field(repr=False, compare=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the enabled buttons."""
        return tuple(button.label for button in self.buttons if not button.disabled)

    def button(self, label: str | None = None, *, custom_id: str | None = None) -> Button:
        """The button with this label or custom_id. Raises AssertionError with the available ones."""
        for button in self.buttons:
            if label in (None, button.label) and custom_id in (None, button.custom_id):
                return button
        raise AssertionError(f"no button {label or custom_id!r} here, but {[one.label for one in self.buttons]}")


def look_at(message: Message, moment: int = -1) -> Seen:
    """The content of a message now, or at an earlier ``moment`` of its history."""
    body = message.history[moment]
    everything = list(walk(body.components))
    texts = [body.content] + [embed.get("title", "") for embed in body.embeds]
    texts += [embed.get("description", "") for embed in body.embeds]
    texts += [one["content"] for one in everything if one["type"] == Component.TEXT]
    return Seen(
        id=message.id,
        text="\n".join(text for text in texts if text),
        buttons=tuple(_button(one) for one in everything if one["type"] == Component.BUTTON),
        choices=tuple(one for one in everything if one["type"] in CHOICES),
        pictures=tuple(_pictures(everything, body)),
        files=body.attachments,
        private=message.only_for is not None,
        loading=message.loading,
        edits=len(message.history) - 1,
        pings=body.pings,
        message=message,
    )


def _button(component: Json) -> Button:
    emoji = (component.get("emoji") or {}).get("name", "")
    return Button(
        label=component.get("label") or emoji,
        custom_id=component.get("custom_id"),
        disabled=bool(component.get("disabled")),
        url=component.get("url") if component.get("style") in LINK_STYLES else None,
    )


def _pictures(components: list[Json], body: Body) -> Iterator[Picture]:
    by_id = {str(one.id): one for one in body.attachments}
    for component in components:
        shown = component["items"] if component["type"] == Component.GALLERY else [component]
        for item, media in zip(shown, media_of(component), strict=False):
            attachment = by_id.get(media.get("attachment_id", ""))
            yield Picture(media["url"], item.get("description"), bool(item.get("spoiler")), attachment)

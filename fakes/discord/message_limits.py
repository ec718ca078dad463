"""Discord's limits on messages and modals that its schema cannot express, written by hand.

Each function returns a list of sentences, one for each fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fakes.discord.components import CHOICES, LINK_STYLES, V2_ONLY, Component, media_of, references, walk
from fakes.discord.constants import MEBIBYTE, Json, MessageFlag
from fakes.discord.model import Attachment, Message, Upload

REQUEST_LIMIT = 25 * MEBIBYTE
FILES = 10
ALT_TEXT = 1024
COMPONENTS = 40
OLD_ROWS = 5
TEXT = 4000
CONTENT = 2000
EMBED_TEXT = 6000
ROW_BUTTONS = 5
GALLERY = 10
SECTION_TEXTS = 3
CUSTOM_ID = 100
LABEL = 80
OPTIONS = 25
MODAL_TITLE = 45
MODAL_PARTS = 5
INPUT = 4000


@dataclass(frozen=True, slots=True)
class Draft:
    """A message about to be posted or edited. ``kept`` are the files that an edit keeps."""

    payload: Json
    files: tuple[Upload, ...]
    kept: tuple[Attachment, ...] = ()
    before: Message | None = None

    @property
    def uses_v2(self) -> bool:
        asked = MessageFlag.COMPONENTS_V2 in MessageFlag(self.payload.get("flags") or 0)
        return asked or (self.before is not None and self.before.uses_v2)

    @property
    def components(self) -> list[Json]:
        return self.payload.get("components") or []

    @property
    def shown(self) -> set[str]:
        """The names of the files that the message can display."""
        listed = self.payload.get("attachments")
        names = {one.filename for one in self.kept}
        if listed is None:
            # If an edit does not list its new files, they become plain attachments that no component can reference.
            return names if self.before is not None else names | {upload.filename for upload in self.files}
        numbers = {int(one["id"]) for one in listed}
        return names | {upload.filename for upload in self.files if upload.index in numbers}


def message_faults(draft: Draft) -> list[str]:
    """The faults of a message, apart from the size of its files."""
    return [*_kind_faults(draft), *_file_faults(draft), *component_faults(draft.components), *_other_faults(draft)]


def _kind_faults(draft: Draft) -> Iterator[str]:
    payload, before = draft.payload, draft.before
    flags = MessageFlag(payload.get("flags") or 0)
    if before is not None and before.uses_v2 and "flags" in payload and MessageFlag.COMPONENTS_V2 not in flags:
        yield "the Components V2 flag cannot be taken off a message again"
    if draft.uses_v2:
        for field in ("content", "embeds", "sticker_ids", "poll"):
            if payload.get(field):
                yield f"a message with Components V2 has no {field}"
        newly = before is not None and not before.uses_v2
        if newly and before is not None and before.body.content and payload.get("content", "kept"):
            yield "an edit to Components V2 must take the content away"
    elif any(component.get("type") in V2_ONLY for component in walk(draft.components)):
        yield "components of V2 without the flag"
    elif len(draft.components) > OLD_ROWS:
        yield f"{len(draft.components)} rows of components, {OLD_ROWS} at most"


def _file_faults(draft: Draft) -> Iterator[str]:
    if len(draft.files) + len(draft.kept) > FILES:
        yield f"{len(draft.files) + len(draft.kept)} files, {FILES} at most"
    if draft.payload.get("attachments") is not None:
        yield from _list_faults(draft, draft.payload["attachments"])
    names = Counter([upload.filename for upload in draft.files] + [one.filename for one in draft.kept])
    named = references(draft.components)
    for name in named:
        if names[name] > 1:
            yield f"{names[name]} files called {name!r}: which one is meant?"
        if name not in draft.shown:
            yield f"attachment://{name} is not there"
    for upload in draft.files:
        if draft.uses_v2 and upload.filename not in named:
            yield f"no component shows the file {upload.filename!r}"


def _list_faults(draft: Draft, listed: list[Json]) -> Iterator[str]:
    numbers = {upload.index for upload in draft.files}
    if len(numbers) != len(draft.files):
        yield "two files with the same number"
    known = numbers | {one.id for one in draft.before.body.attachments} if draft.before else numbers
    ids = {int(one["id"]) for one in listed}
    for number in sorted(ids - known):
        yield f"attachment {number} is neither a new file nor one of the message's"
    if unlisted := numbers - ids:
        yield f"files {sorted(unlisted)} are sent, but not listed among the attachments"


def _other_faults(draft: Draft) -> Iterator[str]:
    payload = draft.payload
    if len(payload.get("content") or "") > CONTENT:
        yield f"the content has {len(payload['content'])} characters, {CONTENT} at most"
    if (total := sum(_embed_length(embed) for embed in payload.get("embeds") or ())) > EMBED_TEXT:
        yield f"the embeds have {total} characters, {EMBED_TEXT} at most"
    mentions = payload.get("allowed_mentions") or {}
    for who in ("users", "roles"):
        if mentions.get(who) and who in (mentions.get("parse") or ()):
            yield f"allowed_mentions names {who} and lets all of them be parsed"
    if payload.get("enforce_nonce") and not payload.get("nonce"):
        yield "enforce_nonce without a nonce"


def _embed_length(embed: Json) -> int:
    parts = [embed.get("title"), embed.get("description")]
    parts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    for one in embed.get("fields") or ():
        parts += [one.get("name"), one.get("value")]
    return sum(len(part or "") for part in parts)


def component_faults(components: list[Json]) -> Iterator[str]:
    """The faults of a component tree, of a message or of a modal."""
    everything = list(walk(components))
    if len(everything) > COMPONENTS:
        yield f"{len(everything)} components in all, {COMPONENTS} at most"
    if (total := sum(len(one.get("content") or "") for one in everything if one["type"] == Component.TEXT)) > TEXT:
        yield f"{total} characters of text in all, {TEXT} at most"
    for key in ("custom_id", "id"):
        for value, count in Counter(one[key] for one in everything if one.get(key)).items():
            if count > 1:
                yield f"{key} {value!r} stands {count} times"
    for component in everything:
        yield from _one_component_faults(component)


def _one_component_faults(component: Json) -> Iterator[str]:
    kind = component["type"]
    custom_id = component.get("custom_id")
    if custom_id is not None and not 1 <= len(custom_id) <= CUSTOM_ID:
        yield f"a custom_id of {len(custom_id)} characters"
    if kind in CHOICES:
        yield from _choice_faults(component)
    elif kind in _FAULTS:
        yield from _FAULTS[kind](component)
    for item in [component, *component.get("items", ())]:
        if len(item.get("description") or "") > ALT_TEXT:
            yield f"a description of {len(item['description'])} characters, {ALT_TEXT} at most"
    for media in media_of(component):
        if not str(media.get("url", "")).startswith(("attachment://", "http://", "https://")):
            yield f"a media item at {media.get('url')!r}"


def _gallery_faults(gallery: Json) -> Iterator[str]:
    if not 1 <= len(gallery.get("items", ())) <= GALLERY:
        yield f"a gallery of {len(gallery.get('items', ()))} items, 1 to {GALLERY}"


def _section_faults(section: Json) -> Iterator[str]:
    if not 1 <= len(section.get("components", ())) <= SECTION_TEXTS:
        yield f"a section of {len(section.get('components', ()))} texts, 1 to {SECTION_TEXTS}"
    if not section.get("accessory"):
        yield "a section without an accessory"


def _text_faults(text: Json) -> Iterator[str]:
    if not (text.get("content") or "").strip():
        yield "a text without text"


def _row_faults(row: Json) -> Iterator[str]:
    inner = row.get("components") or []
    kinds = {one["type"] for one in inner}
    if not inner:
        yield "an empty row"
    elif kinds == {Component.BUTTON}:
        if len(inner) > ROW_BUTTONS:
            yield f"{len(inner)} buttons in a row, {ROW_BUTTONS} at most"
    elif len(inner) > 1:
        yield "a row of things that must stand alone"


def _button_faults(button: Json) -> Iterator[str]:
    if not button.get("label") and not button.get("emoji"):
        yield "a button with neither label nor emoji"
    if len(button.get("label") or "") > LABEL:
        yield f"a button's label of {len(button['label'])} characters, {LABEL} at most"
    if button.get("style") in LINK_STYLES:
        if button.get("custom_id"):
            yield "a link with a custom_id"
    elif not button.get("custom_id"):
        yield f"button {button.get('label')!r} without a custom_id"


def _choice_faults(choice: Json) -> Iterator[str]:
    options = choice.get("options") or []
    if choice["type"] == Component.CHOICE and not 1 <= len(options) <= OPTIONS:
        yield f"a choice of {len(options)} options, 1 to {OPTIONS}"
    for value, count in Counter(option["value"] for option in options).items():
        if count > 1:
            yield f"the option {value!r} stands {count} times"
    if len([one for one in options if one.get("default")]) > (choice.get("max_values") or 1):
        yield "more options are chosen beforehand than may be"


_FAULTS: dict[int, Callable[[Json], Iterator[str]]] = {
    Component.ROW: _row_faults,
    Component.BUTTON: _button_faults,
    Component.GALLERY: _gallery_faults,
    Component.SECTION: _section_faults,
    Component.TEXT: _text_faults,
}


def modal_faults(modal: Json) -> list[str]:
    """The faults of a modal."""
    found = list(component_faults(modal.get("components") or []))
    if len(modal.get("title") or "") > MODAL_TITLE:
        found.append(f"a modal's title of {len(modal['title'])} characters, {MODAL_TITLE} at most")
    if not 1 <= len(modal.get("components") or ()) <= MODAL_PARTS:
        found.append(f"a modal of {len(modal.get('components') or ())} parts, 1 to {MODAL_PARTS}")
    for component in walk(modal.get("components") or []):
        if component["type"] == Component.TEXT_INPUT:
            low, high = component.get("min_length") or 0, component.get("max_length") or INPUT
            value = component.get("value") or ""
            if high > INPUT or low > high or (value and not low <= len(value) <= high):
                found.append(f"a text input from {low} to {high} characters that holds {len(value)}")
    return found

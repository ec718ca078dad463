"""The card of the Tree button: the family of a job as one picture, and in words for those who cannot see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import discord
from discord import ui

from bot.jobs.lineage import Family, Member, Step
from bot.pictures.family_tree import Face
from bot.providers.operations import Operation
from bot.text import Text, message, plural, t
from bot.ui.attached_files import Sheet
from bot.ui.cards.buttons import BACK_TO_DETAILS
from bot.ui.cards.job_text import ALT_AT_MOST
from bot.ui.cards.layout import Card, heading, quiet, text, within
from bot.ui.cards.wording import plain, units

FILE = "tree.webp"
NAME_AT_MOST = 32

Names = Mapping[int, Sequence[str]]
"""The names of people by their ids: as they are shown, and spellings that any font can write."""

TITLE = message("family.title", "Family of job {job:plain}")
ALONE = message("family.alone", "Nothing was made from it yet.")
ALT = message("family.alt", "Family tree of job {job:plain}.")
ENTRY = message("family.entry", "{number:plain}. {about}.")
ENTRY_FROM = message("family.entry_from", "{number:plain}. {about}, from {parent:plain}.")
SOMEBODY = message("family.somebody", "Somebody")
PRIVATE = message("family.private", "Private", "{count} private")
DELETED = message("family.deleted", "Deleted")
THIS_JOB = message("family.this_job", "{about} (this job)")
OF_SEVERAL = message("family.of_several", "{about} (image {image} of {images})")
HOW = {
    Step.NEW: message("family.new", "new image"),
    Step.REPEATED: message("family.repeated", "made again"),
    Step.REWORDED: message("family.reworded", "changed the prompt"),
    Step.ATTACHED: message("family.attached", "added a picture"),
    Step.POSTED: message("family.posted", "posted a picture"),
    Step.COPIED: message("family.copied", "earlier image"),
    Operation.TEXT_TO_IMAGE: message("family.text_to_image", "new image"),
    Operation.IMAGE_TO_IMAGE: message("family.image_to_image", "varied"),
    Operation.INPAINT: message("family.inpaint", "changed a part"),
    Operation.ERASE: message("family.erase", "erased a part"),
    Operation.OUTPAINT: message("family.outpaint", "extended"),
    Operation.SEARCH_AND_REPLACE: message("family.search_and_replace", "changed by words"),
    Operation.SKETCH: message("family.sketch", "from a sketch"),
    Operation.STRUCTURE: message("family.structure", "kept the structure"),
    Operation.UPSCALE: message("family.upscale", "upscaled"),
    Operation.RESTORE_FACES: message("family.restore_faces", "restored faces"),
    Operation.REMOVE_BACKGROUND: message("family.remove_background", "removed the background"),
}
"""What people did, as a caption below their names."""


def foot(family: Family) -> str:
    """The line below the drawing: how many are not drawn, or an empty text."""
    if not family.omitted:
        return ""
    if not family.complete:
        return str(plural("and at least {count} more", "and at least {count} more", family.omitted))
    return str(plural("and {count} more", "and {count} more", family.omitted))


def faces(family: Family, names: Names) -> dict[int, Face]:
    """The labels and the picture of each member, by its number."""
    return {number: _face(family, number, member, names) for number, member in family.members.items()}


def family_sheet(family: Family, names: Names, drawing: bytes) -> Sheet:
    """The drawing of a family with its alt text, and the way back to the details."""
    item = discord.MediaGalleryItem(f"attachment://{FILE}", description=alt_text(family, names), spoiler=family.spoiler)
    lines = [heading(TITLE(job=family.asked))]
    if len(family.members) == 1 and not family.omitted:
        lines.append(quiet(ALONE))
    card = Card(text(*lines), ui.MediaGallery(item), ui.ActionRow(BACK_TO_DETAILS.on(family.asked)))
    return Sheet(card, ((FILE, drawing),))


def alt_text(family: Family, names: Names) -> str:
    """The family in words: each member with a number, and the number of the one that it was made from."""
    parents = {below: above for above, nodes in family.chosen.children.items() for below in nodes}
    places = {number: place for place, number in enumerate(family.members, 1)}
    lines = [str(ALT(job=family.asked))]
    for number, place in places.items():
        about = _about(family, number, names)
        parent = parents.get(number)
        entry = ENTRY(number=place, about=about) if parent is None else _entry_from(place, about, places[parent])
        lines.append(str(entry))
    end = foot(family)
    room = ALT_AT_MOST - (units(end) + 1 if end else 0)
    return " ".join([*within(lines, room), *([end] if end else [])])


def _entry_from(place: int, about: str, parent: int) -> Text:
    return ENTRY_FROM(number=place, about=about, parent=parent)


def _about(family: Family, number: int, names: Names) -> str:
    """A member in words: ``Ada: varied (this job)``."""
    member = family.members[number]
    how = HOW.get(member.step)
    if how is None:
        return str(_hidden(member))
    name = next((plain(name, NAME_AT_MOST) for name in _names(member, names)), str(SOMEBODY))
    about = t("{name}: {how}", name=name, how=how)
    if member.images > 1:
        about = OF_SEVERAL(about=about, image=member.image, images=member.images)
    return str(THIS_JOB(about=about) if number == family.asked else about)


def _face(family: Family, number: int, member: Member, names: Names) -> Face:
    omitted = family.chosen.omitted.get(number, 0) + (family.chosen.skipped if number == family.chosen.root else 0)
    badge = f"+{omitted}" if omitted else ""
    how = HOW.get(member.step)
    if how is None:
        return Face([str(_hidden(member))], "", member.picture, badge)
    return Face([*_names(member, names), str(SOMEBODY)], str(how), member.picture, badge)


def _hidden(member: Member) -> Text:
    return DELETED() if member.step is Step.DELETED else PRIVATE(count=member.count)


def _names(member: Member, names: Names) -> Sequence[str]:
    return () if member.made_by is None else names.get(member.made_by, ())

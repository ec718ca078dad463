"""All commands with their options, and the buttons of all lists."""

from __future__ import annotations

from typing import Any

import discord as library

from bot.domain.areas import Area
from bot.domain.pictures import ImageReference
from bot.providers.operations import Operation
from bot.ui.cards.part_buttons import MARK, PART_ACTIONS, Marking
from bot.ui.cards.picture_buttons import OPEN_PICTURE, PICTURE_ACTIONS, SWITCH_PICTURE, picture_id
from fakes.discord.constants import Answer
from fakes.discord.handle import Handle
from fakes.discord.model import Message
from fakes.discord.people import Person
from fakes.discord.seen import Seen
from tests.wire.house import CORE, House

JOB, THREAD = 1, 1
VARIES = "aithriving/sd-1.6"
"""An engine that varies pictures."""
TYPED: dict[str, list[dict[str, Any]]] = {
    "imagine": [{"prompt": "a fox"}, {"prompt": "a fox --sed 7"}, {"prompt": "a {red, blue} fox", "private": True}],
    "compare": [{"prompt": "a fox"}, {"prompt": "a fox", "image": "1-1"}],
    "edit vary": [{"image": "1-1"}, {"image": "1-1", "prompt": "a fox", "engine": VARIES}, {"prompt": "a fox"}],
    "edit words": [{"find": "the fox", "prompt": "a bear", "image": "1-1"}],
    "edit part": [{"image": "1-1"}, {"image": "1-1", "prompt": "a hat", "area": "1,2"}],
    "edit erase": [{"image": "1-1"}, {"image": "1-1", "area": "1,2"}, {"image": "p99"}],
    "edit upscale": [{"scale": 2, "image": "1-1"}],
    "edit faces": [{"image": "1-1"}],
    "edit background": [{"image": "1-1"}],
    "edit extend": [{"by": "wider", "image": "1-1"}, {"by": "nowhere", "image": "1-1"}],
    "edit sketch": [{"prompt": "a castle", "image": "1-1"}],
    "edit structure": [{"prompt": "a castle", "image": "1-1"}],
    "engines": [{}, {"engine": CORE}],
    "help": [{}, {"about": "images"}],
    "history": [{}, {"search": "fox", "thread": "1"}],
    "credits": [{}],
    "thread new": [{}, {"title": "foxes"}],
    "thread list": [{}],
    "thread use": [{"thread": "1"}],
    "thread show": [{}, {"thread": "1"}],
    "thread rename": [{"title": "hens", "thread": "1"}],
    "thread delete": [{"thread": "1"}],
    "settings show": [{}],
    "settings set": [{"images": 2}, {"engine": "nobody"}],
    "settings reset": [{}],
    "privacy export": [{}],
    "privacy delete": [{}],
    "usage report": [{}],
    "usage user": [{"user": None}],
    "usage export": [{}],
    "usage jobs": [{}, {"cancel": JOB}],
    "quota set": [{"credits": 5.0}, {"free_images": 9}, {"period": "day"}],
    "quota grant": [{"user": None, "credits": 5.0}],
    "quota clear": [{}, {"for": "server"}],
    "quota show": [{}, {"user": None}],
    "server set": [{"refused_words": "ugly"}, {"channels": "#nowhere"}],
    "server show": [{}],
    "server log": [{}],
    "server test": [{"member": None}],
    "setup": [{}],
}
"""The options of each command; several sets if they use the database differently. None stands for a person."""
MESSAGE_MENU = {"Use this prompt", "Details", "Edit this picture"}
"""The commands in the menu of a message."""
PAGES = {
    "threads": "page:threads:1",
    "gallery": f"page:gallery:1:{THREAD}",
    "delete": f"page:delete:1:{THREAD}",
    "use": f"page:use:1:{THREAD}",
    "history": "page:history:1:::",
    "usage": "page:usage:1:user:0:today",
    "usageby": "page:usageby:1:user:0:today",
    "drop": f"page:drop:1:0:{JOB}",
    "engines": "page:engines:1",
    "settings": "page:settings:1",
    "resetask": "page:resetask:1",
    "reset": "page:reset:1",
}
"""The custom id of one button of each list."""
CHOICES = {"help": ("menu:help", "images"), "setting": ("menu:setting:images", "2")}
"""The custom id of one menu of each kind, and a value to choose."""
SINGLE = {"example": "do:example:fox", "addedtext": "do:addedtext"}
"""The custom id of one button of each single action."""
PICTURES = {
    action: picture_id(action, ImageReference(JOB, 1))
    for action in PICTURE_ACTIONS
    if action not in {OPEN_PICTURE, SWITCH_PICTURE}
}
"""The custom id of one button of each way to go on from a picture."""
PICTURE_MENUS = {name: (picture_id(name), f"{JOB}-1") for name in (OPEN_PICTURE, SWITCH_PICTURE)}
"""The custom id of each menu of images, and an image to choose."""
_MARKING = Marking(ImageReference(JOB, 1), Operation.INPAINT, Area.of(4, [6]))
PARTS = {action: _MARKING.custom_id(action, 0 if action == MARK else None) for action in PART_ACTIONS}
"""The custom id of one button of each way to mark a part of a picture. Pressed, the menu's one chooses nothing."""


async def result_of(home: House, person: Person) -> Message:
    """The card of a finished job."""
    await home.begun(person)
    await home.done()
    return home.only.message


async def stand(home: House, *custom_ids: str) -> list[Message]:
    """Send messages as the bot with buttons of these ids."""
    made = []
    for custom_id in custom_ids:
        view = library.ui.LayoutView(timeout=None)
        view.add_item(library.ui.ActionRow(library.ui.Button[Any](label="Press", custom_id=custom_id)))
        view.stop()
        sent = await home.runtime.client.get_partial_messageable(home.channel.id).send(view=view)
        made.append(home.channel.messages[sent.id])
    return made


async def stand_menu(home: House, custom_id: str, value: str) -> Message:
    """Send a message as the bot with a menu of this id."""
    view = library.ui.LayoutView(timeout=None)
    option = library.SelectOption(label="Choose", value=value)
    view.add_item(library.ui.ActionRow(library.ui.Select[Any](custom_id=custom_id, options=[option])))
    view.stop()
    sent = await home.runtime.client.get_partial_messageable(home.channel.id).send(view=view)
    return home.channel.messages[sent.id]


async def filled(handle: Handle) -> Seen | None:
    """The message that fills the deferred answer once the database responds; None if the answer is no message."""
    if await handle.acknowledged() in {Answer.MODAL, Answer.DEFERRED_UPDATE, Answer.CHOICES}:
        return None
    said = await handle.answered()
    assert "went wrong" not in said.text, handle.what
    return said

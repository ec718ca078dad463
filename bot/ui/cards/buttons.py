"""The table of buttons: every button of a card, and the format of its custom id.

A custom id outlives a restart, and every version of the bot has to understand it. It contains no personal data. Each
press is authorised again, so a forged id only shows a person their own data. The handlers are in ``ui.buttons`` (for
jobs), ``ui.list_buttons`` (for lists) and ``ui.menus`` (for menus and single actions), by the names in this table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import discord
from discord import ui

from bot.jobs.view import JobView
from bot.text import Message, Value, message
from storage.jobs import JobFilter

BUTTONS_IN_A_ROW = 3
"""The number of buttons with short labels that fit in a row on a phone."""
_ROW_WIDTH, _BUTTON_WIDTH, _ICON_WIDTH = 36, 5, 3
"""The width of a row on a phone, and of a button and an icon without its label, in letters."""

OLD_BUTTON = message(
    "buttons.of_another_version", "This button is from another version of the bot. Make a new image instead."
)
OLD_LIST = message("buttons.old_list", "This button is from another version of the bot. Run the command again.")

_DIGEST = 4  # In bytes: enough to distinguish a few dozen engines.


# --- the buttons of a job -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobButton:
    """A button of a job. ``name`` is used in its custom id and for its handler.

    ``shown`` says whether the button fits a job's state. Cards that offer it in any state do not call it.
    """

    name: str
    label: Message
    style: discord.ButtonStyle = discord.ButtonStyle.secondary
    shown: Callable[[JobView], bool] = lambda _: True
    icon: str | None = None

    def on(self, job_id: int, *, primary: bool = False, icon: bool = True, **values: Value) -> ui.Button[Any]:
        """The button for this job; ``values`` are the values of its label. A card has at most one ``primary`` one."""
        return ui.Button(
            label=str(self.label(**values)),
            emoji=self.icon if icon else None,
            style=discord.ButtonStyle.primary if primary else self.style,
            custom_id=custom_id(self.name, job_id),
        )


def custom_id(name: str, job_id: int) -> str:
    """The custom id of a job's button."""
    return f"easel:{name}:{job_id}"


KEEP = message("button.keep", "Keep")
EDIT_COMMAND = message("button.edit_command", "Edit")

CANCEL = JobButton("cancel", message("button.cancel", "Cancel"), shown=lambda view: view.can_cancel)
REFRESH = JobButton("refresh", message("button.refresh", "Refresh"), icon="🔄")
CONFIRM = JobButton("confirm", message("button.confirm", "Confirm: {price}"), discord.ButtonStyle.primary)
# The same for its reader. The first answer to the press differs, see ``ui.prices``.
POST = JobButton("post", CONFIRM.label, discord.ButtonStyle.primary)
AGAIN = JobButton("again", message("button.again", "Again"), icon="🔁")
NEW_SEED = JobButton(
    "new-seed",
    message("button.new_seed", "New seed"),
    icon="🎲",
    shown=lambda view: any(request.seed is not None for request in view.requests),
)
# The answers to the question before the same images are made again.
NEW_SEED_FOR = JobButton(
    NEW_SEED.name, message("button.new_seed_for", "New seed: {price}"), discord.ButtonStyle.primary, icon="🎲"
)
SAME_SEED_FOR = JobButton("same-seed", message("button.same_seed_for", "Same seed: {price}"))
KEEP_IMAGES = JobButton("keep", KEEP)
EDIT = JobButton("edit", message("button.edit", "Edit prompt"), icon="✏️")
EDIT_WITHOUT_WORDS = JobButton(EDIT.name, message("button.edit_settings", "Edit settings"), icon="✏️")
USE_PROMPT = JobButton("use", message("button.use_prompt", "Use this prompt"))
EDIT_PICTURE = JobButton(
    "picture",
    message("button.edit_picture", "Edit picture"),
    icon="🖌️",
    shown=lambda view: len(view.images) == 1,
)
SHARE = JobButton(
    "share",
    message("button.share", "Share"),
    icon="📤",
    shown=lambda view: view.job.public_in is None and view.job.server_id is not None,
)
SHOW = JobButton("show", message("button.show", "Show"), icon="🖼️")
DETAILS = JobButton("details", message("button.details", "Details"), icon="🔍")
DELETE = JobButton("delete", message("button.delete", "Delete"), icon="🗑️")
PARENT = JobButton("walk", message("button.parent", "Made from job {job:plain}"), icon="⬆️")
SOURCE = JobButton("walk", message("button.source", "Picture from job {job:plain}"), icon="⬆️")
CHILD = JobButton("walk", message("button.child", "Led to job {job:plain}"), icon="⬇️")
LOG = JobButton("log", message("button.log", "Log"), icon="📜")
TREE = JobButton("tree", message("button.tree", "Tree"), icon="🌳")
BACK_TO_DETAILS = JobButton("walk", message("button.back_to_details", "Back to details"), icon="🔍")

JOB_BUTTONS = (
    CANCEL,
    REFRESH,
    CONFIRM,
    POST,
    AGAIN,
    NEW_SEED,
    NEW_SEED_FOR,
    SAME_SEED_FOR,
    KEEP_IMAGES,
    EDIT,
    EDIT_WITHOUT_WORDS,
    EDIT_PICTURE,
    USE_PROMPT,
    SHARE,
    SHOW,
    DETAILS,
    DELETE,
    PARENT,
    SOURCE,
    CHILD,
    LOG,
    TREE,
    BACK_TO_DETAILS,
)
JOB_ACTIONS = tuple(dict.fromkeys(button.name for button in JOB_BUTTONS))
"""The buttons of a job by name; each name has a handler."""


def edit_button(view: JobView) -> JobButton:
    """The button for the form of a job: some edits of pictures have no words."""
    return EDIT if view.operation.takes_prompt else EDIT_WITHOUT_WORDS


def job_rows(view: JobView, *buttons: JobButton, primary: JobButton | None = None) -> list[ui.ActionRow[Any]]:
    """Those of the buttons that fit the job's state, in as few rows as a phone has room for, equally long.

    They have icons if there is room.
    """
    fitting = [button for button in buttons if button.shown(view)]
    plain = in_rows([str(button.label) for button in fitting])
    icons = in_rows([str(button.label) for button in fitting], room=_ROW_WIDTH - 2 * _ICON_WIDTH, most=2)
    with_icons = len(icons) == len(plain) and all(len(row) <= 2 for row in icons)
    shown = [each.on(view.job.id, primary=each is primary, icon=with_icons) for each in fitting]
    return [ui.ActionRow(*(shown[place] for place in row)) for row in (icons if with_icons else plain)]


def in_rows(labels: Sequence[str], *, room: int = _ROW_WIDTH, most: int = BUTTONS_IN_A_ROW) -> list[range]:
    """Divide buttons with these labels into as few rows as a phone has room for, about equally wide.

    Returns the places of each row's buttons. A label that is too long has a row of its own.
    """
    best: list[tuple[int, int, list[range]]] = [(0, 0, [])]
    for end in range(1, len(labels) + 1):
        found = []
        for start in range(max(0, end - most), end):
            width = sum(_BUTTON_WIDTH + len(label) for label in labels[start:end])
            if width <= room or end - start == 1:
                rows, widest, before = best[start]
                found.append((rows + 1, max(widest, width), [*before, range(start, end)]))
        best.append(min(found, key=lambda each: each[:2]))
    return best[-1][2]


# --- the buttons of a refused command -----------------------------------------------------------------------------


def edit_refused(key: str) -> ui.Button[Any]:
    """The button that opens the refused command with this key in a form."""
    return ui.Button(label=str(EDIT_COMMAND), custom_id=f"refused:{key}:edit")


def offer(key: str, number: int, label: str) -> ui.Button[Any]:
    """The button that accepts the offer with this number. The first one is emphasised."""
    style = discord.ButtonStyle.secondary if number else discord.ButtonStyle.primary
    return ui.Button(label=label, style=style, custom_id=f"refused:{key}:{number}")


# --- the buttons of lists -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListButton:
    """A button that opens a page of a list, or changes something and then shows the list.

    ``name`` is used in its custom id and for its handler.
    """

    name: str
    label: Message
    style: discord.ButtonStyle = discord.ButtonStyle.secondary
    icon: str | None = None

    def to(self, page: int = 1, rest: str | int = "", *, disabled: bool = False, **values: Value) -> ui.Button[Any]:
        """The button for this page. ``rest`` is the list's own state; ``values`` are the values of the label."""
        label = str(self.label(**values))
        identity = list_id(self.name, page, rest)
        return ui.Button(label=label, emoji=self.icon, style=self.style, disabled=disabled, custom_id=identity)


def list_id(name: str, page: int, rest: str | int = "") -> str:
    """The custom id of a list's button."""
    return f"page:{name}:{page}" + (f":{rest}" if rest != "" else "")


PREVIOUS, NEXT = message("button.previous", "Previous"), message("button.next", "Next")
GO_TO_MESSAGE = message("button.go_to_message", "Go to it")

ALL_THREADS = ListButton("threads", message("button.all_threads", "All threads"))
NEWER_THREADS, OLDER_THREADS = ListButton("threads", PREVIOUS, icon="◀️"), ListButton("threads", NEXT, icon="▶️")
OPEN_THREAD = ListButton("gallery", message("button.open_thread", "Open"))
NEWER_IMAGES, OLDER_IMAGES = ListButton("gallery", PREVIOUS, icon="◀️"), ListButton("gallery", NEXT, icon="▶️")
USE_THREAD = ListButton("use", message("button.use_thread", "Use this thread"))
KEEP_THREAD = ListButton("gallery", KEEP)
DELETE_THREAD = ListButton(
    "delete", message("button.delete_thread", "Delete for good"), style=discord.ButtonStyle.danger
)
NEWER_JOBS, OLDER_JOBS = ListButton("history", PREVIOUS, icon="◀️"), ListButton("history", NEXT, icon="▶️")
ENGINES_BACK, ENGINES_MORE = ListButton("engines", PREVIOUS, icon="◀️"), ListButton("engines", NEXT, icon="▶️")
REPORT_BACK, REPORT_MORE = ListButton("usage", PREVIOUS, icon="◀️"), ListButton("usage", NEXT, icon="▶️")
BY_USER = ListButton("usageby", message("button.by_user", "People"))
BY_ENGINE = ListButton("usageby", message("button.by_engine", "Engines"))
BY_DAY = ListButton("usageby", message("button.by_day", "Days"))
BY_CHANNEL = ListButton("usageby", message("button.by_channel", "Channels"))
BY_OPERATION = ListButton("usageby", message("button.by_operation", "Operations"))
CANCEL_JOB = ListButton("drop", message("button.cancel_job", "Cancel job {job:plain}"))
KEEP_SETTINGS = ListButton("settings", KEEP)
RESET_SETTINGS = ListButton("resetask", message("button.reset_settings", "Reset all"))
RESET_FOR_GOOD = ListButton("reset", RESET_SETTINGS.label, style=discord.ButtonStyle.danger)

LIST_BUTTONS = (
    ALL_THREADS,
    NEWER_THREADS,
    OLDER_THREADS,
    OPEN_THREAD,
    NEWER_IMAGES,
    OLDER_IMAGES,
    USE_THREAD,
    KEEP_THREAD,
    DELETE_THREAD,
    NEWER_JOBS,
    OLDER_JOBS,
    ENGINES_BACK,
    ENGINES_MORE,
    REPORT_BACK,
    REPORT_MORE,
    BY_USER,
    BY_ENGINE,
    BY_DAY,
    BY_CHANNEL,
    BY_OPERATION,
    CANCEL_JOB,
    KEEP_SETTINGS,
    RESET_SETTINGS,
    RESET_FOR_GOOD,
)
LISTS = tuple(dict.fromkeys(button.name for button in LIST_BUTTONS))
"""The buttons of lists by name; each name has a handler."""


class Paged(Protocol):
    """A page of a list: its number, from 1, and the number of pages."""

    @property
    def number(self) -> int: ...

    @property
    def pages(self) -> int: ...


def turning(page: Paged, back: ListButton, on: ListButton, rest: str | int = "") -> list[ui.Button[Any]]:
    """The buttons for the previous and the next page of a list; none if there is only one page."""
    if page.pages == 1:
        return []
    return [
        back.to(page.number - 1, rest, disabled=page.number == 1),
        on.to(page.number + 1, rest, disabled=page.number == page.pages),
    ]


# --- menus and single actions -------------------------------------------------------------------------------------

OPTIONS_IN_A_MENU = 25


@dataclass(frozen=True, slots=True)
class Menu:
    """A select menu whose choice changes its own message. ``name`` is used in its custom id and for its handler."""

    name: str

    def of(self, options: Sequence[discord.SelectOption], rest: str = "") -> ui.Select[Any]:
        """The menu with these options. ``rest`` is the menu's own state.

        One option must be selected. Otherwise apps keep showing an earlier choice.
        """
        return ui.Select(options=list(options), custom_id=menu_id(self.name, rest))


def menu_id(name: str, rest: str = "") -> str:
    """The custom id of a menu."""
    return f"menu:{name}" + (f":{rest}" if rest else "")


@dataclass(frozen=True, slots=True)
class ActionButton:
    """A button that belongs to no job and no list, and gives its own answer: a new job or a form.

    ``name`` is used in its custom id and for its handler.
    """

    name: str
    label: Message
    style: discord.ButtonStyle = discord.ButtonStyle.secondary

    def to(self, rest: str = "", **values: Value) -> ui.Button[Any]:
        """The button. ``rest`` is its own state; ``values`` are the values of the label."""
        return ui.Button(label=str(self.label(**values)), style=self.style, custom_id=action_id(self.name, rest))


def action_id(name: str, rest: str = "") -> str:
    """The custom id of a single action."""
    return f"do:{name}" + (f":{rest}" if rest else "")


HELP_SUBJECTS = Menu("help")
SETTING = Menu("setting")
MENUS = tuple(menu.name for menu in (HELP_SUBJECTS, SETTING))
"""The menus by name; each name has a handler."""

EXAMPLE = ActionButton("example", message("button.example", "{title} · {price}"))
SETTINGS_TEXT = ActionButton("addedtext", message("button.settings_text", "Edit text"))
ACTIONS = tuple(button.name for button in (EXAMPLE, SETTINGS_TEXT))
"""The single actions by name; each name has a handler."""


def history_rest(wanted: JobFilter) -> str:
    """A search of the history as part of a custom id. The search words have at most 50 letters, so that they fit."""
    engine = "" if wanted.engine is None else engine_digest(wanted.engine)
    return f"{wanted.thread_id or ''}:{engine}:{wanted.words or ''}"


def engine_digest(engine_id: str) -> str:
    """A few hexadecimal digits that identify an engine. Its id is too long for a custom id."""
    return hashlib.blake2s(engine_id.encode(), digest_size=_DIGEST).hexdigest()


# --- the buttons and menus of a server ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServerButton:
    """A button of the welcome card or of /setup. ``name`` is used in its custom id and for its handler."""

    name: str
    label: Message
    style: discord.ButtonStyle = discord.ButtonStyle.secondary

    def button(self) -> ui.Button[Any]:
        """The button."""
        return ui.Button(label=str(self.label), style=self.style, custom_id=server_id(self.name))


def server_id(name: str) -> str:
    """The custom id of a server's button or menu."""
    return f"server:{name}"


TRY_IT = ServerButton("try", message("button.try_it", "Try it"), discord.ButtonStyle.primary)
SET_UP = ServerButton("setup", message("button.set_up", "Set up"))
SAVE_SETUP = ServerButton("save", message("button.save_setup", "Save"), discord.ButtonStyle.success)
OTHER_AMOUNTS = ServerButton("amounts", message("button.other_amounts", "Amounts…"))
OWN_WORDS = ServerButton("own-words", message("button.own_words", "Words…"))
TEST_IMAGE = ServerButton("test", message("button.test_image", "Make a test image"), discord.ButtonStyle.primary)
CHANGE_SETUP = ServerButton("change", message("button.change_setup", "Change"))

SERVER_BUTTONS = (TRY_IT, SET_UP, SAVE_SETUP, OTHER_AMOUNTS, OWN_WORDS, TEST_IMAGE, CHANGE_SETUP)
SERVER_MENUS = ("channels", "roles", "person", "server", "privacy", "pictures", "starter")
"""The menus of /setup. Each is named for the choice that it changes."""
SERVER_ACTIONS = (*(button.name for button in SERVER_BUTTONS), *SERVER_MENUS)
"""The buttons and menus of a server by name; each name has a handler."""

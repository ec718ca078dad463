"""The table of buttons: every button of a card, and the format of its custom id.

A custom id outlives a restart, and every version of the bot has to understand it. It contains no personal data. Each
press is authorised again, so a forged id only shows a person their own data. The handlers are in ``ui.buttons`` (for
jobs) and ``ui.list_buttons`` (for lists), by the names in this table.
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

BUTTONS_IN_A_ROW = 5

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

    def on(self, job_id: int, **values: Value) -> ui.Button[Any]:
        """The button for this job; ``values`` are the values of its label."""
        return ui.Button(label=str(self.label(**values)), style=self.style, custom_id=custom_id(self.name, job_id))


def custom_id(name: str, job_id: int) -> str:
    """The custom id of a job's button."""
    return f"easel:{name}:{job_id}"


CANCEL = JobButton("cancel", message("button.cancel", "Cancel"), shown=lambda view: view.can_cancel)
REFRESH = JobButton("refresh", message("button.refresh", "Refresh"))
CONFIRM = JobButton("confirm", message("button.confirm", "Confirm: {price}"), discord.ButtonStyle.primary)
AGAIN = JobButton("again", message("button.again", "Again"))
NEW_SEED = JobButton(
    "new-seed",
    message("button.new_seed", "New seed"),
    shown=lambda view: any(request.seed is not None for request in view.requests),
)
EDIT = JobButton("edit", message("button.edit", "Edit"))
USE_PROMPT = JobButton("use", message("button.use_prompt", "Use this prompt"))
SHARE = JobButton(
    "share",
    message("button.share", "Share"),
    shown=lambda view: view.job.public_in is None and view.job.server_id is not None,
)
SHOW = JobButton("show", message("button.show", "Show"))
DETAILS = JobButton("details", message("button.details", "Details"))
DELETE = JobButton("delete", message("button.delete", "Delete"))
PARENT = JobButton("walk", message("button.parent", "Made from job {job:plain}"))
CHILD = JobButton("walk", message("button.child", "Led to job {job:plain}"))

JOB_BUTTONS = (
    CANCEL,
    REFRESH,
    CONFIRM,
    AGAIN,
    NEW_SEED,
    EDIT,
    USE_PROMPT,
    SHARE,
    SHOW,
    DETAILS,
    DELETE,
    PARENT,
    CHILD,
)
JOB_ACTIONS = tuple(dict.fromkeys(button.name for button in JOB_BUTTONS))
"""The buttons of a job by name; each name has a handler."""


def job_row(view: JobView, *buttons: JobButton) -> list[ui.ActionRow[Any]]:
    """A row of those of the buttons that fit the job's state; no row if none fits."""
    return job_rows(view, buttons)


def job_rows(view: JobView, *groups: Sequence[JobButton]) -> list[ui.ActionRow[Any]]:
    """Those of the buttons that fit the job's state: in one row if there is room, else one row for each group."""
    fitting = [[button for button in group if button.shown(view)] for group in groups]
    if sum(map(len, fitting)) <= BUTTONS_IN_A_ROW:
        fitting = [[button for group in fitting for button in group]]
    return [ui.ActionRow(*(button.on(view.job.id) for button in group)) for group in fitting if group]


# --- the buttons of a refused command -----------------------------------------------------------------------------


EDIT_REFUSED = message("button.edit_refused", "Edit")


def edit_refused(key: str) -> ui.Button[Any]:
    """The button that opens the refused command with this key in a form."""
    return ui.Button(label=str(EDIT_REFUSED), custom_id=f"refused:{key}:edit")


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

    def to(self, page: int = 1, rest: str | int = "", *, disabled: bool = False, **values: Value) -> ui.Button[Any]:
        """The button for this page. ``rest`` is the list's own state; ``values`` are the values of the label."""
        label = str(self.label(**values))
        return ui.Button(label=label, style=self.style, disabled=disabled, custom_id=list_id(self.name, page, rest))


def list_id(name: str, page: int, rest: str | int = "") -> str:
    """The custom id of a list's button."""
    return f"page:{name}:{page}" + (f":{rest}" if rest != "" else "")


def link(label: Message, url: str) -> ui.Button[Any]:
    """A button that opens an address."""
    return ui.Button(label=str(label), url=url)


NEWER, OLDER = message("button.newer", "Newer"), message("button.older", "Older")
BACK, MORE = message("button.back", "Back"), message("button.more", "More")
GO_TO_MESSAGE = message("button.go_to_message", "Go to it")

ALL_THREADS = ListButton("threads", message("button.all_threads", "All threads"))
NEWER_THREADS, OLDER_THREADS = ListButton("threads", NEWER), ListButton("threads", OLDER)
OPEN_THREAD = ListButton("gallery", message("button.open_thread", "Open"))
NEWER_IMAGES, OLDER_IMAGES = ListButton("gallery", NEWER), ListButton("gallery", OLDER)
USE_THREAD = ListButton("use", message("button.use_thread", "Use this thread"))
KEEP_THREAD = ListButton("gallery", message("button.keep_thread", "Keep it"))
DELETE_THREAD = ListButton("delete", message("button.delete_thread", "Delete for good"), discord.ButtonStyle.danger)
NEWER_JOBS, OLDER_JOBS = ListButton("history", NEWER), ListButton("history", OLDER)
ENGINES_BACK, ENGINES_MORE = ListButton("engines", BACK), ListButton("engines", MORE)
REPORT_BACK, REPORT_MORE = ListButton("usage", BACK), ListButton("usage", MORE)
BY_USER = ListButton("usageby", message("button.by_user", "People"))
BY_ENGINE = ListButton("usageby", message("button.by_engine", "Engines"))
BY_DAY = ListButton("usageby", message("button.by_day", "Days"))
BY_CHANNEL = ListButton("usageby", message("button.by_channel", "Channels"))
CANCEL_JOB = ListButton("drop", message("button.cancel_job", "Cancel job {job:plain}"))

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
    CANCEL_JOB,
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


def history_rest(wanted: JobFilter) -> str:
    """A search of the history as part of a custom id. The search words have at most 50 letters, so that they fit."""
    engine = "" if wanted.engine is None else engine_digest(wanted.engine)
    return f"{wanted.thread_id or ''}:{engine}:{wanted.words or ''}"


def engine_digest(engine_id: str) -> str:
    """A few hexadecimal digits that identify an engine. Its id is too long for a custom id."""
    return hashlib.blake2s(engine_id.encode(), digest_size=_DIGEST).hexdigest()

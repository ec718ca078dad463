"""The card of a person's history: a page of jobs, each with a preview and its buttons."""

from __future__ import annotations

from typing import Any

from discord import ui

from bot.jobs.results import HistoryEntry, HistoryPage
from bot.text import message, t
from bot.ui.attached_files import Sheet
from bot.ui.cards.buttons import (
    AGAIN,
    DETAILS,
    GO_TO_MESSAGE,
    NEWER_JOBS,
    OLDER_JOBS,
    SHOW,
    edit_button,
    history_rest,
    turning,
)
from bot.ui.cards.delivery_text import jump_url
from bot.ui.cards.job import JOB_STATUS, cost_text
from bot.ui.cards.job_text import alt_text, either, engine_name, prompt_text
from bot.ui.cards.layout import Card, Words, facts, heading, page_of, quiet, rule, text
from bot.ui.cards.wording import IMAGES, JOBS, moment, safe
from storage.records import UNSHOWN, JobStatus

_PROMPT = 250

TITLE = message("history.title", "Your history")
NOTHING_MATCHES = message("history.nothing_matches", "No jobs match. Try fewer filters.")
NO_SUCH_WORDS = message("history.no_such_words", "Nothing matches “{words}”. Try other words or fewer filters.")
NOTHING_YET = message("history.nothing_yet", "You haven't made anything yet. Type /imagine to start.")
NO_IMAGE = message("history.no_image", "no image")
FILES_GONE = message("history.files_gone", "never shown, and its files are gone")
KEPT_UNTIL = message("history.kept_until", "not shown to you yet, kept until {date}")
NOT_SHOWN = message("history.not_shown", "not shown to you yet")


def history_card(found: HistoryPage, *, engine: str | None = None) -> Sheet:
    """A page of a person's jobs; ``engine`` is the name of the engine in the filter."""
    parts: list[ui.Item[Any]] = [text(heading(TITLE), quiet(_about(found, engine)))]
    files: list[tuple[str, bytes]] = []
    for entry in found.entries:
        parts += [rule(), *_entry(entry, files, with_thread=found.thread_title is None)]
    if not found.entries:
        parts.append(text(_nothing(found, engine)))
    turn = turning(found.page, NEWER_JOBS, OLDER_JOBS, history_rest(found.wanted))
    if turn:
        parts += [rule(), ui.ActionRow(*turn)]
    return Sheet(Card(*parts), tuple(files))


def _entry(entry: HistoryEntry, files: list[tuple[str, bytes]], *, with_thread: bool) -> list[ui.Item[Any]]:
    view, picture = entry.view, entry.picture
    words = text(prompt_text(view, _PROMPT), quiet(_facts(entry, with_thread=with_thread)))
    # Three buttons each: a page with more would have too many components.
    first = SHOW if entry.can_be_shown else AGAIN
    row = [button.on(view.job.id, primary=button is SHOW, icon=False) for button in (first, edit_button(view), DETAILS)]
    if picture is None or picture.preview is None:
        return [words, ui.ActionRow(*row)]
    name = f"preview-{picture.image.id}.webp"
    files.append((name, picture.preview))
    number = [image.id for image in view.images].index(picture.image.id) + 1
    thumbnail: ui.Thumbnail[Any] = ui.Thumbnail(
        f"attachment://{name}",
        description=alt_text(view, picture.image, number),
        spoiler=view.job.spoiler,
    )
    return [ui.Section(words, accessory=thumbnail), ui.ActionRow(*row)]


def _facts(entry: HistoryEntry, *, with_thread: bool) -> str:
    view, status = entry.view, entry.view.job.status
    private = view.job.private
    ended = status not in UNSHOWN
    url = None if entry.can_be_shown else jump_url(view.job)
    made = IMAGES(count=len(view.images)) if view.images else NO_IMAGE()
    return facts(
        either(engine_name(view, request.engine) for request in view.requests) or None,
        made if ended else None,
        cost_text(view) if ended else None,
        moment(view.job.created_at),
        (t("private") if view.job.public_in is None else t("shared")) if private else None,
        t("thread “{title}”", title=safe(view.thread_title, 60)) if view.thread_title and with_thread else None,
        None if ended else JOB_STATUS[status],
        _undelivered(entry) if status is JobStatus.UNDELIVERED else None,
        f"[{GO_TO_MESSAGE}]({url})" if url is not None else None,
    )


def _undelivered(entry: HistoryEntry) -> Words:
    if not entry.can_be_shown:
        return FILES_GONE
    return KEPT_UNTIL(date=moment(entry.kept_until, "D")) if entry.view.images else NOT_SHOWN


def _about(found: HistoryPage, engine: str | None) -> str:
    words, thread = found.wanted.words, found.thread_title
    return facts(
        JOBS(count=found.total),
        t("with “{words}”", words=safe(words, 120)) if words else None,
        t("on {engine}", engine=safe(engine, 100)) if engine is not None else None,
        t("in the thread “{title}”", title=safe(thread, 120)) if thread is not None else None,
        page_of(found.page.number, found.page.pages),
    )


def _nothing(found: HistoryPage, engine: str | None) -> Words:
    if found.wanted.words:
        return NO_SUCH_WORDS(words=safe(found.wanted.words, 120))
    return NOTHING_MATCHES if engine is not None or found.thread_title is not None else NOTHING_YET

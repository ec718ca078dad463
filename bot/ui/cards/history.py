"""The card of one's history: a page of jobs, each with a small picture and with what can be done with it."""

from __future__ import annotations

from typing import Any

from discord import ui

from bot.jobs.history import HistoryEntry, HistoryPage
from bot.ui.attached_files import Sheet
from bot.ui.cards.delivery_text import jump_url
from bot.ui.cards.job import cost_text
from bot.ui.cards.job_text import alt_text, either, engine_name, prompt_text
from bot.ui.cards.layout import Card, custom_id, quiet, rule, text
from bot.ui.cards.wording import counted, moment, safe
from bot.ui.pages import history_id, turning
from storage.jobs import JobStatus

_PROMPT = 250

_STATUS = {
    JobStatus.PROPOSED: "waiting for you to confirm its price",
    JobStatus.WORKING: "being worked on",
    JobStatus.READY: "about to be shown",
}


def history_card(found: HistoryPage, *, engine: str | None = None) -> Sheet:
    """A page of one's jobs; ``engine`` is the name of the engine that is asked for."""
    parts: list[ui.Item[Any]] = [text("**Your history**", quiet(_about(found, engine)))]
    files: list[tuple[str, bytes]] = []
    for entry in found.entries:
        parts += [rule(), *_entry(entry, files, of_any_thread=found.thread_title is None)]
    if not found.entries:
        parts.append(text(_nothing(found, engine)))
    turn = turning(found.page, lambda number: history_id(number, found.wanted))
    if turn:
        parts += [rule(), ui.ActionRow(*turn)]
    return Sheet(Card(*parts), tuple(files))


def _entry(entry: HistoryEntry, files: list[tuple[str, bytes]], *, of_any_thread: bool) -> list[ui.Item[Any]]:
    view, picture = entry.view, entry.picture
    words = text(prompt_text(view, _PROMPT), quiet(_facts(entry, of_any_thread=of_any_thread)))
    row: list[ui.Button[Any]] = []
    if entry.can_be_shown:
        row.append(ui.Button(label="Show", custom_id=custom_id("show", view.job.id)))
    row += [
        ui.Button(label="Again", custom_id=custom_id("again", view.job.id)),
        ui.Button(label="Use this prompt", custom_id=custom_id("use", view.job.id)),
    ]
    url = jump_url(view.job)
    if url is not None and not entry.can_be_shown:
        row.append(ui.Button(label="Go to it", url=url))
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


def _facts(entry: HistoryEntry, *, of_any_thread: bool) -> str:
    view = entry.view
    facts = [
        either(engine_name(view, request.engine) for request in view.requests),
        counted(len(view.images), "image") if view.images else "no image",
        cost_text(view),
        moment(view.job.created_at),
        ("private" if view.job.public_in is None else "shared") if view.job.private else "",
        f"thread “{safe(view.thread_title, 60)}”" if view.thread_title and of_any_thread else "",
        _standing(entry),
    ]
    if view.job.status in _STATUS:
        facts[1] = facts[2] = ""
    return " · ".join(fact for fact in facts if fact)


def _standing(entry: HistoryEntry) -> str:
    status = entry.view.job.status
    if status is not JobStatus.UNDELIVERED:
        return _STATUS.get(status, "")
    if not entry.can_be_shown:
        return "could not be shown in time, its files are gone"
    until = f", kept until {moment(entry.kept_until, 'D')}" if entry.view.images else ""
    return f"not shown to you yet{until}"


def _about(found: HistoryPage, engine: str | None) -> str:
    facts = [counted(found.total, "job")]
    if found.wanted.words:
        facts.append(f"with “{safe(found.wanted.words, 120)}”")
    if engine is not None:
        facts.append(f"on {safe(engine, 100)}")
    if found.thread_title is not None:
        facts.append(f"in the thread “{safe(found.thread_title, 120)}”")
    if found.page.pages > 1:
        facts.append(f"page {found.page.number} of {found.page.pages}")
    return " · ".join(facts)


def _nothing(found: HistoryPage, engine: str | None) -> str:
    if found.wanted.words or engine is not None or found.thread_title is not None:
        return "None of your jobs is like that. Ask for less, or for other words."
    return "You have made nothing yet. Type /imagine and what you would like to see."

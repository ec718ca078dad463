"""The cards of threads: the list of one's own, and the gallery of one."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui

from bot.people.threads import IMAGES_A_PAGE, Page, ThreadGallery, ThreadList, ThreadView
from bot.text import amount_text, credits_text
from bot.ui.attached_files import Sheet
from bot.ui.cards.delivery_text import jump_url
from bot.ui.cards.job import cost_text
from bot.ui.cards.job_text import alt_text, prompt_text
from bot.ui.cards.layout import WARM, Card, quiet, rule, text, within
from bot.ui.cards.wording import counted, moment, safe
from bot.ui.pages import delete_id, gallery_id, threads_id, turning, use_id
from storage.thread_work import Work

_TITLE = 160
_PROMPT = 160
_JOBS_TEXT = 3200
_EMPTY = "You have no threads here yet. The first image you ask for opens one, named after its prompt."


def threads_card(found: ThreadList) -> Sheet:
    """A page of one's threads, each with what was done in it and what that cost."""
    parts: list[ui.Item[Any]] = [text("**Your threads here**", quiet(_counted_page(found.total, "thread", found.page)))]
    if not found.threads:
        parts.append(text(_EMPTY))
    for view in found.threads:
        open_it: ui.Button[Any] = ui.Button(label="Open", custom_id=gallery_id(1, view.thread.id))
        words = text(_title(view), quiet(_work(view.work)), quiet(f"Last used {moment(view.thread.updated_at)}"))
        parts += [rule(), ui.Section(words, accessory=open_it)]
    if found.threads and not any(view.current for view in found.threads) and found.page.number == 1:
        parts += [rule(), text(quiet("None is current: the next image opens a new thread, named after its prompt."))]
    turn = turning(found.page, threads_id)
    if turn:
        parts.append(ui.ActionRow(*turn))
    return Sheet(Card(*parts))


def gallery_card(found: ThreadGallery) -> Sheet:
    """A page of a thread's images, with the prompt and the price of each and a link to where it stands."""
    thread, page = found.thread.thread, found.page
    which = f" · page {page.number} of {page.pages}" if page.pages > 1 else ""
    heading = text(_title(found.thread), quiet(_work(found.thread.work) + which))
    parts: list[ui.Item[Any]] = [heading]
    shown, files = [], []
    for job_id, picture in found.pictures:
        if picture.preview is None:
            continue
        view = found.jobs[job_id]
        name = f"preview-{picture.image.id}.webp"
        number = [image.id for image in view.images].index(picture.image.id) + 1
        files.append((name, picture.preview))
        shown.append(
            discord.MediaGalleryItem(
                f"attachment://{name}", description=alt_text(view, picture.image, number), spoiler=view.job.spoiler
            )
        )
    if shown:
        parts.append(ui.MediaGallery(*shown))
    lines = _lines(found)
    parts.append(text(*within(lines, _JOBS_TEXT)) if lines else text("There are no images in this thread yet."))
    row = turning(page, lambda number: gallery_id(number, thread.id))
    if not found.thread.current:
        row.append(ui.Button(label="Use this thread", custom_id=use_id(page.number, thread.id)))
    row.append(ui.Button(label="All threads", custom_id=threads_id(1)))
    parts.append(ui.ActionRow(*row))
    return Sheet(Card(*parts), tuple(files))


def delete_question(view: ThreadView) -> Card:
    """Asks once more, since what was paid for would be gone."""
    work, title = view.work, safe(view.thread.title, _TITLE)
    sentences = [f"**Delete the thread “{title}”?**"]
    if work.jobs:
        sentences.append(
            f"Its {counted(work.jobs, 'job')} with {counted(work.images, 'image')} will be gone from your history, and "
            "cannot be brought back."
        )
    else:
        sentences.append("There is nothing in it.")
    if work.kept:
        sentences.append(f"Among them: {counted(work.kept, 'result')} that you were never shown. See /history.")
    if work.jobs or work.spent:
        sentences.append(
            f"Messages in channels stay where they are, and what it cost ({credits_text(work.spent)}) stays counted."
        )
    confirm: ui.Button[Any] = ui.Button(
        label="Delete for good", style=discord.ButtonStyle.danger, custom_id=delete_id(view.thread.id)
    )
    keep: ui.Button[Any] = ui.Button(label="Keep it", custom_id=gallery_id(1, view.thread.id))
    return Card(text(*sentences), ui.ActionRow(confirm, keep), accent=WARM)


def _title(view: ThreadView) -> str:
    return f"**{safe(view.thread.title, _TITLE)}**" + (" · current" if view.current else "")


def _work(work: Work) -> str:
    if not work.jobs and not work.spent:
        return "nothing made in it yet"
    estimated = f" ({amount_text(work.estimated)} estimated)" if work.estimated else ""
    facts = [counted(work.jobs, "job"), counted(work.images, "image"), f"{credits_text(work.spent)}{estimated}"]
    if work.held:
        facts.append(f"{amount_text(work.held)} in flight")
    if work.kept:
        facts.append(f"{work.kept} not shown yet")
    return " · ".join(facts)


def _lines(found: ThreadGallery) -> list[str]:
    """For each job on the page which of the thread's images are its own, its prompt and its price."""
    places: dict[int, list[int]] = {}
    gone: dict[int, int] = {}
    unseen: dict[int, int] = {}
    first = found.page.offset(IMAGES_A_PAGE) + 1
    for place, (job_id, picture) in enumerate(found.pictures, first):
        places.setdefault(job_id, []).append(place)
        if picture.preview is None:
            missing = gone if picture.image.file is None else unseen
            missing[job_id] = missing.get(job_id, 0) + 1
    lines = []
    for job_id, numbers in places.items():
        view = found.jobs[job_id]
        prompt = prompt_text(view, _PROMPT)
        url = jump_url(view.job)
        facts = [cost_text(view), moment(view.job.created_at)]
        if job_id in gone:
            facts.append(f"{gone[job_id]} no longer stored")
        if job_id in unseen:
            facts.append(f"{unseen[job_id]} that cannot be shown here")
        if view.job.private:
            facts.append("private" if view.job.public_in is None else "shared")
        which = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"
        lines.append(f"**{which}** · {f'[{prompt}]({url})' if url else prompt} · {' · '.join(facts)}")
    return lines


def _counted_page(total: int, noun: str, page: Page) -> str:
    whole = counted(total, noun)
    return whole if page.pages == 1 else f"{whole} · page {page.number} of {page.pages}"

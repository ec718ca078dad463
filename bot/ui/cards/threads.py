"""The cards of threads: the list of a person's threads, and the gallery of one."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui

from bot.people.threads import IMAGES_A_PAGE, ThreadGallery, ThreadList, ThreadView
from bot.text import Text, message, t
from bot.ui.attached_files import Sheet
from bot.ui.cards.buttons import (
    ALL_THREADS,
    NEWER_IMAGES,
    NEWER_THREADS,
    OLDER_IMAGES,
    OLDER_THREADS,
    OPEN_THREAD,
    USE_THREAD,
    turning,
)
from bot.ui.cards.delivery_text import jump_url
from bot.ui.cards.job import cost_text
from bot.ui.cards.job_text import alt_text, prompt_text
from bot.ui.cards.layout import Card, facts, heading, page_of, quiet, rule, text, within
from bot.ui.cards.wording import IMAGES, JOBS, THREADS, moment, safe
from storage.threads import ThreadTotals

NO_THREADS = message(
    "threads.none", "You have no threads here yet. Your first image starts one, named after its prompt."
)
NO_CURRENT = message("threads.next_image_starts_one", "Your next image here starts a new thread.")
NO_IMAGES = message("threads.no_images", "There are no images in this thread yet.")
CURRENT = message("threads.current", "current")
TOTALS = message("threads.totals", "{jobs} · {images} · {spent:credits}")
TOTALS_FREE = message("threads.totals_free", "{jobs} · {images} · free")
ESTIMATED = message("threads.totals_estimated", "{jobs} · {images} · {spent:credits} ({estimated:amount} estimated)")
NO_LONGER_STORED = message("threads.no_longer_stored", "{count} no longer stored", "{count} no longer stored")
NO_PREVIEW = message("threads.no_preview", "{number} cannot be shown")
DELETE_QUESTION = message("threads.delete_question", "Delete the thread “{title}”?")
DELETES_JOBS = message(
    "threads.deletes_jobs", "This permanently deletes {jobs} with {images} from your history. It can't be undone."
)
DELETES_NOTHING = message("threads.deletes_nothing", "The thread is empty.")
DELETES_UNDELIVERED = message(
    "threads.deletes_undelivered",
    "You have not seen {count} of these results yet. Find it in /history.",
    "You have not seen {count} of these results yet. Find them in /history.",
)
MESSAGES_STAY = message(
    "threads.messages_stay", "Messages in channels stay, and so does what was spent ({spent:credits})."
)
MESSAGES_STAY_FREE = message("threads.messages_stay_free", "Messages in channels stay.")

_TITLE = 160
_PROMPT = 160
_JOBS_TEXT = 3200


def threads_card(found: ThreadList) -> Sheet:
    """A page of a person's threads, each with its totals."""
    page = found.page
    subtitle = facts(THREADS(count=found.total), page_of(page.number, page.pages))
    parts: list[ui.Item[Any]] = [text(heading(t("Your threads here")), quiet(subtitle))]
    if not found.threads:
        parts.append(text(NO_THREADS))
    for view in found.threads:
        open_it = OPEN_THREAD.to(1, view.thread.id)
        used = t("Last used {when}", when=moment(view.thread.updated_at))
        words = text(_title(view), quiet(_totals(view.totals)), quiet(used))
        parts += [rule(), ui.Section(words, accessory=open_it)]
    if found.threads and not any(view.current for view in found.threads) and page.number == 1:
        parts += [rule(), text(quiet(NO_CURRENT))]
    turn = turning(page, NEWER_THREADS, OLDER_THREADS)
    if turn:
        parts.append(ui.ActionRow(*turn))
    return Sheet(Card(*parts))


def gallery_card(found: ThreadGallery) -> Sheet:
    """A page of a thread's images, with the prompt, the price and a link to the message of each job."""
    thread, page = found.thread.thread, found.page
    subtitle = facts(_totals(found.thread.totals), page_of(page.number, page.pages))
    parts: list[ui.Item[Any]] = [text(_title(found.thread), quiet(subtitle))]
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
    parts.append(text(*within(lines, _JOBS_TEXT)) if lines else text(NO_IMAGES))
    row = turning(page, NEWER_IMAGES, OLDER_IMAGES, thread.id)
    if not found.thread.current:
        row.append(USE_THREAD.to(page.number, thread.id))
    row.append(ALL_THREADS.to(1))
    parts.append(ui.ActionRow(*row))
    return Sheet(Card(*parts), tuple(files))


def deletion_text(view: ThreadView) -> ui.TextDisplay[Any]:
    """A text that says what is lost if the thread is deleted."""
    totals = view.totals
    sentences: list[Text | str] = [heading(DELETE_QUESTION(title=safe(view.thread.title, _TITLE)))]
    if totals.jobs:
        sentences.append(DELETES_JOBS(jobs=JOBS(count=totals.jobs), images=IMAGES(count=totals.images)))
    else:
        sentences.append(DELETES_NOTHING())
    if totals.undelivered:
        sentences.append(DELETES_UNDELIVERED(count=totals.undelivered))
    if totals.spent:
        sentences.append(MESSAGES_STAY(spent=totals.spent))
    elif totals.jobs:
        sentences.append(MESSAGES_STAY_FREE())
    return text(*sentences)


def _title(view: ThreadView) -> str:
    return facts(heading(safe(view.thread.title, _TITLE)), CURRENT() if view.current else None)


def _totals(totals: ThreadTotals) -> str:
    if not totals.jobs and not totals.spent:
        return str(t("empty"))
    form = ESTIMATED if totals.estimated else TOTALS if totals.spent or not totals.images else TOTALS_FREE
    jobs, images = JOBS(count=totals.jobs), IMAGES(count=totals.images)
    return facts(
        form(jobs=jobs, images=images, spent=totals.spent, estimated=totals.estimated),
        t("{held:amount} on hold", held=totals.held) if totals.held else None,
        t("{number} not shown yet", number=totals.undelivered) if totals.undelivered else None,
    )


def _lines(found: ThreadGallery) -> list[str]:
    """A line for each job on the page: the numbers of its images in the thread, its prompt and its price."""
    places: dict[int, list[int]] = {}
    gone: dict[int, int] = {}
    unreadable: dict[int, int] = {}
    first = found.page.offset(IMAGES_A_PAGE) + 1
    for place, (job_id, picture) in enumerate(found.pictures, first):
        places.setdefault(job_id, []).append(place)
        if picture.preview is None:
            missing = gone if picture.image.file is None else unreadable
            missing[job_id] = missing.get(job_id, 0) + 1
    lines = []
    for job_id, numbers in places.items():
        view = found.jobs[job_id]
        prompt = prompt_text(view, _PROMPT)
        url = jump_url(view.job)
        seen = None
        if view.job.private:
            seen = t("private") if view.job.public_in is None else t("shared")
        which = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"
        lines.append(
            facts(
                heading(which),
                f"[{prompt}]({url})" if url else prompt,
                cost_text(view),
                moment(view.job.created_at),
                NO_LONGER_STORED(count=gone[job_id]) if job_id in gone else None,
                NO_PREVIEW(number=unreadable[job_id]) if job_id in unreadable else None,
                seen,
            )
        )
    return lines

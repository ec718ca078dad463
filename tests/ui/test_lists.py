"""The cards of threads and of the history fit Discord's limits for any text; links lead to the results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.money import Price
from bot.errors import UserError
from bot.jobs.results import JOBS_A_PAGE, HistoryEntry, HistoryPage
from bot.jobs.view import Page, PreviewedImage
from bot.people.threads import (
    IMAGES_A_PAGE,
    THREADS_A_PAGE,
    ThreadGallery,
    ThreadList,
    ThreadView,
)
from bot.text import t
from bot.ui.attached_files import Sheet
from bot.ui.cards.buttons import engine_digest, history_rest
from bot.ui.cards.engines import engines_card
from bot.ui.cards.history import history_card
from bot.ui.cards.layout import Card
from bot.ui.cards.threads import deletion_text, gallery_card, threads_card
from bot.ui.cards.wording import units
from bot.ui.list_buttons import wanted_of
from storage.jobs import JobFilter
from storage.records import DeliveryMethod, JobStatus, SubmissionStatus
from storage.threads import Thread, ThreadTotals
from tests.doubles.views import ENGINE, NOW, image, job, request, submission, view

WORST = "*_~`|\\[]()<@&>" * 200
BIG = ThreadTotals(
    jobs=10**6, unfinished=1, undelivered=10**6, images=10**7, spent=10**12, estimated=10**11, held=10**9
)


def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for component in components:
        yield component
        yield from walk(component.get("components", []))
        if "accessory" in component:
            yield from walk([component["accessory"]])


def judged(sheet: Sheet) -> list[dict[str, Any]]:
    """The parts of the card, after a check that Discord would accept it."""
    parts = list(walk(sheet.card.to_components()))  # type: ignore[no-untyped-call]  # the library leaves it untyped
    assert len(parts) <= 40
    assert sum(units(part.get("content", "")) for part in parts) <= 4000
    ids = [part["custom_id"] for part in parts if "custom_id" in part]
    assert len(set(ids)) == len(ids)
    assert all(1 <= units(custom_id) <= 100 for custom_id in ids)
    files = {f"attachment://{name}" for name, _ in sheet.files}
    shown = {part["media"]["url"] for part in parts if "media" in part}
    shown |= {item["media"]["url"] for part in parts for item in part.get("items", [])}
    assert files == shown
    described = [part["description"] for part in parts if "media" in part]
    described += [item["description"] for part in parts for item in part.get("items", [])]
    assert all(0 < units(words) <= 1024 for words in described)
    return parts


def entry(number: int, prompt: str, status: JobStatus = JobStatus.DELIVERED, **known: Any) -> HistoryEntry:
    pictures = [image(number * 10 + place, submission_id=number) for place in range(3)]
    done = submission(
        number, SubmissionStatus.DONE, asked=request(prompt), images=pictures, captured=10**9, exact=False
    )
    shown = view(done, prompt=prompt, title=prompt, of=job(status, id=10**17 + number, private=True, **known))
    return HistoryEntry(shown, PreviewedImage(pictures[0], b"small"), kept_until=5)


@pytest.mark.usefixtures("any_language")
def test_pages_list_all_engines_with_their_ids() -> None:
    crowd = [
        replace(ENGINE, id=f"scripted/number-{number:02}-of-many", name="*" * 200, styles=("x" * 90,) * 40)
        for number in range(60)
    ]

    def shown(page: int) -> list[str]:
        card = engines_card(crowd, lambda _: Price(1, 2, exact=True), default=crowd[7].id, page=page)
        words = " ".join(part.get("content", "") for part in judged(Sheet(card)))
        return re.findall(r"scripted/number-\d\d-of-many", words)

    assert [engine_id for page in range(1, 5) for engine_id in shown(page)] == [engine.id for engine in crowd]
    assert shown(0) == shown(1)
    assert shown(99) == shown(4)
    endless = [replace(ENGINE, id="y" * 300, name="*" * 200)] * 60
    judged(Sheet(engines_card(endless, lambda _: Price(1, 2, exact=False), default="", retired=lambda _: True)))


@pytest.mark.usefixtures("any_language")
@pytest.mark.parametrize("prompt", ["a fox", WORST, "🦊" * 900])
@pytest.mark.parametrize("status", [JobStatus.DELIVERED, JobStatus.UNDELIVERED, JobStatus.WORKING])
def test_a_full_page_of_the_history_fits(prompt: str, status: JobStatus) -> None:
    by = DeliveryMethod.DIRECT_MESSAGE
    entries = tuple(entry(number, prompt, status, delivered_by=by) for number in range(1, JOBS_A_PAGE + 1))
    wanted = JobFilter(words="x" * 50, engine="an engine", thread_id=10**17)
    page = HistoryPage(wanted, Page(99_999, 199_999), 10**6, entries, thread_title=None)
    parts = judged(history_card(page, engine=prompt))
    labels = [part.get("label") for part in parts if part["type"] == 2]
    assert labels.count(str(t("Edit prompt"))) == labels.count(str(t("Details"))) == JOBS_A_PAGE
    first = "Show" if status is JobStatus.UNDELIVERED else "Again"
    assert labels.count(str(t(first))) == JOBS_A_PAGE
    assert labels[-2:] == [str(t("Previous")), str(t("Next"))]


@pytest.mark.usefixtures("any_language")
@pytest.mark.parametrize("title", ["foxes", WORST[:100], "🦊" * 100])
def test_a_full_page_of_threads_fits(title: str) -> None:
    threads = tuple(
        ThreadView(Thread(10**17 + number, 1, 1, title, NOW, NOW), BIG, current=False)
        for number in range(THREADS_A_PAGE)
    )
    parts = judged(threads_card(ThreadList(threads, Page(1, 200), 1000)))
    assert [part["label"] for part in parts if part["type"] == 2] == [
        str(t(label)) for label in ["Open"] * THREADS_A_PAGE + ["Previous", "Next"]
    ]
    judged(Sheet(Card(deletion_text(threads[0]))))


@pytest.mark.usefixtures("any_language")
@pytest.mark.parametrize("prompt", ["a fox", WORST, "🦊" * 900])
def test_a_full_gallery_fits(prompt: str) -> None:
    entries = [entry(number, prompt) for number in range(1, IMAGES_A_PAGE + 1)]
    pictures = tuple((each.view.job.id, each.picture) for each in entries if each.picture is not None)
    thread = ThreadView(Thread(10**17, 1, 1, WORST[:100], NOW, NOW), BIG, current=False)
    gallery = ThreadGallery(thread, Page(2, 3), pictures, {each.view.job.id: each.view for each in entries})
    parts = judged(gallery_card(gallery))
    assert len([item for part in parts for item in part.get("items", [])]) == IMAGES_A_PAGE
    assert f"**{IMAGES_A_PAGE + 1}** · " in "".join(part.get("content", "") for part in parts)


@pytest.mark.parametrize(
    "wanted",
    [
        JobFilter(),
        JobFilter(words="a: b:c"),
        JobFilter(thread_id=7),
        JobFilter(engine="a/b"),
        JobFilter(words="Straße", engine="a/b", thread_id=10**17),
    ],
)
def test_a_button_contains_the_search(wanted: JobFilter) -> None:
    assert wanted_of(history_rest(wanted), ["a/a", "a/b"]) == wanted


def test_an_invalid_search_is_refused() -> None:
    for rest in ("", "1", "x::", ":zz:", f":{engine_digest('gone')}:"):
        with pytest.raises(UserError):
            wanted_of(rest, ["a/b"])


def test_a_page_number_is_always_in_range() -> None:
    assert Page.of(0, things=0, at_once=4) == Page(1, 1)
    assert Page.of(9, things=8, at_once=4) == Page(2, 2)
    assert Page.of(2, things=9, at_once=4) == Page(2, 3)

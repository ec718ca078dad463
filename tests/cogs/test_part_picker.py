"""Marking a part of a picture in menus: what the card shows, what it starts, and who may use it."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
import simcord
from PIL import Image

from bot.domain.areas import Area
from bot.domain.edits import AREA_NEEDED, NOT_OFFERED
from bot.domain.pictures import ImageReference, Reference
from bot.domain.requests import decode_request
from bot.domain.rules import NO_PICTURES
from bot.jobs.sources import IMAGE_GONE, NO_SUCH_PICTURE
from bot.jobs.store import GONE
from bot.jobs.view import PRIVATE_JOB
from bot.providers.base import Handle, ImageRequest
from bot.providers.operations import Operation, Pictures
from bot.ui.cards.buttons import OLD_BUTTON
from bot.ui.cards.part_buttons import PART_ACTIONS, Marking
from bot.ui.cards.part_picker import ALL_MARKED, MARKED, PICK_TO_CHANGE, PICK_TO_ERASE
from storage import submissions
from storage.records import JobStatus
from tests.cogs.conftest import CONFIRM, MakeStudio, Shown, Studio, attached, card, forge_id, told
from tests.doubles.forms import filled, offered, send
from tests.doubles.provider import EDITS, ScriptedProvider
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

BRUSH, XL = "cheap/brush", "ai-client/stable-diffusion-xl-1024-v0-9"
SQUARE = (96, 96)
BUTTONS = ["Clear", "Invert", "Finer", "Change… · 2", "Erase · 2", "Back"]


class Painter(ScriptedProvider):
    """A provider that keeps the masks, whose files are deleted after the request."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"polled": False, "name": "cheap", "edits": EDITS, "price": 2000, **options})
        self.masks: list[Image.Image] = []

    async def submit(self, handle: Handle, request: ImageRequest, pictures: Pictures | None = None) -> Any:
        if pictures is not None and pictures.mask is not None:
            data = await asyncio.to_thread(pictures.mask.path.read_bytes)
            self.masks.append(Image.open(io.BytesIO(data)).convert("L"))
        return await super().submit(handle, request, pictures)


@pytest.fixture
async def make_atelier(make_studio: MakeStudio) -> MakeStudio:
    """Makes studios in which only these providers' engines start from pictures."""

    async def make(*providers: ScriptedProvider) -> Studio:
        return await make_studio(providers=providers, AITHRIVING_KEY="", DEFAULT_ENGINE="")

    return make


@pytest.fixture
def painter() -> Painter:
    return Painter()


@pytest.fixture
async def atelier(make_atelier: MakeStudio, painter: Painter) -> Studio:
    """A studio with an engine that can do everything."""
    return await make_atelier(painter)


async def opened(
    studio: Studio, label: str = "Change a part", person: simcord.MemberActor | None = None, /, **options: Any
) -> Shown:
    """Make an image and open the card for it; the image is of job 1 in a new studio."""
    made = await studio.imagine(person, **{"prompt": "a fox", "engine": BRUSH, **options})
    await studio.finish()
    panel = told(await studio.press(person or studio.ada, card(made), "Edit picture"))
    return card(await studio.press(person or studio.ada, panel, label))


async def mark(studio: Studio, shown: Shown, *cells: int, menu: int = 0) -> Shown:
    """Choose the cells in a menu: those that are not named are no longer marked."""
    custom_id = list(shown.menus)[menu]
    return card(await studio.ada.select(shown.raw, [str(cell) for cell in cells], custom_id=custom_id))


async def press(studio: Studio, shown: Shown, label: str) -> Shown:
    """Press a button that changes the card."""
    return card(await studio.press(studio.ada, shown, label))


async def started(studio: Studio, shown: Shown, label: str) -> Shown:
    """Press a button that starts a job, and return the job's card when it is finished."""
    pressed = await studio.press(studio.ada, shown, label)
    await studio.finish()
    return card(pressed)


def marked(shown: Shown) -> list[int]:
    """The cells that the menus show as chosen."""
    return sorted(int(each) for menu in shown.menus for each in shown.selected(menu))


def drawing(studio: Studio, shown: Shown) -> bytes:
    (attachment,) = shown.raw.attachments
    data = studio.env.backend.cdn.get(attachment.url)
    assert data is not None
    return data


def menu_ids(shown: Shown) -> set[int]:
    """The ids of the menus, by which apps remember a choice."""
    return {part["id"] for part in shown.parts if part["type"] == 3}


def disabled(shown: Shown) -> set[str]:
    return {part["label"] for part in shown.parts if part["type"] == 2 and part.get("disabled")}


async def request_of(studio: Studio, job_id: int) -> ImageRequest:
    async with studio.runtime.database.read() as connection:
        (stored,) = await submissions.submissions_of(connection, job_id)
    return decode_request(stored.request)


def marking(reference: Reference, *cells: int, side: int = 4, operation: Operation = Operation.INPAINT) -> Marking:
    return Marking(reference, operation, Area.of(side, cells))


# --- marking --------------------------------------------------------------------------------------------------------


async def test_the_card_shows_the_picture_under_a_grid_in_the_place_of_the_panel(atelier: Studio) -> None:
    made = await atelier.imagine(prompt="a fox", engine=BRUSH)
    await atelier.finish()
    panel = told(await atelier.press(atelier.ben, card(made), "Edit picture"))
    shown = card(await atelier.press(atelier.ben, panel, "Change a part"))
    assert (shown.raw.id, shown.private) == (panel.raw.id, True)
    assert shown.labels == BUTTONS
    assert shows(shown.text, PICK_TO_CHANGE)
    (menu,) = shown.menus.values()
    assert [option["value"] for option in menu["options"]] == [str(cell) for cell in range(1, 17)]
    assert (menu["min_values"], menu["max_values"], marked(shown)) == (0, 16, [])
    assert disabled(shown) == {"Clear", "Invert", "Change… · 2", "Erase · 2"}
    assert len(shown.images) == 1
    back = card(await atelier.press(atelier.ben, shown, "Back"))
    assert (back.raw.id, back.labels) == (panel.raw.id, panel.labels)


async def test_chosen_cells_are_marked_at_once(atelier: Studio) -> None:
    shown = await opened(atelier)
    before = drawing(atelier, shown)
    first = await mark(atelier, shown, 6, 7)
    assert first.raw.id == shown.raw.id
    assert marked(first) == [6, 7]
    assert shows(first.text, MARKED(marked=2, all=16, percent=12))
    assert not disabled(first)
    assert "6, 7" in first.images[0]["description"]
    assert drawing(atelier, first) != before
    second = await mark(atelier, first, 7, 8, 1)
    assert marked(second) == [1, 7, 8]
    none = await mark(atelier, second)
    assert marked(none) == []
    assert shows(none.text, PICK_TO_CHANGE)


async def test_a_finer_grid_has_a_menu_for_each_quarter_and_nothing_marked_is_lost(atelier: Studio) -> None:
    finer = await press(atelier, await mark(atelier, await opened(atelier), 1, 16), "Finer")
    assert len(finer.menus) == 4
    assert marked(finer) == [1, 2, 9, 10, 55, 56, 63, 64]
    assert finer.labels == ["Clear", "Invert", "Coarser", *BUTTONS[3:]]
    assert len(menu_ids(finer)) == 4
    changed = await mark(atelier, finer, 1, 3, menu=0)
    assert marked(changed) == [1, 3, 55, 56, 63, 64]
    changed = await mark(atelier, changed, 5, menu=1)
    changed = await mark(atelier, changed, 33, 57, menu=2)
    changed = await mark(atelier, changed, menu=3)
    assert marked(changed) == [1, 3, 5, 33, 57]
    assert shows(changed.text, MARKED(marked=5, all=64, percent=8))
    coarser = await press(atelier, changed, "Coarser")
    assert marked(coarser) == [1, 2, 3, 9, 13]


async def test_a_choice_that_was_refused_is_not_marked_later(atelier: Studio) -> None:
    finer = await press(atelier, await opened(atelier), "Finer")
    await atelier.admin.slash(atelier.channel, "server set", engines=XL)
    refused = told(await atelier.ada.select(finer.raw, ["1"], custom_id=next(iter(finer.menus))))
    assert shows(refused.text, NOT_OFFERED)
    await atelier.admin.slash(atelier.channel, "server set", engines=BRUSH)
    assert marked(await mark(atelier, finer, 5, menu=1)) == [5]


async def test_clear_and_invert(atelier: Studio) -> None:
    shown = await mark(atelier, await opened(atelier), 1, 2)
    ids = menu_ids(shown)
    inverted = await press(atelier, shown, "Invert")
    assert marked(inverted) == list(range(3, 17))
    ids |= menu_ids(inverted)
    cleared = await press(atelier, inverted, "Clear")
    assert marked(cleared) == []
    assert len(ids | menu_ids(cleared)) == 3, "apps show what is marked now"


async def test_it_works_after_a_restart_and_in_direct_messages(atelier: Studio, painter: Painter) -> None:
    made = await atelier.ada.user.slash("imagine", prompt="a fox", engine=BRUSH)
    await atelier.finish()
    panel = told(await atelier.ada.user.click(card(made).raw, label="Edit picture"))
    await atelier.restart()
    shown = card(await atelier.ada.user.click(panel.raw, label="Erase a part · 2"))
    await atelier.restart()
    shown = card(await atelier.ada.user.select(shown.raw, ["11"]))
    await atelier.restart()
    finer = card(await atelier.ada.user.click(shown.raw, label="Finer"))
    assert marked(finer) == [37, 38, 45, 46]
    await atelier.restart()
    erased = await atelier.ada.user.click(finer.raw, label="Erase · 2")
    await atelier.finish()
    assert len(card(erased).images) == 1
    assert painter.requests[-1].area == "8x8:37,38,45,46"


# --- what it starts -------------------------------------------------------------------------------------------------


async def test_change_asks_what_should_be_there_and_repaints_the_marked_cells(
    atelier: Studio, painter: Painter
) -> None:
    shown = await mark(atelier, await opened(atelier), 6, 7, 10, 11)
    form = await atelier.press(atelier.ada, shown, "Change…")
    assert filled(form) == {"What should be there": ""}
    sent = await send(atelier.ada, form, What_should_be_there="a straw hat")
    await atelier.finish()
    assert len(card(sent).images) == 1
    request = await request_of(atelier, 2)
    assert (request.operation, request.area) == (Operation.INPAINT, "4x4:6,7,10,11")
    assert [part.text for part in request.prompts] == ["a straw hat"]
    job = await atelier.job(2)
    assert (job.parent_id, job.status) == (1, JobStatus.DELIVERED)
    (mask,) = painter.masks
    middle, side = (mask.width // 2, mask.height // 2), mask.width
    assert (mask.getpixel(middle), mask.getpixel((side // 12, side // 12))) == (255, 0)
    further = await mark(atelier, shown, 1)
    assert marked(further) == [1], "the card can be used again"


async def test_erase_starts_at_once(atelier: Studio, painter: Painter) -> None:
    shown = await opened(atelier, "Erase a part")
    assert shows(shown.text, PICK_TO_ERASE)
    assert shown.labels == [*BUTTONS[:3], "Erase · 2", "Change… · 2", "Back"]
    erased = await started(atelier, await mark(atelier, shown, 4), "Erase")
    assert len(erased.images) == 1
    request = await request_of(atelier, 2)
    assert (request.operation, request.area, request.prompts) == (Operation.ERASE, "4x4:4", ())
    assert len(painter.masks) == 1


async def test_everything_can_be_changed_but_not_erased(atelier: Studio) -> None:
    shown = await mark(atelier, await opened(atelier, "Erase a part"), *range(1, 17))
    assert disabled(shown) == {"Erase · 2"}
    assert shows(shown.text, ALL_MARKED)
    refused = await forge_id(
        atelier, atelier.ada, marking(ImageReference(1, 1), *range(1, 17)).custom_id("erase", 2000)
    )
    assert shows(refused.text, ALL_MARKED)


async def test_the_form_offers_every_engine_with_its_price(make_atelier: MakeStudio) -> None:
    dear = Painter(name="dear", price=8000)
    studio = await make_atelier(Painter(), dear)
    shown = await mark(studio, await opened(studio), 1)
    form = await studio.press(studio.ada, shown, "Change…")
    assert offered(form) == {"Engine": [BRUSH, "dear/brush"]}
    await send(studio.ada, form, What_should_be_there="a hat", Engine=["dear/brush"])
    await studio.finish()
    assert [request.operation for request in dear.requests] == [Operation.INPAINT]


async def test_only_what_an_engine_can_do_is_offered(make_atelier: MakeStudio) -> None:
    studio = await make_atelier(Painter(edits={Operation.ERASE}))
    shown = await mark(studio, await opened(studio, "Erase a part"), 1)
    assert shown.labels == ["Clear", "Invert", "Finer", "Erase · 2", "Back"]
    await studio.admin.slash(studio.channel, "server set", engines=XL)
    for label in ("Clear", "Erase"):
        refused = told(await studio.press(studio.ada, shown, label))
        assert shows(refused.text, NOT_OFFERED), label


async def test_edits_of_a_private_result_are_private_and_only_its_author_sees_the_grid(atelier: Studio) -> None:
    shown = await mark(atelier, await opened(atelier, private=True), 1)
    assert (await started(atelier, shown, "Erase")).private
    for action in PART_ACTIONS:
        number = {"mark": 0, "erase": 2000, "change": 2000}.get(action)
        custom_id = marking(ImageReference(1, 1), 1).custom_id(action, number)
        assert shows((await forge_id(atelier, atelier.ben, custom_id)).text, PRIVATE_JOB), action


async def test_a_spoiler_is_shown_once_cells_are_marked(atelier: Studio) -> None:
    shown = await opened(atelier, spoiler=True)
    assert shown.images[0]["spoiler"]
    assert not (await mark(atelier, shown, 1)).images[0]["spoiler"]


async def test_a_picture_that_a_person_attached(atelier: Studio, painter: Painter) -> None:
    picture = await attached(atelier, atelier.ada, SQUARE)
    shown = await forge_id(atelier, atelier.ada, marking(picture, 2).custom_id("finer"))
    assert shown.private
    assert marked(shown) == [3, 4, 11, 12]
    erased = await started(atelier, shown, "Erase")
    assert len(erased.images) == 1
    assert painter.requests[-1].source == picture.source_id
    assert (await atelier.job(1)).parent_id is None


async def test_a_higher_price_than_the_button_named_must_be_confirmed(atelier: Studio) -> None:
    await opened(atelier)
    question = await forge_id(atelier, atelier.ada, marking(ImageReference(1, 1), 1).custom_id("erase", 1999))
    assert any(label.startswith(CONFIRM) for label in question.labels)


async def test_a_server_can_forbid_it(atelier: Studio) -> None:
    shown = await mark(atelier, await opened(atelier), 1)
    await atelier.admin.slash(atelier.channel, "server set", pictures="nobodys")
    for label in ("Clear", "Change…", "Erase"):
        refused = told(await atelier.press(atelier.ada, shown, label))
        assert shows(refused.text, NO_PICTURES), label


# --- what is refused ------------------------------------------------------------------------------------------------


async def test_an_image_that_is_gone_is_refused(atelier: Studio) -> None:
    shown = await opened(atelier)
    file = (await atelier.runtime.jobs.view(1)).images[0].file
    assert file is not None
    await atelier.runtime.files.remove(file)
    marked_still = await mark(atelier, shown, 1)
    assert marked(marked_still) == [1], "the picture is still in memory"
    assert shows(told(await atelier.press(atelier.ada, marked_still, "Erase")).text, IMAGE_GONE)
    await atelier.restart()
    assert shows(told(await atelier.press(atelier.ada, marked_still, "Clear")).text, IMAGE_GONE)


async def test_forged_presses_are_refused(atelier: Studio) -> None:
    await opened(atelier)
    picture = await attached(atelier, atelier.ada, SQUARE)
    for action in PART_ACTIONS:
        number = {"mark": 0, "erase": 2000, "change": 2000}.get(action)
        theirs = await forge_id(atelier, atelier.ben, marking(picture, 1).custom_id(action, number))
        assert shows(theirs.text, NO_SUCH_PICTURE), action
        none = await forge_id(atelier, atelier.ben, marking(ImageReference(999, 1), 1).custom_id(action, number))
        assert shows(none.text, GONE), action
    image = marking(ImageReference(1, 1))
    for action in ("erase", "change"):
        assert shows((await forge_id(atelier, atelier.ada, image.custom_id(action, 2000))).text, AREA_NEEDED), action
    for custom_id in (
        image.custom_id("paint"),
        image.custom_id("mark"),
        image.custom_id("mark", 1),
        "part:clear:erase:1-1:5:1",
        "part:clear:erase:1-1:4:10000",
    ):
        assert shows((await forge_id(atelier, atelier.ada, custom_id)).text, OLD_BUTTON), custom_id

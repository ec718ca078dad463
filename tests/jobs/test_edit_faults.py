"""Every provider fault in the table for every operation that starts from a picture, with the real adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.domain.pictures import SourceKind
from bot.jobs.provider_text import TEXTS
from bot.providers.errors import Reason
from bot.providers.operations import Operation
from fakes.services import StandIn
from tests.jobs.conftest import ADA, Workshop
from tests.jobs.fault_scene import FaultScene, OpenWorkshop
from tests.jobs.fault_table import ROWS, Case, Row
from tests.providers.workbench import BASIC


@dataclass(frozen=True)
class Edit:
    """An operation of an engine: its route at the stand-in, its price in millicredits, and the options it needs."""

    operation: Operation
    engine: str
    route: str
    price: int
    options: tuple[tuple[str, Any], ...] = ()


EDITS = (
    Edit(Operation.IMAGE_TO_IMAGE, BASIC, "aithriving.basic.image_to_image", 900),
    Edit(Operation.IMAGE_TO_IMAGE, "aithriving/sd3-large", "aithriving.sdv3.image_to_image", 8000),
    Edit(Operation.INPAINT, "aithriving/edit", "aithriving.inpaint", 6000, (("area", "4x4:1,2"),)),
    Edit(Operation.ERASE, "aithriving/edit", "aithriving.erase", 6000, (("area", "4x4:1,2"),)),
    Edit(Operation.OUTPAINT, "aithriving/edit", "aithriving.outpaint", 8000, (("extend", "wider"),)),
    Edit(Operation.SEARCH_AND_REPLACE, "aithriving/edit", "aithriving.search_and_replace", 8000, (("search", "car"),)),
    Edit(Operation.SKETCH, "aithriving/control", "aithriving.sketch", 6000),
    Edit(Operation.STRUCTURE, "aithriving/control", "aithriving.structure", 6000),
)


def differs(row: Row, edit: Edit) -> bool:
    """Whether a fault has another outcome: SD3 has a second path, and a file that is too large is sent smaller."""
    return row.name == "413" or (row.name.startswith("404") and "sd3" in edit.engine)


CASES = [
    pytest.param(row, edit, row.direct, id=f"{row.name} - {edit.engine.partition('/')[2]} {edit.operation.value}")
    for row in ROWS
    for edit in EDITS
    if row.direct is not None and not differs(row, edit)
]


async def options_of(workshop: Workshop, edit: Edit) -> dict[str, Any]:
    """The options of a command for this operation, with a stored picture."""

    async def download(path: Path) -> None:
        await asyncio.to_thread(Image.effect_noise((1024, 1024), 20).save, path, "PNG")

    await workshop.files.prepare()
    source = await workshop.sources.receive(ADA.user_id, download, kind=SourceKind.ATTACHED)
    return {"operation": edit.operation, "source": source, **dict(edit.options)}


@pytest.mark.parametrize(("row", "edit", "case"), CASES)
@pytest.mark.slow
async def test_the_table_holds_for_each_operation(
    row: Row,
    edit: Edit,
    case: Case,
    stand_in: StandIn,
    open_workshop: OpenWorkshop,
    pass_time: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    scene = FaultScene(stand_in, open_workshop, pass_time, monkeypatch, caplog, tmp_path)
    routes = {"paid": edit.route, "*": "*"}
    options = partial(options_of, edit=edit)
    await scene.plays(row, case, edit.engine, routes=routes, price=edit.price, options=options)
    # What was prepared for the upload is gone again.
    assert not list(await asyncio.to_thread(lambda: [*tmp_path.rglob("*.part")]))


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.operation.value)
@pytest.mark.slow
async def test_a_form_that_is_too_large_is_sent_once_more_and_smaller(
    edit: Edit,
    stand_in: StandIn,
    open_workshop: OpenWorkshop,
    pass_time: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    row = next(row for row in ROWS if row.name == "413")
    assert row.direct is not None
    case = replace(row.direct, calls=2, times=None, says=TEXTS[Reason.UPLOAD_TOO_LARGE])
    scene = FaultScene(stand_in, open_workshop, pass_time, monkeypatch, caplog, tmp_path)
    routes = {"paid": edit.route, "*": "*"}
    options = partial(options_of, edit=edit)
    await scene.plays(row, case, edit.engine, routes=routes, price=edit.price, options=options)

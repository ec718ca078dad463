"""A service's text is shown but cannot affect the card or the log, and secrets do not leak."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from bot.providers.ai_client_entries import Opened, Ticket
from bot.providers.aithriving_answers import Reply
from fakes.services import Fate, Fault, StandIn
from fakes.services.answer_edits import response_error_is
from fakes.services.faults import Act, Rewrite, Status
from storage.records import SubmissionStatus
from tests.jobs.fault_scene import PROMPT, ROUTES, TOKEN, OpenWorkshop, ask, card_of, provider_at
from tests.providers.workbench import CORE, SECRET, XL

NASTY = {
    "markdown": "MOON **bold** __under__ ~~struck~~ ||hidden|| `code` ```block``` # heading > quote - item",
    "mentions": "MOON @everyone @here <@1> <@&2> <#3> </imagine:4> <t:0:R> <:smile:5> <id:guide>",
    "links": "MOON [click](https://evil.example) https://evil.example <https://evil.example> discord.gg//evil",
    "long": "MOON " + "word " * 2_000,
    "endless word": "MOON" + "a" * 10_000,
    "controls": "MOON\x00\x07\x1b[31mred\x1b[0m\r\n2026-01-01 ERROR forged\u2028line \u202egnitset\u202c \u200b",
    "tags": "MOON <script>alert(1)</script><b>bold</b><!-- comment -->",
    "key": f"MOON the key {SECRET} is fine",
    "prompt": f"MOON cannot draw {PROMPT}",
    "zalgo": "MOON e" + "\u0301" * 500,
    "escapes": r"MOON \*not bold\* \\@everyone \[x](y)",
    "template": "MOON {minutes} %s {0} ${HOME}",
}
WAYS: dict[str, Callable[[str], Act | Fate]] = {
    "status": lambda words: Status(422, {"message": words, "code": -1}),
    "request's error": lambda words: Fate(error=words),
    "response's error": lambda words: Rewrite(response_error_is(words)),
}


def texts(card: str) -> list[str]:
    """Every text on a card, as it is sent."""

    def inside(part: Any) -> list[str]:
        if isinstance(part, list):
            return [found for one in part for found in inside(one)]
        if isinstance(part, dict):
            return ([part["content"]] if "content" in part else []) + inside(part.get("components", []))
        return []

    return inside(json.loads(card))


def said(card: str) -> str:
    """The line that quotes the service."""
    lines = [line for content in texts(card) for line in content.split("\n") if "MOON" in line]
    assert len(lines) == 1, "the text broke out of its line, or is missing"
    return lines[0]


def harmless(line: str) -> None:
    bare = re.sub(r"\\.", "", line)
    assert not set(bare) & set("\\`*_~|<>[]@&"), bare
    assert "//" not in bare
    assert not [sign for sign in line if not sign.isprintable()]
    assert len(line) <= 400
    assert SECRET not in line


@pytest.mark.slow
@pytest.mark.parametrize("words", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize(("engine", "way"), [*((XL, way) for way in WAYS), (CORE, "status")])
async def test_a_services_text_is_shown_and_harmless(
    words: str, engine: str, way: str, stand_in: StandIn, open_workshop: OpenWorkshop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    route = ROUTES[engine]["poll" if way == "response's error" else "paid"]
    stand_in.misbehave(Fault(route, WAYS[way](words), times=None))
    workshop = await open_workshop(provider_at(stand_in.url, engine))
    job_id = await ask(workshop, engine)
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.FAILED
    harmless(said(card_of(await workshop.view(job_id))))
    # A service may repeat the request, so the log contains neither its text nor ours.
    for secret in ("MOON", "kraken", SECRET, TOKEN):
        assert secret not in caplog.text
    assert "\n" not in "".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("model", [Opened, Ticket, Reply])
def test_an_error_about_an_invalid_answer_does_not_quote_it(model: Any) -> None:
    answer = SECRET if model is Reply else {"guid": {"a": SECRET}, "thread": {"a": SECRET}}
    with pytest.raises(ValidationError) as error:
        model.model_validate(answer)
    assert SECRET not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET interaction_token = :token, no_such_column = 1",
        "UPDATE jobs SET interaction_token = :token, message_id = :token",
        "UPDATE jobs SET interaction_token = :token, channel_id = NULL",
    ],
)
async def test_the_error_of_a_failed_statement_does_not_show_its_values(
    statement: str, stand_in: StandIn, open_workshop: OpenWorkshop
) -> None:
    workshop = await open_workshop(provider_at(stand_in.url, XL))
    await ask(workshop, XL)
    with pytest.raises(Exception) as error:
        async with workshop.database.write() as tx:
            await tx.execute(text(statement), {"token": TOKEN})
    assert not isinstance(error.value, AssertionError)
    told = "".join(traceback.format_exception(error.value)) + repr(error.value)
    assert TOKEN not in told


async def test_an_internal_error_shows_neither_key_nor_token_nor_prompt(
    stand_in: StandIn, open_workshop: OpenWorkshop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    workshop = await open_workshop(provider_at(stand_in.url, XL))

    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(workshop.jobs.steps, "accepted", broken)
    job_id = await ask(workshop, XL)
    await workshop.finish()
    assert (await workshop.submission(job_id)).status is SubmissionStatus.UNKNOWN
    lines = [record for record in caplog.records if record.exc_info or "crashed" in str(record.msg)]
    assert lines
    formatter = logging.Formatter()
    for record in caplog.records:
        line = formatter.format(record)
        for secret in (SECRET, TOKEN, "kraken"):
            assert secret not in line


async def test_reprs_do_not_show_secrets(stand_in: StandIn, open_workshop: OpenWorkshop) -> None:
    workshop = await open_workshop(provider_at(stand_in.url, XL))
    job_id = await ask(workshop, XL)
    for provider in workshop.providers.values():
        assert SECRET not in repr(provider)
        assert SECRET not in repr(vars(provider))
    job = await workshop.jobs.job(job_id)
    assert job.interaction_token == TOKEN
    assert TOKEN not in repr(job)

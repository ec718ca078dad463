"""The checklist of the test image of /setup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.servers.access import Access
from bot.text import Message, message, t
from bot.ui.cards.access import CHANNEL_FINE, I_MAY, I_MAY_NOT, NO, YES, quoted
from bot.ui.cards.layout import Card, Words, heading, quiet, text, within
from bot.ui.cards.wording import safe

WAITING, CAREFUL, SKIPPED = "⏳", "⚠️", "▫️"

CHANNEL = message("setup_check.channel", "Channel: not allowed")
ENGINE_WORKS = message("setup_check.engine_works", "Engine: {engine} is making the image")
ENGINE_DONE = message("setup_check.engine_done", "Engine: {engine} made the image")
ENGINE_FAILED = message("setup_check.engine_failed", "Engine: {engine} made no image")
ENGINE_REFUSED = message("setup_check.engine_refused", "Engine: {engine} can't be used")
NOT_CONFIRMED = message("setup_check.not_confirmed", "Engine: confirm the price to start")
NOT_TRIED = message("setup_check.engine_not_tried", "Engine: not tried yet")
NOT_DELIVERED_YET = message("setup_check.delivery_not_tried", "Delivery: not tried yet")
DELIVERY_WAITS = message("setup_check.delivery_waits", "Delivery: waits for the image")
DELIVERED = message("setup_check.delivered", "Delivery: in this channel")
DELIVERED_PRIVATELY = message("setup_check.delivered_privately", "Delivery: only you see it")
NOT_DELIVERED = message("setup_check.not_delivered", "Delivery: the image isn't where it should be")
LIMITED = message("setup_check.limited", "Limits: set, and this image fits")
NOT_LIMITED = message("setup_check.not_limited", "Limits: none. Set one with /setup")
OVER_LIMIT = message("setup_check.over_limit", "Limits: this image would go beyond a limit")
ALL_FINE = message("setup_check.all_fine", "Everything works. Members can make images with /imagine.")
MAKE_ELSEWHERE = message("setup_check.make_elsewhere", "Run /setup where images can be made, and test it there.")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the checklist, with what to do about it."""

    mark: str
    words: Words
    todo: Sequence[Words] = field(default=())


def engine_step(mark: str, words: Message, engine: str, todo: Sequence[Words] = ()) -> Step:
    """A step about the engine with this name."""
    return Step(mark, words(engine=safe(engine, 80)), todo)


def steps_before(access: Access, lacks: Sequence[Message], *, limited: bool) -> tuple[Step, Step, Step]:
    """The steps that are known before the image: the channel, the bot's permissions, and the limits.

    ``lacks`` are missing permissions; ``limited`` says whether spending is limited.
    """
    channel = Step(YES, CHANNEL_FINE)
    if access.place:
        channel = Step(NO, CHANNEL, (*access.place, MAKE_ELSEWHERE))
    permissions = Step(NO, I_MAY_NOT(permissions=list(lacks))) if lacks else Step(YES, I_MAY)
    beyond = (*access.limits, *access.operators)
    limits = Step(YES, LIMITED) if limited else Step(CAREFUL, NOT_LIMITED)
    if beyond:
        limits = Step(NO, OVER_LIMIT, beyond)
    return channel, permissions, limits


def checklist(steps: Sequence[Step]) -> Card:
    """The steps of the test, in their order."""
    lines: list[str] = []
    for step in steps:
        lines.append(str(t("{mark} {words}", mark=step.mark, words=step.words)))
        lines += quoted(step.todo)
    if all(step.mark in {YES, CAREFUL} for step in steps):
        lines.append(quiet(ALL_FINE))
    return Card(text(heading(t("Test image"))), text(*within(lines, 3600)))

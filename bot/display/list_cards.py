"""The card of what a server has spent."""

from __future__ import annotations

from bot.actions import UsageView
from bot.credits import amount_text, credits_text
from bot.display.cards import TEXT_AT_MOST, Card, rule, text, within
from bot.display.wording import counted, moment, safe
from storage.ledger import Totals

_ROOM = TEXT_AT_MOST - 300


# --- usage --------------------------------------------------------------------------------------------------------


def usage_card(view: UsageView, *, place: str) -> Card:
    """What everybody in a server has spent, most first."""
    people = [
        f"<@{user.user_id}>: {credits_text(user.spent)}"
        + (f" ({amount_text(user.spent_estimated)} estimated)" if user.spent_estimated else "")
        + (f", {amount_text(user.in_flight)} in flight" if user.in_flight else "")
        + f", {counted(user.jobs, 'job')}"
        + (f", {user.failed} failed" if user.failed else "")
        for user in view.users
    ]
    since = f"Since {moment(view.since, 'D')}" if view.since else "Since the beginning"
    summary = [f"{since}: {_spent(view.totals)}"]
    if view.totals.in_flight:
        summary.append(f"In flight: {credits_text(view.totals.in_flight)}")
    if view.monthly_limit is not None:
        summary.append(f"Limit of this server: {credits_text(view.monthly_limit)} a month")
    return Card(
        text(f"**What {safe(place, 100)} has spent**", *summary),
        rule(),
        text(*within(people or ["Nobody has made an image in this time."], _ROOM - 400)),
    )


def _spent(totals: Totals) -> str:
    estimated = f", {amount_text(totals.spent_estimated)} of them estimated" if totals.spent_estimated else ""
    return f"{credits_text(totals.spent)} spent{estimated}"

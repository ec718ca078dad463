"""The card of the refusal of one more job: the running ones, each with a link and, while it is unsent, Cancel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from discord import ui

from bot.jobs.running_jobs import TooManyJobs
from bot.jobs.view import JobView
from bot.text import t
from bot.ui.cards.buttons import CANCEL
from bot.ui.cards.delivery_text import jump_url
from bot.ui.cards.job import NOT_CHARGED, SUBMISSION_STATUS
from bot.ui.cards.job_text import prompt_text
from bot.ui.cards.layout import WARM, Card, Words, escaped, facts, quiet, text, within
from bot.ui.cards.wording import moment
from storage.records import ENDED

_PROMPT = 80
_PROBLEMS_AT_MOST = 1500


def too_many_jobs_card(error: TooManyJobs) -> Card:
    """The problems, and the running jobs."""
    problems = within((escaped(problem, _PROBLEMS_AT_MOST) for problem in error.problems), _PROBLEMS_AT_MOST)
    parts: list[ui.Item[Any]] = [text(*problems, quiet(NOT_CHARGED))]
    for view in error.running:
        words = text(_prompt(view), quiet(facts(*_stages(view), moment(view.job.created_at))))
        parts.append(ui.Section(words, accessory=CANCEL.on(view.job.id)) if view.can_cancel else words)
    return Card(*parts, accent=WARM)


def _prompt(view: JobView) -> str:
    """The prompt, as a link to the card if it can be linked."""
    url = jump_url(view.job)
    return prompt_text(view, _PROMPT) if url is None else f"[{prompt_text(view, _PROMPT)}]({url})"


def _stages(view: JobView) -> Iterator[Words]:
    """The status of each unfinished request, with its number if there are several."""
    numbers = Counter(each.record.status for each in view.submissions if each.record.status not in ENDED)
    for status, number in numbers.items():
        stage = SUBMISSION_STATUS[status]
        yield stage if number == 1 else t("{status}: {number}", status=stage, number=number)

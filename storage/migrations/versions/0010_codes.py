"""Stores why submissions failed and moved as codes with values, because sentences cannot be translated or parsed."""

from __future__ import annotations

import json
import re
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

WHY = {
    "asked for": "asked",
    "sent to the provider": "sent",
    "accepted": "accepted",
    "found at the provider": "found",
    "finished": "finished",
    "the provider is busy": "busy",
    "the provider could not be reached": "unreachable",
    "the provider did not find it": "not_found",
    "it did not arrive": "not_arrived",
    "refused by the provider": "refused",
    "queued for too long": "queued_too_long",
    "sent, and could not be sent once more": "not_sent_again",
    "sent, and no answer came": "no_answer",
    "sent, and could not be looked for": "not_looked_for",
    "sent twice, and not seen at the provider": "lost_twice",
    "failed at the provider": "failed",
    "the provider no longer knows it": "gone",
    "rendering for too long": "timed_out",
    "charged for, and nothing was made": "nothing_made",
    "no image could be fetched": "no_images",
    "an error of our own": "crashed",
    "cancelled": "cancelled",
    "its provider is no longer set up": "provider_removed",
    "put back from a copy": "restored",
    "taken up again by the operator": "reopened",
}
"""Maps each stored reason of an older version to its code. All others become "other"."""

# A name only, not a service's message and not a whole sentence.
_LABEL = r"(?P<label>[^.:!?]{1,60}?)"
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("submission.unknown", r"No usable answer came from the image service, so it is not known whether .*"),
    ("submission.not_offered", r"This engine is no longer offered here\."),
    ("submission.queued_too_long", r"The image service was busy or away for an hour, so nothing was sent\."),
    ("submission.cancelled", r"Cancelled\."),
    ("submission.cancelled_sent", r"Cancelled after it had been sent\. .*"),
    ("submission.crashed", r"Something went wrong on our side\. .* job (?P<job>\d+) .*"),
    ("submission.restored", r"The bot's records had to be put back from a copy .*"),
    (
        "submission.timed_out",
        r"The image service was not finished after (?P<minutes>\d+) minutes, so we stopped waiting\.",
    ),
    ("provider.no_answer", _LABEL + r" got the request, but no answer came\."),
    ("provider.unreadable_answer", _LABEL + r" got the request, but its answer cannot be read\."),
    ("provider.unreachable", _LABEL + r" could not be reached\."),
    ("provider.busy", _LABEL + r" is busy\."),
    ("provider.broken", _LABEL + r" has a fault of its own at the moment\."),
    ("provider.broken.saying", _LABEL + r" has a fault of its own at the moment: (?P<said>.+)"),
    ("provider.refused", _LABEL + r" refused this and gave no reason\."),
    ("provider.refused.saying", _LABEL + r" refused this: (?P<said>.+)"),
    ("provider.moderated.saying", _LABEL + r" does not make this picture: (?P<said>.+)"),
    ("provider.wrong_key", _LABEL + r" does not accept the bot's key\. .*"),
    ("provider.no_credits", r"The bot's account at " + _LABEL + r" is out of credits\. .*"),
    ("provider.not_found", _LABEL + r" no longer offers this engine, or its address is set wrongly\. .*"),
    ("provider.redirected", _LABEL + r" sends us to another address: .*"),
    ("provider.nothing_made", _LABEL + r" ended this without a picture and gave no reason\."),
    ("provider.odd_answer", _LABEL + r" answers with something else than what it made\."),
    ("provider.image_missing", _LABEL + r" sent no picture\."),
    ("provider.image_without_address", _LABEL + r" gave no address for this image( that can be used)?\."),
    ("provider.image_not_ready", _LABEL + r" has not got the image ready\."),
    ("provider.image_gone", _LABEL + r" no longer has this image\."),
    ("provider.image_unreachable", r"The image could not be fetched from " + _LABEL + r"\."),
    ("provider.image_redirects", _LABEL + r" sends us in circles for this image\."),
    ("provider.image_host_not_allowed", _LABEL + r" keeps this image on a host that is not allowed\. .*"),
    ("provider.image_too_large", _LABEL + r" sent an image of more than (?P<mib>\d+) MiB\.( .*)?"),
    ("provider.image_incomplete", _LABEL + r" has not sent the whole image\."),
    (
        "provider.image_too_many_pixels",
        _LABEL + r" sent an image that claims to be (?P<width>\d+) × (?P<height>\d+) pixels large\.",
    ),
    ("provider.image_is_page", _LABEL + r" sent a page of text in place of an image\."),
    ("provider.image_is_svg", _LABEL + r" sent an SVG file, which .*"),
    ("provider.image_of_other_type", _LABEL + r" sent a file that is neither PNG, JPEG nor WebP\."),
    (
        "provider.image_cut_short",
        _LABEL + r" sent (an image|a PNG|a JPEG|a WebP) that ends (too early|in its header)\.",
    ),
    ("provider.image_broken", _LABEL + r" sent a (PNG|JPEG|WebP) (with|without|of) .*"),
)
_CODES = tuple((code, re.compile(pattern, re.DOTALL)) for code, pattern in _PATTERNS)
_NUMBERS = frozenset({"job", "minutes", "mib", "width", "height", "count", "asked"})
_ALWAYS = {"provider.image_host_not_allowed": {"setting": "IMAGE_HOSTS"}}
# Sentences that may be followed by another one.
_NOT_TOLD = re.compile(r"Your pictures are not here after (?P<minutes>\d+) minutes, so we stopped asking for them\. ?")
_MISSING = re.compile(r"(?P<count>\d+) of (?P<asked>\d+) pictures did not come[:.] ?")


def upgrade() -> None:
    """Rename the column, and turn each sentence into a code with values. Unknown sentences are kept."""
    op.execute("ALTER TABLE submissions RENAME COLUMN error TO problems")
    connection = op.get_bind()
    submissions = sa.table("submissions", sa.column("id", sa.Integer), sa.column("problems", sa.Text))
    sentences = connection.execute(
        sa.select(submissions.c.id, submissions.c.problems).where(submissions.c.problems.is_not(None))
    ).all()
    for submission_id, sentence in sentences:
        stored = json.dumps(problems_of(sentence), ensure_ascii=False, separators=(",", ":"))
        update = sa.update(submissions).where(submissions.c.id == submission_id)
        connection.execute(update.values(problems=stored))
    events = sa.table("events", sa.column("why", sa.Text))
    ledger = sa.table("ledger", sa.column("kind", sa.Text), sa.column("note", sa.Text))
    connection.execute(sa.update(events).values(why=sa.case(WHY, value=events.c.why, else_="other")))
    releases = sa.update(ledger).where(ledger.c.kind == "release", ledger.c.note.is_not(None))
    connection.execute(releases.values(note=sa.case(WHY, value=ledger.c.note, else_="other")))


def problems_of(sentence: str) -> list[dict[str, Any]]:
    """Convert the sentences of an older version to stored texts."""
    if not sentence.strip():
        return []
    for code, pattern in (("submission.not_heard", _NOT_TOLD), ("submission.missing_images", _MISSING)):
        if (found := pattern.match(sentence)) is not None:
            return [_text(code, found), *problems_of(sentence[found.end() :])]
    for code, pattern in _CODES:
        if (found := pattern.fullmatch(sentence)) is not None:
            return [_text(code, found)]
    return [{"code": "text.verbatim", "values": {"words": sentence}}]


def _text(code: str, found: re.Match[str]) -> dict[str, Any]:
    values = {
        name: int(value) if name in _NUMBERS else value
        for name, value in found.groupdict().items()
        if value is not None
    }
    return {"code": code, "values": values | _ALWAYS.get(code, {})}

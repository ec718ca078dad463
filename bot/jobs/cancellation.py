"""What became of a job that was to be cancelled, and the text that says so."""

from __future__ import annotations

from dataclasses import dataclass

from bot.text import Text, message
from storage.records import Job

CANCELLED = message("jobs.cancel.done", "Cancelled. Nothing was charged.")
PARTLY_CANCELLED = message(
    "jobs.cancel.partly",
    "Cancelled {dropped} of {all}, free of charge. The rest was already sent: you'll see it, and it's charged.",
)
ALREADY_SENT = message(
    "jobs.cancel.already_sent", "Too late to cancel: it's already being made. You'll see the result, and it's charged."
)
STOPPING = message(
    "jobs.cancel.stopping",
    "It's already being made. I've asked the image service to stop; the card shows whether it did.",
)
PARTLY_STOPPING = message(
    "jobs.cancel.partly_stopping",
    "Part of it can't be stopped any more: you'll see that part, and it's charged. I've asked the other image service "
    "to stop; the card shows whether it did.",
)
ALREADY_ENDED = message("jobs.cancel.already_ended", "Too late to cancel: this job has already ended.")


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The result of a cancellation: the number of requests that it ended, and of those that continue after being sent.

    ``job`` is the job before the cancellation. A proposal has no requests yet and counts as one. ``stopping`` is the
    number of those that continue whose services were asked to stop.
    """

    job: Job
    dropped: int
    going_on: int
    stopping: int = 0

    @property
    def text(self) -> Text:
        if self.stopping and self.stopping >= self.going_on:
            return STOPPING()
        if self.stopping:
            return PARTLY_STOPPING()
        if not self.dropped:
            return ALREADY_SENT() if self.going_on else ALREADY_ENDED()
        if not self.going_on:
            return CANCELLED()
        return PARTLY_CANCELLED(dropped=self.dropped, all=self.dropped + self.going_on)

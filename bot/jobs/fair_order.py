"""Whose submission is next: users take turns, however many submissions each of them has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from storage.records import Submission


class Turns:
    """Remembers who of those that wait was served when."""

    def __init__(self) -> None:
        # As the number of the start.
        self._served: dict[int, int] = {}
        self._starts = 0

    def started(self, user_id: int) -> None:
        """A submission of this user has just been started."""
        self._starts += 1
        self._served[user_id] = self._starts

    def ordered(self, due: Sequence[Submission], running: Iterable[int]) -> list[Submission]:
        """Everybody's first one, then everybody's second one; whoever was served longest ago comes first.

        ``running`` names the user of each submission that is on its way: it counts as one that they have had already.
        """
        users = {submission.user_id for submission in due}
        self._served = {user: place for user, place in self._served.items() if user in users}
        turns = Counter(running)
        ordered = []
        for submission in due:
            user = submission.user_id
            ordered.append((turns[user], self._served.get(user, 0), submission.created_at, submission.id, submission))
            turns[user] += 1
        return [submission for *_, submission in sorted(ordered, key=lambda entry: entry[:4])]

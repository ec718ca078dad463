"""Keeps what a process knows about its latest submissions, because a provider cannot remember all of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 1_000


class Latest(Generic[T]):
    """The data about the latest submissions, by id. ``new`` makes the data of one that is not known."""

    def __init__(self, new: Callable[[], T], most: int = MOST) -> None:
        self._new = new
        self._most = most
        self._known: OrderedDict[str, T] = OrderedDict()

    def of(self, id_: str) -> T:
        """Return the data about this submission, which becomes the latest one. The oldest may be dropped."""
        if id_ not in self._known:
            self._known[id_] = self._new()
        self._known.move_to_end(id_)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return self._known[id_]

    def forget(self, id_: str) -> None:
        self._known.pop(id_, None)

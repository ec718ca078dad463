"""The events of a response that is streamed while an image is being made: unfinished images, and the finished one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_PARTIAL, _COMPLETED, _ERROR, _FAILED = ".partial_image", ".completed", "error", ".failed"
_LINE_END = re.compile(rb"\r\n|\n|\r")
# The type is near the beginning or the end of an event, before or after the image.
_NEAR = 2_000
_TYPE = re.compile(rb'"type"\s*:\s*"([a-z_.]{1,60})"')


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its name, or "" if it has none, and its data."""

    name: str
    data: bytes = field(repr=False)

    @property
    def kind(self) -> str:
        """Its name, or the type in its data."""
        if self.name and self.name != "message":
            return self.name
        found = _TYPE.search(self.data[:_NEAR]) or _TYPE.search(self.data[-_NEAR:])
        return "" if found is None else found[1].decode("ascii")


class EventReader:
    """Splits the pieces of a stream into events, as the HTML standard describes it."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._name = ""
        self._data: list[bytes] = []
        self._after_return = False

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the events that this piece completes. What is unfinished is kept for the next piece."""
        if self._after_return and piece.startswith(b"\n"):
            piece = piece[1:]
            self._after_return = False
        self._after_return = piece.endswith(b"\r") if piece else self._after_return
        *lines, rest = _LINE_END.split(piece)
        for line in lines:
            whole = bytes(self._line) + line
            self._line.clear()
            event = self._take(whole)
            if event is not None:
                yield event
        self._line += rest

    def end(self) -> Iterator[Event]:
        """Yield the event that the stream ends in, if it is whole: the line after it may be missing.

        Its data are JSON, so they end with a bracket.
        """
        data = b"\n".join(self._data) if not self._line else bytes(self._line)
        if data.rstrip().endswith(b"}"):
            yield from self.feed(b"\n\n")

    def _take(self, line: bytes) -> Event | None:
        """Take one line. Returns the event that an empty line ends."""
        if not line:
            event = Event(self._name, b"\n".join(self._data)) if self._data else None
            self._name, self._data = "", []
            return event
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._name = value[:100].decode("utf-8", "replace")
        elif name == b"data":
            self._data.append(value)
        return None


class Stream:
    """What has arrived of one response: the last unfinished image, and the finished one or an error, which ends it.

    The data of events are JSON, which is not decoded here.
    """

    def __init__(self) -> None:
        self.partial: bytes | None = None
        self.finished: bytes | None = None
        self.error: bytes | None = None
        self._reader = EventReader()

    def take(self, piece: bytes) -> bool:
        """Take the next piece. Returns whether the end has arrived, so that the rest need not be read."""
        return self._heard(self._reader.feed(piece))

    def end(self) -> None:
        """Take the end of the response."""
        if self.finished is None and self.error is None:
            self._heard(self._reader.end())

    def _heard(self, events: Iterator[Event]) -> bool:
        for event in events:
            kind = event.kind
            if kind.endswith(_PARTIAL):
                self.partial = event.data
            elif kind.endswith(_COMPLETED):
                self.finished = event.data
                return True
            elif kind == _ERROR or kind.endswith(_FAILED):
                self.error = event.data
                return True
        return False

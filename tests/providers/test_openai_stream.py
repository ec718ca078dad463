"""Server-sent events, however the stream is cut into pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.providers.openai_stream import Event, EventReader, Stream

STREAM = (
    b': hi\r\nevent: a.partial_image\ndata: {"x":\rdata: 1}\n\n'
    b"data:two\r\n\r\n\nid: 7\nevent: empty\n\ndata: \n\ndata: cut short"
)
EVENTS = [Event("a.partial_image", b'{"x":\n1}'), Event("", b"two"), Event("", b"")]


def read(pieces: list[bytes]) -> list[Event]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
@example(list(range(len(STREAM))))
def test_pieces_of_any_length_give_the_same_events(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert read([STREAM[start:end] for start, end in pairwise(edges)]) == EVENTS


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes(pieces: list[bytes]) -> None:
    stream = Stream()
    ended = [stream.take(piece) for piece in pieces]
    assert any(ended) == (stream.finished is not None or stream.error is not None)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (Event("image_edit.completed", b"{}"), "image_edit.completed"),
        (Event("", b'{"type": "error"}'), "error"),
        (Event("message", b'{"b64_json": "' + b"A" * 9_000 + b'", "type":"x.completed"}'), "x.completed"),
        (Event("", b'{"type": 7}'), ""),
        (Event("", b""), ""),
    ],
)
def test_kinds_of_events(event: Event, kind: str) -> None:
    assert event.kind == kind


def test_no_more_is_read_than_the_finished_image() -> None:
    stream = Stream()
    assert not stream.take(b"event: x.partial_image\ndata: 0\n\nevent: x.partial_image\ndata: 1\n\n")
    assert stream.take(b"event: x.completed\ndata: 2\n\nevent: x.completed\ndata: 3\n\n")
    assert (stream.partial, stream.finished, stream.error) == (b"1", b"2", None)


@pytest.mark.parametrize("name", ["error", "image_generation.failed"])
def test_an_error_ends_a_stream(name: str) -> None:
    stream = Stream()
    assert stream.take(f"event: {name}\ndata: {{}}\n\n".encode())
    assert stream.error == b"{}"

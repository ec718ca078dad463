"""ComfyUI's responses of any shape are read or refused, without another exception."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.providers.base import Json
from bot.providers.comfyui_answers import (
    Ended,
    NotHistory,
    Outcome,
    Queue,
    Refusal,
    choices,
    is_comfyui,
    read_history,
    stopped_outputs,
    uploaded_name,
    view_path,
)
from bot.providers.errors import Refused
from bot.providers.refusals import Judge
from tests.providers.test_any_answer import anything


def within(*keys: str) -> st.SearchStrategy[Any]:
    """Anything, inside objects with these keys, at any depth of them."""
    found = anything
    for key in reversed(keys):
        found = anything | st.fixed_dictionaries({key: found})
    return found


@given(st.fixed_dictionaries({"queue_running": anything, "queue_pending": st.lists(st.lists(anything))}) | anything)
@example({"queue_running": [], "queue_pending": [[float("nan"), "a"], [10**400, "b"], [True, "c"], ["x", "d"], []]})
def test_any_queue(value: Json) -> None:
    queue = Queue.read(value)
    if queue is not None:
        assert all(isinstance(one, str) for one in (*queue.running, *queue.pending))
        assert all((queue.place(one) or 1) >= 1 for one in queue.pending)


@given(within("me", "outputs", "output", "images") | within("me", "status", "messages"))
@example({"me": {"status": {"messages": [["execution_error", 7], 7, [], ["execution_success"]]}}})
def test_any_history(value: Json) -> None:
    try:
        ended = read_history(value, "me", "output")
    except NotHistory:
        return
    assert ended is None or all(path.startswith("/view?") for path in ended.images)


@given(within("error", "extra_info") | within("node_errors", "4", "errors"))
def test_any_refusal(value: Json) -> None:
    assert isinstance(stopped_outputs(value), frozenset)
    refusal = Refusal.read({"error": {"type": "x"}, **value} if isinstance(value, dict) else value)
    if refusal is not None:
        for checkpoint in (False, True):
            assert isinstance(refusal.error(Judge(), detail="", built_in=checkpoint), Refused)


@given(within("Node", "input", "required", "field") | anything)
@example({"filename": "x", "subfolder": "", "type": ["temp"]})
@example({"filename": "\ud800", "subfolder": ""})
def test_any_other_answer(value: Json) -> None:
    assert all(isinstance(one, str) for one in choices(value, "Node", "field") or ())
    assert isinstance(uploaded_name(value), str | None)
    assert isinstance(view_path(value), str | None)
    assert isinstance(is_comfyui(value), bool)


def test_the_order_of_the_queue_is_that_of_its_numbers() -> None:
    heap: Json = {"queue_running": [[1, "r"]], "queue_pending": [[-25, "front"], [24, "last"], [23, "next"]]}
    queue = Queue.read(heap)
    assert queue is not None
    assert [queue.place(name) for name in ("r", "front", "next", "last", "other")] == [None, 1, 2, 3, None]


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        (["execution_interrupted", {}], Outcome.INTERRUPTED),
        (["execution_error", {"exception_type": "torch.OutOfMemoryError", "node_type": "KSampler"}], Outcome.ERROR),
        (["execution_cached", {}], Outcome.ERROR),
    ],
)
def test_the_messages_tell_a_stopped_prompt_from_a_failed_one(last: Json, outcome: Outcome) -> None:
    status: Json = {"status_str": "error", "completed": False, "messages": [["execution_start", {}], last]}
    ended = read_history({"me": {"outputs": {}, "status": status}}, "me", "")
    assert isinstance(ended, Ended)
    assert ended.outcome is outcome


def test_only_the_output_node_counts() -> None:
    made = {node: {"images": [{"filename": f"{node}.png", "type": "temp"}]} for node in ("a", "b")}
    entry: Any = {"me": {"outputs": made, "status": {"status_str": "success"}}}
    assert read_history(entry, "me", "b") == Ended(Outcome.SUCCESS, ("/view?filename=b.png&subfolder=&type=temp",))

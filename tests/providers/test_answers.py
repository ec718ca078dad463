"""The readers of values in unexpected types, each with its table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.providers import answers
from bot.providers.answers import Answer, Unreadable, parse_json
from bot.providers.operations import Size

NOON = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("99999999999", 3600.0),
        ("1e400", None),
        ("Sun, 01 Jun 2025 12:00:30 GMT", 30.0),
        ("Sunday, 01-Jun-25 12:00:30 GMT", 30.0),
        ("Sun, 01 Jun 2025 12:00:30 -0000", 30.0),
        ("Sun, 01 Jun 2025 14:00:30 +0200", 30.0),
        ("Sun, 01 Jun 2025 11:00:00 GMT", 0.0),
        ("Mon, 01 Jun 2099 12:00:00 GMT", 3600.0),
        ("", None),
        ("soon", None),
        ("NaN", None),
        ("Infinity", None),
        ("Sun, 99 Jun 2025 12:00:30 GMT", None),
        (None, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert answers.retry_after(value, now=NOON) == seconds


@given(st.text())
def test_retry_after_of_any_text_is_a_sensible_wait_or_none(text: str) -> None:
    seconds = answers.retry_after(text, now=NOON)
    assert seconds is None or 0 <= seconds <= answers.LONGEST_WAIT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        ("7", 7),
        (" 7 ", 7),
        (7.0, 7),
        ("7.0", 7),
        ("-1", -1),
        (0, 0),
        ("1050625087", 1050625087),
        (7.5, None),
        (True, None),
        ("seven", None),
        ("", None),
        (None, None),
        ([7], None),
        (float("nan"), None),
        (float("inf"), None),
        ("1e999999999", None),
        pytest.param(10**5000, None, id="too long to write out"),
        (2**63, None),
    ],
)
def test_whole_numbers(value: object, expected: int | None) -> None:
    assert answers.whole(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (10, 10_000),
        ("10", 10_000),
        ("0.4", 400),
        (1.9, 1_900),
        (0.0005, 1),
        (0, 0),
        (-1, None),
        ("free", None),
        (None, None),
        (True, None),
        (1e12, None),
    ],
)
def test_credits(value: object, expected: int | None) -> None:
    assert answers.millicredits(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("False", False),
        (1, True),
        (0, False),
        ("1", True),
        ("0", False),
        (None, None),
        ("maybe", None),
        (2, None),
        ([], None),
    ],
)
def test_flags(value: object, expected: bool | None) -> None:
    assert answers.flag(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(40, 40), ("40", 40), ("40%", 40), ("40 %", 40), (39.9, 39), (-5, 0), (140, 100), ("half", None), (None, None)],
)
def test_percent(value: object, expected: int | None) -> None:
    assert answers.percent(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1024x768", Size(1024, 768)), ("1024 × 768", Size(1024, 768)), ("large", None), ("", None), (1024, None)],
)
def test_dimensions(value: object, expected: Size | None) -> None:
    assert answers.dimensions(value) == expected


@pytest.mark.parametrize("value", [None, "", " ", "None", "none", "null", "NULL", " None ", False, 0, [], {}])
def test_no_error(value: object) -> None:
    assert answers.fault(value) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("out of memory", "out of memory"),
        (["a", "b"], "a b"),
        ({"message": "bad prompt", "code": 7}, "bad prompt"),
        ({"prompts": ["too long"], "steps": ["too many"]}, "too long too many"),
        ({"code": 7}, "7"),
        (500, "500"),
        (True, "error without a text"),
        ([[]], "error without a text"),
        ("No", "No"),
    ],
)
def test_an_error(value: object, text: str) -> None:
    assert answers.fault(value) == text


@given(anything)
def test_an_error_of_any_shape_is_text_or_none(value: Any) -> None:
    found = answers.fault(value)
    assert found is None or found.strip()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"message": "Unauthenticated."}, "Unauthenticated."),
        ({"message": "The steps are wrong. (and 1 more error)", "errors": {"a": ["A."], "b": ["B."]}}, "A. B."),
        ({"error": "bad key"}, "bad key"),
        ({"error": {"message": "bad key", "type": "auth"}}, "bad key"),
        ({"error": True, "message": "bad key"}, "bad key"),
        ({"error": "None", "message": "bad key"}, "bad key"),
        ({"detail": [{"msg": "too small"}]}, "too small"),
        ({"code": -1, "message": ""}, ""),
        ({}, ""),
        ([], ""),
        (None, ""),
        ("just text", "just text"),
    ],
)
def test_reasons(value: Any, text: str) -> None:
    assert answers.reason(value) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two\n lines\t", "two lines"),
        ("<h1>502</h1><script>alert(1)</script> Bad <b>Gateway</b>", "502 Bad Gateway"),
        ("a\x00b\u202ec", "a b c"),
        ("half \ud83d a pair", "half a pair"),
        ("the key sk-1 is bad", "the key … is bad"),
        ("1 < 2 and 3 > 2", "1 2"),
    ],
)
def test_plain_text(text: str, expected: str) -> None:
    assert answers.plain(text, secrets=("sk-1",)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[Errno 2] No such file: 'C:\\Users\\Ada L\\webui\\x (1).safetensors'", "[Errno 2] No such file: '…'"),
        ("could not open D:\\Ada L\\models\\x.ckpt, is it there?", "could not open … is it there?"),
        ('File "/home/ada/webui/modules/sd.py", line 5', 'File "…", line 5'),
        ("no /Users/ada/x.pt: gone", "no …: gone"),
        ("nothing at \\\\nas\\ada\\models", "nothing at …"),
        ("POST /v1/images/generations, see https://example.com/home/x and 16/9", None),
        ("a: /b or c:d", None),
    ],
)
def test_paths_of_a_server_are_left_out(text: str, expected: str | None) -> None:
    assert answers.plain(text) == (text if expected is None else expected)


def test_plain_text_is_short() -> None:
    assert len(answers.plain("word " * 10_000)) <= 300


@given(st.text(st.characters(), max_size=400))
def test_plain_text_is_one_printable_line(text: str) -> None:
    found = answers.plain(text)
    assert found.isprintable()
    assert found.encode("utf-8").decode() == found


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b"\xff\xfe\x00", b'{"a": }', b"[" * 100_000, b"1" * 5_000, b"\xff" * 9],
    ids=range(8),
)
def test_invalid_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "value"), [(b"\xef\xbb\xbf{}", {}), (b"null", None), (b' {"data": [1]} ', {"data": [1]})]
)
def test_json(body: bytes, value: object) -> None:
    assert parse_json(body) == value


@given(st.binary())
def test_any_bytes_are_json_or_unreadable(body: bytes) -> None:
    try:
        parse_json(body)
    except Unreadable:
        return


@pytest.mark.parametrize(("value", "inside"), [({"data": [1]}, [1]), ({"guid": "x"}, {"guid": "x"}), ([1], [1])])
def test_unwrap(value: Any, inside: object) -> None:
    assert answers.unwrap(value) == inside


@given(anything)
def test_numbers_of_any_shape_are_finite_or_none(value: Any) -> None:
    found = answers.number(value)
    assert found is None or found.is_finite()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("application/json; charset=utf-8", "application/json"),
        ("text/html", "text/html"),
        ("a fox in the snow", "an odd type"),
        ("text/a fox", "an odd type"),
        ("x/" + "y" * 500, "an odd type"),
        ("", "no type"),
    ],
)
def test_the_logged_summary_of_an_answer_contains_none_of_its_text(kind: str, told: str) -> None:
    detail = Answer(400, {"Content-Type": kind}, b"a fox", "POST /x").detail
    assert detail == f"POST /x: HTTP 400, {told}, 5 bytes"

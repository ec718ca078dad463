"""References to pictures."""

from __future__ import annotations

import pytest

from bot.domain.pictures import ImageReference, Reference, StoredReference, parse_reference


@pytest.mark.parametrize(
    ("text", "reference"),
    [("812-2", ImageReference(812, 2)), ("p17", StoredReference(17)), ("1-10", ImageReference(1, 10))],
)
def test_a_reference_is_read_as_it_is_written(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize("text", [" 812-2 ", "P17"])
def test_a_typed_reference_may_have_spaces_and_capitals(text: str) -> None:
    assert str(parse_reference(text)) == text.strip().lower()


@pytest.mark.parametrize(
    "text", ["", "812", "812-", "-2", "p", "p-1", "812-200", "p" + "9" * 19, "9" * 19 + "-1", "٣-1"]
)
def test_other_text_is_not_a_reference(text: str) -> None:
    with pytest.raises(ValueError, match="not a reference"):
        parse_reference(text)

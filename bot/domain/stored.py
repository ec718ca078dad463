"""Reading stored JSON back, without ever repeating what is in it where it cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


class Unreadable(ValueError):
    """What is stored cannot be read. Says where and of what kind the fault is, and nothing of the content."""


def read_stored(adapter: TypeAdapter[T], stored: Mapping[str, Any]) -> T:
    """The value. Raises Unreadable; the validator's own error would carry the prompt into a log line."""
    try:
        return adapter.validate_python(dict(stored))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
        places = (f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in wrong)
        raise Unreadable("; ".join(places)) from None

"""The event loop gets the interpreter back soon."""

from __future__ import annotations

import sys

import pytest

from bot.thread_tuning import SWITCH_SECONDS, switch_soon


def test_the_switch_interval_is_short() -> None:
    before = sys.getswitchinterval()
    try:
        switch_soon()
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    finally:
        sys.setswitchinterval(before)

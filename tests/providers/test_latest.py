"""What a provider remembers about its submissions."""

from __future__ import annotations

from bot.providers.latest import Latest


def test_the_oldest_is_forgotten_first() -> None:
    known = Latest[list[int]](list, most=2)
    known.of("a").append(1)
    known.of("b").append(2)
    known.of("a").append(3)
    assert known.of("c") == []
    assert known.of("a") == [1, 3]
    assert known.of("b") == []


def test_one_can_be_forgotten() -> None:
    known = Latest[list[int]](list)
    known.of("a").append(1)
    known.forget("a")
    known.forget("b")
    assert known.of("a") == []

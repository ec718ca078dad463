"""The words after ``python -m chaos``."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from chaos.__main__ import arguments
from chaos.engines import Free


@pytest.mark.parametrize(
    ("words", "free"),
    [
        ([], set(Free)),
        (["--engines", "all"], set(Free)),
        (["--engines", "paid"], set()),
        (["--engines", "a1111,horde"], {Free.A1111, Free.HORDE}),
    ],
)
def test_the_free_services_that_take_part(words: list[str], free: Collection[Free]) -> None:
    assert arguments(words)[0].free == free


def test_an_unknown_service_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(["--engines", "abacus"])
    assert "abacus" in capsys.readouterr().err

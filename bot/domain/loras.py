"""LoRAs as people type them: reads the list, and completes it while it is being typed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.domain.features import NAME_AT_MOST
from bot.domain.values import decimal_number
from bot.providers.loras import DIVIDERS, LORAS_AT_MOST, WEIGHT_AT_MOST, Lora, Loras

LORAS_LENGTH = 400
"""The maximum length of the list in a command."""

# Chinese and Japanese keyboards produce these.
_WIDE = str.maketrans("，、：", ",,:")


def parse_loras(text: str) -> Loras:
    """Read ``ink, detail:0.8``. Raises ValueError."""
    each = tuple(_lora(entry) for entry in text.translate(_WIDE).split(",") if entry.strip())
    if not 1 <= len(each) <= LORAS_AT_MOST:
        raise ValueError(f"{len(each)} LoRAs")
    if len({lora.name.casefold() for lora in each}) < len(each):
        raise ValueError("a LoRA twice")
    return Loras(each)


def _lora(entry: str) -> Lora:
    name, colon, weight = entry.rpartition(":")
    number = round(decimal_number(weight.strip()), 2) if colon else 1.0
    name = " ".join((name if colon else entry).split())
    if not name or len(name) > NAME_AT_MOST or DIVIDERS & set(name) or abs(number) > WEIGHT_AT_MOST:
        raise ValueError("not a LoRA")
    return Lora(name, number)


def completions(text: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the list that is being typed with each name that its last one may become.

    If its last name is complete, the list follows as it is, and with each further name. All are short enough for a
    choice.
    """
    every = list(names)
    before, _, last = text.translate(_WIDE).rpartition(",")
    earlier = _parsed(before) if before.strip() else ()
    if earlier is None:
        return  # A mistake before the last name is named when the command is sent.
    lists = [(*earlier, Lora(name)) for name in _matching(last, every)]
    whole = _parsed(text)
    if last.strip() and whole is not None and whole[-1].name.casefold() in {name.casefold() for name in every}:
        lists += [whole, *((*whole, Lora(name)) for name in every)]
    for each in dict.fromkeys(lists):
        written = str(Loras(each))
        distinct = len({lora.name.casefold() for lora in each}) == len(each)
        if distinct and len(each) <= LORAS_AT_MOST and len(written) <= NAME_AT_MOST:
            yield written


def _parsed(text: str) -> tuple[Lora, ...] | None:
    """The LoRAs of a list, or None if it cannot be read."""
    try:
        return parse_loras(text).each
    except ValueError:
        return None


def _matching(text: str, names: Iterable[str]) -> list[str]:
    """The names that contain the text. Those that begin with it come first."""
    wanted = text.strip().casefold()
    return sorted(
        (name for name in names if wanted in name.casefold()), key=lambda name: not name.casefold().startswith(wanted)
    )

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
    """Yield the list that is being typed, completed by each name that matches its last one.

    A list that is complete comes first. A completed one is no longer than a choice may be.
    """
    before, comma, last = text.translate(_WIDE).rpartition(",")
    start, wanted = before.strip() + (", " if comma else ""), last.strip().casefold()
    try:
        used = {lora.name.casefold() for lora in parse_loras(before).each} if before.strip() else set[str]()
    except ValueError:
        return  # A mistake before the last name is shown when the command is sent.
    every = list(names)
    try:
        whole = parse_loras(text)
    except ValueError:
        pass
    else:
        known = {name.casefold() for name in every}
        if ":" in last and all(lora.name.casefold() in known for lora in whole.each):
            yield str(whole)
    if len(used) < LORAS_AT_MOST:
        found = [name for name in every if wanted in name.casefold() and name.casefold() not in used]
        found.sort(key=lambda name: not name.casefold().startswith(wanted))
        yield from (whole_text for name in found if len(whole_text := start + name) <= NAME_AT_MOST)

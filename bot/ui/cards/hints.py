"""Lines in small print about what to try next. A person sees each of them once."""

from __future__ import annotations

import re

from bot.domain.options import STYLE
from bot.jobs.view import JobView
from bot.text import Text, message

TRY_EDIT = message("hint.try_edit", "What next? Press Edit to change it.")
TRY_STYLE = message("hint.try_style", "What next? Press Edit to change it, or add `--style {style}` to your prompt.")

_WELL_KNOWN = "anime"
_ONE_WORD = re.compile(r"[a-z0-9-]{1,40}")


def what_next(view: JobView) -> Text:
    """What to try after a first result. A style of its engine is suggested if none was used."""
    styled = any(request.style for request in view.requests)
    styles = () if styled or not view.engines else STYLE.names(view.engines[0])
    fit = [style for style in styles if _ONE_WORD.fullmatch(style)]
    return TRY_STYLE(style=_WELL_KNOWN if _WELL_KNOWN in fit else fit[0]) if fit else TRY_EDIT()

"""Paints a picture for a prompt. It is no model: it draws what the prompt's words name."""

from fakes.painting.edits import Wanted, edit
from fakes.painting.painter import paint

__all__ = ["Wanted", "edit", "paint"]

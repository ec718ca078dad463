"""Paints a picture for a prompt: not what a model would make of it, but one that follows its words."""

from fakes.painting.painter import paint

__all__ = ["paint"]

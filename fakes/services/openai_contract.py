"""OpenAI's models, limits and prices, from its documentation."""

from __future__ import annotations

MODELS = ("gpt-image-1", "gpt-image-1-mini")
SIZES = ("1024x1024", "1536x1024", "1024x1536")
QUALITIES = ("low", "medium", "high", "auto")
MOST_IMAGES = 10

TOKENS = {"low": (272, 408), "medium": (1056, 1584), "high": (4160, 6240)}
"""The tokens of a square and of another image, by quality."""
PARTIAL_TOKENS = 100
PICTURE_TOKENS = 323
"""The tokens of a picture that is sent."""
RATES = {"gpt-image-1": (500, 1000, 4000), "gpt-image-1-mini": (200, 250, 800)}
"""US cents for a million tokens: of text, of pictures that are sent, and of images."""

"""Easel, a Discord bot that makes pictures."""

__version__ = "0.1.0"

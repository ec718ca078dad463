"""Easel, a Discord bot that makes images."""

__version__ = "0.1.0"

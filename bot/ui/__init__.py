"""The Discord user interface."""

"""The bot as a process of its own, killed again and again under load, and counted from the outside afterwards."""

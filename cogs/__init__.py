"""The slash commands, one file a family."""

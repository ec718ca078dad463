"""The grammar of a prompt: tokens, choices, flags."""

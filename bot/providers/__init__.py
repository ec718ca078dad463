"""The image services: one file each, behind the protocol in :mod:`bot.providers.base`."""

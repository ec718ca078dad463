"""Try the bot without any account: a page that looks like Discord, and a stand-in for the image services."""

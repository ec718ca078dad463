"""Try the bot without an account: a page that looks like Discord, and the image services' stand-in."""

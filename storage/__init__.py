"""Persistent storage: the database and the image files. Independent of the rest of the program."""

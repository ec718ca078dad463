"""What is kept: the database and the image files. Knows nothing of the rest of the program."""

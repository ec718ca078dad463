"""A job's life, from what a person typed to files that are ready to be shown. Knows no Discord and no HTTP."""

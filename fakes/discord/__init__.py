"""A Discord on loopback that checks every request."""

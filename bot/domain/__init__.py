"""Requests, engines, prices and rules: pure data and logic, without I/O or Discord."""

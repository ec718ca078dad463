"""Runs the bot as a process, kills it again and again under load, and audits the result from outside."""

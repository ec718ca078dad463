"""Keeps the cards of jobs up to date and delivers their results."""

"""Discord's error responses."""

from __future__ import annotations

from fakes.discord.constants import Json


class Refusal(Exception):
    """An error response: HTTP status, Discord's error code and message."""

    def __init__(self, status: int, code: int, message: str, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body: Json = {"message": message, "code": code, **more}


def unauthorized() -> Refusal:
    return Refusal(401, 0, "401: Unauthorized")


def unknown_channel() -> Refusal:
    return Refusal(404, 10003, "Unknown Channel")


def unknown_guild() -> Refusal:
    return Refusal(404, 10004, "Unknown Guild")


def unknown_message() -> Refusal:
    return Refusal(404, 10008, "Unknown Message")


def unknown_user() -> Refusal:
    return Refusal(404, 10013, "Unknown User")


def unknown_webhook() -> Refusal:
    return Refusal(404, 10015, "Unknown Webhook")


def unknown_interaction() -> Refusal:
    return Refusal(404, 10062, "Unknown interaction")


def too_large() -> Refusal:
    return Refusal(413, 40005, "Request entity too large")


def already_acknowledged() -> Refusal:
    return Refusal(400, 40060, "Interaction has already been acknowledged.")


def too_many_followups() -> Refusal:
    return Refusal(400, 40094, "This interaction has hit the maximum number of follow up messages")


def missing_access() -> Refusal:
    return Refusal(403, 50001, "Missing Access")


def not_the_author() -> Refusal:
    return Refusal(403, 50005, "Cannot edit a message authored by another user")


def empty_message() -> Refusal:
    return Refusal(400, 50006, "Cannot send an empty message")


def closed_dms() -> Refusal:
    return Refusal(403, 50007, "Cannot send messages to this user")


def missing_permissions() -> Refusal:
    return Refusal(403, 50013, "Missing Permissions")


def token_is_over() -> Refusal:
    return Refusal(401, 50027, "Invalid Webhook Token")


def entry_point_left_out() -> Refusal:
    return Refusal(400, 50240, "You cannot remove this app's Entry Point command in a bulk update operation.")


def invalid_form(reasons: list[str]) -> Refusal:
    errors = {"_errors": [{"code": "LOOPBACK", "message": reason} for reason in reasons]}
    return Refusal(400, 50035, "Invalid Form Body", errors=errors)

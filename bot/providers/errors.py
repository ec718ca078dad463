"""The errors of an image service. Each class is the decision that follows; the reason says what happened."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Why a call failed, or why a request made nothing. ``bot.jobs.provider_text`` has the words for each of them."""

    # What became of the call.
    NO_ANSWER = "no_answer"
    UNREADABLE_ANSWER = "unreadable_answer"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    BROKEN = "broken"
    """The service says that it has failed."""
    REFUSED = "refused"
    MODERATED = "moderated"
    # What only the bot's operator can mend.
    WRONG_KEY = "wrong_key"
    NO_CREDITS = "no_credits"
    NOT_FOUND = "not_found"
    REDIRECTED = "redirected"
    MOVED = "moved"
    """The service has another address, which is the value ``address``."""
    # What became of a request that was accepted.
    NOTHING_MADE = "nothing_made"
    NO_IMAGES = "no_images"
    """None of its images could be fetched."""
    NOT_LISTED = "not_listed"
    ODD_ANSWER = "odd_answer"
    CONTRADICTION = "contradiction"
    CANNOT_FIND = "cannot_find"
    BAD_HANDLE = "bad_handle"
    # What became of an image.
    IMAGE_MISSING = "image_missing"
    IMAGE_WITHOUT_ADDRESS = "image_without_address"
    IMAGE_NOT_READY = "image_not_ready"
    IMAGE_GONE = "image_gone"
    IMAGE_UNREACHABLE = "image_unreachable"
    IMAGE_REDIRECTS = "image_redirects"
    IMAGE_HOST_NOT_ALLOWED = "image_host_not_allowed"
    IMAGE_TOO_LARGE = "image_too_large"
    """The file has more than ``mib`` MiB."""
    IMAGE_TOO_MANY_PIXELS = "image_too_many_pixels"
    """The file claims to be ``width`` × ``height`` pixels."""
    IMAGE_INCOMPLETE = "image_incomplete"
    IMAGE_CUT_SHORT = "image_cut_short"
    IMAGE_IS_PAGE = "image_is_page"
    IMAGE_IS_SVG = "image_is_svg"
    IMAGE_OF_OTHER_TYPE = "image_of_other_type"
    IMAGE_BROKEN = "image_broken"


class ProviderError(Exception):
    """A call failed. The subclass is the decision that follows.

    ``reason`` and its ``values`` are safe for everybody. ``said`` is what the service says, cleaned, for the author of
    the request alone: it may repeat the prompt, so it is never logged. ``detail`` is for the log: a status or a length,
    never a word of an answer, a key, a header or a prompt.
    """

    usual = Reason.BROKEN

    def __init__(
        self,
        reason: Reason | None = None,
        *,
        said: str = "",
        detail: str = "",
        values: Mapping[str, int | str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason = reason or self.usual
        self.said = said
        self.detail = detail
        self.values = values or {}


class Refused(ProviderError):
    """The provider said no: tell the user, it is free, and the same request would get the same answer.

    ``operator``: only the bot's operator can fix it, e.g. a wrong key or no credits. ``fault``: the provider says that
    it is broken, so the next request may succeed, but not this one. ``setting`` names the setting with which the
    operator can fix it, "" where there is none.
    """

    usual = Reason.REFUSED

    def __init__(
        self,
        reason: Reason | None = None,
        *,
        said: str = "",
        detail: str = "",
        values: Mapping[str, int | str] | None = None,
        operator: bool = False,
        fault: bool = False,
        setting: str = "",
    ) -> None:
        super().__init__(reason, said=said, detail=detail, values={**(values or {}), "setting": setting})
        self.operator = operator
        self.fault = fault
        self.setting = setting


class NotFound(Refused):
    """The address does not exist (404, 410): nothing was accepted, and only the operator can fix it.

    A service also says so while it is being deployed, so it counts only if it stays so.
    """

    usual = Reason.NOT_FOUND

    def __init__(self, reason: Reason | None = None, *, detail: str = "") -> None:
        super().__init__(reason, detail=detail, operator=True)


class Busy(ProviderError):
    """The request was not accepted; try again after ``retry_after`` seconds (None: the provider did not say)."""

    usual = Reason.BUSY

    def __init__(self, *, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(detail=detail)
        self.retry_after = retry_after


class Unreachable(ProviderError):
    """The request surely did not arrive, or it may be repeated freely: try again later."""

    usual = Reason.UNREACHABLE


class OutcomeUnknown(ProviderError):
    """The request was sent and no usable answer came: find out, never just send it again."""

    usual = Reason.NO_ANSWER

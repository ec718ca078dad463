"""Explains to the operator why a host could not be reached."""

from __future__ import annotations

import ssl

import aiohttp

from bot.text import Text, message

PROXY_ANSWERS = message("network.proxy_answers", "the proxy answers {status:plain}")
PROXY_AWAY = message("network.proxy_away", "the proxy cannot be reached")
NO_SUCH_NAME = message("network.no_such_name", "its name cannot be resolved")
NOT_TRUSTED = message("network.not_trusted", "its certificate is not trusted")
TIMED_OUT = message("network.timed_out", "it did not answer in time")
REFUSED = message("network.refused", "it refuses the connection")
NO_CONNECTION = message("network.no_connection", "no connection")
BROKEN = message("network.broken", "the connection broke")


def unreachable(error: BaseException) -> Text:
    """The reason, as part of a sentence. Its only value is the status of a proxy's response."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return PROXY_ANSWERS(status=error.status)
        case aiohttp.ClientProxyConnectionError():
            return PROXY_AWAY()
        case aiohttp.ClientConnectorDNSError():
            return NO_SUCH_NAME()
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return NOT_TRUSTED()
        case TimeoutError():
            return TIMED_OUT()
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return REFUSED()
        case aiohttp.ClientConnectorError() | ConnectionRefusedError():
            return NO_CONNECTION()
        case _:
            return BROKEN()

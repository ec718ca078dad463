"""Explains to the operator why a host could not be reached."""

from __future__ import annotations

import ssl

import aiohttp


def unreachable(error: BaseException) -> str:
    """The reason, as a part of a sentence. It holds nothing but a status that a proxy gave."""
    match error:
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answers {error.status}"
        case aiohttp.ClientProxyConnectionError():
            return "the proxy cannot be reached"
        case aiohttp.ClientConnectorDNSError():
            return "its name cannot be looked up"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return "its certificate is not trusted"
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return "the connection is refused"
        case aiohttp.ClientConnectorError() | ConnectionRefusedError():
            return "no connection"
        case _:
            return "the connection broke"

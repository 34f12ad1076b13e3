"""A server that sends a byte now and then: it is given up, whose bytes would come for ever."""

import time
from http.client import HTTPConnection, HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any
from urllib import request

# Less than so many bytes a second, over so many seconds of waiting, is a trickle.
_LEAST_RATE = 1000
_WINDOW_S = 30.0


class TrickleError(Exception):
    """A server trickles; the message is the reason, fit for a list of sources that failed."""


class _Watched(RawIOBase):
    """What comes from a server, headers and body, as long as it does not trickle.

    The timeout of the socket begins again with each byte.
    """

    def __init__(self, raw: RawIOBase) -> None:
        self._raw, self._waited, self._received = raw, 0.0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        began = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        # A single long wait is not a trickle: the socket has a timeout, and this process may have
        # been stopped meanwhile.
        self._waited += min(time.monotonic() - began, _WINDOW_S / 2)
        self._received += count or 0
        if self._waited >= _WINDOW_S:
            if self._received < _LEAST_RATE * self._waited:
                raise TrickleError(f"sent {self._received} bytes in {self._waited:.1f} seconds")
            self._waited, self._received = 0.0, 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _WatchedResponse(HTTPResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp = BufferedReader(_Watched(self.fp.detach()))


class _WatchedHandler(request.AbstractHTTPHandler):
    def do_open(self, http_class: Any, req: request.Request, **args: Any) -> HTTPResponse:
        def connect(*where: Any, **options: Any) -> HTTPConnection:
            connection: HTTPConnection = http_class(*where, **options)
            connection.response_class = _WatchedResponse
            return connection

        return super().do_open(connect, req, **args)


class WatchedHTTPHandler(_WatchedHandler, request.HTTPHandler):
    """Opens http addresses whose servers must not trickle."""


class WatchedHTTPSHandler(_WatchedHandler, request.HTTPSHandler):
    """Opens https addresses whose servers must not trickle."""

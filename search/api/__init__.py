"""The service over HTTP: requests to calls of `search.service`, and answers to JSON.

It knows paths, tokens, problems and limits of requests. It never decides anything about a sweep,
and reads a run as any reader may.
"""

from search.api.app import make_app, make_server

__all__ = ["make_app", "make_server"]

"""A service as its users reach it: from Python, and from the same commands with ``--server``.

It knows the paths of the API, how to ask again where an answer was lost, and how a sweep elsewhere
is shown. It never knows what a service does with what it is asked.

>>> from search.client import Client
>>> client = Client("http://127.0.0.1:8741", token)  # doctest: +SKIP
>>> sweep = client.submit("full", dataset="digits")  # doctest: +SKIP
>>> client.wait(sweep["id"])["best"]  # doctest: +SKIP
"""

from search.extras import needed

with needed("serve", "A service's client"):
    from search.client.client import ENDED, TOKEN, Client, ServiceError
    from search.client.commands import fetched, prune, report, run, runs, status
    from search.client.hook_commands import add_hook, deliveries, hooks, remove_hook, test_hook
    from search.client.hooks import KINDS

__all__ = [
    "ENDED", "KINDS", "TOKEN", "Client", "ServiceError", "add_hook", "deliveries", "fetched",
    "hooks", "prune", "remove_hook", "report", "run", "runs", "status", "test_hook",
]  # fmt: skip

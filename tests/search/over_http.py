"""A service that listens on loopback, and people who ask it over HTTP."""

import socket
import threading
from contextlib import contextmanager

import httpx2
from serving import GRID, Gate, serving, wait_for

from search.api import make_server
from search.api.entrance.rates import Rates

_UNLIMITED = Rates(1e9, 10**9, lambda: 0.0)


@contextmanager
def listening(desk, rates=_UNLIMITED):
    """Give the address of a service that listens on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        server = make_server(desk, rates)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


class Api:
    """Requests in the name of one person."""

    def __init__(self, url, token):
        # Without TLS no certificates are needed, and reading them takes longer than most requests.
        self._http = httpx2.Client(
            base_url=f"{url}/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=30,
            verify=False,
        )  # fmt: skip

    def close(self):
        self._http.close()

    def __call__(self, method, path, *, expect=200, **options):
        answer = self._http.request(method, path, **options)
        assert answer.status_code == expect, answer.text
        return answer

    def json(self, method, path, *, expect=200, **options):
        return self(method, path, expect=expect, **options).json()

    def submit(self, expect=201, key=None, **body):
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.json(
            "POST", "sweeps", expect=expect, json={"grid": GRID, **body}, headers=headers
        )

    def done(self):
        """Return a sweep that is done."""
        sweep = self.submit()["id"]
        assert self.ended(sweep)["state"] == "done"
        return sweep

    def ended(self, sweep):
        states = {"done", "failed", "cancelled"}

        def look():
            return (s := self.json("GET", f"sweeps/{sweep}"))["state"] in states and s

        # A request takes milliseconds of a core, which the sweep that is waited for can use.
        return wait_for(look, pause=0.05)


@contextmanager
def asked(root, executor=None, rates=_UNLIMITED, **limits):
    """Give a service that listens, and who may ask it, by name and role."""
    with (
        serving(root, executor or Gate, **limits) as served,
        listening(served.desk, rates) as url,
    ):
        people = {}

        def person(name, role="submitter"):
            if (name, role) not in people:
                token = served.service.ledger.people.add_token(name, role)
                people[name, role] = Api(url, token)
            return people[name, role]

        person.url, person.served = url, served
        try:
            yield person
        finally:
            for api in people.values():
                api.close()

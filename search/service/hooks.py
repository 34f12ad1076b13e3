"""Tells addresses of events: signed, tried again, each event under one name."""

import base64
import hashlib
import hmac
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx2

from search.errors import ConfigError
from search.ledger import ADMIN, Caller, Delivery, Hook, Ledger
from search.service.errors import ForbiddenError

log = logging.getLogger(__name__)

MOST_HOOKS = 20
"""Hooks of one person."""

_ANSWER_SECONDS = 5.0
_AT_A_TIME = 4
_IDLE_SECONDS = 1.0

# After the first attempt; twice as long after each other one, up to the most. A day and a half.
_AGAIN_SECONDS, _AGAIN_MOST, _ATTEMPTS = 5.0, 6 * 3600.0, 18


def signature(secret: str, name: str, at: int, body: str) -> str:
    """Return the signature of what is sent, as Standard Webhooks has it.

    Parameters
    ----------
    secret : str
        ``whsec_`` and base64.
    name : str
        The delivery's.
    at : int
        Seconds since 1970.
    body : str

    References
    ----------
    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{name}.{at}.{body}".encode(), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def next_attempt(attempts: int, now: float) -> float | None:
    """Return when to try again after so many attempts; None where it is given up."""
    if attempts >= _ATTEMPTS:
        return None
    return now + min(_AGAIN_SECONDS * 2.0 ** (attempts - 1), _AGAIN_MOST)


class Hooks:
    """The hooks of a service, and the thread that sends to them.

    Parameters
    ----------
    ledger : Ledger
    hosts : sequence of str
        Where hooks may be, as ``host`` or ``host:port``: a service reaches addresses that those
        who use it may not.
    transport : callable, optional
        Returns how requests travel, for tests.
    """

    def __init__(
        self,
        ledger: Ledger,
        hosts: Sequence[str],
        transport: Callable[[], httpx2.BaseTransport] | None = None,
    ) -> None:
        self._ledger, self._hosts = ledger, hosts
        self._transport = transport
        # One for all threads, made under the lock when the first thing is sent: to read the
        # certificates takes longer than all else that a service starts with.
        self._client: httpx2.Client | None = None
        self._making = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what was not sent is sent after the next start."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.close()

    def close(self) -> None:
        """Close connections."""
        with self._making:
            if self._client is not None:
                self._client.close()

    def _http(self) -> httpx2.Client:
        """Return the connections, which are none yet until something is sent."""
        with self._making:
            if self._client is None:
                self._client = httpx2.Client(
                    timeout=_ANSWER_SECONDS, follow_redirects=False,
                    transport=self._transport() if self._transport else None,
                )  # fmt: skip
            return self._client

    # --- What people ask.

    def add(self, caller: Caller, url: str, kinds: Sequence[str]) -> Hook:
        """Make a hook for the events of your own sweeps.

        Raises
        ------
        ConfigError
            If the address may not be told anything, or there are too many.
        """
        self._check(url)
        with self._ledger.transaction():
            if len(self._ledger.hooks.all(caller.person)) >= MOST_HOOKS:
                raise ConfigError(f"{caller.person} has {MOST_HOOKS} hooks already; remove one.")
            hook = self._ledger.hooks.add(caller.person, url, kinds)
            self._ledger.events.record(caller, "add hook", url)
        return hook

    def _check(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise ConfigError(f"{url!r} is not an address.") from None
        if parts.scheme not in {"http", "https"} or not host or parts.username is not None:
            raise ConfigError(
                f"{url!r} is not an address of a hook; give one such as https://host/path, "
                "without a login."
            )
        if not {host, f"{host}:{port}"} & set(self._hosts):
            known = ", ".join(self._hosts) or "none"
            raise ConfigError(
                f"Hooks at {host} are not allowed; the administrator allows hosts with "
                f"--hook HOST, and has allowed: {known}."
            )

    def get(self, caller: Caller, number: int) -> Hook:
        """Return your own hook, or as an administrator anybody's.

        Raises
        ------
        KeyError
            If there is none.
        ForbiddenError
            If it is another's.
        """
        hook = self._ledger.hooks.get(number)
        if hook.person != caller.person and not caller.may(ADMIN):
            raise ForbiddenError(f"The hook {number} is {hook.person}'s.")
        return hook

    def remove(self, caller: Caller, hook: Hook) -> None:
        """Remove a hook; nothing more is sent to it."""
        with self._ledger.transaction():
            self._ledger.hooks.remove(hook.id)
            self._ledger.events.record(caller, "remove hook", hook.url)

    def test(self, hook: Hook) -> Delivery:
        """Send something now, once, and return how that went."""
        delivery = self._ledger.hooks.test(hook)
        self._ledger.hooks.tried(delivery, self._send(hook, delivery)[1], None)
        return self._ledger.hooks.delivery(delivery.id)

    # --- In its own thread.

    def _run(self) -> None:
        with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="hooks") as pool:
            while not self._stopping.is_set():
                try:
                    sent = list(pool.map(self._try, self._ledger.hooks.due(_AT_A_TIME)))
                except Exception:  # the next turn looks again
                    log.exception("a turn of the hooks has failed")
                    sent = []
                if not sent:
                    self._stopping.wait(_IDLE_SECONDS)

    def _try(self, delivery: Delivery) -> None:
        try:
            hook = self._ledger.hooks.get(delivery.hook)
        except KeyError:
            return  # removed meanwhile
        arrived, outcome = self._send(hook, delivery)
        now = self._ledger.now()
        again = None if arrived else next_attempt(delivery.attempts + 1, now)
        self._ledger.hooks.tried(delivery, outcome, again)

    def _send(self, hook: Hook, delivery: Delivery) -> tuple[bool, str]:
        """Send once; return whether it arrived, and in words how that went."""
        at = int(self._ledger.now())
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(at),
            "webhook-signature": signature(hook.secret, delivery.id, at, delivery.body),
        }
        try:
            self._check(hook.url)  # what was allowed may not be any more
            with self._http().stream(
                "POST", hook.url, content=delivery.body.encode(), headers=headers
            ) as answer:  # whose body nobody reads
                return answer.is_success, f"answered {answer.status_code}"
        except ConfigError as error:
            return False, str(error)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            return False, f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]

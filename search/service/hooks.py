"""Tells addresses of events: signed, tried again, each event under one name."""

import base64
import hashlib
import hmac
import itertools
import logging
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit

import httpx2

from search.errors import ConfigError
from search.ledger import ADMIN, Caller, Delivery, Hook, Ledger
from search.service.errors import ForbiddenError

log = logging.getLogger(__name__)

MOST_HOOKS = 20
"""Hooks of one person."""

# Until something comes, and until the whole head of the answer has: it may come byte by byte.
_ANSWER_SECONDS, _WHOLE_SECONDS = 5.0, 10.0

# Deliveries that are tried at a time, and those of one person.
_AT_A_TIME, _OF_ONE = 8, 2
_IDLE_SECONDS = 1.0

# How long those that are under way as all ends may still take: whoever ends a service waits.
_LAST_SECONDS = 2.0

_PORTS = {"http": 80, "https": 443}

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


def next_ones(
    due: Iterable[Delivery],
    owners: Mapping[int, str],
    busy: Iterable[int],
    turns: Mapping[int, int] = MappingProxyType({}),
) -> list[Delivery]:
    """Return the deliveries that are tried now, beside those to hooks that are busy.

    One of each hook at a time, and few of one person. Whose turn was longest ago comes first, and
    of one person the hook whose turn was: however many hosts are silent, all others have theirs.

    Parameters
    ----------
    due : iterable of Delivery
        One of each hook, the oldest first.
    owners : mapping of int to str
        Whose each hook is; one that is not there was removed.
    busy : iterable of int
        The hooks to which something is on its way.
    turns : mapping of int to int
        When each hook had its last turn, as a number that grows; one that is not there had none.

    Examples
    --------
    >>> due = [Delivery(str(hook), hook, "done", "", 0, 0.0, "") for hook in (1, 2, 3, 4)]
    >>> owners = {1: "ann", 2: "ann", 3: "ann", 4: "bob"}
    >>> [delivery.hook for delivery in next_ones(due, owners, busy=[])]
    [1, 2, 4]
    >>> [delivery.hook for delivery in next_ones(due, owners, busy=[], turns={1: 7, 2: 8})]
    [4, 3, 1]
    """
    of_person: dict[str, int] = {}
    for hook, owner in owners.items():
        of_person[owner] = max(of_person.get(owner, 0), turns.get(hook, 0))

    def last_turn(delivery: Delivery) -> tuple[int, int]:
        hook = delivery.hook
        return of_person.get(owners.get(hook, ""), 0), turns.get(hook, 0)

    taken = set(busy)
    of_each = Counter(owners[hook] for hook in taken if hook in owners)
    found = []
    for delivery in sorted(due, key=last_turn):
        person = owners.get(delivery.hook)
        if len(taken) == _AT_A_TIME:
            break
        if person is not None and delivery.hook not in taken and of_each[person] < _OF_ONE:
            found.append(delivery)
            taken.add(delivery.hook)
            of_each[person] += 1
    return found


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
        self._ledger, self._hosts = ledger, [host.lower() for host in hosts]
        self._transport = transport
        # One for all, made under the lock when the first thing is sent: to read the certificates
        # takes longer than all else that a service starts with.
        self._certificates: ssl.SSLContext | None = None
        self._making = threading.Lock()
        self._stopping = threading.Event()
        # The hooks to which something is on its way, by whom; changed under the lock.
        self._busy: dict[int, threading.Thread] = {}
        # When each had its last turn, by a count of them; for the thread alone.
        self._turns: dict[int, int] = {}
        self._turn = itertools.count(1)
        self._changing = threading.Lock()
        # Held while an attempt is written down, which nobody does once all is over.
        self._writing = threading.Lock()
        self._is_over = False
        # Set when one is not busy any more, or all ends.
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what was not sent is sent after the next start.

        A host that is silent is not waited for, and nothing is written of it: it is due still.
        """
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._changing:
            under_way = list(self._busy.values())
        last = time.monotonic() + _LAST_SECONDS
        for thread in under_way:
            thread.join(max(0.0, last - time.monotonic()))
        with self._writing:
            self._is_over = True

    @contextmanager
    def _connected(self) -> Iterator[httpx2.Client]:
        """Give a connection that is cut when it has taken long enough, whatever comes over it."""
        if self._transport:
            client = httpx2.Client(transport=self._transport())
        else:
            with self._making:
                self._certificates = self._certificates or httpx2.create_ssl_context()
            client = httpx2.Client(verify=self._certificates, timeout=_ANSWER_SECONDS)
        was_late = threading.Event()

        def cut() -> None:
            was_late.set()  # before, so that whoever is cut off finds it set
            client.close()

        late = threading.Timer(_WHOLE_SECONDS, cut)
        late.daemon = True
        late.start()
        try:
            yield client
        except Exception as error:  # a RuntimeError too, where nothing was asked before
            if was_late.is_set():
                raise TimeoutError(f"no whole answer within {_WHOLE_SECONDS:g} s") from error
            raise
        finally:
            late.cancel()
            client.close()

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
            host, names = parts.hostname or "", _names(parts)
        except ValueError:
            raise ConfigError(f"{url!r} is not an address.") from None
        if parts.scheme not in {"http", "https"} or not host or parts.username is not None:
            raise ConfigError(
                f"{url!r} is not an address of a hook; give one such as https://host/path, "
                "without a login."
            )
        if not names & set(self._hosts):
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
            raise ForbiddenError(f"The hook {number} is {hook.person}'s.", "hook", str(number))
        return hook

    def remove(self, caller: Caller, hook: Hook) -> None:
        """Remove a hook; nothing more is sent to it."""
        with self._ledger.transaction():
            self._ledger.hooks.remove(hook.id)
            self._ledger.events.record(caller, "remove hook", hook.url)

    def test(self, caller: Caller, hook: Hook) -> Delivery:
        """Send something now, once, and return how that went."""
        self._ledger.events.record(caller, "test hook", hook.url)
        delivery = self._ledger.hooks.test(hook)
        self._ledger.hooks.tried(delivery, self._send(hook, delivery)[1], None)
        return self._ledger.hooks.delivery(delivery.id)

    # --- In its own thread.

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            try:
                began = self._begin()
            except Exception:  # the next turn looks again
                log.exception("a turn of the hooks has failed")
                began = 0
            if not began and not self._stopping.is_set():
                self._news.wait(_IDLE_SECONDS)

    def _begin(self) -> int:
        """Begin with what is due and has a place; return how much that is."""
        with self._changing:
            busy = set(self._busy)  # before the look: what arrives meanwhile looks due
        due = self._ledger.hooks.due()
        if not due:
            return 0
        owners = {hook.id: hook.person for hook in self._ledger.hooks.all()}
        found = next_ones(due, owners, busy, self._turns)
        had = {hook: turn for hook, turn in self._turns.items() if hook in owners}
        self._turns = had | {delivery.hook: next(self._turn) for delivery in found}
        for delivery in found:
            # Not of a pool, whose threads are waited for at the end of the process.
            thread = threading.Thread(target=self._try, args=(delivery,), name="hook", daemon=True)
            with self._changing:  # which it waits for before it is not busy any more
                thread.start()
                self._busy[delivery.hook] = thread
        return len(found)

    def _try(self, delivery: Delivery) -> None:
        try:
            self._deliver(delivery)
        except Exception:  # of the ledger: it is due still
            if not self._is_over:
                log.exception("what was sent to a hook cannot be written down")
            self._stopping.wait(_IDLE_SECONDS)
        finally:
            with self._changing:
                del self._busy[delivery.hook]
            self._news.set()

    def _deliver(self, delivery: Delivery) -> None:
        try:
            hook = self._ledger.hooks.get(delivery.hook)
        except KeyError:
            return  # removed meanwhile
        arrived, outcome = self._send(hook, delivery)
        with self._writing:
            if self._is_over:
                return
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
            with (
                self._connected() as http,
                http.stream(
                    "POST", hook.url, content=delivery.body.encode(), headers=headers
                ) as answer,  # whose body nobody reads
            ):
                return answer.is_success, f"answered {answer.status_code}"
        except ConfigError as error:
            return False, str(error)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            return False, f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]


def _names(parts: SplitResult) -> set[str]:
    """Return what an administrator may call the place of an address: its host, or with its port."""
    host = parts.hostname or ""
    port = parts.port or _PORTS.get(parts.scheme)
    shown = f"[{host}]" if ":" in host else host
    return {host, shown, f"{shown}:{port}"}

"""What a service must remember over its own death: who may do what, which sweeps there are.

It knows accounts, tokens, sweeps, leases, events and hooks, as rows of one SQLite file. It never
knows results, which stay in ordinary run folders, nor who asks for a row.
"""

from search.ledger.database import Database, LedgerError
from search.ledger.events import Act, Event, Events
from search.ledger.hooks import Delivery, Hook, Hooks
from search.ledger.leases import LeaseRow, Leases
from search.ledger.ledger import Ledger
from search.ledger.people import ADMIN, ROLES, SUBMITTER, VIEWER, Caller, People, TokenRow
from search.ledger.queues import Queues
from search.ledger.sweeps import (
    DeletedSweepError,
    RepeatedKeyError,
    Submission,
    SweepRow,
    Sweeps,
)

__all__ = [
    "ADMIN",
    "ROLES",
    "SUBMITTER",
    "VIEWER",
    "Act",
    "Caller",
    "Database",
    "DeletedSweepError",
    "Delivery",
    "Event",
    "Events",
    "Hook",
    "Hooks",
    "LeaseRow",
    "Leases",
    "Ledger",
    "LedgerError",
    "People",
    "Queues",
    "RepeatedKeyError",
    "Submission",
    "SweepRow",
    "Sweeps",
    "TokenRow",
]

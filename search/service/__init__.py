"""Many people's sweeps on one cluster: queued, started link by link, paused, and gone on with.

It knows who may do what to a sweep, when a sweep is open, and whose task starts next, as
`search.queue` decides it. It never knows how it is asked: HTTP, pages and clients are others'.
"""

from search.service.answering import Answering, answering_desk
from search.service.board import Board, Seen
from search.service.desk import PRIORITIES, Desk
from search.service.errors import ForbiddenError
from search.service.limits import Limits
from search.service.progress import Progress
from search.service.requests import Request, config_of
from search.service.service import Service

__all__ = [
    "PRIORITIES",
    "Answering",
    "Board",
    "Desk",
    "ForbiddenError",
    "Limits",
    "Progress",
    "Request",
    "Seen",
    "Service",
    "answering_desk",
    "config_of",
]

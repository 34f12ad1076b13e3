"""The checks before a route: who asks, how often, how much, and whose turn it is.

It knows headers, bodies and the processor seconds that answers take. It never knows what a route
does: what is refused or kept here is answered without one.
"""

from search.api.entrance.allowance import BURST_SECONDS, SHARE, Allowance, processors
from search.api.entrance.bodies import (
    CALLER,
    App,
    Guard,
    Headers,
    OneMeaning,
    Receive,
    Scope,
    Send,
)
from search.api.entrance.door import Door
from search.api.entrance.kept import Kept, is_kept
from search.api.entrance.rates import Rates
from search.api.entrance.turns import Turns

__all__ = [
    "BURST_SECONDS",
    "CALLER",
    "SHARE",
    "Allowance",
    "App",
    "Door",
    "Guard",
    "Headers",
    "Kept",
    "OneMeaning",
    "Rates",
    "Receive",
    "Scope",
    "Send",
    "Turns",
    "is_kept",
    "processors",
]

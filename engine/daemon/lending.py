"""How idle cores are lent to workers whose numbers do not depend on how many threads they have.

A queued run never waits for a core that is lent: it starts as if that were free, and the worker
that has it gives it back within a fifth of a second.
"""

import json
from collections.abc import Sequence

from engine.daemon.fleet import Fleet
from engine.daemon.scheduler import Busy, Machine
from engine.errors import LabError
from engine.home import Home, atomic_write

MOST_LENT = 3
"""To one worker: what more threads gain has not been measured."""


def shares(borrowers: Sequence[int], busy: Sequence[Busy], machine: Machine) -> dict[int, int]:
    """Process → idle cores that it is lent, as evenly as can be; those first named have more."""
    idle = machine.n_cores - sum(worker.threads for worker in busy)
    if idle <= 0 or not borrowers:
        return {}
    least, more = divmod(idle, len(borrowers))
    found = {pid: min(least + (i < more), MOST_LENT) for i, pid in enumerate(borrowers)}
    return {pid: n for pid, n in found.items() if n}


class Lending:
    """Says in the home which process is lent how many cores, whenever that changes."""

    def __init__(self, home: Home, fleet: Fleet) -> None:
        self._home, self._fleet = home, fleet
        self._told: dict[int, int] | None = None

    def renew(self) -> None:
        """Look at who works now; LabError where that cannot be written down."""
        own = shares(self._fleet.borrowers(), self._fleet.busy(), self._fleet.machine)
        if own == self._told:
            return
        try:
            atomic_write(self._home.idle_cores, json.dumps(own).encode())
        except OSError as error:
            raise LabError(f"idle cores cannot be lent or taken back: {error.strerror}") from None
        self._told = own

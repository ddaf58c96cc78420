"""How many runs of a shape fit in one program, learnt where one ran out of memory."""

import hashlib
import json
from collections.abc import Hashable

from engine.home import Home, atomic_write


class Limits:
    """The most runs of a shape on a device; kept in `limits.json`, so that it is learnt once."""

    def __init__(self, home: Home) -> None:
        self._file = home.limits
        self._most = self._read()

    def most(self, shape: Hashable, device: str) -> int | None:
        """The most runs that a batch of this shape may have; None where nothing is known."""
        return self._most.get(_key(shape, device))

    def learn(self, shape: Hashable, device: str, n_runs: int) -> None:
        """So many runs are left of a batch that ran out of memory; a limit only falls."""
        key = _key(shape, device)
        self._most[key] = min(max(n_runs, 1), self._most.get(key, n_runs))
        atomic_write(self._file, json.dumps(self._most).encode())

    def _read(self) -> dict[str, int]:
        try:
            content = json.loads(self._file.read_bytes())
            return {str(key): int(most) for key, most in content.items()}
        except (FileNotFoundError, ValueError, AttributeError, TypeError):
            return {}


def _key(shape: Hashable, device: str) -> str:
    return hashlib.sha256(f"{device} {shape}".encode()).hexdigest()[:16]

"""Which scans the running worker holds, so that none is sent again and none is forgotten while it is needed."""

from __future__ import annotations

from collections import Counter
from typing import Any, Optional, Tuple
from typing import Counter as CounterOf

from VQSegUI.SceneBridge import Scan


class HeldScans:
    """Remembers the engine's name of a scan. Made anew for every worker.

    One scan is kept at a time, since a CT is large; besides it only what some work still uses, for example the scan
    that is being stored while the next one is segmented.
    """

    def __init__(self) -> None:
        self._key: Optional[Tuple[Any, ...]] = None
        self._volume: Any = None
        self._users: CounterOf[Any] = Counter()

    def find(self, scan: Scan) -> Any:
        """Return the engine's name of a scan it keeps in this very state, or None."""
        return self._volume if self._key == _key(scan) else None

    def replace(self, scan: Scan, volume: Any) -> Any:
        """Keep a scan that was sent; return the name of the one before if the engine may forget it, else None."""
        earlier, self._key, self._volume = self._volume, _key(scan), volume
        return earlier if not self._users[earlier] else None

    def use(self, volume: Any) -> None:
        """Some work begins to use a scan."""
        self._users[volume] += 1

    def leave(self, volume: Any) -> bool:
        """Some work needs a scan no longer; return whether the engine may forget it."""
        self._users[volume] -= 1
        return not self._users[volume] and volume != self._volume


def _key(scan: Scan) -> Tuple[Any, ...]:
    return (scan.nodeID, *scan.revision, *(value for row in scan.affineIjkToRas for value in row))

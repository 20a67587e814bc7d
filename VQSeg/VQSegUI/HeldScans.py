"""Which scans the running worker holds, so that none is sent again and none is forgotten while it is needed."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any, Tuple
from typing import Counter as CounterOf
from typing import OrderedDict as OrderedDictOf

from VQSegUI.SceneBridge import Scan

KEPT_SCANS = 2


class HeldScans:
    """Remembers the engine's names of scans. Made anew for every worker.

    The last two are kept, since the next scan is often segmented while the one before is still being corrected, and
    with a scan the engine would forget its own proposal, which corrections are counted against. A CT is large, so of
    all others only those are kept that some work uses.
    """

    def __init__(self) -> None:
        self._kept: OrderedDictOf[str, Tuple[Any, Any]] = OrderedDict()  # state and name by node, the oldest first
        self._users: CounterOf[Any] = Counter()

    def find(self, scan: Scan) -> Any:
        """Return the engine's name of a scan it keeps in this very state, or None."""
        state, volume = self._kept.get(scan.nodeID, (None, None))
        if state != _state(scan):
            return None
        self._kept.move_to_end(scan.nodeID)
        return volume

    def keep(self, scan: Scan, volume: Any) -> Any:
        """Keep a scan that was sent; return the name of one that the engine may forget for it, or None."""
        _state_before, earlier = self._kept.pop(scan.nodeID, (None, None))
        self._kept[scan.nodeID] = (_state(scan), volume)
        if len(self._kept) > KEPT_SCANS:
            _nodeID, (_state_before, earlier) = self._kept.popitem(last=False)
        return earlier if not self._users[earlier] else None

    def use(self, volume: Any) -> None:
        """Some work begins to use a scan."""
        self._users[volume] += 1

    def leave(self, volume: Any) -> bool:
        """Some work needs a scan no longer; return whether the engine may forget it."""
        self._users[volume] -= 1
        isKept = volume in [name for _state, name in self._kept.values()]
        return not self._users[volume] and not isKept


def _state(scan: Scan) -> Tuple[Any, ...]:
    return (*scan.revision, *(value for row in scan.affineIjkToRas for value in row))

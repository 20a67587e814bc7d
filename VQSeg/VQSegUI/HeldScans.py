"""Which scan the running worker was sent, so that it is not sent again."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from VQSegUI.SceneBridge import Scan


class HeldScans:
    """Remembers the engine's name of a scan; one at a time, since a CT is large. Made anew for every worker."""

    def __init__(self) -> None:
        self._key: Optional[Tuple[Any, ...]] = None
        self._volume: Any = None

    def find(self, scan: Scan) -> Any:
        """Return the engine's name of a scan it holds in this very state, or None."""
        return self._volume if self._key == _key(scan) else None

    def replace(self, scan: Scan, volume: Any) -> Any:
        """Remember a scan that was sent; return the name of the one before, which the engine may forget, or None."""
        earlier, self._key, self._volume = self._volume, _key(scan), volume
        return earlier


def _key(scan: Scan) -> Tuple[Any, ...]:
    return (scan.nodeID, *scan.revision, *(value for row in scan.affineIjkToRas for value in row))

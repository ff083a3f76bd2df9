"""Whether the kernel's OOM killer has struck: the counters that it leaves.

A process that it ends has died of SIGKILL like any other. What tells them apart are counters of the
machine (``/proc/vmstat``) and of this process' control group, read at each such death: one that
went up since the last look makes an OOM kill likely, not certain.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["OomCounters"]


class OomCounters:
    """The counters, as they were at the last look.

    Parameters
    ----------
    files : list of Path, optional
        Where they are, one ``oom_kill <n>`` in each; by default all that this system has.
    """

    def __init__(self, files: list[Path] | None = None) -> None:
        self._files = _places() if files is None else files
        self._seen = self._read()

    def struck(self) -> bool:
        """Return whether a counter has gone up since the last look."""
        before, self._seen = self._seen, self._read()
        return any(count > before.get(path, count) for path, count in self._seen.items())

    def _read(self) -> dict[Path, int]:
        found = {}
        for path in self._files:
            try:
                lines = path.read_text().splitlines()
            except OSError:
                continue
            for line in lines:
                name, _, count = line.partition(" ")
                if name == "oom_kill" and count.strip().isdigit():
                    found[path] = int(count)
        return found


def _places() -> list[Path]:
    found = [Path("/proc/vmstat")]
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if not controllers:
            found.append(Path(f"/sys/fs/cgroup{path}/memory.events"))
        elif "memory" in controllers.split(","):
            found.append(Path(f"/sys/fs/cgroup/memory{path}/memory.oom_control"))
    return [path for path in found if path.exists()]

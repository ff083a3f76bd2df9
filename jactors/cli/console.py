"""A console that leaves the actor alive: ``python -m jactors.cli.console CONNECTION_FILE``.

``exit`` typed into ``jupyter console --existing`` shuts the kernel down; here it only leaves. A
program of its own, because the console's application belongs to the process it runs in.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Attach to the kernel of a connection file; further arguments are jupyter console's."""
    try:
        from jupyter_console.app import ZMQTerminalIPythonApp
    except ImportError:
        print("a console needs jupyter-console: pip install jupyter-console", file=sys.stderr)
        return 1

    class Console(ZMQTerminalIPythonApp):  # type: ignore[misc]
        """Jupyter's, which shuts no kernel down."""

        def init_kernel_client(self) -> None:
            """Make the client that attaches."""
            super().init_kernel_client()
            self.kernel_client.shutdown = _stay

    Console.launch_instance(["--existing", *arguments])
    return 0


def _stay(*_: Any, **__: Any) -> None:
    print("the actor lives on")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

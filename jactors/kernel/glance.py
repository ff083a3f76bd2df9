"""A glance: a cell that looks at the actor while a method runs (``%%actor --now``). In a thread of the side door's.

It sees the user's object as it is at that moment, half done perhaps; it is for looking, and nothing stops it from
changing what it looks at, so the one who sends it is told.
"""

from __future__ import annotations

import ast
import threading
from typing import TYPE_CHECKING, Any

from IPython.display import display

from jactors.kernel.interrupts import raise_in

if TYPE_CHECKING:
    from jactors.kernel.kernel import ActorKernel

__all__ = ["glance"]

#: Seconds before the time box ends at which the cell is interrupted, so that it can still say so.
_SPARE = 0.5


def glance(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """Run ``content["code"]`` beside whatever runs; its output goes under the header ``content["parent"]``."""
    parent = content["parent"]
    shell = kernel.shell
    variables = {**shell.user_ns, "self": kernel.actor.self if kernel.actor is not None else None}
    kernel.output.enter_thread(parent)  # this thread is of this cell alone
    ended = threading.Event()
    limit = max(float(content["timeout"]) - _SPARE, 0.1)
    timer = threading.Timer(limit, _stop, (threading.get_ident(), ended))
    timer.daemon = True
    timer.start()
    answer: dict[str, Any] = {}
    try:
        _run(shell, content["code"], variables)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            error.args = (f"it took longer than {limit:g} s; --timeout gives it more",)
        text = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__, tb_offset=2)
        answer = {"failed": True, "error": type(error).__name__, "value": str(error), "traceback": text}
    finally:
        ended.set()
        timer.cancel()
    kernel.output.idle(parent)
    return answer


def _run(shell: Any, code: str, variables: dict[str, Any]) -> None:
    """Run a cell in `variables`; what its last expression is worth is displayed."""
    tree = ast.parse(shell.transform_cell(code), "<%%actor --now>")
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<%%actor --now>", "exec"), variables)  # noqa: S102 - the user's own cell
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), "<%%actor --now>", "eval"), variables)  # noqa: S307
        if value is not None:
            display(value)


def _stop(thread: int, ended: threading.Event) -> None:
    if not ended.is_set():
        raise_in(thread, KeyboardInterrupt)

"""A stock kernel, started and asked as any Jupyter client does it: what an actor is measured against as a kernel."""

from __future__ import annotations

from tests.bench import measure

ASK = {"store_history": False, "silent": False, "stop_on_error": False}


def start():
    from jupyter_client.manager import start_new_kernel

    return start_new_kernel(startup_timeout=60)


def ask(kernels):
    for _, client in kernels:
        reply = client.execute_interactive("1 + 1", output_hook=lambda _: None, timeout=60, **ASK)
        assert reply["content"]["status"] == "ok"


def stop(kernels):
    for manager, client in kernels:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def calls(sync, pipelined):
    kernel = start()
    _, client = kernel

    def many(n):
        pending = {client.execute("1 + 1", **ASK) for _ in range(n)}
        while pending:
            pending.discard(client.get_shell_msg(timeout=60)["parent_header"]["msg_id"])

    # ten times fewer: it is slower by more than that, and warm after a few
    figures = measure.calls(lambda: ask([kernel]), many, sync=sync // 10, pipelined=pipelined // 20)
    stop([kernel])
    return figures


def spawn(one_by_one, at_once):
    # one client of it costs 25 descriptors and 5 threads, so no burst
    return measure.spawn(lambda: None, start, ask, stop, one_by_one=min(one_by_one, 5), at_once=0)


def memory(actors):
    kernels = [start() for _ in range(min(actors, 3))]
    ask(kernels)
    figures = measure.memory([manager.provisioner.process.pid for manager, _ in kernels])
    stop(kernels)
    return figures

from __future__ import annotations

import asyncio

import zmq
from jupyter_client.session import Session

from jactors.kernel.app import _Subscribed


def test_who_subscribed_before_anybody_listened_is_told_of_too():
    with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
        iopub = context.socket(zmq.XPUB)
        iopub.bind("inproc://iopub")
        subscriber.connect("inproc://iopub")
        thread = _Subscribed(iopub, session=Session())  # not started: its loop runs here, as far as it is told
        told = []

        async def until(true):
            while not true():  # noqa: ASYNC110 - the loop is what is waited for
                await asyncio.sleep(0)

        subscriber.subscribe(b"early")
        thread.io_loop.run_sync(lambda: until(lambda: thread.subscribed), timeout=10)
        thread.listen(told.append)
        subscriber.subscribe(b"late")
        thread.io_loop.run_sync(lambda: until(lambda: len(told) == 2), timeout=10)
        assert told == [b"\1early", b"\1late"]
        thread.io_loop.close(all_fds=True)

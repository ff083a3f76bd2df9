from __future__ import annotations

import queue
import threading

import zmq
from jupyter_client.session import Session

from jactors.kernel.app import _Subscribed


def test_who_subscribed_before_anybody_listened_is_told_of_too():
    with zmq.Context() as context, context.socket(zmq.SUB) as early, context.socket(zmq.SUB) as late:
        published = context.socket(zmq.XPUB)
        published.bind("inproc://iopub")
        thread = _Subscribed(published, session=Session())
        came, told = threading.Event(), queue.SimpleQueue()
        thread.on_subscriber = came.set
        thread.start()
        for subscriber, topic in ((early, b"early"), (late, b"late")):
            subscriber.subscribe(topic)
            subscriber.connect("inproc://iopub")
            assert came.wait(10)
            if subscriber is early:
                thread.listen(told.put)
            assert told.get(timeout=10) == b"\1" + topic
        thread.stop()
        thread.close()

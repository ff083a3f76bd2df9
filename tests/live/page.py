"""A notebook's side of its kernel: runs cells, answers what they ask, stops them, completes."""

from __future__ import annotations

import queue
import textwrap
import time

PATIENCE = 30


class Notebook:
    """A kernel and its client."""

    def __init__(self, manager):
        self.manager = manager
        self.client = manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def begin(self, code):
        return self.client.execute(textwrap.dedent(code).lstrip("\n"), allow_stdin=True)

    def end(self, cell, *answers):
        """Outputs of a cell that was begun, as nbformat has them; in "other" those of other cells."""
        answers, outputs, idle, replied = list(answers), [], False, False
        deadline = time.monotonic() + PATIENCE
        while not (idle and replied):
            assert time.monotonic() < deadline, outputs
            try:
                message = self.client.get_iopub_msg(timeout=0.05)
            except queue.Empty:
                message = None
            try:
                asked = self.client.get_stdin_msg(timeout=0)
                outputs.append(("asked", asked["content"]))
                self.client.input(answers.pop(0))
            except queue.Empty:
                pass
            try:
                replied = self.client.get_shell_msg(timeout=0)["parent_header"]["msg_id"] == cell or replied
            except queue.Empty:
                pass
            if message is None or message["parent_header"].get("msg_id") != cell:
                continue
            if message["msg_type"] == "status":
                idle = message["content"]["execution_state"] == "idle"
            elif message["msg_type"] != "execute_input":
                outputs.append((message["msg_type"], message["content"]))
        return outputs

    def run(self, code, *answers):
        return self.end(self.begin(code), *answers)

    def ask(self, number):
        while True:
            message = self.client.get_shell_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == number:
                return message["content"]

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()
        self.manager.cleanup_resources()


def printed(outputs, name="stdout"):
    return "".join(content["text"] for kind, content in outputs if kind == "stream" and content["name"] == name)


def shown(outputs):
    return [content["data"] for kind, content in outputs if kind in ("display_data", "execute_result")]


def failed(outputs):
    (error,) = [content for kind, content in outputs if kind == "error"]
    return error


def until_printed(page, text):
    """Wait until the running cell has printed it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < deadline
        try:
            message = page.client.get_iopub_msg(timeout=1)
        except queue.Empty:
            continue
        if message["msg_type"] == "stream" and text in message["content"]["text"]:
            return

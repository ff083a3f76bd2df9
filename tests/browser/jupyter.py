"""A Jupyter server of the tests' own: JupyterLab, Notebook 7 and Voila at one address."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import textwrap
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]

#: Seconds that a server has to start, and to end.
PATIENCE = 60

#: What Lab's extensions are told: no news pop-up over a corner of the page, every cell in the page, also those that
#: are scrolled out of sight. Completions that are a second late on a slow machine are shown all the same.
SETTINGS = {
    "@jupyterlab/completer-extension/manager": {"providerTimeout": 30_000},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}


class Jupyter:
    """A running server, its files below `folder`.

    The kernels' files lie in this test run's runtime folder, so that the census finds what they leave there.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.root = folder / "work"
        self.token = secrets.token_hex(16)
        self._log = folder / "log"
        for name, settings in SETTINGS.items():
            file = folder / "settings" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(settings))
        for name in ("work", "config", "data", "workspaces"):
            (folder / name).mkdir(exist_ok=True)
        _install(folder)
        path = os.pathsep.join(filter(None, [str(ROOT), str(folder / "site"), os.environ.get("PYTHONPATH")]))
        environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "JUPYTER_PLATFORM_DIRS": "1",
            "PYTHONPATH": path,
        }
        for name in [name for name in environment if name.startswith("PYTEST_")]:
            del environment[name]  # ipykernel behaves differently where it finds them
        command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
        command += ["--ServerApp.port=0", "--ServerApp.port_retries=0", f"--IdentityProvider.token={self.token}"]
        command += [f"--ServerApp.root_dir={self.root}", *options]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
            )
        try:
            self.url = self._until_up()
        except BaseException:
            self.close()
            raise

    def _until_up(self) -> str:
        """Return the address once the server answers there."""
        place = Path(os.environ["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{self._process.pid}.json"
        deadline = time.monotonic() + PATIENCE
        while True:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no Jupyter server came up:\n{self.log()}")
            try:
                self.url = f"http://127.0.0.1:{json.loads(place.read_text())['port']}"
                self.api("GET", "status")
            except (OSError, ValueError):  # neither the file nor the server says when it is ready
                time.sleep(0.05)
            else:
                return self.url

    def log(self) -> str:
        """Return what the server has logged."""
        return self._log.read_text(errors="replace")

    def api(self, method: str, path: str, content: object = None) -> object:
        """Ask the server's REST API; HTTPError where it refuses."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def write(self, name: str, cells: list[str]) -> Path:
        """Make a notebook of code cells."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell).strip()) for cell in cells]
        )
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = self.root / name
        path.write_text(nbformat.writes(notebook))
        return path

    def address(self, path: str, **query: str) -> str:
        """Return the address of a page, token included."""
        return f"{self.url}/{path}?{urllib.parse.urlencode({'token': self.token, **query})}"

    def clear(self) -> None:
        """End all sessions and kernels: a notebook that is opened again would find its old kernel."""
        for session in self.api("GET", "sessions"):
            self._delete(f"sessions/{session['id']}")
        for kernel in self.api("GET", "kernels"):
            self._delete(f"kernels/{kernel['id']}")

    def _delete(self, path: str) -> None:
        try:
            self.api("DELETE", path)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in (404, 410):  # it has gone meanwhile
                raise

    def close(self) -> None:
        """End the server and all its kernels."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _install(folder: Path) -> None:
    """What an installation adds to the server's environment, from the tree under test: kernelspec and entry points."""
    shutil.copytree(ROOT / "jactors" / "launch" / "kernelspec", folder / "data" / "kernels" / "jactors")
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    site = folder / "site" / "jactors_under_test-0.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: jactors-under-test\nVersion: 0\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in each.items()) for group, each in groups.items()]
    (site / "entry_points.txt").write_text("\n".join(lines))

"""A MongoDB server as a process that can be killed and started again on the same data."""

import subprocess
import sys
from pathlib import Path

from running_server import free_port, wait_for_port

NX_SERVER = Path(__file__).resolve().parents[1] / "server" / "nx_server.py"


class Mongo:
    """nx-27017 with a folder of its own."""

    def __init__(self, folder):
        self._folder, self.port = folder, free_port()
        folder.mkdir()
        self.uri = f"mongodb://127.0.0.1:{self.port}/parse"
        self.start()

    def start(self):
        command = [sys.executable, NX_SERVER, "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--data-dir", self._folder / "data", "--log-file", self._folder / "log"]
        self.process = subprocess.Popen(
            [*command, "--pid-file", self._folder / "pid"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            start_new_session=True,
        )
        wait_for_port(self.port, self.process)

    def stop(self):
        self.process.kill()
        self.process.wait()

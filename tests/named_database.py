"""Run a command with TEST_DATABASE_URI naming a MongoDB server that ends with it."""

import os
import subprocess

from running_server import wait_for_port


def run_on(program, port, command):
    """Start the server, which listens on the port; return what the command ends with."""
    with subprocess.Popen(program) as server:
        try:
            wait_for_port(port, server, timeout_s=60)
            environment = os.environ | {"TEST_DATABASE_URI": f"mongodb://127.0.0.1:{port}"}
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            server.kill()

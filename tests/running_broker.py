"""A real Redis and real worker processes, as an installation of many machines has them."""

import os
import shutil
import socket
import subprocess

import psutil
import pytest
from running_server import bare_environment, free_port, program, wait_for_port


def find_redis():
    """The redis-server program. Without one the test is skipped, or fails where CI demands it."""
    program = shutil.which("redis-server")
    if program is None:
        sentence = "redis-server is not installed; on Debian: apt install redis-server"
        if os.environ.get("TEST_NEEDS_REDIS"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    return program


class Redis:
    """A Redis that keeps nothing on disk: stopped, it has forgotten everything."""

    def __init__(self):
        self._program = find_redis()
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self):
        options = ["--bind", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [self._program, *options, "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for_port(self.port, self.process)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def ask(self, *words):
        """Send a command; the answer is a number, a word or a text."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall((" ".join(words) + "\r\n").encode())
            lines = connection.makefile()
            first = lines.readline().strip()
            kind, answer = first[0], first[1:]
            if kind == "$":  # a text's length stands before it
                return lines.readline().strip()
            return int(answer) if kind == ":" else answer


class Worker:
    """A `python -m server worker` in a process group of its own."""

    def __init__(self, log, *arguments, clock=None, **settings):
        self.log = log
        with log.open("a") as stream:
            self.process = psutil.Popen(
                [*program(clock), "worker", *arguments],
                env=bare_environment() | {name: str(value) for name, value in settings.items()},
                cwd=log.parent,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def family(self):
        return [self.process, *self.process.children(recursive=True)]

    def stop(self):
        if self.process.is_running():
            for process in self.family():
                process.kill()
        self.process.wait()

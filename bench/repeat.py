"""A bounded load of one request, over and over. Run as a process of its own; prints one JSON line.

Usage: repeat.py PORT CONCURRENCY SECONDS, with the request's bytes on standard input.
"""

import json
import sys
import time

from load import Client, run


class Repeater(Client):
    """Sends the same bytes each time."""

    def __init__(self, port, request, deadline):
        super().__init__(port, None, 0, deadline, "")
        self.request_bytes = request

    def upload_parts(self):
        return [self.request_bytes]


def main(port, concurrency, seconds):
    request = sys.stdin.buffer.read()
    deadline = time.monotonic() + float(seconds)
    clients = [Repeater(int(port), request, deadline) for _ in range(int(concurrency))]
    print(json.dumps(run(clients)))


if __name__ == "__main__":
    main(*sys.argv[1:])

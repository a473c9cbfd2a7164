"""The host that the server fetches from: any path is the picture with a comment of its own.

Run as a process of its own: `image_host.py PORT JPEG`. Closes after each answer, as the server's
fetches ask for.
"""

import re
import socket
import sys
import threading
from pathlib import Path

from unique import with_comment


def _answer(connection, jpeg):
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        number = int(re.match(rb"GET /(\d+)", head)[1])
        parts = with_comment(jpeg, number)
        length = sum(map(len, parts))
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % length
        )
        for part in parts:
            connection.sendall(part)


def main(port, jpeg_path):
    jpeg = Path(jpeg_path).read_bytes()
    with socket.create_server(("127.0.0.1", int(port)), backlog=64) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_answer, args=(connection, jpeg), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])

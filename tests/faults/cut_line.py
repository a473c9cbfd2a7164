"""A line to a MongoDB server that is not the test's to stop: cut, the server seems to be gone."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from pymongo import MongoClient
from running_server import free_port


class Line:
    """Carries bytes between a port of this machine and the server of a plain `mongodb://` URI.

    `uri` names a database of the test's own by way of it.
    """

    def __init__(self, server_uri, name):
        parts = urlsplit(server_uri)
        self._server_uri, self._name = server_uri, name
        self._far, self.port = (parts.hostname, parts.port or 27017), free_port()
        userinfo, at, _ = parts.netloc.rpartition("@")
        # Directly: the members that a replica set names are not reached by the line.
        query = "&".join(filter(None, [parts.query, "directConnection=true"]))
        self.uri = f"mongodb://{userinfo}{at}127.0.0.1:{self.port}/{name}?{query}"
        self.start()

    def start(self):
        self._ends = []
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def stop(self):
        cut(self._listener)
        self._threads[0].join()  # from now on there are no new ones
        for end in self._ends:
            cut(end)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def drop(self):
        """Leave nothing at the server."""
        self.stop()
        with MongoClient(self._server_uri) as client:
            client.drop_database(self._name)

    def _listen(self):
        with suppress(OSError):  # the line is cut
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._far)
                self._ends += [near, far]
                for ends in ((near, far), (far, near)):
                    self._threads.append(threading.Thread(target=carry, args=ends))
                    self._threads[-1].start()


def carry(source, target):
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    cut(source)
    cut(target)


def cut(end):
    with suppress(OSError):  # it was cut before
        end.shutdown(socket.SHUT_RDWR)

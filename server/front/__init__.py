"""The HTTP front: whole requests in from an event loop, the WSGI app on threads, answers out."""

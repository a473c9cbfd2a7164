"""LiveQuery: clients hear over WebSockets of the objects that their queries find, as they change.

Every process's writes pass `publishing.py`, the `bus` brings them to every process that serves,
its `hub.py` decides who may hear of what, and `face.py` speaks with the clients.
"""

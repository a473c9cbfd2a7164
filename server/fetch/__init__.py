"""The one door through which the server talks to hosts outside.

Read in this order: address (which hosts and addresses), url (what a URL names), names (DNS),
sockets (deadline and byte budget), content (the body), http (`PinnedFetcher`, which ties them),
wiring (how far the settings open it).
"""

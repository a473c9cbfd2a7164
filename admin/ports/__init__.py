"""What the panel needs from outside, one file for each role; `server.panel` implements them.

Every method raises StoreUnavailable.
"""

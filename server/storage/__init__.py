"""Where Parse objects are kept: one port, and an implementation for each database."""

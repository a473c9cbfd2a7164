"""Files that clients send and read: what they hold, their names, how they are served, triggers."""

"""What `python -m server` can do beside serving; `server.cli` only reads the command line."""

"""The panel's pages: one file each, thin, with an `add_routes(panel, services)`."""

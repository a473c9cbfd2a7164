"""THE PARSE FACE, and the wiring: the only place that knows Parse's JSON, databases and HTTP."""

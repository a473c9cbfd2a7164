"""Background jobs: run and kept in `_JobStatus`, and started when a schedule says so."""

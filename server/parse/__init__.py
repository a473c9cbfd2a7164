"""Parse's wire format: pure functions between HTTP's bytes and our types."""

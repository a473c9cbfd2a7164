"""Signing in at the panel's door."""

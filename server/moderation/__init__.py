"""Moderation on Parse's side: items and policies as objects, and saves that make items."""

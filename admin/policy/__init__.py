"""What the policy page reads and shows, without its routes."""

"""What the review lane reads, shows and answers; its routes are in `admin.pages`."""

"""What the review lane reads, shows and answers; its pages are `admin.pages.lane` and `lane_calls`."""

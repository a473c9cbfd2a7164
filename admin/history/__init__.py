"""What the pages of past decisions share: searches in addresses, what items say, exports."""

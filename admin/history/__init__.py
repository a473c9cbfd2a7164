"""What the pages of past decisions share: searches in addresses, what is shown of items, exports."""

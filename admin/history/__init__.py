"""What the pages of past decisions share: searches in addresses, items and logs in words, exports.
"""

"""From an image to a verdict: types, rules, policy, and the service that joins them."""

"""BYTES IN, PREDICTIONS OUT.

Obtains a model once, decodes images, and says how probable each of the five classes is. Refuses to
know the web, databases, and thresholds: what a prediction means is the business of `cloud`.
"""

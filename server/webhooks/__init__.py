"""Webhooks: others are told of every decision, at least once, whatever process ends when.

Read in this order: receivers (who is told), deliveries (what is due, in the database), sender
(signs and posts one), deliverer (the threads).
"""

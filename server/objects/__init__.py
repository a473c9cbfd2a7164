"""What can be done with Parse objects, as readable steps: who may, which triggers, what is stored.

Knows Parse's rules and the storage port; knows no HTTP and no database.
"""

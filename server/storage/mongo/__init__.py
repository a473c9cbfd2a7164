"""The database for production: MongoDB, in exactly the document layout of Parse Server.

An existing Parse database can be pointed at, and a Parse Server beside us reads what we write.
"""

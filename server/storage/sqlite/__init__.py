"""The embedded database: one SQLite file and a folder of files, for an installation without
MongoDB. `database.SqliteDatabase` is what others use; knows Parse's types, but not its wire."""

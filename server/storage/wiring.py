"""Which database the settings ask for."""

from config import Settings, SettingsError
from server.storage.encrypted_files import EncryptedFiles
from server.storage.mongo.database import MongoDatabase
from server.storage.port import Database
from server.storage.sqlite.database import SqliteDatabase


def open_database(settings: Settings) -> Database:
    """The MongoDB of DATABASE_URI, or the embedded one under DATA_DIR. Raises SettingsError."""
    database = _database_of(settings)
    if settings.file_encryption_key:
        database.files = EncryptedFiles(database.files, settings.file_encryption_key)
    return database


def _database_of(settings: Settings) -> SqliteDatabase | MongoDatabase:
    if not settings.database_uri:
        return SqliteDatabase(settings.data_dir)
    try:
        return MongoDatabase(settings.database_uri)
    except ValueError as error:
        raise SettingsError(str(error)) from None

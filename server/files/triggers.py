"""Run an app's triggers around uploads and deletions of files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cloud.code import FILES, TriggerKind, cloud
from cloud.errors import SCRIPT_FAILED, CloudError
from cloud.files import CloudFile
from cloud.requests import RequestContext
from cloud.running import run_file_trigger
from cloud.values import File
from server.files.uploads import Upload
from server.parse.errors import FILE_DELETE_ERROR, FILE_SAVE_ERROR, ParseError


class FileTriggers:
    """The triggers of one call; `context` makes what cloud code may use in it.

    What a trigger raises reaches the client, with 130 or 153 where it names no code of its own.
    """

    def __init__(self, context: Callable[[], RequestContext]) -> None:
        self._context = context

    def before_save(self, name: str, upload: Upload) -> CloudFile | File | None:
        """Return the file as the trigger wants it, or one that is stored already.

        None where there is no trigger, and the upload stays as it is.
        """
        kind = TriggerKind.BEFORE_SAVE
        if cloud.trigger(kind, FILES) is None:
            return None
        metadata, tags = dict(upload.metadata), dict(upload.tags)
        file = CloudFile(name, upload.data, upload.content_type, metadata, tags, upload.directory)
        with _failing_with(FILE_SAVE_ERROR):
            return run_file_trigger(kind, self._context(), file, len(upload.data))

    def after_save(self, name: str, url: str, upload: Upload | None) -> None:
        """Tell of a file that is stored; without the upload where it had been before."""
        kind = TriggerKind.AFTER_SAVE
        if cloud.trigger(kind, FILES) is None:
            return
        file = CloudFile(name, url=url)
        if upload is not None:
            file.data, file.content_type = upload.data, upload.content_type
            file.metadata, file.tags = dict(upload.metadata), dict(upload.tags)
        size = None if upload is None else len(upload.data)
        with _failing_with(FILE_SAVE_ERROR):
            run_file_trigger(kind, self._context(), file, size)

    def before_delete(self, name: str, url: str) -> None:
        """Let the trigger refuse the deletion."""
        self._delete(TriggerKind.BEFORE_DELETE, name, url)

    def after_delete(self, name: str, url: str) -> None:
        """Tell of a file that is gone."""
        self._delete(TriggerKind.AFTER_DELETE, name, url)

    def _delete(self, kind: TriggerKind, name: str, url: str) -> None:
        if cloud.trigger(kind, FILES) is not None:
            with _failing_with(FILE_DELETE_ERROR):
                run_file_trigger(kind, self._context(), CloudFile(name, url=url), None)


@contextmanager
def _failing_with(code: int) -> Iterator[None]:
    try:
        yield
    except CloudError as error:
        if error.code != SCRIPT_FAILED:
            raise
        raise ParseError(code, str(error)) from error

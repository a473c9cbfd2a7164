"""`python -m server demo`: fills the queue with free sample pictures, as users would upload them.

Runs beside a server or without one: each picture is saved through the same door as an app's, and
whoever is first, this process or a server, judges it.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from cloud.code import CloudRequest, cloud
from cloud.errors import CloudError
from cloud.moderation.items import State
from cloud.operations import Set
from cloud.running import run_function
from cloud.values import File
from config import Settings, SettingsError
from ml_models.errors import ModelError
from ml_models.own_commands import own_command
from server.auth import Caller
from server.cloud_code import load_cloud_code
from server.moderation.items import StoredItems
from server.moderation.subjects import shown_item
from server.parse.query import FindRequest
from server.services import Services
from server.sole_instance import is_served, served_port
from server.storage.port import Document
from server.wiring import make_services

if TYPE_CHECKING:
    from server.commands.demo_pictures import DemoPicture

_CLASS, _COLUMN, _AUTHOR = "UserImage", "image", "imageAuthor"
_HERE = "127.0.0.1"
_MASTER = Caller(master=True, ip=_HERE)
_UPLOADERS = ("demo-ada", "demo-ben", "demo-cleo", "demo-dan", "demo-eva")
_JUDGED_WITHIN_S = 60.0
_LOOK_AGAIN_AFTER_S = 0.1
_FILLED, _MADE = "In the data folder", "In a data folder that was not there before,"
_APPEAL = "I drew this myself, and there is nothing bad in it. Please look again."


@dataclass(slots=True)
class Filled:
    """What a run did; the states are those of the pictures it added."""

    added: int
    present: int
    appealed: bool
    states: Counter[State]


@click.command(
    help="Fill the review queue with free sample pictures: drawn ones, views of a photograph, a "
    "broken file, an animation, a near copy, an appeal. Those that are there are not added again."
)
@click.option("--count", default=40, show_default=True, type=click.IntRange(1, 1000))
@click.pass_obj
def demo(settings: Settings, count: int) -> None:
    logging.getLogger("cloud.moderation").setLevel(logging.WARNING)  # two lines for each picture
    is_new = not settings.data_dir.is_dir()
    filled = fill(settings, count)
    if not settings.database_uri:
        click.echo(f"{_MADE if is_new else _FILLED} {settings.data_dir.resolve()}")
    for line in _report(settings, filled):
        click.echo(line)


def fill(settings: Settings, count: int) -> Filled:
    """Add the demo pictures up to number `count`, and wait until they are judged.

    Raises SettingsError where uploads of the demo's kind are not moderated, ParseError,
    StoreUnavailable.
    """
    if _COLUMN not in settings.moderated_files.get(_CLASS, ()):
        raise SettingsError(f"MODERATED_FILES: the demo needs {_CLASS}.{_COLUMN} among them")
    load_cloud_code(settings.cloud_code_main)
    with _services(settings) as services:
        return _Demo(services).fill(count)


@contextmanager
def _services(settings: Settings) -> Iterator[Services]:
    """Those of one process that judges, though a server may run on the same database."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    alone = settings.model_copy(update={"web_workers": 1, "celery_broker_url": ""})
    with closing(make_services(alone)) as services:
        yield services


class _Demo:
    def __init__(self, services: Services) -> None:
        self._services, self._objects = services, services.objects
        self._items = StoredItems(services.database, services.schemas)
        self._added: dict[str, Document] = {}
        """The new objects by their items' ids."""

    def fill(self, count: int) -> Filled:
        from server.commands.demo_pictures import demo_pictures, photograph  # numpy and Pillow

        self._objects.prepare()
        present = self._present_files()
        owners = [self._uploader(name) for name in _UPLOADERS]
        appealed, skipped = None, 0
        for picture in demo_pictures(count, photograph()):
            if picture.file_name in present:
                skipped += 1
                continue
            owner = owners[picture.number % len(owners)]
            item_id = self._upload(picture, owner)
            if picture.is_appealed:
                appealed = appealed or (item_id, owner)
        self._wait_until_judged()
        is_appealed = appealed is not None and self._appeal(*appealed)
        return Filled(len(self._added), skipped, is_appealed, self._states())

    def _present_files(self) -> set[str]:
        """The demo's files that objects hold: these pictures are there already."""
        request = FindRequest(where={_AUTHOR: {"$in": list(_UPLOADERS)}}, limit=100_000)
        found = self._objects.find(_MASTER, _CLASS, request).documents
        return {row[_COLUMN].name for row in found if isinstance(row.get(_COLUMN), File)}

    def _uploader(self, name: str) -> Document:
        """The user of this name, signed up without a password if need be: nobody can log in."""
        request = FindRequest(where={"username": name}, limit=1)
        found = self._objects.find(_MASTER, "_User", request).documents
        if found:
            return found[0]
        identity = {"anonymous": {"id": str(uuid4())}}
        changes = {"username": Set(name), "authData": Set(identity)}
        return dict(self._objects.create(_MASTER, "_User", changes, {}).document)

    def _upload(self, picture: "DemoPicture", owner: Document) -> str:
        """Save the picture as an app does, the file first; return its item's id."""
        self._services.database.files.put(picture.file_name, picture.make(), {})
        changes = {_COLUMN: Set(File(picture.file_name)), _AUTHOR: Set(owner["username"])}
        saved = self._objects.create(_as(owner), _CLASS, changes, {})
        item_id = shown_item(saved.document, _COLUMN)
        if item_id is None:
            raise RuntimeError(f"{_CLASS} {saved.object_id} was saved without an item")
        self._added[item_id] = saved.document
        return item_id

    def _wait_until_judged(self) -> None:
        """Without a model here, a server on the same database may still have one."""
        deadline = time.monotonic() + _JUDGED_WITHIN_S
        while self._states()[State.PENDING] and time.monotonic() < deadline:
            if not self._has_model():
                return
            for item_id in self._services.pipeline.sweep(100):
                self._services.dispatch.submit(item_id)
            time.sleep(_LOOK_AGAIN_AFTER_S)

    def _has_model(self) -> bool:
        try:
            self._services.classifier.check()
        except ModelError:
            return False
        return True

    def _states(self) -> Counter[State]:
        items = map(self._items.get, self._added)
        return Counter(item.state for item in items if item is not None)

    def _appeal(self, item_id: str, owner: Document) -> bool:
        """Reject a picture in the owner's stead of a moderator's, and have its owner object."""
        appeal = cloud.function("moderationAppeal")
        item = self._items.get(item_id)
        if appeal is None or item is None or item.state is State.PENDING:
            return False
        object_id = item.subject.object_id
        self._objects.update(_MASTER, _CLASS, object_id, {"deleted": Set(True)}, {})
        request = CloudRequest.of(
            self._services.context_of(_as(owner), {}),
            function_name="moderationAppeal",
            params={"className": _CLASS, "objectId": object_id, "text": _APPEAL},
        )
        try:
            run_function(appeal, request)
        except CloudError as error:
            click.echo(f"The appeal was refused: {error}", err=True)
            return False
        return True


def _as(user: Document) -> Caller:
    return Caller(master=False, ip=_HERE, user=user)


def _report(settings: Settings, filled: Filled) -> Iterator[str]:
    yield f"{filled.added:>5} added, {filled.present} were there already"
    for state, count in sorted(filled.states.items()):
        yield f"{count:>5} {_WORDS[state]}"
    if filled.appealed:
        yield "    1 of them was rejected, and its owner appeals"
    if filled.states[State.PENDING]:
        yield f"Without a model nothing is judged: {own_command('models fetch')}"
    if not settings.database_uri and not is_served(settings.data_dir):
        yield f"No server is running here yet: {own_command('run')}"
    port = served_port(settings.data_dir) or settings.port
    yield f"Review them at http://localhost:{port}/admin"
    yield "with an account of yours, or a new one:"
    yield f"  {own_command('create-moderator NAME')}"


_WORDS = {
    State.PENDING: "are pending",
    State.APPROVED: "were approved by the rules in force",
    State.REJECTED: "were rejected by the rules in force",
    State.REVIEW: "wait for a moderator",
    State.ENDED: "were replaced or deleted meanwhile",
}

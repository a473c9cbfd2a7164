"""`python -m server moderate`: a process that works off what was there before moderation.

It judges with its own classifier and all permits of the machine; a server on the same MongoDB may
run meanwhile, one on the same data folder may not. A dry run only reads, beside either.
"""

import logging
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from config import Settings, SettingsError
from server.malloc import keep_memory
from server.moderation.backlog import Backlog, Fate
from server.moderation.items import StoredItems
from server.parse.query import read_find
from server.services import Services
from server.sole_instance import sole_instance
from server.storage.sqlite.database import FILE_NAME
from server.wiring import make_services


def moderate_class(
    settings: Settings, class_name: str, where: str, *, rejudge: bool, dry_run: bool
) -> Counter[Fate]:
    """Work off every moderated file column of a class; count what became of the images.

    Raises SettingsError, CannotServe, ParseError for a bad `where`, ModelError, StoreUnavailable.
    """
    columns = settings.moderated_files.get(class_name)
    if columns is None:
        named = ", ".join(settings.moderated_files) or "none"
        raise SettingsError(f"MODERATED_FILES names no column of {class_name}, but of: {named}")
    chosen = read_find({"where": where}).where
    fates: Counter[Fate] = Counter()
    with _services(settings, dry_run) as services:
        if not dry_run:
            services.classifier.warm_up()
        for column in columns:
            backlog = _backlog(services, class_name, column, chosen, rejudge)
            fates.update(_shown(backlog, services, f"{class_name}.{column}", dry_run))
    return fates


@contextmanager
def _services(settings: Settings, dry_run: bool) -> Iterator[Services]:
    with ExitStack() as stack:
        if not settings.database_uri:
            if not (settings.data_dir / FILE_NAME).is_file():
                raise SettingsError(f"DATA_DIR: there is no {FILE_NAME} in {settings.data_dir}")
            if not dry_run:
                stack.enter_context(sole_instance(settings.data_dir))
        keep_memory()
        alone = settings.model_copy(update={"web_workers": 1, "celery_broker_url": ""})
        services = make_services(alone)
        stack.callback(services.close)
        yield services


def _backlog(
    services: Services, class_name: str, column: str, where: Mapping[str, Any], rejudge: bool
) -> Backlog:
    return Backlog(
        services.database,
        services.objects,
        StoredItems(services.database, services.schemas),
        services.pipeline,
        class_name=class_name,
        column=column,
        where=where,
        rejudge=rejudge,
    )


def _shown(backlog: Backlog, services: Services, name: str, dry_run: bool) -> Iterator[Fate]:
    """Yield the fates while a terminal shows how many there are, at what rate, how long yet."""
    threads = services.settings.worker_permits
    fates = backlog.survey(threads) if dry_run else backlog.moderate(threads)
    is_terminal = sys.stderr.isatty()
    if is_terminal:  # two lines for each image would hide the bar
        logging.getLogger("cloud.moderation").setLevel(logging.WARNING)
    total = backlog.count()
    with logging_redirect_tqdm():
        for fate in tqdm(fates, name, total, unit="img", disable=not is_terminal):
            if fate is Fate.PENDING:
                services.classifier.check()  # without a model all the others would wait as well
            yield fate

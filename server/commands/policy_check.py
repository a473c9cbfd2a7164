"""`python -m server policy check`: a policy tried on what is recorded. Reads, writes nothing."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from cloud.moderation.policy import InvalidPolicy, read_policy
from cloud.moderation.policy_check import PolicyCheck, Recorded, proposed_policy
from cloud.moderation.types import Outcome, Policy
from config import Settings
from server.moderation.policies import PolicyVersions
from server.moderation.policy_changes import PolicyChanges
from server.moderation.recorded import recorded_predictions
from server.objects.schemas import Schemas
from server.parse_config import ParseConfig
from server.storage.port import Database
from server.storage.sqlite.database import FILE_NAME
from server.storage.wiring import open_database


def check_policy(settings: Settings, file: Path) -> Iterator[str]:
    """Yield a line for each image that would change, then a table of all.

    Where nothing was ever recorded the file is checked all the same. Raises InvalidPolicy,
    StoreUnavailable.
    """
    given = _read(file)
    if not settings.database_uri and not (settings.data_dir / FILE_NAME).is_file():
        yield from _report(given, {}, ())
        return
    with closing(open_database(settings)) as database:
        yield from _report(given, stored_params(database), recorded_predictions(database.objects))


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidPolicy(str(file), f"is not JSON: {error}") from None


def stored_params(database: Database) -> Mapping[str, Any]:
    """The values of Parse.Config as they stand there. Raises StoreUnavailable."""
    schemas = Schemas(database.schemas, clients_make_classes=False)
    versions, changes = PolicyVersions(database, schemas), PolicyChanges(database, schemas)
    params, _ = ParseConfig(database.objects, versions, changes, 0).read()
    return params


def _report(given: Any, params: Mapping[str, Any], images: Iterable[Recorded]) -> Iterator[str]:
    check = PolicyCheck(_policy_of_today(params), proposed_policy(given, params))
    for change in check.changes(images):
        reasons = "; ".join(change.reasons) or "no class reaches its min"
        yield f"{change.name}  {change.before} -> {change.after}  {reasons}"
    yield f"{'':<10}{'today':>12}{'with file':>12}"
    for outcome in Outcome:
        yield f"{outcome:<10}{check.before[outcome]:>12,}{check.after[outcome]:>12,}"


def _policy_of_today(params: Mapping[str, Any]) -> Policy:
    """What a server that starts now goes by: an invalid policy is none."""
    try:
        return read_policy(params.get("moderationScores"), params.get("moderationAutomation"))
    except InvalidPolicy:
        return Policy({})

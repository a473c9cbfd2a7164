"""Requests to Parse's routes for what is somebody else's: rows, sessions, roles, verdicts."""

from parse_attacks import of_kind, short

# --- sessions and objects of others (CVE-2022-39225) ----------------------------------------------

FOREIGN = of_kind(
    "sessions and objects of others",
    *((f"alice's row through {door}", method, path, body)
      for door, method, path, body in [
          ("users", "PUT", "/users/<alice>", {"username": "mine"}),
          ("classes", "PUT", "/classes/_User/<alice>", {"password": "mine"}),
          ("_method", "POST", "/users/<alice>", {"_method": "PUT", "password": "mine"}),
          ("deletion", "DELETE", "/users/<alice>", None),
          ("deletion of the class", "DELETE", "/classes/_User/<alice>", None),
          ("its ACL", "PUT", "/users/<alice>", {"ACL": {"*": {"write": True}}}),
          ("an operation", "PUT", "/users/<alice>", {"n": {"__op": "Increment", "amount": 1}}),
      ]),
    ("alice's diary", "PUT", "/classes/Diary/<diary>", {"title": "mine"}),
    ("alice's diary's ACL", "PUT", "/classes/Diary/<diary>", {"ACL": {"*": {"write": True}}}),
    ("alice's diary's ACL taken away", "PUT", "/classes/Diary/<diary>",
     {"ACL": {"__op": "Delete"}}),
    ("a relation of alice's diary", "PUT", "/classes/Diary/<diary>",
     {"readers": {"__op": "AddRelation", "objects": [
         {"__type": "Pointer", "className": "_User", "objectId": "<charlie>"}]}}),
    ("what nobody may read", "GET", "/classes/Diary/<private>", None),
    ("a closed class", "GET", "/classes/Closed/<closed>", None),
    ("a closed class's list", "GET", "/classes/Closed", None),
    ("a chosen objectId", "POST", "/classes/Friend", {"objectId": "role:admins"}),
    ("a chosen user id", "POST", "/users",
     {"objectId": "role:admins", "username": "m", "password": "x"}),
    ("a chosen id", "POST", "/classes/Friend", {"id": "<diary>"}),
    ("a chosen time", "PUT", "/classes/Friend/<friend>",
     {"createdAt": {"__op": "Increment", "amount": 1}}),
    ("a session for alice by master only", "GET", "/sessions/me", None,
     {"headers": {"X-Parse-Session-Token": "r:" + "0" * 32}}),
    ("an ACL on a session", "POST", "/sessions", {"ACL": {"*": {"read": True}}}),
    ("the installations", "GET", "/installations", None),
    ("schemas", "GET", "/schemas", None),
    ("a schema", "PUT", "/schemas/Diary", {"classLevelPermissions": {}}),
    ("a purge", "DELETE", "/purge/Diary", None),
    ("config", "PUT", "/config", {"params": {"closed": 1}, "masterKeyOnly": {"closed": False}}),
    ("an aggregate", "GET", "/aggregate/Diary", None, {"query": {"distinct": "secret"}}),
    ("a job", "POST", "/jobs/x", {}),
    ("an explanation", "GET", "/classes/Diary", None, {"query": {"explain": "true"}}),
    ("the email of alice as mine", "PUT", "/users/<charlie>", {"email": "ALICE-7421@example.org"}),
    ("the name of alice in capitals", "PUT", "/users/<charlie>", {"username": "ALICE"}),
    ("alice's login through authData", "PUT", "/users/<charlie>",
     {"authData": {"anonymous": {"id": "anonymous-id-2258"}}}),
    ("emailVerified", "PUT", "/users/<charlie>", {"emailVerified": True}),
    ("emailVerified at sign-up", "POST", "/users",
     {"username": "<new>", "password": "x", "emailVerified": True}, {"by": "nobody"}),
    ("emailVerified by an operation", "PUT", "/users/<charlie>",
     {"emailVerified": {"__op": "Delete"}}),
    *((f"{method} {name}", method, f"/classes/{name}", {} if method == "POST" else None)
      for name in ("ModerationItem", "ModerationDecision", "ModerationPanelSession",
                   "ModerationPanelAccount", "ModerationPanelTries", "ModerationPanelViews",
                   "_JobStatus", "_PushStatus", "_JobSchedule", "_Idempotency", "_Audience",
                   "_Hooks")
      for method in ("GET", "POST")),
) + of_kind(
    "sessions and objects of others",
    ("a session of alice", "POST", "/sessions",
     {"user": {"__type": "Pointer", "className": "_User", "objectId": "<alice>"},
      "sessionToken": "r:known", "expiresAt": {"__type": "Date", "iso": "2999-01-01T00:00:00Z"}}),
    ("the sessions", "GET", "/sessions", None),
    ("sessions by a pattern", "GET", "/sessions", None,
     {"query": {"where": {"sessionToken": {"$regex": "^r:"}}}}),
    ("sessions of alice by a subquery", "GET", "/users", None,
     {"query": {"where": {"objectId": {"$select": {
         "query": {"className": "_Session", "where": {}}, "key": "sessionToken"}}}}}),
    ("an object for alice alone", "POST", "/classes/Diary", {"ACL": {"<alice>": {"read": True}}}),
    refused=False,
)  # fmt: skip

# --- roles (CVE-2024-47183) -----------------------------------------------------------------------

_ME = {"__type": "Pointer", "className": "_User", "objectId": "<charlie>"}
_ROLE = {"__type": "Pointer", "className": "_Role", "objectId": "<admins>"}
ROLES = of_kind(
    "role escalation",
    ("oneself added", "PUT", "/roles/<admins>", {"users": {"__op": "AddRelation",
     "objects": [_ME]}}),
    ("oneself added by the class", "PUT", "/classes/_Role/<admins>",
     {"users": {"__op": "AddRelation", "objects": [_ME]}}),
    ("a batch of operations", "PUT", "/roles/<admins>",
     {"users": {"__op": "Batch", "ops": [{"__op": "AddRelation", "objects": [_ME]}]}}),
    ("a role of one's own in it", "PUT", "/roles/<admins>",
     {"roles": {"__op": "AddRelation", "objects": [_ROLE]}}),
    ("its ACL", "PUT", "/roles/<admins>", {"ACL": {"<charlie>": {"write": True}}}),
    ("its name", "PUT", "/roles/<admins>", {"name": "nobody"}),
    ("its name by an operation", "PUT", "/roles/<admins>", {"name": {"__op": "Delete"}}),
    ("its end", "DELETE", "/roles/<admins>", None),
    ("another of its name", "POST", "/roles",
     {"name": "admins", "ACL": {"*": {"write": True}},
      "users": {"__op": "AddRelation", "objects": [_ME]}}),
    ("a role without an ACL", "POST", "/roles", {"name": "free"}),
    ("a role without a name", "POST", "/roles", {"name": {"$ne": 1}, "ACL": {}}),
    ("members by the join", "POST", "/classes/_Join:users:_Role",
     {"relatedId": "<charlie>", "owningId": "<admins>"}),
    ("members by a batch", "POST", "/batch", {"requests": [
        {"method": "POST", "path": "/parse/classes/_Join:users:_Role", "body": {}}] * 1 + [
        {"method": "PATCH", "path": "/parse/roles/<admins>", "body": {}}]}),
) + of_kind(
    "role escalation",
    ("a role that holds the role", "POST", "/roles",
     {"name": "above", "ACL": {"<charlie>": {"read": True, "write": True}},
      "roles": {"__op": "AddRelation", "objects": [_ROLE]}}),
    ("a user called as a role", "POST", "/users", {"username": "role:admins", "password": "x"},
     {"by": "nobody"}),
    ("members by a where", "GET", "/users", None, {"query": {"where": {"$relatedTo": {
        "object": _ROLE, "key": "users"}}}}),
    refused=False,
)  # fmt: skip

# --- what moderation alone writes -----------------------------------------------------------------

_ONE = {"className": "Neutral", "probability": 1}
_VERDICTS = [
    ("isSafe", True), ("isSafe", {"__op": "Delete"}), ("deleted", False),
    ("isSafe", {"__op": "Increment", "amount": 1}), ("moderationRequired", False),
    ("NSFWPredictions", [_ONE]), ("NSFWPredictions", {"__op": "Add", "objects": [_ONE]}),
    ("NSFWPredictions", {"__op": "AddUnique", "objects": [_ONE]}), ("NSFWPredictions.0", _ONE),
    ("isSafe", {"__op": "AddRelation", "objects": [_ME]}), ("isSafe.x", 1),
    ("isSafe", {"__op": "SetOnInsert", "amount": True}), ("_imageDecision", "x"),
]  # fmt: skip
MODERATION = of_kind(
    "columns of moderation",
    *((f"PUT of {column} {short(value)}", "PUT", "/classes/UserImage/<own_image>", {column: value})
      for column, value in _VERDICTS),
    *((f"_method PUT of {column}", "POST", "/classes/UserImage/<own_image>",
       {"_method": "PUT", column: value}) for column, value in _VERDICTS),
    *((f"PUT at /1 of {column}", "PUT", "/1/classes/UserImage/<own_image>", {column: value})
      for column, value in _VERDICTS),
    *((f"POST of {column} {short(value)}", "POST", "/classes/UserImage", {column: value})
      for column, value in _VERDICTS if value != {"__op": "Delete"}),
    *((f"isModerator {short(value)}", "PUT", "/users/<charlie>", {"isModerator": value})
      for value in (True, None, "true", {"__op": "Delete"}, {"__op": "Increment", "amount": 1},
                    {"__op": "SetOnInsert", "amount": True})),
    ("isModerator at sign-up", "POST", "/users",
     {"username": "<new>", "password": "x", "isModerator": True}, {"by": "nobody"}),
    ("isModerator at an anonymous sign-up", "POST", "/users",
     {"authData": {"anonymous": {"id": "new"}}, "isModerator": True}, {"by": "nobody"}),
    ("isModerator by the class", "POST", "/classes/_User",
     {"username": "<new>", "password": "x", "isModerator": True}, {"by": "nobody"}),
    ("a default for isModerator", "PUT", "/schemas/_User",
     {"fields": {"isModerator": {"type": "Boolean", "defaultValue": True}}}),
    ("a default for isSafe", "PUT", "/schemas/UserImage",
     {"fields": {"isSafe": {"type": "Boolean", "defaultValue": True}}}),
) + of_kind(
    "columns of moderation",
    ("saveAll", "POST", "/batch", {"requests": [
        {"method": "PUT", "path": "/parse/classes/UserImage/<own_image>", "body": {column: value}}
        for column, value in _VERDICTS]}),
    ("saveAll of new ones", "POST", "/batch", {"requests": [
        {"method": "POST", "path": "/1/classes/UserImage", "body": {column: value}}
        for column, value in _VERDICTS]}),
    ("saveAll of users", "POST", "/batch", {"requests": [
        {"method": "PUT", "path": "/parse/users/<charlie>", "body": {"isModerator": True}}]}),
    ("an objection to what is alice's", "POST", "/functions/moderationAppeal",
     {"className": "UserImage", "objectId": "<image>"}),
    refused=False,
)  # fmt: skip

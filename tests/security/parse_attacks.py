"""Attacks on Parse's routes, by the class of Parse Server's published advisories they repeat.

Angle brackets stand for ids of the scene: charlie, who has an account and no rights, attacks alice.
"""

from dataclasses import dataclass, field
from typing import Any

OPERATORS = (
    {"$ne": None}, {"$regex": "^r:"}, {"$gt": ""}, {"$exists": True}, {"$in": ["alice"]},
    {"__op": "Delete"}, {"__type": "Pointer", "className": "_User", "objectId": "x"}, ["alice"],
)  # fmt: skip
INTERNAL = (
    "_hashed_password", "_perishable_token", "_email_verify_token", "_session_token", "_rperm",
    "_wperm", "_acl", "_tombstone", "_password_history", "_auth_data_anonymous", "_id",
    "_account_lockout_expires_at", "_failed_login_count", "_imageDecision", "_p_owner",
)  # fmt: skip


@dataclass(frozen=True)
class Attack:
    """One request; `refused` says that it has to be, and not only to harm nobody."""

    kind: str
    name: str
    method: str
    path: str
    body: Any = None
    query: dict[str, Any] = field(default_factory=dict)
    by: str = "charlie"
    headers: dict[str, str] = field(default_factory=dict)
    refused: bool = True

    def __str__(self):
        return f"{self.kind}: {self.name}"


def of_kind(kind, *attacks, **common):
    """Attacks of one kind: (name, method, path, body) and what else is to be said."""
    return [
        Attack(kind, *attack[:4], **{**common, **(attack[4] if len(attack) > 4 else {})})
        for attack in attacks
    ]


def short(value):
    """A value, to be named in a list."""
    return str(value)[:40]


# --- operators where values belong (CVE-2020-5251, CVE-2021-39187) --------------------------------

_LOGINS = [
    (f"{column} {short(value)} at {path}", "POST", path,
     {"username": "alice", "password": "correct horse", column: value}, {"by": "nobody"})
    for path in ("/login", "/verifyPassword", "/challenge")
    for column in ("username", "password", "email")
    for value in OPERATORS
]  # fmt: skip
_SIGN_UPS = [
    (f"sign-up with {column} {short(value)}", "POST", "/users",
     {"username": "<new>", "password": "x", column: value}, {"by": "nobody"})
    for column in ("username", "password", "email", "authData")
    for value in (*OPERATORS, {"anonymous": {"id": {"$ne": None}}}, {"anonymous": {"id": ["x"]}},
                  {"anonymous": {"id": {"$regex": "."}}}, {"facebook": {"id": "1"}},
                   {"x.y": {"id": "1"}},
                  {"$or": {"id": "1"}})
    if not (column in ("email", "authData") and value == {"__op": "Delete"})
]  # fmt: skip
_TOKENS = [
    (f"{key} {short(value)}", "POST", "/functions/moderationStatus",
     {"_ApplicationId": "myAppId", "_JavaScriptKey": "myJsKey", key: value}, {"by": "none"})
    for key in ("_ApplicationId", "_JavaScriptKey", "_MasterKey", "_SessionToken",
     "_InstallationId",
                "_ClientVersion", "_MaintenanceKey")
    for value in ({"$ne": None}, ["x"], 5, True)
]  # fmt: skip
OPERATORS_FOR_VALUES = [
    *of_kind("operators where values belong", *_LOGINS, *_SIGN_UPS, *_TOKENS),
    *of_kind(
        "operators where values belong",
        ("a session token of a pattern", "GET", "/users/me", None,
         {"headers": {"X-Parse-Session-Token": '{"$regex": "^r:"}'}}),
        ("a token to reset", "POST", "/requestPasswordReset", {"email": {"$regex": ".*"}}),
        ("a token to reset", "POST", "/requestPasswordReset", {"token": {"$regex": ".*"}}),
        ("a mail to verify", "POST", "/verificationEmailRequest", {"email": {"$ne": ""}}),
        ("log in as a pattern", "POST", "/loginAs", {"userId": {"$ne": ""}}, {"by": "master"}),
        ("log in as alice", "POST", "/loginAs", {"userId": "<alice>"}),
        ("an objectId of an operator", "GET", '/users/{"$ne":""}', None),
        ("config by an operator", "PUT", "/config", {"params": {"x": {"$ne": 1}}}),
        ("config's names", "PUT", "/config", {"params": {"$set": 1, "a.b": 2}}, {"by": "master"}),
        ("a batch of operators", "POST", "/batch", {"requests": {"$ne": None}}),
        ("a method of an operator", "POST", "/classes/Diary/<diary>",
         {"_method": {"$ne": "GET"}, "title": "x"}),
        ("a method that is none", "POST", "/classes/Diary/<diary>", {"_method": "PATCH\r\nX: y"}),
        ("a where of an array", "GET", "/classes/Diary", None, {"query": {"where": ["$ne"]}}),
        ("an installation of an operator", "POST", "/installations",
         {"deviceType": "ios", "installationId": {"$ne": None}}),
        ("an installation's device token", "POST", "/installations",
         {"deviceType": "ios", "deviceToken": {"$ne": None}}),
        ("a limit of an operator", "GET", "/classes/Diary", None, {"query": {"limit": {"$gt": 0}}}),
        ("an order of an operator", "GET", "/classes/Diary", None,
         {"query": {"order": {"$meta": "x"}}}),
        ("javascript", "GET", "/classes/Diary", None, {"query": {"where": {"$where": "sleep(9)"}}}),
        ("javascript in a column", "GET", "/classes/Diary", None,
         {"query": {"where": {"title": {"$where": "1"}}}}),
        ("an expression", "GET", "/classes/Diary", None,
         {"query": {"where": {"$expr": {"$eq": ["$secret", "x"]}}}}),
        ("a schema", "GET", "/classes/Diary", None, {"query": {"where": {"$jsonSchema": {}}}}),
        ("a pattern that is none", "GET", "/classes/Diary", None,
         {"query": {"where": {"title": {"$regex": {"$ne": 1}}}}}),
        ("a pattern with options of its own", "GET", "/classes/Diary", None,
         {"query": {"where": {"title": {"$regex": "a", "$options": {"$ne": 1}}}}}),
        ("an operator in a value", "GET", "/classes/Diary", None,
         {"query": {"where": {"facts": {"a": {"$gt": 1}}}}}),
        ("a code of BSON", "POST", "/classes/Friend", {"words": {"_bsontype": "Code",
         "code": "1"}}),
    ),
]  # fmt: skip

# --- columns by their internal names, dotted names ------------------------------------------------

INTERNAL_NAMES = of_kind(
    "internal columns by name",
    *((f"sign-up with {name}", "POST", "/users",
       {"username": "<new>", "password": "x", name: "x"}) for name in INTERNAL),
    *((f"update of {name}", "PUT", "/users/<charlie>", {name: "x"}) for name in INTERNAL),
    *((f"{operation} of {name}", "PUT", "/classes/Friend/<friend>",
       {name: {"__op": operation, "objects": ["*"], "amount": 1}})
      for name in ("_rperm", "_wperm", "_acl", "_id") for operation in ("Add", "Delete",
       "Increment")),
    *((f"object with {name}", "POST", "/classes/Diary", {name: ["*"]}) for name in INTERNAL),
    *((f"where {name}", "GET", "/users", None, {"query": {"where": {name: {"$exists": True}}}})
      for name in INTERNAL),
    *((f"where {name} in {operator}", "GET", "/users", None,
       {"query": {"where": {operator: [{name: {"$regex": "^a"}}]}}})
      for name in INTERNAL for operator in ("$or", "$and", "$nor")),
    *((f"{parameter} {name}", "GET", "/users", None, {"query": {parameter: name}})
      for name in INTERNAL for parameter in ("order", "keys", "excludeKeys", "include")),
    *((f"update of {name}", "PUT", "/users/<charlie>", {name: "x"})
      for name in ("$set", "$where", "a..b", ".a", "a.", "username.x", "a.$.b", "a.$[]",
       "ACL.*.read",
                   "objectId.x", "password.x", "authData.anonymous.id", "a\x00b", "a b", "é", "",
                    "1a",
                   "className", "length", "id", "__type", "isModerator.x", "emailVerified.x")),
    *((f"a nested {name}", "POST", "/classes/Friend", {"facts": {"x": [{name: 1}]}})
      for name in ("$set", "a.b", "$where", "x$y", "a\x00b")),
)  # fmt: skip

# --- the prototype, and words that mean something to JavaScript (CVE-2022-39396, CVE-2023-36475) --

_WORDS = ("__proto__", "constructor")
PROTOTYPE = [
    *of_kind(
        "prototype pollution",
        *((f"{word} in {where}", "POST", "/classes/Friend", body)
          for word in _WORDS
          for where, body in {
              "a column": {word: {"polluted": 1}},
              "an object": {"facts": {word: {"polluted": 1}}},
              "an array": {"facts": {"a": [[{word: 1}]]}},
              "an operation": {"facts": {"__op": "Add", "objects": [{word: 1}]}},
              "an ACL": {"ACL": {word: {"read": True}}},
          }.items()),
        *((f"{word} in config", "PUT", "/config", {"params": {"x": {word: 1}}}, {"by": "master"})
          for word in _WORDS),
        *((f"{word} as a path", "PUT", "/classes/Friend/<friend>", {f"facts.{word}.polluted": 1})
          for word in _WORDS),
        *((f"{word} in where", "GET", "/classes/Friend", None,
           {"query": {"where": {word: {"polluted": 1}}}}) for word in ("__proto__",)),
        *((f"a function {name}", "POST", f"/functions/{name}", {})
          for name in ("__proto__", "constructor", "toString", "hasOwnProperty", "prototype.x",
                       "__proto__.polluted", "nsfwImageClassify.__class__", "__init__")),
        *((f"a job {name}", "POST", f"/jobs/{name}", {}, {"by": "master"})
          for name in ("__proto__", "constructor.x")),
        *((f"a class {name}", "GET", f"/classes/{name}", None)
          for name in ("__proto__", "_Join:users:_Role", "_SCHEMA", "_GlobalConfig",
                       "_Hooks", "system.users", "$cmd")),
        *((f"{word} in context", "POST", "/classes/Friend",
           {"_context": {word: {"polluted": 1}}, "_ApplicationId": "myAppId",
            "_JavaScriptKey": "myJsKey"}, {"by": "none"}) for word in _WORDS),
        *((f"a context of {text[:30]}", "POST", "/classes/Friend", {},
           {"headers": {"X-Parse-Cloud-Context": text}})
          for text in ('{"__proto__": {"polluted": 1}}', '{"a": {"constructor": 1}}', "[]", '"x"',
                       '{"a": NaN}', '{"a": 1e400}', "{", "[" * 5000)),
    ),
    *of_kind(
        "prototype pollution",
        ("a prototype in an object", "POST", "/classes/Friend", {"facts": {"prototype": {"p": 1}}}),
        ("constructor in where", "GET", "/classes/Friend", None,
         {"query": {"where": {"constructor": {"polluted": 1}}}}),
        ("function arguments", "POST", "/functions/moderationStatus",
         {"__proto__": {"polluted": 1}}),
        refused=False,
    ),
]  # fmt: skip

"""Requests to Parse's routes that are malformed, huge, or not what they seem."""

import json

from parse_attacks import of_kind

# --- what costs more than it looks (CVE-2024-29027, CVE-2021-39187) -------------------------------

_SLOW = ("^(a+)+$", "(a|a)*b", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*a){25}", "(x+x+)+y")
RESOURCES = of_kind(
    "exhausted resources",
    *((f"the pattern {pattern} in {where}", "GET", "/classes/Friend", None,
     {"query": {"where": body}})
      for pattern in _SLOW
      for where, body in {
          "where": {"words": {"$regex": pattern}},
          "$or": {"$or": [{"words": {"$regex": pattern}}, {"number": 5}]},
          "$all": {"words": {"$all": [{"$regex": pattern}]}},
          "a subquery": {"user": {"$inQuery": {"className": "Friend",
                                               "where": {"words": {"$regex": pattern}}}}},
      }.items()),
    ("a million members of $in", "GET", "/classes/Friend", None,
     {"query": {"where": {"number": {"$in": list(range(20_000))}}}}),
    ("a subquery in a subquery", "GET", "/classes/Friend", None,
     {"query": {"where": json.loads(
         '{"user":{"$inQuery":{"className":"_User","where":' * 8 + "{}" + "}}}" * 8)}}),
    ("a hundred subqueries", "GET", "/classes/Friend", None, {"query": {"where": {"$or": [
        {"user": {"$inQuery": {"className": "_User", "where": {}}}}] * 100}}}),
    ("a thousand conditions", "GET", "/classes/Friend", None,
     {"query": {"where": {"$or": [{"number": n} for n in range(1000)]}}}),
    ("the greatest skip and limit", "GET", "/classes/Friend", None,
     {"query": {"skip": "2147483647", "limit": "2147483647"}}),
    ("a hundred includes", "GET", "/classes/Friend", None,
     {"query": {"include": ",".join(["user" + ".user" * n for n in range(100)])}}),
    ("numbers that grow without end", "PUT", "/classes/Friend/<friend>",
     {"number": {"__op": "Increment", "amount": 1.7e308}}),
    ("and once more", "PUT", "/classes/Friend/<friend>",
     {"number": {"__op": "Increment", "amount": 1.7e308}}),
    ("a find of them", "GET", "/classes/Friend/<friend>", None),
    ("back again", "PUT", "/classes/Friend/<friend>", {"number": 9007199254740991}),
    ("a batch that grows it", "POST", "/batch", {"requests": [
        {"method": "PUT", "path": "/parse/classes/Friend/<friend>",
         "body": {"number": {"__op": "Increment", "amount": 9007199254740991}}}] * 400}),
    ("and once more", "POST", "/batch", {"requests": [
        {"method": "PUT", "path": "/parse/classes/Friend/<friend>",
         "body": {"number": {"__op": "Increment", "amount": 9007199254740991}}}] * 400}),
    ("and a third time", "POST", "/batch", {"requests": [
        {"method": "PUT", "path": "/parse/classes/Friend/<friend>",
         "body": {"number": {"__op": "Increment", "amount": 9007199254740991}}}] * 100}),
    ("a find of that", "GET", "/classes/Friend/<friend>", None),
    ("fifty thousand elements", "PUT", "/classes/Friend/<friend>", {"list": list(range(50_000))}),
    ("fifty thousand more, each once", "PUT", "/classes/Friend/<friend>",
     {"list": {"__op": "AddUnique", "objects": list(range(40_000, 90_000))}}),
    ("fifty thousand taken away", "PUT", "/classes/Friend/<friend>",
     {"list": {"__op": "Remove", "objects": list(range(90_000))}}),
    ("a polygon of a thousand", "GET", "/classes/Friend", None, {"query": {"where": {"place": {
        "$geoWithin": {"$polygon": [{"__type": "GeoPoint", "latitude": n / 100, "longitude": n / 50}
                                    for n in range(1000)]}}}}}),
    refused=False,
) + of_kind(
    "exhausted resources",
    ("a polygon of ten thousand", "GET", "/classes/Friend", None, {"query": {"where": {"place": {
        "$geoWithin": {"$polygon": [[n / 100, n / 200] for n in range(10_000)]}}}}}),
    ("two thousand columns", "POST", "/classes/Friend", {f"c{n}": 1 for n in range(2000)}),
    ("a request of thousands of calls", "POST", "/batch", {"requests": [
        {"method": "GET", "path": "/parse/classes/Friend"}] * 5000}),
    ("a deep where", "GET", "/classes/Friend", None,
     {"query": {"where": json.loads('{"$and":[' * 60 + '{"a":1}' + "]}" * 60)}}),
    ("a long pattern", "GET", "/classes/Friend", None,
     {"query": {"where": {"words": {"$regex": "a" * 20_000}}}}),
    ("a pattern of repeats", "GET", "/classes/Friend", None,
     {"query": {"where": {"words": {"$regex": "(" * 2000 + ")" * 2000 + "("}}}}),
    ("a hundred sort keys", "GET", "/classes/Friend", None,
     {"query": {"order": ",".join(f"k{n}" for n in range(100))}}),
    ("a column's long name", "POST", "/classes/Friend", {"n" * 100_000 + ".x": 1}),
)  # fmt: skip

# --- JSON that is none ----------------------------------------------------------------------------

_NOT_JSON = {
    "an infinite number": b'{"number": 1e400}',
    "a number that is none": b'{"number": NaN}',
    "infinity": b'{"number": -Infinity}',
    "ten thousand digits": b'{"number": ' + b"9" * 10_000 + b"}",
    "an exponent without end": b'{"number": 1e' + b"9" * 5_000 + b"}",
    "a deep array": b'{"list": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "just too deep": b'{"a":' + b"[" * 101 + b"]" * 101 + b"}",
    "many values": b'{"list": [' + b"0," * 300_000 + b"0]}",
    "many keys": b"{" + b",".join(b'"k%d":0' % n for n in range(150_000)) + b"}",
    "half a pair": b'{"words": "\\ud800"}',
    "the other half": b'{"words": {"\\udfff": 1}}',
    "bytes that are no UTF-8": b'{"words": "\xff\xfe"}',
    "an overlong form": b'{"words": "\xc0\xaf"}',
    "UTF-16": '{"words": "x"}'.encode("utf-16"),
    "two byte order marks": b'\xef\xbb\xbf\xef\xbb\xbf{"words": "x"}',
    "a text": b'"words"',
    "a number": b"1",
    "two values": b'{"words": "a"} {"words": "b"}',
    "single quotes": b"{'words': 'a'}",
    "a comment": b'{"words": "a" /* b */}',
    "a control character": b'{"words": "a\x00b"}',
    "half of it": b'{"words": "a',
    "a date out of the calendar": b'{"d": {"__type": "Date", "iso": "99999-01-01T00:00:00Z"}}',
    "a place off the earth": b'{"p": {"__type": "GeoPoint", "latitude": 1e9, "longitude": 0}}',
    "bytes that are none": b'{"b": {"__type": "Bytes", "base64": "%%%"}}',
    "a type of its own": b'{"b": {"__type": "Code", "code": "1"}}',
    "another's pointer": b'{"b": {"__type": "Pointer", "className": "a$b", "objectId": "x"}}',
    "an unknown operation": b'{"number": {"__op": "Eval", "amount": 1}}',
    "an operation of an operation": b'{"number": {"__op": {"__op": "Add"}}}',
    "an ACL of texts": b'{"ACL": "*"}',
    "an ACL of ones": b'{"ACL": {"*": {"read": 1}}}',
    "an ACL of NUL": b'{"ACL": {"*\\u0000": {"read": true}}}',
}
MALFORMED = of_kind(
    "malformed JSON",
    *((name, "POST", "/classes/Friend", body) for name, body in _NOT_JSON.items()),
    *((f"{name} in where", "GET", "/classes/Friend", None,
       {"query": {"where": body.decode("latin-1")}}) for name, body in _NOT_JSON.items()
      if len(body) < 20_000 and not name.startswith(("bytes", "an overlong", "UTF", "a byte",
       "half a",
                                                     "the other", "a type", "an ACL", "an unknown",
                                                     "an operation"))),
) + of_kind(
    "malformed JSON",
    ("one key twice", "PUT", "/users/<charlie>", b'{"isModerator": true, "isModerator": true}',
     {"refused": True}),
    ("one key twice, the second harmless", "PUT", "/users/<charlie>",
     b'{"isModerator": true, "x": 1, "isModerator": null}',
     {"refused": True}),
    ("one operation twice", "PUT", "/classes/UserImage/<own_image>",
     b'{"isSafe": {"__op": "Delete", "__op": "Increment"}}', {"refused": True}),
    ("a parameter twice", "GET",
     "/users?where={}&where={%22_hashed_password%22:{%22$exists%22:true}}",
     None, {"refused": True}),
    ("a parameter of two bodies", "GET", "/classes/Diary?where[secret]=x", None, {"refused": True}),
    ("a form of JSON", "POST", "/classes/Friend", b"words=%00%ff&number=%7B%7D",
     {"headers": {"Content-Type": "application/x-www-form-urlencoded"}}),
    ("a form of parts", "POST", "/classes/Friend",
     b"--x\r\nContent-Disposition: form-data; name=\"_rperm\"\r\n\r\n*\r\n--x--\r\n",
     {"headers": {"Content-Type": "multipart/form-data; boundary=x"}}),
    ("a form without end", "POST", "/classes/Friend", b"--x\r\nContent-Disposition: form-data; na",
     {"headers": {"Content-Type": "multipart/form-data; boundary=x"}}),
    ("compressed", "POST", "/classes/Friend", b"\x1f\x8b\x08\x00",
     {"headers": {"Content-Encoding": "gzip"}}),
    refused=False,
)  # fmt: skip

# --- names in Unicode -----------------------------------------------------------------------------

_NAMES = {
    "Cyrillic": "\u0430lice", "full width": "\uff41\uff4c\uff49\uff43\uff45",
     "right to left": "\u202eecila",
    "zero width": "al\u200bice", "a NUL": "alice\x00", "a soft hyphen": "al\u00adice",
    "a combining mark": "a\u0301lice", "a dotless i": "al\u0131ce", "a space": "alice ",
    "a newline": "alice\n", "a byte order mark": "\ufeffalice", "an ideogram": "\U0002000b",
    "a tag": "alice\U000e0061", "a line separator": "alice\u2028",
     "ten thousand letters": "a" * 10_000,
}  # fmt: skip
UNICODE = of_kind(
    "names in Unicode",
    *((f"a user of {name}", "POST", "/users", {"username": text, "password": "x"}, {"by": "nobody"})
      for name, text in _NAMES.items()),
    *((f"a login of {name}", "POST", "/login", {"username": text, "password": "correct horse"},
       {"by": "nobody", "refused": True}) for name, text in _NAMES.items()),
    *((f"a role of {name}", "POST", "/roles",
       {"name": text.replace("alice", "admins"), "ACL": {"<charlie>": {"write": True}},
        "users": {"__op": "AddRelation", "objects": [
            {"__type": "Pointer", "className": "_User", "objectId": "<alice>"}]}})
      for name, text in _NAMES.items()),
    *((f"a class of {name}", "GET", f"/classes/{text[:50]}", None)
      for name, text in _NAMES.items() if name not in ("a newline",)),
    *((f"a path of {path}", "GET", path, None) for path in (
        "/classes/%ff%fe", "/classes/Diary/%00", "/users/%ed%a0%80", "/classes/%c0%ae%c0%ae/",
        "/functions/%2e%2e%2f", "/classes//Diary", "/../admin", "/classes/Diary/../_User",
        "/classes/Diary%2f<private>", "/classes/Diary;a=b", "//classes/Diary/<private>")),
    refused=False,
)  # fmt: skip

# --- around the keys: batches, headers, methods, files --------------------------------------------


def _batch(path, body=None, method="POST", **more):
    return {"requests": [{"method": method, "path": path, "body": body or {}, **more}]}


BYPASSES = of_kind(
    "bypasses",
    ("a batch in a batch", "POST", "/batch", _batch("/parse/batch", _batch("/parse/users"))),
    ("a batch in capitals", "POST", "/batch", _batch("/PARSE/BATCH/", {})),
    ("an encoded batch", "POST", "/batch", _batch("/parse/%62atch", {})),
    ("a batch of files", "POST", "/batch", _batch("/parse/files/x.png", {})),
    ("a batch out of the mount", "POST", "/batch", _batch("/admin/team", {})),
    ("a batch around the mount", "POST", "/batch", _batch("/parse/../admin/team", {})),
    ("a batch of a method", "POST", "/batch", _batch("/parse/users", {}, "OPTIONS")),
    ("another app", "GET", "/classes/Diary", None,
     {"headers": {"X-Parse-Application-Id": "other"}}),
    ("no key", "GET", "/classes/Diary", None,
     {"by": "none", "headers": {"X-Parse-Application-Id": "myAppId"}}),
    ("an empty key", "GET", "/classes/Diary", None,
     {"by": "none", "headers": {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": ""}}),
    ("a wrong master key", "GET", "/schemas", None, {"headers": {"X-Parse-Master-Key": "x"}}),
    ("half of the master key", "GET", "/schemas", None,
     {"headers": {"X-Parse-Master-Key": "myMaster"}}),
    ("two master keys", "GET", "/schemas", None,
     {"headers": {"X-Parse-Master-Key": "x,myMasterKey"}}),
    ("the master key from elsewhere", "GET", "/schemas", None,
     {"headers": {"X-Forwarded-For": "127.0.0.1", "X-Parse-Master-Key": "x",
      "X-Real-Ip": "127.0.0.1"}}),
    ("a method in a header", "GET", "/classes/Diary/<diary>/x", None,
     {"headers": {"X-HTTP-Method-Override": "DELETE"}}),
    ("a pair of keys in Basic", "GET", "/schemas", None,
     {"by": "none", "headers": {"Authorization": "Basic bXlBcHBJZDptYXN0ZXI="}}),
    ("Basic that is none", "GET", "/schemas", None,
     {"by": "none", "headers": {"Authorization": "Basic %%%"}}),
    *((f"a file called {name[:20]}", "POST", f"/files/{name}", b"\x89PNG\r\n\x1a\n")
      for name in ("..%2f..%2fetc%2fpasswd", "%2e%2e/x.png", "x%00.png", "x%0d%0aX-Y:z.png",
       "%ff.png",
                   "..png/..", "x.png%2f..%2f..", "C:%5cx.png", "%e2%80%aegnp.exe",
                    "a" * 300 + ".png",
                   "x.html", "x.svg", "x.png.html", "x%20.png%20", "x.PhP", "-", ".htaccess")),
    *((f"a file's {name}", "POST", "/files/x.png", b"\x89PNG\r\n\x1a\n",
       {"headers": {"X-Parse-Upload-Mode": "stream", **headers}})
      for name, headers in {
          "directory": {"X-Parse-File-Directory": "../x"},
          "polluted metadata": {"X-Parse-File-Metadata": '{"__proto__": 1}'},
          "deep metadata": {"X-Parse-File-Metadata": '{"a":' + "[" * 900 + "]" * 900 + "}"},
          "deeper metadata": {"X-Parse-File-Metadata": '{"a":' + "[" * 8_000 + "]" * 8_000 + "}"},
          "infinite metadata": {"X-Parse-File-Metadata": '{"a": 1e400}'},
          "metadata that is none": {"X-Parse-File-Tags": '{"a": NaN}'},
      }.items()),
) + of_kind(
    "bypasses",
    ("a batch to another host", "POST", "/batch", _batch("http://127.0.0.1:1/parse/users", {})),
    ("keys of the parts", "POST", "/batch",
     _batch("/parse/classes/Diary", {"_MasterKey": "myMasterKey", "_ApplicationId": "myAppId"})),
    ("a token of the parts", "POST", "/batch",
     _batch("/parse/users/<alice>", {"_SessionToken": "r:x", "_method": "DELETE"}, "PUT")),
    ("a method of the parts", "POST", "/batch",
     _batch("/parse/classes/Diary/<diary>", {"_method": "DELETE"}, "GET")),
    ("a query of the parts", "POST", "/batch",
     _batch("/parse/users?where={%22_hashed_password%22:{%22$exists%22:true}}", {}, "GET")),
    ("a method by GET", "GET", "/classes/Diary/<diary>?_method=DELETE", None),
    ("a method in a header", "POST", "/classes/Friend", {},
     {"headers": {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"}}),
    ("a host of one's own", "GET", "/classes/Diary/<diary>", None,
     {"headers": {"Host": "evil.example"}}),
    ("a request id of operators", "POST", "/classes/Friend", {},
     {"headers": {"X-Parse-Request-Id": '{"$ne": null}'}}),
    ("an installation of operators", "POST", "/classes/Friend", {},
     {"headers": {"X-Parse-Installation-Id": '{"$ne": null}'}}),
    refused=False,
)  # fmt: skip

# --- pipelines, which the master key alone may ask for --------------------------------------------

_HIDDEN = ("_hashed_password", "_perishable_token", "_email_verify_token")
_PIPELINES = {
    "the whole row": [{"$project": {"x": "$$ROOT"}}],
    "the whole row grouped": [{"$group": {"_id": "$$ROOT"}}],
    "all rows at once": [{"$group": {"_id": None, "all": {"$push": "$$ROOT"}}}],
    "the current one": [{"$project": {"x": "$$CURRENT"}}],
    "an array of it": [{"$project": {"x": {"$objectToArray": "$$ROOT"}}}],
    "another root": [{"$replaceRoot": {"newRoot": {"a": "$$ROOT"}}}],
    "facets": [{"$facet": {"a": [{"$match": {}}]}}],
    "another class": [{"$lookup": {"from": "_User", "as": "x", "pipeline": []}}],
    "a graph": [{"$graphLookup": {"from": "_User", "as": "x"}}],
    "a union": [{"$unionWith": "_Session"}],
    "an output": [{"$out": "Diary"}],
    "a merge": [{"$merge": "_User"}],
    "a function": [{"$project": {"x": {"$function": {"body": "1", "args": [], "lang": "js"}}}}],
    "a where": [{"$match": {"$where": "1"}}],
    "a stage of the server": [{"$currentOp": {}}],
    "a change": [{"$set": {"x": {"$getField": "_hashed_password"}}}],
}
PIPELINES = of_kind(
    "hidden columns in pipelines",
    *((name, "GET", "/aggregate/_User", None, {"query": {"pipeline": pipeline}})
      for name, pipeline in _PIPELINES.items()),
    *((f"{column} in {name}", "GET", "/aggregate/_User", None, {"query": query})
      for column in _HIDDEN
      for name, query in {
          "match": {"$match": {column: {"$exists": True}}},
          "group": {"$group": {"_id": f"${column}"}},
          "project": {"$project": {"x": f"${column}"}},
          "an accumulator": {"$group": {"_id": None, "x": {"$push": f"${column}"}}},
          "sort": {"$sort": {column: 1}},
          "distinct": {"distinct": column},
          "an expression": {"$match": {"$expr": {"$eq": [f"${column}", "x"]}}},
          "unwind": {"$unwind": f"${column}"},
          "a deeper path": {"$project": {"x": f"$$ROOT.{column}"}},
      }.items()),
    by="master", refused=False,
)  # fmt: skip

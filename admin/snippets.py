"""The console's call as code to paste: cURL, JavaScript, Swift, Kotlin. Pure.

Keys are placeholders, always. What a person filled in stands in string literals of each language,
escaped by its rules. JavaScript is for the `parse` package of npm, Swift for ParseSwift 5, Kotlin
for the Parse SDK for Android; the plain routes need no SDK.
"""

import json
import shlex
from collections.abc import Callable, Mapping

from admin.api_calls import EXAMPLE_URL, ApiCall
from admin.ports.api import ApiDoor

REST_KEY, JS_KEY, CLIENT_KEY = "YOUR_REST_API_KEY", "YOUR_JAVASCRIPT_KEY", "YOUR_CLIENT_KEY"
_FILE = "picture.jpg"


def snippets(call: ApiCall, door: ApiDoor) -> dict[str, str]:
    """Return the call by language."""
    writers: dict[str, Callable[[ApiCall, ApiDoor], str]] = (
        {"cURL": _curl_function, "JavaScript": _js_function, "Swift": _swift_function,
         "Kotlin": _kotlin_function}
        if call.route.is_function
        else {"cURL": _curl_plain, "JavaScript": _js_plain, "Swift": _swift_plain,
              "Kotlin": _kotlin_plain}
    )  # fmt: skip
    return {language: write(call, door) for language, write in writers.items()}


def _params(call: ApiCall) -> dict[str, str]:
    """What the function is told, but for a file's bytes."""
    if not call.takes_image:
        return call.object_params
    return {} if call.sends_file else {"url": _url(call)}


def _url(call: ApiCall) -> str:
    return call.url or EXAMPLE_URL


def _address(call: ApiCall, door: ApiDoor) -> str:
    return f"{door.root_url}{call.route}"


# --- cURL -----------------------------------------------------------------------------------------


def _curl_function(call: ApiCall, door: ApiDoor) -> str:
    address = shlex.quote(f"{door.parse_url}/functions/{call.route}")
    app_id = shlex.quote(f"X-Parse-Application-Id: {door.app_id}")
    head = (
        f"curl {address} \\\n"
        f"  -H {app_id} \\\n"
        f"  -H 'X-Parse-REST-API-Key: {REST_KEY}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
    )
    if not call.sends_file:
        params = json.dumps(_params(call), ensure_ascii=False)
        return f"{head}  --data-raw {shlex.quote(params)}"
    # An argument could not hold a photo, so it comes through a pipe.
    encoded = f'printf \'{{"base64": "%s"}}\' "$(base64 < {_FILE} | tr -d \'\\n\')"'
    return f"{encoded} |\n{head}  --data-binary @-"


def _curl_plain(call: ApiCall, door: ApiDoor) -> str:
    address = shlex.quote(_address(call, door))
    if call.sends_file:
        return f"curl -F file=@{_FILE} {address}"
    image = shlex.quote(f"url={_url(call)}")
    return f"curl -G {address} \\\n  --data-urlencode {image}"


# --- JavaScript -----------------------------------------------------------------------------------


def _js(value: str) -> str:
    # JSON is JavaScript since 2019; in a page `</script>` would end the script.
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/")


def _js_function(call: ApiCall, door: ApiDoor) -> str:
    lines = [
        'import Parse from "parse"; // in Node: "parse/node"',
        "",
        f"Parse.initialize({_js(door.app_id)}, {_js(JS_KEY)});",
        f"Parse.serverURL = {_js(door.parse_url)};",
        "",
    ]
    params = ", ".join(f"{name}: {_js(value)}" for name, value in _params(call).items())
    if call.sends_file:
        lines = ['import { readFile } from "node:fs/promises";', *lines]
        lines += [f'const base64 = (await readFile({_js(_FILE)})).toString("base64");']
        params = "base64"
    lines += [f"const result = await Parse.Cloud.run({_js(call.route)}, {{ {params} }});"]
    return "\n".join([*lines, "console.log(result);"])


def _js_plain(call: ApiCall, door: ApiDoor) -> str:
    address = _js(_address(call, door))
    if call.sends_file:
        lines = [
            'import { openAsBlob } from "node:fs"; // in a page: input.files[0] is the body',
            "",
            f"const body = await openAsBlob({_js(_FILE)});",
            f'const answer = await fetch({address}, {{ method: "POST", body }});',
        ]
    else:
        lines = [
            f"const address = new URL({address});",
            f'address.searchParams.set("url", {_js(_url(call))});',
            "const answer = await fetch(address);",
        ]
    return "\n".join([*lines, "console.log(await answer.json());"])


# --- Swift ----------------------------------------------------------------------------------------


def _swift(value: str) -> str:
    """A string literal: without escaped backslashes `\\(` would be code."""
    escaped = "".join(
        f"\\u{{{ord(each):X}}}" if not each.isprintable() else each
        for each in value.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{escaped}"'


def _swift_function(call: ApiCall, door: ApiDoor) -> str:
    names = ["base64"] if call.sends_file else list(_params(call))
    struct = str(call.route)[0].upper() + call.route[1:]
    lines = [
        "import Foundation",
        "import ParseSwift",
        "",
        "try await ParseSwift.initialize(",
        f"    applicationId: {_swift(door.app_id)},",
        f"    clientKey: {_swift(CLIENT_KEY)},",
        f"    serverURL: URL(string: {_swift(door.parse_url)})!",
        ")",
        "",
        *_swift_answer(call),
        "",
        f"struct {struct}: ParseCloudable {{",
        f"    typealias ReturnType = {'[Prediction]' if call.takes_image else 'Standing'}",
        f"    var functionJobName = {_swift(call.route)}",
        *(f"    var {name}: String" for name in names),
        "}",
        "",
    ]
    values = ", ".join(f"{name}: {_swift(value)}" for name, value in _params(call).items())
    if call.sends_file:
        lines += [f"let image = try Data(contentsOf: URL(fileURLWithPath: {_swift(_FILE)}))"]
        values = "base64: image.base64EncodedString()"
    lines += [f"let result = try await {struct}({values}).runFunction()", "print(result)"]
    return "\n".join(lines)


def _swift_answer(call: ApiCall) -> list[str]:
    fields: Mapping[str, str] = (
        {"className": "String", "probability": "Double"}
        if call.takes_image
        else {"state": "String", "reason": "String?", "appealed": "Bool", "canAppeal": "Bool"}
    )
    name = "Prediction" if call.takes_image else "Standing"
    lines = [f"    let {field}: {kind}" for field, kind in fields.items()]
    return [f"struct {name}: Codable, Sendable {{", *lines, "}"]


def _swift_plain(call: ApiCall, door: ApiDoor) -> str:
    lines = ["import Foundation", ""]
    if call.sends_file:
        lines += [
            f"var request = URLRequest(url: URL(string: {_swift(_address(call, door))})!)",
            'request.httpMethod = "POST"',
            f"let image = try Data(contentsOf: URL(fileURLWithPath: {_swift(_FILE)}))",
            "let (answer, _) = try await URLSession.shared.upload(for: request, from: image)",
        ]
    else:
        lines += [
            f"let image = {_swift(_url(call))}",
            "    .addingPercentEncoding(withAllowedCharacters: .alphanumerics)!",
            f"let address = URL(string: {_swift(_address(call, door) + '?url=')} + image)!",
            "let (answer, _) = try await URLSession.shared.data(from: address)",
        ]
    return "\n".join([*lines, "print(String(decoding: answer, as: UTF8.self))"])


# --- Kotlin ---------------------------------------------------------------------------------------


def _kotlin(value: str) -> str:
    """A string literal: `$` would begin code."""
    return json.dumps(value).replace("$", "\\$")


def _kotlin_function(call: ApiCall, door: ApiDoor) -> str:
    imports = ["com.parse.Parse", "com.parse.ParseCloud"]
    params = ", ".join(f"{_kotlin(name)} to {_kotlin(v)}" for name, v in _params(call).items())
    before = []
    if call.sends_file:
        imports = ["android.util.Base64", *imports, "java.io.File"]
        before = [f"val image = File({_kotlin(_FILE)}).readBytes()"]
        params = '"base64" to Base64.encodeToString(image, Base64.NO_WRAP)'
    answer = "List<Map<String, Any>>" if call.takes_image else "Map<String, Any?>"
    return "\n".join(
        [
            *(f"import {name}" for name in imports),
            "",
            "Parse.initialize(",
            "    Parse.Configuration.Builder(context)",
            f"        .applicationId({_kotlin(door.app_id)})",
            f"        .clientKey({_kotlin(CLIENT_KEY)})",
            f"        .server({_kotlin(door.parse_url + '/')})",
            "        .build()",
            ")",
            "",
            *before,
            f"val params = mapOf({params})",
            f"ParseCloud.callFunctionInBackground<{answer}>({_kotlin(call.route)}, params) "
            "{ result, error ->",
            "    if (error == null) println(result) else println(error.message)",
            "}",
        ]
    )


def _kotlin_plain(call: ApiCall, door: ApiDoor) -> str:
    """Off the main thread, where Android allows no network."""
    address = _address(call, door)
    if call.sends_file:
        return "\n".join(
            [
                "import java.io.File",
                "import java.net.HttpURLConnection",
                "import java.net.URL",
                "",
                "// not on the main thread",
                f"val connection = URL({_kotlin(address)}).openConnection() as HttpURLConnection",
                "connection.doOutput = true",
                'connection.setRequestProperty("Content-Type", "application/octet-stream")',
                f"val image = File({_kotlin(_FILE)}).readBytes()",
                "connection.outputStream.use { it.write(image) }",
                "println(connection.inputStream.bufferedReader().readText())",
            ]
        )
    return "\n".join(
        [
            "import java.net.URL",
            "import java.net.URLEncoder",
            "",
            "// not on the main thread",
            f'val image = URLEncoder.encode({_kotlin(_url(call))}, "UTF-8")',
            f"println(URL({_kotlin(address + '?url=')} + image).readText())",
        ]
    )

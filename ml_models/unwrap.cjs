// Turns one JS module of the npm package nsfwjs back into the file that it wraps: the module's text
// on stdin, the file's bytes on stdout. A model.json is exported as an object, a shard as base64.
// Started with `node --permission`: the module can reach neither files nor other programs.
"use strict";

const text = require("node:fs").readFileSync(0, "utf8");
const wrapped = { exports: {} };
new Function("module", "exports", text)(wrapped, wrapped.exports);
const content = wrapped.exports;
process.stdout.write(
  typeof content === "string" ? Buffer.from(content, "base64") : JSON.stringify(content),
);

// Run the cases against a server with one build of the official SDK; a line of JSON for each.
//   node run.js list
//   node run.js parse/node http://127.0.0.1:1337/parse
"use strict";

const makeCases = require("./cases.js");

const CASE_TIMEOUT_MS = 30000;

// What React Native brings to its build; everything else that it uses, node has.
function giveWhatReactNativeHas(Parse) {
  const items = new Map();
  Parse.setAsyncStorage({
    getItem: (key, done) => done(null, items.get(key) ?? null),
    setItem: (key, value, done) => done(null, void items.set(key, value)),
    removeItem: (key, done) => done(null, void items.delete(key)),
    getAllKeys: (done) => done(null, [...items.keys()]),
    multiGet: (keys, done) => done(null, keys.map((key) => [key, items.get(key) ?? null])),
    multiRemove: (keys, done) => done(null, keys.forEach((key) => items.delete(key))),
    clear: () => Promise.resolve(items.clear()),
  });
  Parse.CoreManager.set("EventEmitter", require("node:events"));
  Parse.CoreManager.set("IS_NODE", false); // found out from `process`, which a phone has not
}

function open(build, serverURL) {
  const Parse = require(build);
  if (build === "parse/react-native") giveWhatReactNativeHas(Parse);
  Parse.User.enableUnsafeCurrentUser(); // in node both take themselves for a server
  Parse.initialize("myAppId", "myJsKey");
  Parse.masterKey = "myMasterKey";
  Parse.serverURL = serverURL;
  return Parse;
}

function withinTime(promise) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no end in sight")), CASE_TIMEOUT_MS);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

async function outcome(run) {
  try {
    await withinTime(run());
    return { ok: true };
  } catch (error) {
    const said = error.code === undefined ? error.message : `[${error.code}] ${error.message}`;
    return { ok: false, error: `${said}\n${error.stack ?? ""}` };
  }
}

async function main(build, serverURL) {
  const Parse = build === "list" ? null : open(build, serverURL);
  const { prepare, cases } = makeCases(Parse);
  if (build === "list") {
    Object.keys(cases).forEach((name) => console.log(name));
    return;
  }
  await withinTime(prepare());
  for (const [name, run] of Object.entries(cases)) {
    await Parse.User.logOut().catch(() => {}); // each case begins as nobody
    console.log(JSON.stringify({ name, ...(await outcome(run)) }));
  }
}

// A case that ran out of time may leave a connection open, which node would wait for.
main(...process.argv.slice(2)).then(() => process.exit());

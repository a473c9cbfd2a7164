// A Parse Server with an empty cloud function, as lean as it comes; on a database of its own, or on
// one that another server uses too.
// Usage: node parse_server.cjs PORT DATABASE_URI [PROCESSES]
const cluster = require("node:cluster");
const http = require("node:http");
const express = require("express");
const { ParseServer } = require("parse-server");

async function main(port, databaseURI) {
  const mountPath = "/parse";
  const server = new ParseServer({
    appId: "myAppId",
    masterKey: "myMasterKey",
    restAPIKey: "myRestKey",
    serverURL: `http://127.0.0.1:${port}${mountPath}`,
    databaseURI,
    allowClientClassCreation: true,
    silent: true,
    logLevel: "error",
    cloud: () => Parse.Cloud.define("empty", () => null),
  });
  await server.start();
  const app = express();
  app.use(mountPath, server.app);
  http.createServer(app).listen(Number(port), "127.0.0.1");
}

const [port, databaseURI, processes = "1"] = process.argv.slice(2);
if (Number(processes) > 1 && cluster.isPrimary) {
  for (let n = 0; n < Number(processes); n += 1) cluster.fork();
} else {
  main(port, databaseURI);
}

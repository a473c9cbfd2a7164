// A Parse Server on a database that another server uses too.
// Usage: node parse_server.cjs PORT DATABASE_URI
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
  });
  await server.start();
  const app = express();
  app.use(mountPath, server.app);
  http.createServer(app).listen(Number(port), "127.0.0.1");
}

const [port, databaseURI] = process.argv.slice(2);
main(port, databaseURI);

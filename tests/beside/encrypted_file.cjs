// Keeps or reads one file as a Parse Server with an encryptionKey does; its bytes are in hex.
"use strict";

const { GridFSBucketAdapter } = require("parse-server/lib/Adapters/Files/GridFSBucketAdapter");

const [uri, key, name, hex] = process.argv.slice(2);

async function main() {
  const adapter = new GridFSBucketAdapter(uri, {}, key);
  if (hex) await adapter.createFile(name, Buffer.from(hex, "hex"));
  else console.log((await adapter.getFileData(name)).toString("hex"));
  await adapter.handleShutdown();
}

main();

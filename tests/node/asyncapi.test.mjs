import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Parser } from "@asyncapi/parser";
import { asyncapi, schemas } from "./contracts.mjs";

const text = readFileSync(asyncapi, "utf8");

async function parsed(content) {
  const { document, diagnostics } = await new Parser().parse(content, { source: asyncapi });
  return { document, told: diagnostics.map(({ code, path, message }) => `${code} ${path.join(".")}: ${message}`) };
}

test("the official parser finds nothing to say", async () => {
  const { document, told } = await parsed(text);
  assert.deepEqual(told, []);
  const names = document.allMessages().all().map((message) => message.id()).filter((name) => name !== "checkpoint");
  assert.deepEqual([...new Set(names)].sort(), [...schemas().keys()].sort());
});

test("the official parser would have said it", async () => {
  const { asyncapi: version, info } = JSON.parse(text);
  const operations = { spoilt: { action: "publish", channel: { $ref: "#/channels/nowhere" } } };
  const { told } = await parsed(JSON.stringify({ asyncapi: version, info, channels: {}, operations }));
  assert.notDeepEqual(told, []);
});

import assert from "node:assert/strict";
import test from "node:test";
import { Kafka } from "cloudevents";
import { samples } from "./contracts.mjs";

test("the official SDK reads every fact, receipt and submission", () => {
  const found = samples();
  assert.ok(found.length > 80);
  for (const [name, value] of found) {
    const document = JSON.parse(value);
    const headers = { "content-type": "application/cloudevents+json" };
    const event = Kafka.toEvent({ key: document.partitionkey, headers, value });
    assert.ok(event.validate(), name);
    for (const attribute of Object.keys(document)) {
      if (attribute !== "time") assert.deepEqual(event[attribute], document[attribute], `${name} ${attribute}`);
    }
    // The SDK keeps milliseconds: whoever needs the time as it was decided reads the bytes.
    assert.equal(Date.parse(event.time), Date.parse(document.time), name);
  }
});

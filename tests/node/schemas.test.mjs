import assert from "node:assert/strict";
import test from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { samples, schemas } from "./contracts.mjs";

function validators() {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: true, allErrors: true });
  addFormats.default(ajv);
  return { ajv, found: new Map([...schemas()].map(([name, schema]) => [name, ajv.compile(schema)])) };
}

test("every schema compiles strictly, and every sample is valid under its own", () => {
  const { found } = validators();
  for (const [name, value] of samples()) {
    const document = JSON.parse(value);
    const validate = found.get(document.type);
    assert.ok(validate(document), `${name}: ${JSON.stringify(validate.errors)}`);
    assert.equal(validate({ ...document, type: "another" }), false, name);
  }
});

test("the schema that a fact names is that of its data", () => {
  const { ajv } = validators();
  for (const [name, value] of samples()) {
    const { dataschema, data } = JSON.parse(value);
    if (dataschema) assert.ok(ajv.getSchema(dataschema)(data), name);
  }
});

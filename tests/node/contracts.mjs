// Where the contracts and their samples stand.
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../../", import.meta.url);
const golden = new URL("tests/contracts/golden/", root);

export const asyncapi = fileURLToPath(new URL("contracts/asyncapi.json", root));

/** The schema of each type, by its name. */
export function schemas() {
  const folder = new URL("contracts/schemas/", root);
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return new Map(names.map((name) => [name.replace(/\.json$/, ""), JSON.parse(readFileSync(new URL(name, folder)))]));
}

/** Every golden fact, receipt and submission: name of its file, and its bytes. */
export function samples() {
  return [golden, new URL("submissions/", golden)].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => [name, readFileSync(new URL(name, folder))]),
  );
}

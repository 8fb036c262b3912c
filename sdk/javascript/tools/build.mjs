// Bundles a transform and makes it a component: node build.mjs SDK ENTRY OUT NAME VERSION WIT WORLD [CAPABILITY ..]
import { writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

import { componentize } from "componentize-qjs";
import { build } from "esbuild";

import { lettingGo } from "./lent.mjs";

const [sdk, entry, out, name, version, witPath, world, ...granted] = process.argv.slice(2);
const src = join(resolve(sdk), "src");
const local = (at) => `capability${at}`;
const imports = granted.map((name, at) => `import * as ${local(at)} from "millrace:plugin/${name}@0.1.0";\n`).join("");
const capabilities = granted.map((name, at) => `${JSON.stringify(name)}: ${local(at)}`).join(", ");
const source = `${imports}
import author from ${JSON.stringify(resolve(entry))};
import { load } from ${JSON.stringify(join(src, "guest.js"))};
export const { plugin, transform } = load(author, ${JSON.stringify({ name, version })}, { ${capabilities} });
`;
try {
  const bundled = await build({
    stdin: { contents: source, resolveDir: dirname(resolve(entry)), sourcefile: "millrace-entry.js" },
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    mainFields: ["module", "main"],
    charset: "utf8",
    external: ["millrace:*"],
    alias: { "millrace-plugin": join(src, "index.js") },
    write: false,
    logLevel: "warning",
  });
  const jsSource = bundled.outputFiles[0].text;
  const { component } = await componentize({ witPath, jsSource, world, sync: true, stubWasi: true });
  await writeFile(out, lettingGo(component));
} catch (error) {
  // esbuild has said what is wrong with the source by itself.
  if (!error.errors) console.error(`cannot make a component of ${entry}: ${error.message ?? error}`);
  process.exitCode = 1;
}

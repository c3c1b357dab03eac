/** Weighs the built front end: gzipped JavaScript and CSS together must stay within the budget. */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const BUDGET = 200_000;
const folder = join(import.meta.dirname, "../../src/treadle/ui/dist");

const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
const packed = files.filter((name) => /\.(js|css)\.gz$/.test(name)).map((name) => ({ name, size: statSync(join(folder, name)).size }));
const fonts = files.filter((name) => name.endsWith(".woff2")).map((name) => statSync(join(folder, name)).size);
const total = packed.reduce((sum, file) => sum + file.size, 0);

for (const { name, size } of packed) console.log(`${(size / 1000).toFixed(1).padStart(7)} kB  ${name}`);
console.log(`${(total / 1000).toFixed(1).padStart(7)} kB  JavaScript and CSS, gzipped; the budget is ${BUDGET / 1000} kB`);
console.log(`${(fonts.reduce((sum, size) => sum + size, 0) / 1000).toFixed(1).padStart(7)} kB  fonts`);
if (packed.length === 0 || total > BUDGET) process.exit(1);

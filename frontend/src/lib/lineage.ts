/** A version's lineage as a graph. Pure. */

import type { ModelVersion } from "../api/schema";
import { runPath, versionPath } from "./paths";
import { bytes, count, date, number, short } from "./format";

/** What the lineage route answers. */
export interface Lineage {
  readonly run: string;
  readonly code: string;
  readonly environment: string;
  readonly snapshot: { readonly digest: string; readonly rows: number; readonly labelled: number; readonly as_of: string };
  readonly parent: number | null;
  readonly children: readonly number[];
  readonly siblings: readonly string[];
}

export interface Node {
  readonly id: string;
  readonly kind: string;
  readonly title: string;
  readonly detail: string;
  readonly full?: string;
  readonly code?: boolean;
  readonly here?: boolean;
  readonly href?: string;
}

export interface Edge {
  readonly from: string;
  readonly to: string;
  /** The two were only held beside each other; neither is made of the other. */
  readonly compared?: boolean;
}

const SHOWN = 4;

/** Nodes and edges from code, environment, rows and params through the run to the version and what came of it. */
export function graphOf(version: ModelVersion, found: Lineage): { nodes: Node[]; edges: Edge[] } {
  const { model } = version;
  const params = Object.entries(version.recipe.params);
  const nodes: Node[] = [
    { id: "code", kind: "code", title: short(found.code), detail: version.code_entry, full: found.code, code: true },
    { id: "environment", kind: "environment", title: short(found.environment), detail: "locked with hashes", full: found.environment, code: true },
    {
      id: "rows",
      kind: "rows",
      title: short(found.snapshot.digest),
      detail: `${count(found.snapshot.rows)}, known ${date(found.snapshot.as_of)}`,
      full: `${found.snapshot.digest}: ${count(found.snapshot.labelled)} of ${count(found.snapshot.rows)} rows labelled`,
      code: true,
    },
    {
      id: "params",
      kind: "params",
      title: params.length ? `${params.length} params` : "no params",
      detail: `seed ${version.recipe.seed}`,
      full: params.map(([name, value]) => `${name} = ${typeof value === "number" ? number(value, 4) : value}`).join(", "),
    },
    { id: "run", kind: "run", title: found.run, detail: "fitted and measured", href: runPath(found.run) },
    {
      id: "version",
      kind: "version",
      title: `${model} v${version.number}`,
      detail: `artifact ${short(version.artifact_digest)}`,
      full: version.artifact_digest,
      here: true,
    },
    {
      id: "served",
      kind: "served as",
      title: version.compilation.runtime === "onnx" ? "ONNX, compiled" : "Python worker",
      detail: version.compilation.size ? bytes(version.compilation.size) : "",
    },
  ];
  const edges: Edge[] = [
    ...["code", "environment", "rows", "params"].map((from) => ({ from, to: "run" })),
    { from: "run", to: "version" },
    { from: "version", to: "served" },
  ];
  if (found.parent !== null) {
    nodes.push({ id: "parent", kind: "held against", title: `${model} v${found.parent}`, detail: "the champion then", href: versionPath(model, found.parent) });
    edges.push({ from: "parent", to: "version", compared: true });
  }
  for (const child of found.children.slice(0, SHOWN)) {
    const more = found.children.length > SHOWN ? `${found.children.length} challengers in all` : "a challenger of this one";
    nodes.push({ id: `child${child}`, kind: "held against it", title: `${model} v${child}`, detail: more, href: versionPath(model, child) });
    edges.push({ from: "version", to: `child${child}`, compared: true });
  }
  for (const sibling of found.siblings.slice(0, SHOWN)) {
    const [name = "", number = ""] = sibling.split("/");
    nodes.push({ id: `sibling${sibling}`, kind: "of the same rows", title: `${name} v${number}`, detail: "", href: versionPath(name, Number(number)) });
    edges.push({ from: "rows", to: `sibling${sibling}` });
  }
  return { nodes, edges };
}

/** Addresses of pages. Pure. */

export type Params = Readonly<Record<string, string>>;

/** The parts that ``pattern`` (for example ``/models/:model``) names in ``path``, or null where it does not fit. */
export function match(pattern: string, path: string): Params | null {
  const wanted = pattern.split("/");
  const given = path.replace(/\/+$/, "").split("/");
  if (path === "/" || path === "") given.length = 1;
  if (wanted.at(-1) === "") wanted.pop();
  if (wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    const value = given[i] ?? "";
    if (part.startsWith(":")) params[part.slice(1)] = decodeURIComponent(value);
    else if (part !== value) return null;
  }
  return params;
}

/** The page that an address as MLflow's clients print it (``/#/experiments/2/runs/9f…``) means here, or null. */
export function fromMlflow(hash: string): string | null {
  const hit = /^#\/experiments\/([^/?]+)(?:\/runs\/([^/?]+))?/.exec(hash);
  if (!hit?.[1]) return null;
  return hit[2] ? runPath(decodeURIComponent(hit[2])) : experimentPath(decodeURIComponent(hit[1]));
}

/** The address of a model's page. */
export const modelPath = (model: string): string => `/models/${encodeURIComponent(model)}`;
/** The address of a version's page. */
export const versionPath = (model: string, version: number): string => `${modelPath(model)}/versions/${version}`;
/** The address of a run's page. */
export const runPath = (run: string): string => `/runs/${encodeURIComponent(run)}`;
/** The address of an experiment's page. */
export const experimentPath = (experiment: string): string => `/experiments/${encodeURIComponent(experiment)}`;
/** The address of the run that an attempt to train is recorded as. */
export const attemptPath = (attempt: string): string => runPath(`run-${attempt}`);
/** The address of an incident's page. */
export const incidentPath = (incident: string): string => `/incidents/${encodeURIComponent(incident)}`;

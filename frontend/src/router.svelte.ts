/** Which page the address names, and how to get to another without loading anew. */

import { fromMlflow } from "./lib/paths";

export interface Place {
  readonly path: string;
  readonly query: URLSearchParams;
}

function here(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

class Router {
  place = $state.raw<Place>(here());
  /** Counts page changes, so that what depends on arriving can notice. */
  arrivals = $state(0);

  constructor() {
    const meant = fromMlflow(location.hash);
    if (meant !== null) this.go(meant, { replace: true });
    addEventListener("popstate", () => {
      const samePage = location.pathname === this.place.path;
      this.place = here();
      if (!samePage) this.arrivals += 1;
    });
    addEventListener("click", (event) => this.#follow(event));
  }

  /** Go to an address of this site. */
  go(address: string, how: { replace?: boolean } = {}): void {
    const samePage = new URL(address, location.href).pathname === location.pathname;
    if (how.replace) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
    this.place = here();
    if (samePage) return;
    this.arrivals += 1;
    scrollTo(0, 0);
  }

  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    // A link may be one of a drawing, which knows its address as an attribute alone.
    const link = (event.target as Element | null)?.closest("a");
    const address = link?.getAttribute("href");
    if (!link || !address || link.hasAttribute("target") || link.hasAttribute("download")) return;
    const to = new URL(address, location.href);
    if (to.origin !== location.origin || (to.hash && to.pathname === location.pathname)) return;
    if (/^\/(docs|openapi\.json|api\/|ajax-api\/|get-artifact)/.test(to.pathname)) return;
    event.preventDefault();
    this.go(to.pathname + to.search + to.hash);
  }
}

export const router = new Router();

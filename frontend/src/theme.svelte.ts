/** Light or dark: the reader's choice, else the system's. */

export type Theme = "light" | "dark";

const KEY = "treadle.theme";

class ThemeState {
  now = $state<Theme>(document.documentElement.dataset["theme"] === "dark" ? "dark" : "light");

  constructor() {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
      if (localStorage.getItem(KEY) === null) this.#show(event.matches ? "dark" : "light");
    });
  }

  toggle(): void {
    const next = this.now === "dark" ? "light" : "dark";
    localStorage.setItem(KEY, next);
    this.#show(next);
  }

  #show(theme: Theme): void {
    document.documentElement.dataset["theme"] = theme;
    this.now = theme;
  }
}

export const theme = new ThemeState();

/** The present value of a colour of the theme, for what is drawn on a canvas. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

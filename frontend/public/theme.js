// Before the first paint: what the reader chose, else what the system says.
(() => {
  const chosen = localStorage.getItem("treadle.theme");
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = chosen === "light" || chosen === "dark" ? chosen : dark ? "dark" : "light";
})();

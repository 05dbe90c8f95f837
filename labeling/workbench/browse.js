"use strict";
// The workbench works without this script: it adds keys, the progress of a search, the theme, and buttons to copy.
// It runs as soon as it is here, while a list is still on its way: so it listens on the document, and waits for nothing.
(() => {
  const root = document.documentElement;
  const find = (what, where = document) => where.querySelector(what);
  root.classList.add("script");

  const THEME = "socorpus-theme";
  try {
    const remembered = localStorage.getItem(THEME);
    if (remembered) root.dataset.theme = remembered;
  } catch { /* without storage, the system's theme */ }
  const switchTheme = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem(THEME, root.dataset.theme); } catch { /* only this page has it then */ }
  };

  const toggleKeys = () => {
    const keys = find("#keys");
    keys.hidden = !keys.hidden;
    find("[data-help]").setAttribute("aria-expanded", String(!keys.hidden));
  };
  const copy = async (button) => {
    await navigator.clipboard.writeText(find("pre", button.parentElement).textContent);
    button.textContent = "Copied";
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-theme-switch]")) switchTheme();
    if (button.matches("[data-help]")) toggleKeys();
    if (button.matches("[data-copy]")) copy(button);
  });

  document.addEventListener("change", (event) => {
    const field = event.target;
    if (!field.matches("[data-submit]")) return;
    for (const name of ["label", "first", "second", "first_label", "second_label"]) {
      for (const other of field.form.querySelectorAll(`[name=${name}]`)) other.disabled = true;
    }
    field.form.requestSubmit();
  });
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "get") return;
    // Fields that are empty make addresses long, and say nothing.
    const empty = [...event.target.elements].filter((field) => field.name && !field.value && !field.disabled);
    for (const field of empty) field.disabled = true;
    setTimeout(() => { for (const field of empty) field.disabled = false; });
  });

  const move = (step) => {
    const rows = [...document.querySelectorAll("[data-row]")], here = rows.indexOf(document.activeElement);
    if (!rows.length) return;
    const next = here < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(here + step, 0), rows.length - 1);
    rows[next].focus();
  };
  const actions = {
    j: () => move(1),
    k: () => move(-1),
    n: () => find("[data-next]")?.click(),
    u: () => history.back(),
    t: () => find("#text")?.focus(),
    "/": () => find("#where")?.focus(),
    "?": toggleKeys,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest?.("input, textarea, select");
    if (field) {
      if (event.key === "Escape") field.blur();
      if (event.key === "Enter" && field.id === "where" && !event.shiftKey) {
        event.preventDefault();
        field.form.requestSubmit();
      }
    } else if (Object.hasOwn(actions, event.key)) {
      event.preventDefault();
      actions[event.key]();
    }
  });

  const narrow = matchMedia("(max-width: 760px)");
  const fold = () => {
    // On a small screen the posts come first; filters that are set stay in sight.
    const more = find(".more:not([data-seen])");
    if (!more || !find(".more ~ *")) return;
    more.dataset.seen = "";
    if (narrow.matches && ![...more.querySelectorAll("input, select")].some((field) => field.value)) more.open = false;
  };
  const grouped = (value) => Number(value).toLocaleString("en");
  const show = () => {
    fold();
    const line = find("[data-status][data-busy]");
    if (!line) return;
    const final = find("[data-final]"), last = [...document.querySelectorAll("template[data-done]")].pop();
    if (final) {
      line.removeAttribute("data-busy");
      line.textContent = final.textContent;
    } else if (last) {
      find("progress", line).value = Number(last.dataset.done);
      const share = Math.round(100 * last.dataset.done);
      const words = `${grouped(last.dataset.hits)} found in ${grouped(last.dataset.looked)} posts, ${share} %`;
      const shown = find("[data-words]", line);
      // What is written here is a change too, of which this is told again.
      if (shown.textContent !== words) shown.textContent = words;
    }
  };
  new MutationObserver(show).observe(root, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", show);
  show();
})();

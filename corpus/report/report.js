"use strict";
// What the page does beyond links and folds. Without it all is there: nothing is hidden or added before this runs.
(() => {
  const all = (of, selector) => [...of.querySelectorAll(selector)];
  const made = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const number = new Intl.NumberFormat("en");

  // Sections: a link to one unfolds it, paper shows all of them.
  const sections = all(document, "details.section");
  const reveal = (id) => {
    const target = id && document.getElementById(decodeURIComponent(id));
    for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", () => reveal(location.hash.slice(1)));
  for (const link of all(document, "nav a")) link.addEventListener("click", () => reveal(link.hash.slice(1)));
  if (location.hash) reveal(location.hash.slice(1));
  const buttons = document.querySelector("nav .all");
  for (const button of all(buttons, "button")) {
    button.addEventListener("click", () => sections.forEach((section) => { section.open = button.name === "unfold"; }));
  }
  buttons.hidden = sections.length < 2;
  let folded = [];
  addEventListener("beforeprint", () => {
    // Numbers of plots stay in their folds: the plot stands there.
    folded = all(document, "main details:not([open]):not(.numbers)");
    folded.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((fold) => { fold.open = false; }));
  const contents = document.querySelector("nav details");
  const narrow = matchMedia("(max-width: 58rem)");
  const fit = () => { contents.open = !narrow.matches; };
  narrow.addEventListener("change", fit);
  fit();
  const links = new Map(all(document, "nav a").map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((some) => some.isIntersecting)) {
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(entry.target.lastElementChild.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-12% 0px -80% 0px" });
  sections.forEach((section) => seen.observe(section));

  // A part of many at a time. `pieces` are shown in this order; `show` hides the others.
  const pager = (most, noun, pieces, show) => {
    const says = made("output", {});
    const back = made("button", { type: "button" }, "Previous");
    const on = made("button", { type: "button" }, "Next");
    let first = 0;
    const draw = () => {
      const count = pieces().length;
      const last = Math.min(first + most, count);
      show(first, last);
      says.textContent = count ? `${number.format(first + 1)} to ${number.format(last)} of ${number.format(count)} ${noun}` : `no ${noun}`;
      back.disabled = first === 0;
      on.disabled = last >= count;
      back.hidden = on.hidden = count <= most;
    };
    const move = (by) => () => {
      first += by;
      draw();
      // The button that was pressed may have nowhere to go now, and the keyboard would lose its place.
      if ((by < 0 ? back : on).disabled) (by < 0 ? on : back).focus();
    };
    back.addEventListener("click", move(-most));
    on.addEventListener("click", move(most));
    draw();
    return { bar: [says, back, on], again: () => { first = 0; draw(); } };
  };
  for (const [selector, most, noun] of [[".samples", 10, "samples"], [".grid.small, .grid.many", 24, "plots"]]) {
    for (const box of all(document, selector)) {
      const pieces = [...box.children];
      if (pieces.length <= most) continue;
      const { bar } = pager(most, noun, () => pieces, (first, last) => pieces.forEach((piece, place) => { piece.hidden = place < first || place >= last; }));
      box.prepend(made("div", { className: "tools" }, ...bar));
    }
  }

  // Tables: heads that sort, a filter, parts.
  const value = (cell) => {
    const text = cell.textContent.trim();
    if (/^[–-]?$/.test(text)) return null;
    const plain = text.replace(/[,%\s]/g, "").replace("−", "-").replace(/^[<≤]/, "");
    return plain !== "" && isFinite(plain) ? Number(plain) : text;
  };
  const compare = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null); // nothing stands last, either way
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  };
  for (const table of all(document, ".wide > table")) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const box = table.parentElement;
    if (rows.length > 2 && !box.closest(".numbers")) {
      let kept = rows;
      let order = rows;
      const most = 25;
      const show = (first, last) => {
        const shown = new Set(kept.slice(first, last));
        for (const row of rows) row.hidden = !shown.has(row);
      };
      const { bar, again } = pager(most, "rows", () => kept, show);
      const words = new Map();
      const filter = made("input", { type: "search", autocomplete: "off" });
      filter.addEventListener("input", () => {
        const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
        for (const row of words.size ? [] : rows) words.set(row, row.textContent.toLowerCase());
        kept = order.filter((row) => wanted.every((word) => words.get(row).includes(word)));
        again();
      });
      if (rows.length > 8) box.before(made("div", { className: "tools" }, made("label", {}, "Filter ", filter), ...bar));
      const heads = all(table.tHead, "th");
      for (const head of heads) {
        const column = head.cellIndex;
        const button = made("button", { type: "button" }, ...head.childNodes);
        head.append(button);
        button.addEventListener("click", () => {
          const values = new Map(rows.map((row) => [row, value(row.cells[column])]));
          const numbers = [...values.values()].some((some) => typeof some === "number");
          const ways = numbers ? ["descending", "ascending"] : ["ascending", "descending"];
          const way = ways[ways.indexOf(head.getAttribute("aria-sort")) + 1];
          heads.forEach((other) => other.removeAttribute("aria-sort"));
          order = rows;
          if (way) {
            head.setAttribute("aria-sort", way);
            const sign = way === "ascending" ? 1 : -1;
            order = [...rows].sort((one, other) => compare(values.get(one), values.get(other), sign));
          }
          body.append(...order);
          kept = order.filter((row) => kept.includes(row));
          again();
        });
      }
    }
  }
  // What is wider than the page is moved by keys too.
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const moves = target.scrollWidth > target.clientWidth;
      const title = target.closest(".section") && target.closest(".section").querySelector("h2");
      if (!moves) for (const name of ["tabindex", "role", "aria-label"]) target.removeAttribute(name);
      else {
        target.tabIndex = 0;
        target.setAttribute("role", "group");
        target.setAttribute("aria-label", `Table, moves sideways: ${title ? title.textContent : ""}`);
      }
    }
  });
  for (const box of all(document, ".wide")) watch.observe(box);
})();

"use strict";
// What the tests ask a page: each returns what is wrong, at most eight of a kind.
window.cut = () => {
  const wrong = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) wrong.push(`the page is ${document.documentElement.scrollWidth} wide`);
  const hidden = (element) => element.closest('.off, .skip, [hidden]') || !element.getClientRects().length;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest('script, style, title, desc') || hidden(parent)) continue;
    const scrolls = parent.closest('.wide');
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      // What lies in a table that moves sideways can be moved into sight; all else has to be there.
      if (!scrolls && box.width && (box.left < -1 || box.right > width + 1)) wrong.push(`${node.data.slice(0, 60)}: ${box.left} to ${box.right}`);
    }
    for (let element = parent; element && !element.closest('svg'); element = element.parentElement) {
      if (element.classList.contains('wide')) break;
      const style = getComputedStyle(element);
      if (style.overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1 && !element.matches('input, html')) {
        wrong.push(`${element.tagName} cuts ${node.data.slice(0, 60)}`); break;
      }
      if (style.textOverflow === 'ellipsis') wrong.push(`ellipsis: ${node.data.slice(0, 60)}`);
    }
  }
  return [...new Set(wrong)].slice(0, 8);
};

window.over = () => {
  const wrong = [];
  const seen = (element) => element.getClientRects().length && getComputedStyle(element).display !== 'none';
  const boxes = (elements) => elements.filter(seen).map((element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    return { text: element.textContent.slice(0, 40), box: element.closest('svg') ? element.getBoundingClientRect() : range.getBoundingClientRect() };
  }).filter(({ box }) => box.width > 0);
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
  for (const figure of document.querySelectorAll('figure')) {
    if (!seen(figure)) continue;
    const texts = boxes([...figure.querySelectorAll('figcaption, .up span, .along text, .of, .above, .legend li, .bars th, .bars td.n, .bars td.says, details > summary')]);
    texts.forEach((a, number) => texts.slice(number + 1).forEach((b) => { if (meet(a.box, b.box)) wrong.push(`${a.text} | ${b.text}`); }));
  }
  // Sections, figures and samples beside and below one another.
  const parts = [...document.querySelectorAll('main > *, .grid > *, .samples > *')].filter(seen);
  for (const part of parts) {
    const next = part.nextElementSibling;
    if (next && seen(next) && meet(part.getBoundingClientRect(), next.getBoundingClientRect())) wrong.push(`over the next: ${part.textContent.trim().slice(0, 60)}`);
  }
  return wrong.slice(0, 8);
};

window.serious = () => axe.run(document, { resultTypes: ['violations'] }).then((result) => result.violations
  .filter((found) => ['serious', 'critical'].includes(found.impact))
  .map((found) => `${found.id}: ${found.help}: ${found.nodes.slice(0, 3).map((node) => node.html.slice(0, 160))}`));
// So that nothing is called when this is read.
0;

// What the canvas says in the person's language: sentences, numbers, labels; and the icons beside them.

"use strict";

const ICONS = {
  open: "M3 6h6l2 2h10v11H3z", photo: "M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 5M15.5 9.5h.01", undo: "M9 7L4 12l5 5M4 12h10a6 6 0 0 1 6 6",
  brush: "M4 20c3 0 5-1 5-4l-2-2c-3 0-3 3-3 6zM9 14L19 4l1 1-10 10", redo: "M15 7l5 5-5 5M20 12H10a6 6 0 0 0-6 6",
  eraser: "M8 20h12M5 15l9-10 6 5-8 9H9z", rectangle: "M4 6h16v12H4z", clear: "M6 7h12M9 7V5h6v2M8 7l1 13h6l1-13",
  lasso: "M12 5c5 0 9 2 9 5s-4 5-9 5-9-2-9-5 4-5 9-5zM7 15c-2 1-2 4 1 4", polygon: "M5 8l8-4 7 8-4 8-10-2z",
  object: "M12 3v4M12 17v4M3 12h4M17 12h4M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z", minus: "M5 12h14", plus: "M5 12h14M12 5v14",
  restore: "M4 12a8 8 0 1 0 3-6M4 4v5h5", hand: "M8 13V6a1.5 1.5 0 0 1 3 0v5V4a1.5 1.5 0 0 1 3 0v7V6a1.5 1.5 0 0 1 3 0v9c0 4-2 6-5 6-4 0-5-3-7-7a1.5 1.5 0 0 1 3-1z",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5", download: "M12 4v11M7 11l5 5 5-5M4 20h16",
  fill: "M5 13l7-9 7 9a7 5 0 0 1-14 0zM9 14a3 3 0 0 0 3 3",
};
const SVG = "http://www.w3.org/2000/svg";

// Texts in the language of the browser: the first of its languages that we have, else English.
function chooseTexts(all, languages) {
  for (const language of languages) {
    if (/^zh\b(?!-(tw|hk|mo|hant))/i.test(language)) return all["zh-CN"];
    if (/^en\b/i.test(language)) return all.en;
  }
  return all.en;
}

class Texts {
  // `table`: every sentence by its key; `locale` among them is how numbers are written. What it has may be handed on alone.
  constructor(table) { this.table = table; }

  has(key) { return key in this.table; }

  text = (key, values = {}) =>
    (this.table[key] || key).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));

  number = (value, digits = 0) =>
    value.toLocaleString(this.table.locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });

  // Texts, labels and icons that the template only names.
  fillIn = (root) => {
    for (const node of root.querySelectorAll("[data-icon]")) {
      const svg = document.createElementNS(SVG, "svg");
      const path = document.createElementNS(SVG, "path");
      svg.setAttribute("viewBox", "0 0 24 24");
      svg.setAttribute("aria-hidden", "true");
      path.setAttribute("d", ICONS[node.dataset.icon]);
      svg.append(path);
      node.prepend(svg);
    }
    for (const node of root.querySelectorAll("[data-text]")) {
      node.append(make("span", { textContent: this.text(node.dataset.text) }));
    }
    for (const node of root.querySelectorAll("[data-hint]")) {
      node.title = this.text(node.dataset.hint);
      if (!node.dataset.text) node.setAttribute("aria-label", node.title);
    }
    for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", this.text(node.dataset.label));
  };
}

function make(tag, values) { return Object.assign(document.createElement(tag), values); }

if (typeof module !== "undefined") module.exports = { chooseTexts };

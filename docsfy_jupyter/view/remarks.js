// What is to be known besides the progress: of the repository, and of what a check of the pages found.
import { make, refill } from "./dom.js";

const group = ({ title, items }) => [...(title ? [make("p", {}, title)] : []), ...(items.length ? [make("ul", {}, ...items.map((item) => make("li", {}, item)))] : [])];

/** Draws `notes`, sentences, and `checks`, folded lists; a list that somebody opened stays open. */
class Remarks {
  constructor() {
    this.notes = make("div", { class: "docsfy-quiet docsfy-notes" });
    this.checks = make("div", { class: "docsfy-checks" });
    this.drawn = {};
  }

  draw({ notes = [], checks = [] }) {
    this.changed("notes", notes) && refill(this.notes, ...notes.map((note) => make("p", {}, note)));
    if (!this.changed("checks", checks)) return;
    const open = [...this.checks.children].map((list) => list.open);
    refill(
      this.checks,
      ...checks.map(({ title, groups }, index) => make("details", { open: open[index] ?? false }, make("summary", {}, title), make("div", {}, ...groups.flatMap(group)))),
    );
  }

  changed(name, items) {
    const text = JSON.stringify(items);
    if (text === this.drawn[name]) return false;
    this.drawn[name] = text;
    this[name].hidden = !items.length;
    return true;
  }
}

export { Remarks };

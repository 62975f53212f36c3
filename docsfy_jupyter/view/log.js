// The activity log of a run, as the panel has it.
import { clock, icon, make, setAttribute, setText } from "./dom.js";

/** Draws lines of a log and follows them until somebody scrolls it, and again once it is scrolled to its end. */
class ActivityLog {
  constructor() {
    this.list = make("ol", {});
    this.frame = make("div", { class: "docsfy-log", role: "log", tabindex: 0, "aria-label": "Activity log" }, this.list);
    this.following = true;
    for (const event of ["wheel", "pointerdown", "keydown", "touchstart"]) this.frame.addEventListener(event, () => (this.following = false), { passive: true });
    this.frame.addEventListener("scroll", () => (this.following ||= this.frame.scrollHeight - this.frame.scrollTop - this.frame.clientHeight < 4));
  }

  draw(entries) {
    const lines = this.list.children;
    entries.forEach((entry, index) => {
      const line = lines[index] ?? this.list.appendChild(make("li", {}, icon(entry.kind), make("span", { class: "docsfy-text" }), make("time")));
      if (line.dataset.kind !== entry.kind) {
        line.dataset.kind = entry.kind;
        line.replaceChild(icon(entry.kind), line.firstChild);
      }
      setText(line.children[1], entry.text);
      setText(line.children[2], entry.at ? clock(entry.at) : "");
      setAttribute(line.children[2], "datetime", entry.at ?? null);
    });
    while (lines.length > entries.length) this.list.lastChild.remove();
    this.frame.hidden = !entries.length;
    if (this.following) this.scrollToNews();
  }

  /** Keep the line in work in sight, and the pending ones below it where there is room. */
  scrollToNews() {
    const active = this.list.querySelector('[data-kind="active"]:last-of-type') ?? [...this.list.children].findLast((line) => line.dataset.kind !== "pending");
    if (active) this.frame.scrollTop = Math.max(0, active.offsetTop - this.frame.clientHeight + 3 * active.offsetHeight);
  }
}

export { ActivityLog };

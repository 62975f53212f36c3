// The view of one variant: in a notebook cell (an anywidget module, fed by the kernel) and on the status page (by itself).
// What it shows is decided in Python (docsfy_jupyter/screen.py); here it is drawn and acted upon.
import { clock, duration, focusOn, focused, keepFocus, make, makeQuestion, refill, setAttribute, setBusy, setText, uniqueId } from "./dom.js";
import { RunForm } from "./form.js";
import { Browser, Kernel, READ_ONLY } from "./link.js";
import { ActivityLog } from "./log.js";
import { Remarks } from "./remarks.js";
import { STOPPED, Watch } from "./watch.js";

const LOOKING = new Set(["open", "download"]); // what changes nothing
const OUTDATED = "This page is older than the server: reload it; in a notebook, restart the kernel first and run the cell again.";
const DOING = { abort: "Aborting…", resume: "Starting…", delete: "Deleting…" };
const HEADLINES = {
  loading: "Loading…",
  missing: "Not generated yet",
  deleted: "Deleted",
  login: "Login needed",
  refused: "Not allowed",
  unreachable: "Not connected",
  ambiguous: "Several branches",
};

/** Draws what a Watch knows into `root`, and offers what can be done. */
class Panel {
  /** `onDelete(view)`, of who shows the panel in something larger: called once it has deleted what it showed. */
  constructor(root, { heading = "h2", onDelete = null, ...options }) {
    this.onDelete = onDelete;
    this.id = uniqueId();
    this.heading = heading;
    this.root = root;
    this.pending = null; // the action whose request is under way
    this.formOpen = null; // null: as the status says; true, false: as the person said
    this.build();
    root.replaceChildren(this.frame);
    this.watch = new Watch({ ...options, onChange: (what) => this.draw(what) });
    this.seen = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.watch.over && this.watch.ask());
    this.seen.observe(this.frame);
    this.draw();
  }

  close() {
    this.seen.disconnect();
    this.watch.close();
    this.frame.remove();
  }

  build() {
    const id = this.id;
    this.title = make(this.heading, { id: `${id}-title`, class: "docsfy-title" });
    this.ref = make("span", { class: "docsfy-ref" });
    this.chip = make("span", { class: "docsfy-chip" });
    this.where = make("p", { class: "docsfy-where" });
    this.fill = make("div", { class: "docsfy-fill" });
    this.bar = make("div", { class: "docsfy-bar", role: "progressbar", "aria-labelledby": `${id}-title`, "aria-valuemin": 0, "aria-valuemax": 100 }, this.fill);
    this.count = make("span");
    this.percent = make("span");
    this.numbers = make("p", { class: "docsfy-numbers" }, this.count, this.percent);
    this.message = make("p", { class: "docsfy-message", role: "alert" });
    this.offline = make("p", { class: "docsfy-quiet", role: "status" });
    this.info = make("dl", { class: "docsfy-info" });
    this.remarks = new Remarks();
    this.log = new ActivityLog();
    this.actions = make("div", { class: "docsfy-actions" });
    this.confirm = makeQuestion(`${id}-sure`, "Abort run", "Keep running", () => this.abort(), () => this.closeConfirm());
    setText(this.confirm.firstChild, "Abort this run? Pages that are finished are kept.");
    this.deletion = makeQuestion(`${id}-delete`, "Delete", "Keep it", () => this.remove(), () => this.closeDeletion());
    const host = {
      run: (work) => this.run("generate", work),
      begin: (body) => this.begin(body),
      estimate: (body) => this.watch.estimate(body),
      models: () => this.watch.models(),
      draw: () => this.draw(),
    };
    this.form = new RunForm(id, host, "Generate documentation");
    this.form.frame.addEventListener("keydown", (event) => event.key === "Escape" && this.closeForm());
    this.barred = make("p", { class: "docsfy-quiet" }, READ_ONLY);
    this.asOf = make("p", { class: "docsfy-quiet docsfy-as-of" });
    this.live = make("p", { class: "docsfy-heard", role: "status" });
    this.frame = make(
      "section",
      { class: "docsfy-panel", "aria-labelledby": `${id}-title` },
      make("header", {}, make("div", { class: "docsfy-names" }, this.title, this.ref), this.chip),
      this.where, this.bar, this.numbers, this.message, this.info, this.remarks.notes, this.log.frame, this.remarks.checks, this.actions, this.confirm, this.deletion, this.form.frame, this.form.price, this.barred, this.offline, this.asOf, this.live,
    );
  }

  // -- drawing the state

  draw(what = {}) {
    if (!this.watch) return;
    keepFocus(this.frame, () => this.redraw(what), () => this.focusNext());
    if (!this.astray || !this.watch.state.view) return;
    this.astray = false;
    if (focused(this.frame) === this.frame) this.focusNext();
  }

  redraw({ clockOnly = false }) {
    const { view, notice, offline_since: offline, as_of: asOf } = this.watch.state;
    const stale = Boolean(offline) || STOPPED.has(notice?.kind); // what is shown may be over: no clock runs, nothing turns
    if (!stale || !clockOnly) this.drawWhere(view);
    if (clockOnly) return;
    this.frame.toggleAttribute("data-stale", stale);
    this.drawHead(view, notice);
    this.drawBar(view);
    this.drawMessage(view, notice);
    this.drawInfo(view);
    this.log.draw(view?.log ?? []);
    this.remarks.draw(view ?? {});
    this.drawActions(view, notice);
    this.drawForm(view, notice);
    setText(this.offline, offline ? `Not connected since ${clock(offline)}; trying again.` : "");
    this.offline.hidden = !offline;
    this.barred.hidden = !this.watch.readOnly || notice?.kind === "refused";
    setText(this.asOf, asOf ? `as of ${clock(asOf)}` : "");
    this.asOf.hidden = !asOf;
    const heard = view ? `${view.name}: ${view.label} ${view.stage_text}` : "";
    setText(this.live, heard);
  }

  drawHead(view, notice) {
    const key = this.watch.key;
    setText(this.title, view?.name ?? key.name);
    const branch = view?.branch ?? key.branch;
    setText(this.ref, [branch, `${view?.ai_provider ?? key.provider}/${view?.ai_model ?? key.model}`].filter(Boolean).join(" · "));
    const kind = view && notice?.kind !== "login" ? view.status : notice?.kind ?? "loading";
    setText(this.chip, view && notice?.kind !== "login" ? view.label : HEADLINES[kind] ?? kind);
    setAttribute(this.chip, "class", `docsfy-chip docsfy-${kind}`);
    setAttribute(this.frame, "data-state", kind);
  }

  drawWhere(view) {
    if (!view) {
      this.where.hidden = true;
      return;
    }
    const running = view.status === "generating";
    const end = running ? Date.now() : Date.parse(view.updated_at);
    const parts = [view.stage_text];
    if (view.started_at) parts.push(`${running ? "" : "took "}${duration(end - Date.parse(view.started_at))}`);
    const left = running && view.eta_at ? Date.parse(view.eta_at) - Date.now() : 0;
    if (left >= 1000) parts.push(`about ${duration(left)} left`);
    setText(this.where, parts.filter(Boolean).join(" · "));
    this.where.hidden = false;
  }

  drawBar(view) {
    this.bar.hidden = this.numbers.hidden = !view;
    if (!view) return;
    setAttribute(this.bar, "class", `docsfy-bar docsfy-${view.status}${view.percent === null && view.status === "generating" ? " docsfy-unknown" : ""}`);
    setAttribute(this.bar, "aria-valuenow", view.percent);
    setAttribute(this.bar, "aria-valuetext", `${view.text}, ${view.label}`);
    this.fill.style.width = `${view.percent ?? 0}%`;
    setText(this.count, view.text);
    setText(this.percent, view.percent === null ? "" : `${view.percent} %`);
  }

  drawMessage(view, notice) {
    const parts = [this.problem ?? notice?.text ?? ""];
    if (!notice && view?.error_message && view.status !== "ready" && !this.problem) parts[0] = view.error_message;
    if (notice?.candidates?.length) parts.push(`Did you mean ${notice.candidates.join(", ")}?`);
    const text = parts.filter(Boolean).join(" ");
    if (this.messageText !== text) {
      this.messageText = text;
      refill(this.message, text, ...(notice?.link ? [" ", make("a", { href: notice.link, target: "_blank", rel: "noopener" }, "Log in")] : []));
    }
    this.message.hidden = !text;
    setAttribute(this.message, "class", `docsfy-message${view?.status === "error" || this.problem ? " docsfy-bad" : ""}`);
    setAttribute(this.message, "tabindex", this.message.scrollHeight > this.message.clientHeight ? 0 : null); // keys can scroll it
  }

  drawInfo(view) {
    const items = [];
    if (view?.last_commit_sha) items.push(["Commit", view.last_commit_sha.slice(0, 7), view.commit_url]);
    if (view?.last_generated) items.push(["Last generated", clock(view.last_generated)]);
    if (view?.cost_text) items.push(["Cost", view.cost_text]);
    if (view?.foreseen_text) items.push(["Estimated", view.foreseen_text]);
    if (view?.repo_url) items.push(["Repository", view.repo_url]);
    const text = JSON.stringify(items);
    if (text === this.infoText) return;
    this.infoText = text;
    refill(
      this.info,
      ...items.map(([name, value, link]) => make("div", {}, make("dt", {}, name), make("dd", {}, link?.startsWith("https://") ? make("a", { href: link, target: "_blank", rel: "noopener" }, value) : value))),
    );
    this.info.hidden = !items.length;
  }

  // -- what can be done

  drawActions(view, notice) {
    const wanted = view && notice?.kind !== "login" ? view.actions : [];
    const formAlways = view && ["error", "aborted"].includes(view.status);
    const shown = wanted.filter(({ id }) => !(id === "regenerate" && formAlways) && this.may(id));
    const nodes = shown.map(({ id, label }) => this.actionNode(id, label, view));
    for (const node of [...this.actions.children]) if (!nodes.includes(node)) node.remove();
    nodes.forEach((node, index) => this.actions.children[index] !== node && this.actions.insertBefore(node, this.actions.children[index] ?? null));
    this.actions.hidden = !nodes.length;
    if (view?.status !== "generating") this.confirm.hidden = true;
    if (!shown.some(({ id }) => id === "delete")) this.deletion.hidden = true;
  }

  /** Whether this login may do it: to delete is a right of its own. */
  may(id) {
    return LOOKING.has(id) || !(id === "delete" ? this.watch.keepsAll : this.watch.readOnly);
  }

  actionNode(id, label, view) {
    let node = this.actions.querySelector(`[data-action="${id}"]`);
    if (id === "open" || id === "download") {
      node ??= make("a", { "data-action": id, ...(id === "open" ? { target: "_blank", rel: "noopener" } : { download: true }) });
      setAttribute(node, "class", `docsfy-button${id === "open" && view.status === "ready" ? " docsfy-primary" : ""}`);
      setAttribute(node, "href", this.address(id, view));
    } else {
      node ??= make("button", { type: "button", "data-action": id, on: { click: () => this.press(id) } });
      setAttribute(node, "class", id === "abort" ? "docsfy-danger" : id === "resume" ? "docsfy-primary" : "");
      if (id === "regenerate") setAttribute(node, "aria-expanded", String(this.wantsForm(view, this.watch.state.notice)));
      setBusy(node, this.pending !== null);
    }
    setText(node, this.pending === id ? DOING[id] ?? label : label);
    return node;
  }

  address(id, view) {
    const { name, branch, ai_provider: provider, ai_model: model, owner } = view;
    const path = [name, branch, provider, model].map(encodeURIComponent).join("/");
    const query = new URLSearchParams({ name, branch, provider, model, owner });
    const base = this.watch.browser?.base ?? this.watch.publicBase ?? "/";
    return new URL(id === "open" ? `docsfy/docs/${path}/` : `docsfy/api/variant/download?${query}`, new URL(base, location.href)).href;
  }

  press(id) {
    if (this.pending !== null) return;
    if (id === "abort") {
      this.confirm.hidden = false;
      this.confirm.querySelector("button").focus();
    } else if (id === "delete") {
      setText(this.deletion.firstChild, this.watch.state.view.delete_question);
      this.deletion.hidden = false;
      this.deletion.lastChild.focus();
    } else if (id === "resume") this.run("resume", () => this.watch.generate(this.again()));
    else if (id === "regenerate") {
      this.formOpen = !this.form.open;
      this.draw();
      if (this.formOpen) this.form.provider.focus();
    } else {
      this.problem = OUTDATED;
      this.draw();
    }
  }

  closeConfirm() {
    this.confirm.hidden = true;
    this.focusAction("abort");
  }

  closeDeletion() {
    this.deletion.hidden = true;
    this.focusAction("delete");
  }

  /** Go back to the button of an action, or to what can be done where that is gone. */
  focusAction(id) {
    const button = this.actions.querySelector(`[data-action="${id}"]`);
    if (button) button.focus();
    else this.focusNext();
  }

  /** Put the focus on the likeliest of what can be done now, but on no deletion; on the panel itself until there is something. */
  focusNext() {
    const again = this.watch.state.view && this.form.open ? this.form.provider : null;
    const next = this.message.querySelector("a") ?? this.actions.querySelector(':not([data-action="delete"])') ?? again;
    this.astray = !next;
    if (next) next.focus();
    else focusOn(this.frame);
  }

  abort() {
    this.closeConfirm();
    this.run("abort", () => this.watch.abort());
  }

  async remove() {
    this.closeDeletion();
    const { view } = this.watch.state;
    await this.run("delete", () => this.watch.remove());
    if (!this.problem) this.onDelete?.(view);
  }

  /** The body that runs the shown variant once more. */
  again() {
    const { name, branch, owner, ai_provider, ai_model, source } = this.watch.state.view;
    return { ...source, name, branch, owner, ai_provider, ai_model };
  }

  async begin(body) {
    const moved = await this.watch.generate(body);
    this.formOpen = null;
    if (moved) setText(this.live, `Now showing ${moved.provider}/${moved.model}`);
  }

  /** One request at a time: further clicks change nothing until it is answered. */
  async run(action, work) {
    if (this.pending !== null) return;
    this.pending = action;
    this.problem = null;
    this.draw();
    try {
      await work();
    } catch (error) {
      this.problem = error.message;
    } finally {
      this.pending = null;
      this.draw();
    }
  }

  wantsForm(view, notice) {
    const missing = !view && (notice?.kind === "missing" || notice?.kind === "deleted");
    const again = view && notice?.kind !== "login" && view.status !== "generating";
    return Boolean(!this.watch.readOnly && (missing || (again && (this.formOpen ?? ["error", "aborted"].includes(view.status)))));
  }

  /** A form that a button has opened closes again. */
  closeForm() {
    if (!this.actions.querySelector('[data-action="regenerate"]')) return;
    this.formOpen = false;
    this.draw();
    this.focusAction("regenerate");
  }

  drawForm(view, notice) {
    const { name, branch, provider, model } = this.watch.key;
    this.form.draw({
      open: this.wantsForm(view, notice),
      again: view && this.again(),
      fixed: branch ? { name, branch } : { name },
      repo: view?.repo_url,
      said: this.messageText,
      provider: view?.ai_provider ?? provider,
      model: view?.ai_model ?? model,
      busy: this.pending !== null,
      starting: this.pending === "generate",
      primary: !this.actions.querySelector(".docsfy-primary"), // one button stands out, the likeliest
    });
  }
}

// ---- The two places it lives in ----------------------------------------------------------------------------------------

/** A notebook cell: anywidget calls this for every view of the widget. */
function render({ model, el }) {
  const kernel = new Kernel(model);
  const still = make("style");
  const panel = new Panel(el, {
    key: model.get("key"),
    interval: model.get("interval"),
    serverId: model.get("server_id"),
    browser: Browser.find(),
    kernel,
    onChange: null,
  });
  const told = () => {
    panel.watch.serverId = model.get("server_id");
    panel.watch.publicBase = model.get("public_base");
    const state = model.get("state");
    panel.watch.told({ ...state, view: state.view && { ...state.view, log: model.get("entries") } }, model.get("key"));
  };
  // Beside the widget stands a still of the same state, for exports and for readers without a kernel: here it gives way.
  const id = CSS.escape(model.get("panel_id"));
  still.textContent = `.docsfy-still[data-docsfy-panel="${id}"], .jp-OutputArea-child:has(> .jp-OutputArea-output .docsfy-still[data-docsfy-panel="${id}"]) { display: none !important; }`;
  document.head.append(still);
  for (const name of ["state", "entries", "key", "server_id"]) model.on(`change:${name}`, told);
  if (model.get("state").notice?.kind !== "loading") told();
  return () => {
    for (const name of ["state", "entries", "key", "server_id"]) model.off(`change:${name}`, told);
    still.remove();
    panel.close();
  };
}

/** A page of its own: polls from the browser. */
export function mount(root, { base, key, interval = 3000 }) {
  return new Panel(root, { heading: "h1", key, interval, kernel: null, browser: new Browser(new URL(base, location.href).href, null), serverId: "" });
}

export { Panel };
export default { render };

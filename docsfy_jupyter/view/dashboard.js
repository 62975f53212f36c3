// All variants of a server in one table, and its latest runs: in a notebook cell and on the overview page.
// One request at a time and one for each interval, whatever the number of variants; the page asks by itself.
import { clock, costOf, duration, focused, keepFocus, make, refill, setAttribute, setText, uniqueId } from "./dom.js";
import { RunForm } from "./form.js";
import { Browser, Kernel, LoginExpired, READ_ONLY, estimated } from "./link.js";
import { Panel } from "./panel.js";

const PAGE = 100; // rows of one request; more are asked for by a button
const STATUSES = [["", "All"], ["generating", "Generating"], ["ready", "Ready"], ["error", "Failed"], ["aborted", "Aborted"]];
const OUTCOMES = { ready: "Complete", error: "Failed", aborted: "Aborted" };

const addressOf = (row) => [row.name, row.branch, row.ai_provider, row.ai_model, row.owner].join("\n");

// By the beginning of the latest run: lines of runs in progress must not change places at every tick.
const newestRun = (a, b) => Date.parse(b.started_at ?? b.created_at) - Date.parse(a.started_at ?? a.created_at);

const tight = (content) => make("td", { class: "docsfy-tight" }, content);

/** Draws the table into `root`; `ask(query)` and `act` come from the page or from the kernel. */
class Board {
  constructor(root, { browser, kernel = null, serverId = "", interval = 3000 }) {
    Object.assign(this, { browser, kernel, serverId, interval });
    this.id = uniqueId();
    this.tab = "variants";
    this.limit = PAGE;
    this.etags = new Map();
    this.rows = new Map(); // address → { line, cells, detail, panel }
    this.failures = 0;
    this.starting = false; // a run that the form asks for
    this.build();
    root.replaceChildren(this.frame);
    this.timer = setInterval(() => this.tick(), this.interval);
    this.onVisible = () => document.visibilityState === "visible" && this.tick();
    document.addEventListener("visibilitychange", this.onVisible);
    this.tick();
  }

  close() {
    this.closed = true;
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.onVisible);
    for (const row of this.rows.values()) row.panel?.close();
    this.kernel?.close();
    this.frame.remove();
  }

  build() {
    const id = this.id;
    const tab = (name, label) => make("button", { type: "button", role: "tab", id: `${id}-tab-${name}`, "aria-controls": `${id}-${name}`, on: { click: () => this.open(name) } }, label);
    this.tabs = { variants: tab("variants", "Documentation"), runs: tab("runs", "Runs") };
    this.status = make("select", { "aria-label": "Status", on: { change: () => this.filter() } }, ...STATUSES.map(([value, text]) => make("option", { value }, text)));
    this.text = make("input", { type: "search", "aria-label": "Search by name, branch, model or repository", placeholder: "Search", on: { input: () => this.filterSoon() } });
    this.text.addEventListener("keydown", (event) => event.stopPropagation());
    this.create = make("button", { type: "button", class: "docsfy-primary", "aria-expanded": "false", on: { click: () => this.toggleForm() } }, "New");
    const tabs = make("div", { role: "tablist", class: "docsfy-tabs", "aria-label": "Documentation and runs" }, this.tabs.variants, this.tabs.runs);
    tabs.addEventListener("keydown", (event) => ["ArrowLeft", "ArrowRight"].includes(event.key) && this.open(this.tab === "runs" ? "variants" : "runs", true));
    this.tools = make("div", { class: "docsfy-tools" }, this.text, this.status, this.create);
    this.note = make("p", { class: "docsfy-message", role: "status", hidden: true });
    this.barred = make("p", { class: "docsfy-quiet", hidden: true }, READ_ONLY);
    this.buildForm();
    this.variants = this.buildTable("variants", ["Name", "Status", "Pages", "Changed", ""]);
    this.runs = this.buildTable("runs", ["Variant", "Outcome", "Began", "Took", "By", "Pages", "Cost"]);
    this.more = make("button", { type: "button", hidden: true, on: { click: () => ((this.limit += PAGE), this.tick()) } }, "Show more");
    this.frame = make("section", { class: "docsfy-panel docsfy-board", "aria-label": "Documentation sets" }, make("div", { class: "docsfy-top" }, tabs, this.tools), this.note, this.barred, this.form.frame, this.variants.frame, this.runs.frame, this.more);
    this.open("variants");
  }

  buildTable(name, heads) {
    const body = make("tbody");
    const empty = make("p", { class: "docsfy-quiet", hidden: true });
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head || make("span", { class: "docsfy-heard" }, "Actions"))))), body);
    const frame = make("div", { id: `${this.id}-${name}`, role: "tabpanel", "aria-labelledby": `${this.id}-tab-${name}`, class: "docsfy-scroll", tabindex: 0 }, table, empty);
    return { frame, table, body, empty };
  }

  buildForm() {
    const host = {
      run: (work) => this.run(work),
      begin: (body) => this.begin(body),
      estimate: (body) => this.estimate(body),
      models: () => this.known("GET", "api/models"),
      draw: () => this.drawForm(),
    };
    this.form = new RunForm(this.id, host, "New documentation", { named: true });
    this.form.frame.addEventListener("keydown", (event) => event.key === "Escape" && this.toggleForm());
  }

  open(name, focus = false) {
    this.tab = name;
    for (const [other, button] of Object.entries(this.tabs)) {
      setAttribute(button, "aria-selected", String(other === name));
      setAttribute(button, "tabindex", other === name ? "0" : "-1");
      this[other].frame.hidden = other !== name;
    }
    this.text.hidden = name === "runs";
    for (const option of this.status.options) option.hidden = option.value === "generating" && name === "runs";
    if (name === "runs" && this.status.value === "generating") this.status.value = "";
    if (focus) this.tabs[name].focus();
    this.limit = PAGE;
    if (this.rows.size || this.asked) this.tick();
  }

  toggleForm() {
    this.drawForm(!this.form.open);
    if (!this.form.open && this.note.dataset.kind === "bad") this.say(""); // it was of what the form asked for
    (this.form.open ? this.form.repo : this.create).focus();
  }

  drawForm(open = this.form.open) {
    const drawn = { open, again: null, fixed: {}, said: this.note.textContent, provider: "", model: "", busy: this.starting, starting: this.starting, primary: true };
    keepFocus(this.frame, () => this.form.draw(drawn), () => this.create.focus());
    setAttribute(this.create, "aria-expanded", String(open));
    setAttribute(this.create, "class", open ? "" : "docsfy-primary"); // one button stands out, the likeliest
  }

  filterSoon() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.filter(), 250);
  }

  filter() {
    this.limit = PAGE;
    this.tick();
  }

  // -- asking

  /** The page's server where it is the kernel's too, else the kernel; the answer is `{status, data, etag}`. */
  async ask(method, path, options = {}) {
    if (this.browser && this.matches !== false) {
      const answer = await this.browser.call(method, path, options);
      this.matches ??= !this.serverId || answer.server === this.serverId;
      if (this.matches) return answer;
    }
    if (!this.kernel) throw new Error("This page belongs to another server.");
    const answer = await this.kernel.ask({ type: "call", method, path, query: options.query, body: options.body }, 60000);
    if (answer === null) throw new Error("The kernel does not answer.");
    if (answer.error) throw new Error(answer.error);
    return { status: 200, data: answer.data, etag: null };
  }

  async tick() {
    if (this.asking || this.closed) {
      this.again = !this.closed; // a filter was changed while a request was under way
      return;
    }
    this.asking = true;
    this.again = false;
    const tab = this.tab;
    const [path, query] = tab === "runs"
      ? ["api/runs", { limit: this.limit, outcome: ["ready", "error", "aborted"].includes(this.status.value) ? this.status.value : "" }]
      : ["api/projects", { view: "progress", limit: this.limit, status: this.status.value, q: this.text.value.trim() }];
    const asked = JSON.stringify([path, query]);
    try {
      const answer = await this.ask("GET", path, { query, etag: this.asked === asked ? this.etags.get(tab) : null });
      if (answer.status === 200) {
        this.etags.set(tab, answer.etag);
        this.asked = asked;
        this.keep(() => (tab === "runs" ? this.drawRuns(answer.data.runs, answer.data.total) : this.drawVariants(answer.data.projects.sort(newestRun), answer.data.total)));
      } else if (answer.status === 403) return this.stop(answer.data.detail, "refused");
      else if (answer.status !== 304) throw new Error(answer.data?.detail ?? `The server answered ${answer.status}.`);
      if (this.failures || ["offline", "login", "refused"].includes(this.note.dataset.kind)) this.say("");
      this.timer ??= setInterval(() => this.tick(), this.interval);
      this.failures = 0;
      this.learned ??= this.learnRights();
    } catch (error) {
      this.failed(error);
    } finally {
      this.asking = false;
      if (this.again) this.tick();
    }
  }

  failed(error) {
    if (error instanceof LoginExpired) {
      return this.stop(error.message, "login", make("a", { href: this.browser.loginUrl(), target: "_blank", rel: "noopener" }, "Log in"));
    }
    this.failures += 1;
    if (this.failures === 1) this.failedAt = new Date().toISOString();
    if (this.failures >= 3 || !this.rows.size) this.say(`Not connected since ${clock(this.failedAt)}; trying again. ${error.message}`, "offline");
  }

  /** Ask no more, until the page is looked at again and the login is good. */
  stop(text, kind, link = null) {
    clearInterval(this.timer);
    this.timer = null;
    this.say(text, kind, link);
  }

  /** Offer nothing that this login may not do, where the page asks by itself. */
  async learnRights() {
    const readOnly = this.browser !== null && this.matches !== false && (await this.browser.bars("execute"));
    this.keep(() => (this.create.hidden = readOnly));
    this.barred.hidden = !readOnly;
    this.drawEmpty();
  }

  say(text, kind = "", link = null) {
    this.note.dataset.kind = kind;
    setAttribute(this.note, "class", `docsfy-message${kind === "bad" ? " docsfy-bad" : ""}`);
    const whole = link ? `${text} ${link.textContent}` : text;
    if (this.note.textContent !== whole) refill(this.note, text, ...(link ? [" ", link] : []));
    this.keep(() => (this.note.hidden = !text));
  }

  /** Draw, and keep the focus; where its row or button goes, the row that takes the place has it, or the table. */
  keep(draw) {
    const line = this.frame.contains(focused(this.frame)) && focused(this.frame).closest("tr");
    const lines = this[this.tab].body.rows;
    const place = line ? line.sectionRowIndex - line.matches(".docsfy-detail") : focused(this.frame) === this.more ? lines.length : -1;
    keepFocus(this.frame, draw, () => (lines[place]?.querySelector("button:not([hidden])") ?? this[this.tab].frame).focus());
  }

  // -- drawing

  drawVariants(rows, total) {
    this.listed = new Set(rows.map(addressOf));
    for (const [address, row] of this.rows) if (!this.listed.has(address) && !row.panel) this.drop(address, row);
    let before = null;
    for (const data of rows) {
      const row = this.rows.get(addressOf(data)) ?? this.addRow(data);
      this.drawRow(row, data);
      const place = before ? (before.detail ?? before.line).nextSibling : this.variants.body.firstChild;
      if (row.line !== place) {
        this.variants.body.insertBefore(row.line, place);
        if (row.detail) row.line.after(row.detail);
      }
      before = row;
    }
    this.drawEmpty();
    this.foot(this.variants, rows.length, total);
  }

  drawEmpty() {
    const filtered = this.status.value || this.text.value.trim();
    const hint = this.create.hidden ? "" : " Press New, and give it a repository.";
    setText(this.variants.empty, filtered ? "Nothing fits." : `Nothing generated yet.${hint}`);
  }

  foot(table, shown, total) {
    table.empty.hidden = shown > 0;
    table.table.hidden = shown === 0;
    this.more.hidden = shown >= total;
    setText(this.more, `Show more (${total - shown} left)`);
  }

  drop(address, row) {
    row.line.remove();
    this.rows.delete(address);
  }

  addRow(data) {
    const parts = { name: make("strong"), ref: make("div", { class: "docsfy-ref" }), chip: make("span"), fill: make("div", { class: "docsfy-fill" }), count: make("div", { class: "docsfy-ref" }), changed: make("time") };
    parts.bar = make("div", { "aria-hidden": "true" }, parts.fill);
    parts.docs = make("a", { class: "docsfy-button", target: "_blank", rel: "noopener" }, "Open");
    parts.more = make("button", { type: "button", "aria-expanded": "false", on: { click: () => this.toggle(addressOf(data)) } }, "Details");
    const line = make(
      "tr", {},
      make("th", { scope: "row" }, parts.name, parts.ref), make("td", {}, parts.chip), make("td", { class: "docsfy-progress" }, parts.bar, parts.count),
      tight(parts.changed), make("td", {}, make("div", { class: "docsfy-actions" }, parts.docs, parts.more)),
    );
    const row = { line, parts, data, detail: null, panel: null };
    this.rows.set(addressOf(data), row);
    return row;
  }

  drawRow(row, data) {
    const { parts } = row;
    row.data = data;
    setText(parts.name, data.name);
    setText(parts.ref, `${data.branch} · ${data.ai_provider}/${data.ai_model}`);
    setText(parts.chip, data.label);
    setAttribute(parts.chip, "class", `docsfy-chip docsfy-${data.status}`);
    setAttribute(parts.bar, "class", `docsfy-bar docsfy-${data.status}${data.percent === null && data.status === "generating" ? " docsfy-unknown" : ""}`);
    parts.fill.style.width = `${data.percent ?? 0}%`;
    setText(parts.count, [data.text, data.status === "generating" ? data.stage_text : ""].filter(Boolean).join(" · "));
    setText(parts.changed, clock(data.updated_at));
    setAttribute(parts.changed, "datetime", data.updated_at);
    const here = this.browser !== null && this.matches !== false; // the page's own server, which links and details ask
    parts.docs.hidden = !data.site || !here;
    parts.more.hidden = !here;
    const path = [data.name, data.branch, data.ai_provider, data.ai_model].map(encodeURIComponent).join("/");
    setAttribute(parts.docs, "href", new URL(`docsfy/docs/${path}/`, this.browser?.base ?? location.href).href);
    setAttribute(parts.docs, "aria-label", `Open the documentation of ${data.name}, ${data.ai_provider}/${data.ai_model}`);
    setAttribute(parts.more, "aria-label", `Details of ${data.name}, ${data.ai_provider}/${data.ai_model}`);
  }

  toggle(address) {
    const row = this.rows.get(address);
    if (row.panel) this.fold(row);
    else {
      const cell = make("td", { colspan: 5 });
      row.detail = make("tr", { class: "docsfy-detail" }, cell);
      row.line.after(row.detail);
      const { name, branch, ai_provider: provider, ai_model: model, owner } = row.data;
      row.panel = new Panel(cell, { key: { name, branch, provider, model, owner }, interval: this.interval, kernel: null, browser: this.browser, serverId: "", onDelete: (view) => this.leave(view) });
    }
    if (!row.panel && !this.listed.has(address)) return this.keep(() => this.drop(address, row)); // it had stayed for its panel
    setAttribute(row.parts.more, "aria-expanded", String(row.panel !== null));
    setText(row.parts.more, row.panel ? "Close" : "Details");
  }

  fold(row) {
    row.panel.close();
    row.detail.remove();
    row.panel = row.detail = null;
  }

  /** Take out the row of a variant that was deleted by its panel. */
  leave(view) {
    const row = this.rows.get(addressOf(view));
    this.say(`Deleted ${view.name}/${view.branch}/${view.ai_provider}/${view.ai_model}.`);
    if (row?.panel) this.keep(() => (this.fold(row), this.drop(addressOf(view), row)));
    this.tick();
  }

  drawRuns(runs, total) {
    const lines = runs.map((run) => {
      const outcome = run.outcome ?? "generating";
      const end = run.ended_at ? Date.parse(run.ended_at) : Date.now();
      const chip = make("span", { class: `docsfy-chip docsfy-${outcome}` }, OUTCOMES[outcome] ?? "Generating…");
      const why = run.error_message ? [make("div", { class: "docsfy-ref docsfy-why" }, run.error_message)] : [];
      return make(
        "tr", {},
        make("th", { scope: "row" }, make("strong", {}, run.name), make("div", { class: "docsfy-ref" }, `${run.branch} · ${run.ai_provider}/${run.ai_model}`)),
        make("td", {}, chip, ...why),
        ...[make("time", { datetime: run.started_at }, clock(run.started_at)), duration(end - Date.parse(run.started_at)), run.started_by ?? "", run.total_pages ? `${run.page_count} / ${run.total_pages}` : "", costOf(run)].map(tight),
      );
    });
    this.runs.body.replaceChildren(...lines);
    setText(this.runs.empty, this.status.value ? "Nothing fits." : "Nothing has run yet.");
    this.foot(this.runs, runs.length, total);
  }

  // -- doing

  /** What the server knows; null where it does not, or cannot be asked. */
  async known(method, path, options) {
    const answer = await this.ask(method, path, options).catch(() => null);
    return answer?.status === 200 ? answer.data : null;
  }

  /** What a run would take; null where nobody can be asked. Throws where the server would refuse the run. */
  async estimate(body) {
    return estimated(await this.ask("POST", "api/estimate", { body }).catch((error) => {
      if (error instanceof TypeError || error instanceof LoginExpired) return null; // the table says what is wrong
      throw error;
    }));
  }

  async begin(body) {
    const answer = await this.ask("POST", "api/generate", { body });
    if (answer.status >= 400) throw new Error(answer.data?.detail ?? `The server answered ${answer.status}.`);
    this.form.frame.reset();
    this.drawForm(false);
    this.say(`Started ${answer.data.project} · ${answer.data.branch}.`);
    this.open("variants");
  }

  /** One new run at a time: further clicks change nothing until it is answered. */
  async run(work) {
    if (this.starting) return;
    this.starting = true;
    this.drawForm();
    try {
      await work();
    } catch (error) {
      this.say(error.message, "bad");
    } finally {
      this.starting = false;
      this.drawForm();
    }
  }
}

function render({ model, el }) {
  const hide = make("style");
  hide.textContent = `.docsfy-still[data-docsfy-panel="${CSS.escape(model.get("panel_id"))}"] { display: none; }`;
  document.head.append(hide);
  const board = new Board(el, { browser: Browser.find(), kernel: new Kernel(model), serverId: model.get("server_id"), interval: model.get("interval") });
  return () => {
    hide.remove();
    board.close();
  };
}

/** The overview page. */
export function mountBoard(root, { base }) {
  return new Board(root, { browser: new Browser(new URL(base, location.href).href, null) });
}

export default { render };

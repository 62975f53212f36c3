// The view of one variant: in a notebook cell (an anywidget module, fed by the kernel) and on the status page (by itself).
// What it shows is decided in Python (docsfy_jupyter/screen.py); here it is drawn, kept alive and acted upon.
// Every text from outside goes through textContent; nothing is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  done: "M3 8.5l3.2 3.2L13 4.8",
  error: "M8 1.5a6.5 6.5 0 100 13 6.5 6.5 0 000-13M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8",
  pending: "M8 2.5a5.5 5.5 0 100 11 5.5 5.5 0 000-11",
  active: "M8 2a6 6 0 106 6",
};
const HEADLINES = {
  loading: "Loading…",
  missing: "Not generated yet",
  deleted: "Deleted",
  login: "Login needed",
  unreachable: "Not connected",
  ambiguous: "Several branches",
};
const STOPPED = new Set(["login", "ambiguous"]);
let serial = 0;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function icon(kind) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [name, value] of [["viewBox", "0 0 16 16"], ["aria-hidden", "true"], ["class", "docsfy-icon"]]) svg.setAttribute(name, value);
  path.setAttribute("d", ICONS[kind] ?? ICONS.pending);
  svg.append(path);
  return svg;
}

function clock(iso) {
  const moment = new Date(iso);
  if (Number.isNaN(moment.getTime())) return "";
  const today = moment.toDateString() === new Date().toDateString();
  const time = moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return today ? time : `${moment.toLocaleDateString()} ${time}`;
}

function duration(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

const terminal = (view) => view !== null && view.status !== "generating";
const sameKey = (a, b) => ["name", "provider", "model", "owner"].every((part) => (a[part] ?? null) === (b[part] ?? null)) && (!a.branch || !b.branch || a.branch === b.branch);
const sourceOf = (text) => (/:\/\/|^[^/]+@[^/]+:/.test(text) ? { repo_url: text } : { repo_path: text });

// ---- Ways to the server ---------------------------------------------------------------------------------------------

class LoginExpired extends Error {}

/** Requests from the browser: they work while the kernel is busy, restarted or dead. */
class Browser {
  constructor(base, token) {
    this.base = base;
    this.token = token;
  }

  /** The page's own Jupyter server, or null where the page belongs to none (VS Code, Colab, an exported file). */
  static find() {
    const config = document.getElementById("jupyter-config-data");
    if (!config) return null;
    try {
      const data = JSON.parse(config.textContent);
      return data.baseUrl ? new Browser(new URL(data.baseUrl, location.href).href, data.token) : null;
    } catch {
      return null;
    }
  }

  async call(method, path, { query = {}, body, etag } = {}) {
    const url = new URL(`docsfy/${path}`, this.base);
    for (const [name, value] of Object.entries(query)) if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
    const headers = { Accept: "application/json" };
    const xsrf = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
    if (xsrf) headers["X-XSRFToken"] = decodeURIComponent(xsrf[1]);
    if (this.token) headers.Authorization = `token ${this.token}`;
    if (etag) headers["If-None-Match"] = etag;
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body), credentials: "same-origin", redirect: "manual", cache: "no-store" });
    if (answer.type === "opaqueredirect" || answer.status === 401 || (answer.status === 403 && method === "GET")) throw new LoginExpired();
    const data = answer.status === 304 ? null : await answer.json().catch(() => null);
    return { status: answer.status, data, etag: answer.headers.get("ETag"), server: answer.headers.get("Docsfy-Server") };
  }

  loginUrl() {
    return new URL(`login?next=${encodeURIComponent(location.pathname + location.search)}`, this.base).href;
  }
}

/** Requests through the kernel, where the page has no Jupyter server of its own; they wait while a cell runs. */
class Kernel {
  constructor(model) {
    this.model = model;
    this.waiting = new Map();
    this.listen = (message) => {
      const resolve = this.waiting.get(message?.reply);
      if (resolve) {
        this.waiting.delete(message.reply);
        resolve(message);
      }
    };
    model.on("msg:custom", this.listen);
  }

  send(message) {
    try {
      this.model.send(message);
    } catch {
      // The kernel is gone; the watch notices its silence and the view goes on by itself.
    }
  }

  /** Ask; null when there was no answer within `limit` milliseconds. */
  ask(message, limit = null) {
    const id = `${Date.now()}-${serial++}`;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      if (limit !== null) setTimeout(() => this.waiting.delete(id) && resolve(null), limit);
      this.send({ ...message, id });
    });
  }

  close() {
    this.model.off("msg:custom", this.listen);
    this.waiting.clear();
  }
}

// ---- What is known, and keeping it true ------------------------------------------------------------------------------

const NOTHING = { view: null, notice: { kind: "loading", text: "" }, offline_since: null, as_of: null };

/** Knows the state of one variant: told by the kernel while that speaks, asked from the server by itself otherwise. */
class Watch {
  constructor({ key, interval, kernel, browser, serverId, onChange }) {
    Object.assign(this, { key, interval, kernel, browser, onChange });
    this.serverId = serverId;
    this.state = NOTHING;
    this.alone = !kernel; // whether the view polls by itself
    this.heard = Date.now();
    this.pinged = false;
    this.etag = null;
    this.polled = 0;
    this.busy = false;
    this.failures = 0;
    this.timer = setInterval(() => this.tick(), 1000);
    this.onVisible = () => document.visibilityState === "visible" && this.ask();
    document.addEventListener("visibilitychange", this.onVisible);
    if (this.alone) this.poll();
  }

  close() {
    this.closed = true;
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.onVisible);
    this.kernel?.close();
  }

  get over() {
    return terminal(this.state.view) || STOPPED.has(this.state.notice?.kind);
  }

  /** The page's server answers for the very variant that the kernel speaks of, or there is no kernel to contradict. */
  async direct() {
    if (!this.browser) return false;
    if (!this.kernel || !this.serverId) return true;
    if (this.matches === undefined) {
      const answer = await this.browser.call("GET", "health").catch(() => null);
      if (answer === null) return false;
      this.matches = answer.server === this.serverId;
    }
    return this.matches;
  }

  told(state, key) {
    this.heard = Date.now();
    this.pinged = false;
    if (this.moved && !sameKey(key, this.key)) return; // the kernel has not followed yet
    this.moved = false;
    this.key = key;
    this.alone = false;
    this.take(state);
  }

  take(state) {
    const [old, fresh] = [this.state.view, state.view];
    const late = old && fresh && old.generation_id === fresh.generation_id && Date.parse(fresh.updated_at) < Date.parse(old.updated_at);
    this.state = late ? { ...state, view: old } : state;
    this.onChange();
  }

  tick() {
    const quiet = Date.now() - this.heard;
    if (this.kernel && !this.alone && !this.over) {
      if (quiet > 2 * this.interval && !this.pinged) {
        this.pinged = true;
        this.kernel.ask({ type: "ping" }, this.interval).then((answer) => answer && this.pong());
      } else if (quiet > 3 * this.interval) this.goAlone();
    }
    if (this.alone && !this.over && Date.now() - this.polled >= this.interval) this.poll();
    this.onChange({ clockOnly: true });
  }

  pong() {
    this.heard = Date.now();
    this.pinged = false;
  }

  async goAlone() {
    this.alone = await this.direct();
  }

  /** Ask once more: the view became visible again, or somebody wants to know. */
  async ask() {
    if (this.closed || Date.now() - this.asked < 1000) return;
    this.asked = Date.now();
    const answer = this.kernel && !this.alone ? await this.kernel.ask({ type: "refresh" }, this.interval) : null;
    if (answer) this.pong();
    else if (await this.direct()) {
      await this.poll();
      this.alone ||= !this.over; // a run that began elsewhere, and a kernel that does not speak
    }
  }

  query() {
    const { name, provider, model, branch, owner } = this.key;
    return { name, provider, model, branch, owner };
  }

  async poll() {
    if (this.busy || this.closed) return;
    this.busy = true;
    this.polled = Date.now();
    const key = this.key;
    try {
      const answer = await this.browser.call("GET", "api/variant", { query: { ...this.query(), view: "progress" }, etag: this.etag });
      if (!this.closed && sameKey(key, this.key)) this.fold(answer); // not one for the variant of before
    } catch (error) {
      if (!this.closed) this.failed(error);
    } finally {
      this.busy = false;
    }
  }

  fold(answer) {
    const { status, data, etag } = answer;
    const now = new Date().toISOString();
    if (status === 200 || status === 304) {
      const view = status === 200 ? data : this.state.view;
      this.etag = etag ?? this.etag;
      this.failures = 0;
      this.take({ view, notice: null, offline_since: null, as_of: terminal(view) ? now : null });
    } else if (status === 404 && data?.code === "not_found") {
      this.failures = 0;
      this.etag = null;
      const gone = this.state.view !== null || this.state.notice?.kind === "deleted";
      const notice = gone
        ? { kind: "deleted", text: "This variant was deleted." }
        : { kind: "missing", text: "", candidates: data.candidates ?? [] };
      this.take({ view: null, notice, offline_since: null, as_of: null });
    } else if (status === 409 && data?.code === "ambiguous") {
      this.take({ ...NOTHING, notice: { kind: "ambiguous", text: data.detail } });
    } else {
      this.failed(new Error(data?.detail ?? `The server answered ${status}.`));
    }
  }

  failed(error) {
    if (error instanceof LoginExpired) {
      this.take({ ...this.state, notice: { kind: "login", text: "Your login has expired.", link: this.browser.loginUrl() } });
      return;
    }
    this.failures += 1;
    if (this.failures === 1) this.failedAt = new Date().toISOString();
    if (this.failures >= 3) this.take({ ...this.state, offline_since: this.failedAt });
  }

  /** Follow another variant; the kernel is told and takes over when it can. */
  move(key) {
    this.key = key;
    this.etag = null;
    this.moved = true;
    this.state = NOTHING;
    this.alone = true;
    this.kernel?.send({ type: "move", key });
    this.poll();
  }

  // The verbs: from the browser where the page has the server, through the kernel elsewhere. They throw an Error with a
  // sentence for a person.

  async abort() {
    const id = this.state.view?.generation_id;
    if (!(await this.direct())) return this.viaKernel({ type: "abort", generation_id: id });
    await this.act("POST", "api/variant/abort", { query: { ...this.query(), generation_id: id } });
    return this.after();
  }

  async generate(body) {
    if (!(await this.direct())) return this.viaKernel({ type: "generate", body });
    const answer = await this.act("POST", "api/generate", { body });
    const row = await this.act("GET", `api/projects/by-id/${answer.generation_id}`);
    const key = { name: row.name, branch: row.branch, provider: row.ai_provider, model: row.ai_model, owner: row.owner };
    if (sameKey(key, { ...this.key, owner: key.owner })) return this.after();
    this.move(key);
    return key;
  }

  /** What a run would take; null where the server does not know the question. Throws where it would refuse the run. */
  async estimate(body) {
    if (!(await this.direct())) return this.viaKernel({ type: "estimate", body });
    const answer = await this.browser.call("POST", "api/estimate", { body }).catch(() => null);
    if (answer?.status === 400) throw new Error(answer.data?.detail ?? "");
    return answer?.status === 200 ? answer.data : null;
  }

  async models() {
    if (!(await this.direct())) return (await this.kernel.ask({ type: "models" }, 5000))?.data ?? null;
    return this.act("GET", "api/models").catch(() => null);
  }

  async act(method, path, options) {
    const answer = await this.browser.call(method, path, options).catch((error) => {
      if (!(error instanceof LoginExpired)) throw new Error(`No connection to the server: ${error.message}`);
      this.failed(error);
      throw new Error("Your login has expired.");
    });
    if (answer.status >= 400) throw new Error(answer.data?.detail ?? `The server answered ${answer.status}.`);
    return answer.data;
  }

  async viaKernel(message) {
    const answer = await this.kernel.ask(message);
    if (answer.error) throw new Error(answer.error);
    return answer.data;
  }

  async after() {
    this.kernel?.send({ type: "refresh" });
    await this.poll();
    return null;
  }
}

// ---- Drawing -----------------------------------------------------------------------------------------------------------

/** Draws what a Watch knows into `root`, and offers what can be done. */
class Panel {
  constructor(root, { heading = "h2", ...options }) {
    this.id = `docsfy-${serial++}`;
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
    this.checks = make("div", { class: "docsfy-checks" });
    this.list = make("ol", {});
    this.log = make("div", { class: "docsfy-log", role: "log", tabindex: 0, "aria-label": "Activity log" }, this.list);
    this.following = true; // the log follows the run until somebody scrolls it, and again once it is scrolled to its end
    for (const event of ["wheel", "pointerdown", "keydown", "touchstart"]) this.log.addEventListener(event, () => (this.following = false), { passive: true });
    this.log.addEventListener("scroll", () => (this.following ||= this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 4));
    this.actions = make("div", { class: "docsfy-actions" });
    this.confirm = this.buildQuestion("sure", "Abort run", "Keep running", () => this.abort(), () => this.closeConfirm());
    setText(this.confirm.firstChild, "Abort this run? Pages that are finished are kept.");
    this.price = this.buildQuestion("price", "Write all pages anew", "Keep the pages", () => this.pay(), () => this.closePrice());
    this.form = this.buildForm();
    this.asOf = make("p", { class: "docsfy-quiet docsfy-as-of" });
    this.live = make("p", { class: "docsfy-heard", role: "status" });
    this.frame = make(
      "section",
      { class: "docsfy-panel", "aria-labelledby": `${id}-title` },
      make("header", {}, make("div", { class: "docsfy-names" }, this.title, this.ref), this.chip),
      this.where, this.bar, this.numbers, this.message, this.info, this.log, this.checks, this.actions, this.confirm, this.form, this.price, this.offline, this.asOf, this.live,
    );
  }

  /** A question inside the panel: its text, the button that does it, the button (and Escape) that does not. */
  buildQuestion(name, yes, no, onYes, onNo) {
    const text = make("p", { id: `${this.id}-${name}` });
    const doIt = make("button", { type: "button", class: "docsfy-danger", on: { click: onYes } }, yes);
    const leaveIt = make("button", { type: "button", on: { click: onNo } }, no);
    const box = make("div", { class: "docsfy-confirm", role: "alertdialog", "aria-labelledby": `${this.id}-${name}`, hidden: true }, text, doIt, leaveIt);
    box.addEventListener("keydown", (event) => {
      event.stopPropagation(); // the notebook's shortcuts are not for these buttons
      if (event.key === "Escape") onNo();
    });
    return box;
  }

  buildForm() {
    const field = (name, label, input, hint) => {
      const whole = make("div", { class: `docsfy-field docsfy-field-${name}` }, make("label", { for: `${this.id}-${name}` }, label), input);
      if (hint) whole.append(make("small", { id: `${this.id}-${name}-hint` }, hint));
      return whole;
    };
    const text = (name, extra = {}) => make("input", { id: `${this.id}-${name}`, name, type: "text", autocomplete: "off", spellcheck: "false", ...extra });
    const hint = "A URL, or the path of a repository on the server's disk.";
    this.repo = text("repo", { placeholder: "https://github.com/owner/repository", "aria-describedby": `${this.id}-repo-hint` });
    this.provider = text("provider", { list: `${this.id}-providers` });
    this.model = text("model", { list: `${this.id}-models` });
    this.limit = make("input", { id: `${this.id}-limit`, name: "limit", type: "number", min: "0.01", step: "0.01", inputmode: "decimal", "aria-describedby": `${this.id}-limit-hint` });
    this.credential = text("credential", { pattern: "[A-Za-z_][A-Za-z0-9_]*", title: "Letters, digits and _", "aria-describedby": `${this.id}-credential-hint` });
    this.force = make("input", { id: `${this.id}-force`, name: "force", type: "checkbox" });
    this.submit = make("button", { type: "submit", class: "docsfy-primary" }, "Regenerate");
    this.providers = make("datalist", { id: `${this.id}-providers` });
    this.modelNames = make("datalist", { id: `${this.id}-models` });
    this.repoField = field("repo", "Repository", this.repo, hint);
    this.forceField = make("div", { class: "docsfy-field docsfy-check" }, this.force, make("label", { for: `${this.id}-force` }, "Write every page again (force)"));
    const form = make("form", { class: "docsfy-form", hidden: true, "aria-label": "Generate documentation" });
    this.credentialField = field("credential", "Credential variable", this.credential, "Name of the server's variable with the token of a private repository.");
    const limitField = field("limit", "Cost limit (US dollars)", this.limit, "No page begins beyond it; finished pages are kept.");
    this.foreseen = make("p", { class: "docsfy-foreseen", role: "status", hidden: true });
    form.append(this.repoField, field("provider", "Provider", this.provider), field("model", "Model", this.model), limitField, this.credentialField, this.foreseen, this.forceField, this.submit, this.providers, this.modelNames);
    form.addEventListener("submit", (event) => (event.preventDefault(), this.generate()));
    for (const input of [this.repo, this.provider, this.model, this.force]) input.addEventListener("change", () => this.foresee());
    this.repo.addEventListener("input", () => this.drawCredential());
    form.addEventListener("focusin", () => this.suggest(), { once: true });
    this.provider.addEventListener("input", () => this.suggestModels());
    form.addEventListener("keydown", (event) => event.stopPropagation()); // the notebook's shortcuts are not for these fields
    return form;
  }

  // -- drawing the state

  draw({ clockOnly = false } = {}) {
    if (!this.watch) return;
    const { view, notice, offline_since: offline, as_of: asOf } = this.watch.state;
    const stale = Boolean(offline) || STOPPED.has(notice?.kind); // what is shown may be over: no clock runs, nothing turns
    if (!stale || !clockOnly) this.drawWhere(view);
    if (clockOnly) return;
    this.frame.toggleAttribute("data-stale", stale);
    this.drawHead(view, notice);
    this.drawBar(view);
    this.drawMessage(view, notice);
    this.drawInfo(view);
    this.drawLog(view?.log ?? []);
    this.drawChecks(view?.checks ?? []);
    this.drawActions(view, notice);
    this.drawForm(view, notice);
    setText(this.offline, offline ? `Not connected since ${clock(offline)}; trying again.` : "");
    this.offline.hidden = !offline;
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
    if (left > 0) parts.push(`about ${duration(left)} left`);
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
      this.message.replaceChildren(text);
      if (notice?.link) this.message.append(" ", make("a", { href: notice.link, target: "_blank", rel: "noopener" }, "Log in"));
    }
    this.message.hidden = !text;
    setAttribute(this.message, "class", `docsfy-message${view?.status === "error" || this.problem ? " docsfy-bad" : ""}`);
    setAttribute(this.message, "tabindex", this.message.scrollHeight > this.message.clientHeight ? 0 : null); // keys can scroll it
  }

  drawInfo(view) {
    const items = [];
    if (view?.last_commit_sha) items.push(["Commit", view.last_commit_sha.slice(0, 7), view.commit_url]);
    if (view?.last_generated) items.push(["Last generated", clock(view.last_generated)]);
    if (typeof view?.run_cost_usd === "number" && view.run_cost_usd > 0) items.push(["Cost", `$${view.run_cost_usd.toFixed(2)}`]);
    if (view?.repo_url) items.push(["Repository", view.repo_url]);
    const text = JSON.stringify(items);
    if (text === this.infoText) return;
    this.infoText = text;
    this.info.replaceChildren(
      ...items.map(([name, value, link]) => make("div", {}, make("dt", {}, name), make("dd", {}, link?.startsWith("https://") ? make("a", { href: link, target: "_blank", rel: "noopener" }, value) : value))),
    );
    this.info.hidden = !items.length;
  }

  drawLog(entries) {
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
    this.log.hidden = !entries.length;
    if (this.following) this.scrollToNews();
  }

  /** What a check of the pages found, folded; a list that somebody opened stays open. */
  drawChecks(checks) {
    const text = JSON.stringify(checks);
    if (text === this.checksText) return;
    this.checksText = text;
    const open = [...this.checks.children].map((list) => list.open);
    const group = ({ title, items }) => [...(title ? [make("p", {}, title)] : []), ...(items.length ? [make("ul", {}, ...items.map((item) => make("li", {}, item)))] : [])];
    this.checks.replaceChildren(
      ...checks.map(({ title, groups }, index) => make("details", { open: open[index] ?? false }, make("summary", {}, title), make("div", {}, ...groups.flatMap(group)))),
    );
    this.checks.hidden = !checks.length;
  }

  /** Keep the line in work in sight, and the pending ones below it where there is room. */
  scrollToNews() {
    const active = this.list.querySelector('[data-kind="active"]:last-of-type') ?? [...this.list.children].findLast((line) => line.dataset.kind !== "pending");
    if (active) this.log.scrollTop = Math.max(0, active.offsetTop - this.log.clientHeight + 3 * active.offsetHeight);
  }

  // -- what can be done

  drawActions(view, notice) {
    const wanted = view && notice?.kind !== "login" ? view.actions : [];
    const formAlways = view && ["error", "aborted"].includes(view.status);
    const shown = wanted.filter(({ id }) => !(id === "regenerate" && formAlways));
    const nodes = shown.map(({ id, label }) => this.actionNode(id, label, view));
    for (const node of [...this.actions.children]) if (!nodes.includes(node)) node.remove();
    nodes.forEach((node, index) => this.actions.children[index] !== node && this.actions.insertBefore(node, this.actions.children[index] ?? null));
    this.actions.hidden = !nodes.length;
    if (view?.status !== "generating") this.confirm.hidden = true;
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
      if (id === "regenerate") setAttribute(node, "aria-expanded", String(!this.form.hidden));
      node.disabled = this.pending !== null;
    }
    setText(node, this.pending === id ? { abort: "Aborting…", resume: "Starting…" }[id] ?? label : label);
    return node;
  }

  address(id, view) {
    const path = [view.name, view.branch, view.ai_provider, view.ai_model].map(encodeURIComponent).join("/");
    const base = this.watch.browser?.base ?? this.watch.publicBase ?? "/";
    return new URL(id === "open" ? `docsfy/docs/${path}/` : `docsfy/api/projects/${path}/download`, new URL(base, location.href)).href;
  }

  press(id) {
    if (id === "abort") {
      this.confirm.hidden = false;
      this.confirm.querySelector("button").focus();
    } else if (id === "resume") this.run("resume", () => this.watch.generate(this.again()));
    else if (id === "regenerate") {
      this.formOpen = this.form.hidden;
      this.draw();
      if (this.formOpen) this.provider.focus();
    }
  }

  closeConfirm() {
    this.confirm.hidden = true;
    (this.actions.querySelector('[data-action="abort"]') ?? this.frame).focus();
  }

  abort() {
    this.closeConfirm();
    this.run("abort", () => this.watch.abort());
  }

  /** The body that runs the shown variant once more. */
  again() {
    const { name, branch, owner, ai_provider, ai_model, source } = this.watch.state.view;
    return { ...source, name, branch, owner, ai_provider, ai_model };
  }

  /** The body that the form asks for. */
  wanted() {
    const view = this.watch.state.view;
    const body = view ? this.again() : { ...sourceOf(this.repo.value.trim()), name: this.watch.key.name };
    if (!view && this.watch.key.branch) body.branch = this.watch.key.branch;
    if (this.provider.value.trim()) body.ai_provider = this.provider.value.trim();
    if (this.model.value.trim()) body.ai_model = this.model.value.trim();
    if (this.limit.value) body.max_cost_usd = Number(this.limit.value);
    if (!this.credentialField.hidden && this.credential.value.trim()) body.credential_env = this.credential.value.trim();
    if (view && this.force.checked) body.force = true;
    return body;
  }

  generate() {
    const body = this.wanted();
    this.run("generate", async () => {
      if (!body.force) return this.begin(body);
      const found = await this.watch.estimate(body);
      if (found?.free) return this.begin(body);
      this.asked = body;
      setText(this.price.firstChild, found?.question ?? "Write all pages anew, and pay for them? What that costs is not known.");
    });
  }

  async begin(body) {
    const moved = await this.watch.generate(body);
    this.formOpen = null;
    this.force.checked = false;
    if (moved) setText(this.live, `Now showing ${moved.provider}/${moved.model}`);
  }

  pay() {
    const body = this.asked;
    this.closePrice();
    this.run("generate", () => this.begin(body));
  }

  closePrice() {
    this.asked = null;
    this.draw();
    this.submit.focus();
  }

  /** The question comes with the answer to how much it costs, and goes with the form. */
  drawPrice() {
    if (this.form.hidden) this.asked = null;
    const fresh = this.asked && this.price.hidden;
    this.price.hidden = !this.asked;
    if (fresh) this.price.lastChild.focus();
  }

  /** Say below the form what it would take: when it opens, and when something of it changes. */
  async foresee() {
    const body = this.wanted();
    const mine = (this.foresight = {});
    this.asked = null; // what was asked about is something else now
    this.drawPrice();
    const found = this.form.hidden || "repo_path" in body && !body.repo_path ? null : await this.watch.estimate(body).catch(() => null);
    if (mine !== this.foresight) return; // something has changed since
    setText(this.foreseen, found?.text ?? "");
    this.foreseen.hidden = !found;
  }

  /** Only a repository that is cloned over the network has a credential. */
  drawCredential() {
    const source = this.watch.state.view?.source ?? sourceOf(this.repo.value.trim());
    this.credentialField.hidden = !("repo_url" in source);
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

  drawForm(view, notice) {
    const missing = !view && (notice?.kind === "missing" || notice?.kind === "deleted");
    const again = view && notice?.kind !== "login" && view.status !== "generating";
    const open = missing || (again && (this.formOpen ?? ["error", "aborted"].includes(view.status)));
    this.form.hidden = !open;
    this.repoField.hidden = !missing;
    this.repo.required = missing;
    if (view) this.repoOf = view.repo_url;
    else if (missing && this.repoOf && !this.repo.value) this.repo.value = this.repoOf; // deleted while it was shown
    this.forceField.hidden = !again;
    const key = JSON.stringify([view?.ai_provider ?? this.watch.key.provider, view?.ai_model ?? this.watch.key.model]);
    if (this.formKey !== key) {
      this.formKey = key;
      [this.provider.value, this.model.value] = JSON.parse(key);
    }
    this.drawCredential();
    if (open && !this.wasOpen) this.foresee();
    this.wasOpen = open;
    this.drawPrice();
    this.submit.disabled = this.pending !== null;
    const first = !this.actions.querySelector(".docsfy-primary"); // one button stands out, the likeliest
    setAttribute(this.submit, "class", first ? "docsfy-primary" : "");
    setText(this.submit, this.pending === "generate" ? "Starting…" : missing ? "Generate" : "Regenerate");
  }

  async suggest() {
    this.known = await this.watch.models();
    const names = Object.keys(this.known?.available_models ?? {});
    this.providers.replaceChildren(...(this.known?.providers ?? names).map((value) => make("option", { value })));
    this.suggestModels();
  }

  suggestModels() {
    const models = this.known?.available_models?.[this.provider.value.trim()] ?? [];
    this.modelNames.replaceChildren(...models.map(({ id, name }) => make("option", { value: id }, name ?? id)));
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

export { Browser, Kernel, LoginExpired, Panel, clock, duration, make, setAttribute, setText, sourceOf };
export default { render };

// What is known of one variant, and keeping it true.
import { LoginExpired, estimated } from "./link.js";

const STOPPED = new Set(["login", "refused", "ambiguous"]); // what no further polling would change
const NOTHING = { view: null, notice: { kind: "loading", text: "" }, offline_since: null, as_of: null };

const terminal = (view) => view !== null && view.status !== "generating";
const sameKey = (a, b) => ["name", "provider", "model", "owner"].every((part) => (a[part] ?? null) === (b[part] ?? null)) && (!a.branch || !b.branch || a.branch === b.branch);

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
    this.polling = null; // the request under way
    this.failures = 0;
    this.timer = setInterval(() => this.tick(), 1000);
    this.onVisible = () => document.visibilityState === "visible" && this.ask();
    document.addEventListener("visibilitychange", this.onVisible);
    if (this.alone) this.poll();
    this.learnRights();
  }

  /** Where the browser acts by itself, its login decides what can be done. */
  async learnRights() {
    if (!(await this.direct())) return;
    [this.readOnly, this.keepsAll] = [await this.browser.bars("execute"), await this.browser.bars("write")];
    if ((this.readOnly || this.keepsAll) && !this.closed) this.onChange();
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
      const answer = await this.browser.health();
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

  /** Ask the server, never twice at once. */
  poll() {
    if (!this.closed) this.polling ??= this.pollOnce().finally(() => (this.polling = null));
    return this.polling;
  }

  async pollOnce() {
    this.polled = Date.now();
    const key = this.key;
    try {
      const answer = await this.browser.call("GET", "api/variant", { query: { ...this.query(), view: "progress" }, etag: this.etag });
      if (!this.closed && sameKey(key, this.key)) this.fold(answer); // not one for the variant of before
    } catch (error) {
      if (!this.closed) this.failed(error);
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
    } else if ((status === 409 && data?.code === "ambiguous") || status === 403) {
      this.take({ ...NOTHING, notice: { kind: status === 403 ? "refused" : "ambiguous", text: data.detail } });
    } else {
      this.failed(new Error(data?.detail ?? `The server answered ${status}.`));
    }
  }

  failed(error) {
    if (error instanceof LoginExpired) {
      this.take({ ...this.state, notice: { kind: "login", text: error.message, link: this.browser.loginUrl() } });
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

  /** Delete the variant that is shown, by its whole address; what is known afterwards is asked, also where that was refused. */
  async remove() {
    if (!(await this.direct())) return this.viaKernel({ type: "delete" });
    const { name, branch, ai_provider: provider, ai_model: model, owner } = this.state.view;
    try {
      await this.act("DELETE", "api/variant", { query: { name, branch, provider, model, owner } });
    } finally {
      await this.after();
    }
    return null;
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
    return estimated(answer);
  }

  async models() {
    if (!(await this.direct())) return (await this.kernel.ask({ type: "models" }, 5000))?.data ?? null;
    return this.act("GET", "api/models").catch(() => null);
  }

  async act(method, path, options) {
    const answer = await this.browser.call(method, path, options).catch((error) => {
      if (!(error instanceof LoginExpired)) throw new Error(`No connection to the server: ${error.message}`);
      this.failed(error);
      throw new Error(error.message);
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
    await this.polling; // it was asked before the deed, and may know nothing of it
    await this.poll();
    return null;
  }
}

export { STOPPED, Watch };

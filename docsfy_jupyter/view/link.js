// The two ways to the server: from the browser, and through the kernel.

/** Somebody must log in: the server knows this page no more, or sends it elsewhere, as JupyterHub does for one that is stopped. */
class LoginExpired extends Error {
  constructor(moved) {
    super(moved ? "Your login has expired, or the server was stopped." : "Your login has expired.");
  }
}
const READ_ONLY = "You may look here, but not start or abort runs.";

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
    const data = answer.status === 304 || answer.type === "opaqueredirect" ? null : await answer.json().catch(() => null);
    const unknown = answer.status === 403 && method === "GET" && data?.code !== "not_permitted";
    if (answer.type === "opaqueredirect" || answer.status === 401 || unknown) {
      this.known = null; // the next login may be another's
      throw new LoginExpired(answer.type === "opaqueredirect");
    }
    const told = (name) => answer.headers.get(name);
    return { status: answer.status, data, etag: told("ETag"), server: told("Docsfy-Server"), may: told("Docsfy-May") };
  }

  /** What the server says of itself and of this login, asked once; null while it does not answer. */
  async health() {
    this.known ??= this.call("GET", "health").catch(() => (this.known = null));
    return this.known;
  }

  /** Whether the server says that this login may not do what it calls so: `execute` (start, abort) or `write` (delete). */
  async bars(action) {
    const may = (await this.health())?.may;
    return typeof may === "string" && !may.split(", ").includes(action);
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
    this.asked = 0;
    this.own = Math.random().toString(36).slice(2, 10); // other views of the same widget hear the answers too
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
    const id = `${this.own}-${this.asked++}`;
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

/** What the server answered to the question what a run would take; null where it does not know the question. */
function estimated(answer) {
  if (answer?.status === 400 || answer?.status === 409) throw new Error(answer.data?.detail ?? `The server answered ${answer.status}.`);
  return answer?.status === 200 ? answer.data : null;
}

export { Browser, Kernel, LoginExpired, READ_ONLY, estimated };

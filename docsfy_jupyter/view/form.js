// The form that asks for a run: which repository, by whom, how much it may cost; and what it would take.
import { elsewhere, make, makeQuestion, setAttribute, setBusy, setText } from "./dom.js";

const sourceOf = (text) => (/:\/\/|^[^/]+@[^/]+:/.test(text) ? { repo_url: text } : { repo_path: text });
const UNKNOWN_PRICE = "Write all pages anew, and pay for them? What that costs is not known.";

/** Asks for a run, says below what it would take, and asks once more where its pages would be paid for again.
 *
 * `host` does what the form only asks for: `begin(body)` starts a run and throws where that fails; `estimate(body)` and
 * `models()` answer null where nobody knows, and `estimate` throws where the run would be refused; `run(work)` does one thing at a time and shows how it ended, `draw()` draws.
 * `named`: it asks for the branch and the name too, and may leave all but the repository to the server.
 */
class RunForm {
  constructor(id, host, label, { named = false } = {}) {
    this.id = id;
    this.host = host;
    this.again = null; // the body that runs a known variant once more; null where the repository is asked for
    this.fixed = {}; // what a run of a new variant has besides
    this.paying = null; // the body whose price is asked about
    this.open = false;
    this.foresaw = { text: "", refused: false };
    this.build(label, named);
  }

  build(label, named) {
    const hint = "A URL, or the whole path of a repository on the server's disk: /home/me/project or ~/project.";
    this.repo = this.input("repo", { placeholder: "https://github.com/owner/repository", "aria-describedby": `${this.id}-repo-hint` });
    this.provider = this.input("provider", { list: `${this.id}-providers`, placeholder: named && "local" });
    this.model = this.input("model", { list: `${this.id}-models`, placeholder: named && "the provider's own" });
    this.branch = named && this.input("branch", { placeholder: "the default branch" });
    this.name = named && this.input("name", { placeholder: "as the repository" });
    this.limit = this.input("limit", { type: "number", min: "0.01", step: "0.01", inputmode: "decimal", "aria-describedby": `${this.id}-limit-hint` });
    this.credential = this.input("credential", { pattern: "[A-Za-z_][A-Za-z0-9_]*", title: "Letters, digits and _", "aria-describedby": `${this.id}-credential-hint` });
    this.force = make("input", { id: `${this.id}-force`, name: "force", type: "checkbox" });
    this.submit = make("button", { type: "submit", class: "docsfy-primary" }, "Generate");
    this.providers = make("datalist", { id: `${this.id}-providers` });
    this.modelNames = make("datalist", { id: `${this.id}-models` });
    this.repoField = this.field("Repository", this.repo, hint);
    this.credentialField = this.field("Credential variable", this.credential, "Name of the server's variable with the token of a private repository.");
    this.forceField = make("div", { class: "docsfy-field docsfy-check" }, this.force, make("label", { for: this.force.id }, "Write every page again (force)"));
    this.foreseen = make("p", { class: "docsfy-foreseen", role: "status", hidden: true });
    this.frame = make(
      "form", { class: "docsfy-form", hidden: true, "aria-label": label },
      this.repoField, this.field("Provider", this.provider), this.field("Model", this.model),
      ...(named ? [this.field("Branch or tag", this.branch), this.field("Name", this.name)] : []),
      this.field("Cost limit (US dollars)", this.limit, "No page begins beyond it; finished pages are kept."), this.credentialField,
      this.foreseen, this.forceField, this.submit, this.providers, this.modelNames,
    );
    this.price = makeQuestion(`${this.id}-price`, "Write all pages anew", "Keep the pages", () => this.pay(), () => this.closePrice());
    this.listen();
  }

  input(name, extra = {}) {
    return make("input", { id: `${this.id}-${name}`, name, type: "text", autocomplete: "off", spellcheck: "false", ...extra });
  }

  field(label, input, hint) {
    const whole = make("div", { class: `docsfy-field docsfy-field-${input.name}` }, make("label", { for: input.id }, label), input);
    if (hint) whole.append(make("small", { id: `${input.id}-hint` }, hint));
    return whole;
  }

  listen() {
    this.frame.addEventListener("submit", (event) => (event.preventDefault(), this.send()));
    for (const input of [this.repo, this.provider, this.model, this.branch, this.name, this.force]) if (input) input.addEventListener("change", () => this.foresee());
    this.repo.addEventListener("input", () => this.drawCredential());
    this.frame.addEventListener("focusin", () => this.suggest(), { once: true });
    this.provider.addEventListener("input", () => this.suggestModels());
    this.frame.addEventListener("keydown", (event) => event.stopPropagation()); // the notebook's shortcuts are not for these fields
  }

  // -- what is asked for

  wanted() {
    const body = this.again ? { ...this.again } : { ...sourceOf(this.repo.value.trim()), ...this.fixed };
    const fields = [["ai_provider", this.provider], ["ai_model", this.model], ["branch", this.branch], ["name", this.name]];
    for (const [name, input] of fields) if (input && input.value.trim()) body[name] = input.value.trim();
    if (this.limit.value) body.max_cost_usd = Number(this.limit.value);
    if (!this.credential.disabled && this.credential.value.trim()) body.credential_env = this.credential.value.trim();
    if (this.again && this.force.checked) body.force = true;
    return body;
  }

  send() {
    const body = this.wanted();
    this.host.run(async () => {
      if (!body.force) return this.begin(body);
      const found = await this.host.estimate(body);
      if (found?.free || found?.unavailable) return this.begin(body);
      this.paying = body;
      setText(this.price.firstChild, found?.question ?? UNKNOWN_PRICE);
    });
  }

  async begin(body) {
    await this.host.begin(body);
    this.force.checked = false;
  }

  pay() {
    const body = this.paying;
    this.closePrice();
    this.host.run(() => this.begin(body));
  }

  closePrice() {
    this.paying = null;
    this.submit.focus();
    this.host.draw();
  }

  /** Say below the form what it would take: when it opens, and when something of it changes. */
  async foresee() {
    const body = this.wanted();
    const mine = (this.foresight = {});
    this.paying = null; // what was asked about is something else now
    this.drawPrice();
    const nothing = !this.open || ("repo_path" in body && !body.repo_path);
    const told = (found) => ({ text: found?.text ?? "", refused: Boolean(found?.unavailable) });
    const foresaw = nothing ? told(null) : await this.host.estimate(body).then(told, (error) => ({ text: error.message, refused: true }));
    if (mine !== this.foresight) return; // something has changed since
    this.foresaw = foresaw;
    this.drawForeseen();
  }

  // -- drawing

  /** Draw the form.
   *
   * `again`: the body that runs a known variant once more, or null; `fixed`: what a run of another has besides; `repo`: where
   * the known variant is from; `busy`: something is under way, `starting`: by this form; `primary`: its button stands out.
   */
  draw({ open, again, fixed, repo, provider, model, busy, starting, primary, said }) {
    const opened = open && !this.open;
    this.open = open;
    this.again = again;
    this.said = said;
    this.drawForeseen();
    this.fixed = fixed;
    this.frame.hidden = !open;
    this.repoField.hidden = Boolean(again);
    this.repo.required = open && !again;
    if (again) this.repoOf = repo;
    else if (open && this.repoOf && !this.repo.value) this.repo.value = this.repoOf; // deleted while it was shown
    this.forceField.hidden = !again;
    this.preset(provider, model);
    this.drawCredential();
    if (opened) this.foresee();
    this.drawPrice();
    setBusy(this.submit, busy);
    setAttribute(this.submit, "class", primary ? "docsfy-primary" : "");
    setText(this.submit, starting ? "Starting…" : again ? "Regenerate" : "Generate");
  }

  /** What stands above the form as a message already is not said below once more. */
  drawForeseen() {
    const { text, refused } = this.foresaw;
    const news = text === this.said ? "" : text;
    setText(this.foreseen, news);
    setAttribute(this.foreseen, "class", `docsfy-foreseen${refused ? " docsfy-bad" : ""}`);
    this.foreseen.hidden = !news;
  }

  /** Fill in who writes, whenever that is somebody else than before; what a person wrote stays meanwhile. */
  preset(provider, model) {
    const key = JSON.stringify([provider, model]);
    if (this.key === key) return;
    this.key = key;
    this.provider.value = provider ?? "";
    this.model.value = model ?? "";
  }

  /** Only a repository that is cloned over the network has a credential. */
  drawCredential() {
    const local = !("repo_url" in (this.again ?? sourceOf(this.repo.value.trim())));
    this.credentialField.hidden = local;
    this.credential.disabled = local; // or a fault in it would hold back the form without a word
  }

  /** The question comes with the answer to how much it costs, and goes with the form. */
  drawPrice() {
    if (!this.open) this.paying = null;
    const fresh = this.paying && this.price.hidden;
    this.price.hidden = !this.paying;
    if (fresh && !elsewhere(this.frame)) this.price.lastChild.focus();
  }

  // -- what may be filled in

  async suggest() {
    this.known = await this.host.models();
    const names = Object.keys(this.known?.available_models ?? {});
    this.providers.replaceChildren(...(this.known?.providers ?? names).map((value) => make("option", { value })));
    this.suggestModels();
  }

  suggestModels() {
    const models = this.known?.available_models?.[this.provider.value.trim()] ?? [];
    this.modelNames.replaceChildren(...models.map(({ id, name }) => make("option", { value: id }, name ?? id)));
  }
}

export { RunForm };

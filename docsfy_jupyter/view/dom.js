// Small parts of which the panel, its form and the dashboard are drawn.
// Every text from outside goes through textContent; nothing is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  done: "M3 8.5l3.2 3.2L13 4.8",
  error: "M8 1.5a6.5 6.5 0 100 13 6.5 6.5 0 000-13M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8",
  pending: "M8 2.5a5.5 5.5 0 100 11 5.5 5.5 0 000-11",
  active: "M8 2a6 6 0 106 6",
};

// Each widget of a notebook has a module of its own in the same document, so a number alone would not be unique in it.
const own = Math.random().toString(36).slice(2, 10);
let serial = 0;

/** Return an id that nothing else in the document has. */
function uniqueId() {
  return `docsfy-${own}-${serial++}`;
}

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

/** Write what was paid, as `docsfy_jupyter.batch.summary.paid` does: cents, and two figures of what is less than ten of them. */
function dollars(amount) {
  if (amount === 0) return "free";
  if (amount >= 0.1) return `$${amount.toFixed(2)}`;
  return amount >= 0.0001 ? `$${Number(amount.toPrecision(2))}` : "less than $0.0001";
}

/** What a run cost; nothing is said of one that goes on, or that ended before anybody was asked to write. */
function costOf(run) {
  if (typeof run.cost_usd !== "number") return run.ended_at ? "unknown" : "";
  const asked = run.outcome === "ready" || !["queued", "cloning"].includes(run.failed_stage ?? "queued");
  return run.cost_usd || asked ? dollars(run.cost_usd) : "";
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
  if (milliseconds < 1000) return "under 1 s";
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** What has the focus: of the document, or of the shadow root that a front end put the node into. */
function focused(node) {
  return node.getRootNode().activeElement ?? null;
}

/** Whether the person is at something else than `frame`. */
function elsewhere(frame) {
  const now = focused(frame) ?? document.activeElement;
  return now !== null && now !== document.body && !frame.contains(now);
}

/** Draw `frame`; what had the focus in it keeps it, and where that is gone or hidden, `next` puts it. A focus elsewhere stays there. */
function keepFocus(frame, draw, next) {
  const held = focused(frame);
  const ours = held !== null && frame.contains(held);
  draw();
  const now = focused(frame);
  if (!ours || (now !== held && now !== null && frame.contains(now))) return; // it was elsewhere, or drawing has put it somewhere
  if (!held.isConnected || !held.getClientRects().length) next();
  else if (now !== held) held.focus({ preventScroll: true }); // it was moved
}

/** Fill a node anew; a link or a list's summary that had the focus in it hands it to what stands in its place now. */
function refill(node, ...children) {
  const stops = () => [...node.querySelectorAll("a, summary")];
  const place = stops().indexOf(focused(node));
  node.replaceChildren(...children);
  if (place >= 0) stops()[place]?.focus({ preventScroll: true });
}

/** Say of a button that it does nothing now; it stays where it is for those who go by keys. */
function setBusy(button, busy) {
  setAttribute(button, "aria-disabled", busy ? "true" : null);
}

/** Put the focus on what cannot have it by itself, for as long as it stays there. */
function focusOn(node) {
  node.setAttribute("tabindex", "-1");
  node.addEventListener("blur", () => node.removeAttribute("tabindex"), { once: true });
  node.focus();
}

/** A question inside the panel: its text, the button that does it, the button (and Escape) that does not. */
function makeQuestion(id, yes, no, onYes, onNo) {
  const text = make("p", { id });
  const doIt = make("button", { type: "button", class: "docsfy-danger", on: { click: onYes } }, yes);
  const leaveIt = make("button", { type: "button", on: { click: onNo } }, no);
  const box = make("div", { class: "docsfy-confirm", role: "alertdialog", "aria-labelledby": id, hidden: true }, text, doIt, leaveIt);
  box.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the notebook's shortcuts are not for these buttons
    if (event.key === "Escape") onNo();
  });
  return box;
}

export { clock, costOf, dollars, duration, elsewhere, focusOn, focused, icon, keepFocus, make, makeQuestion, refill, setAttribute, setBusy, setText, uniqueId };

// The status page: the panel in a page of its own. What it shows stands in the page as data, never as code.
import { mount } from "./panel.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => (document.body.dataset.docsfyTheme = dark.matches ? "dark" : "light");
dark.addEventListener("change", paint);
paint();

const root = document.getElementById("docsfy-status");
mount(root, JSON.parse(root.dataset.options));

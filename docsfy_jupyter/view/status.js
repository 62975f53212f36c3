// The status page: the panel in a page of its own. What it shows stands in the page as data, never as code.
import { paintTheme } from "./page.js";
import { mount } from "./panel.js";

paintTheme();
const root = document.getElementById("docsfy-status");
mount(root, JSON.parse(root.dataset.options));

// The overview page: the dashboard in a page of its own.
import { mountBoard } from "./dashboard.js";
import { paintTheme } from "./page.js";

paintTheme();
const root = document.getElementById("docsfy-overview");
mountBoard(root, JSON.parse(root.dataset.options));

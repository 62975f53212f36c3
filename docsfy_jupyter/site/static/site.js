// Theme, navigation drawer, copy buttons, table of contents, diagrams. The page is whole without any of it.
(function () {
  "use strict";
  // Headings may carry ids such as "exports" and "module"; browsers make those global names, and a library that looks for a
  // module system would take them for one.
  window.exports = window.module = window.define = undefined;
  var root = document.documentElement;
  var here = document.currentScript.src.replace(/[^/]*$/, "");
  var loading = {};

  function load(name) {
    if (!loading[name]) {
      loading[name] = new Promise(function (resolve, reject) {
        var script = document.createElement("script");
        script.src = here + name;
        script.onload = resolve;
        script.onerror = reject;
        document.head.appendChild(script);
      });
    }
    return loading[name];
  }
  window.docsfyLoad = load;

  function isDark() {
    var theme = root.dataset.theme;
    return theme === "dark" || (theme !== "light" && window.matchMedia("(prefers-color-scheme: dark)").matches);
  }

  function setUpTheme() {
    document.querySelector("header.top .theme-toggle").addEventListener("click", function () {
      var next = isDark() ? "light" : "dark";
      root.dataset.theme = next;
      try {
        window.localStorage.setItem("docsfy-theme", next);
      } catch (error) {
        // Not remembered where there is no storage.
      }
      drawDiagrams();
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawDiagrams);
  }

  function setUpDrawer() {
    var button = document.querySelector("header.top .menu-button");
    var side = document.querySelector(".layout > nav.side");
    function set(open) {
      root.classList.toggle("drawer-open", open);
      button.setAttribute("aria-expanded", String(open));
      if (open) (side.querySelector("a") || button).focus();
    }
    button.addEventListener("click", function (event) {
      event.preventDefault();
      set(!root.classList.contains("drawer-open"));
    });
    button.addEventListener("keydown", function (event) {
      if (event.key === " ") { event.preventDefault(); button.click(); }
    });
    document.addEventListener("keydown", function (event) {
      if (event.key === "Escape" && root.classList.contains("drawer-open")) { set(false); button.focus(); }
    });
    document.addEventListener("click", function (event) {
      if (root.classList.contains("drawer-open") && !side.contains(event.target) && !button.contains(event.target)) set(false);
    });
    var current = side.querySelector("[aria-current]");
    if (current && current.offsetTop > side.clientHeight - 80) side.scrollTop = current.offsetTop - side.clientHeight / 2;
  }

  // A group that the reader opened or closed stays so from page to page; the current page's group is always open at first.
  function setUpGroups() {
    document.querySelectorAll(".layout > nav.side details").forEach(function (group) {
      var key = "docsfy-group " + here + " " + group.firstElementChild.textContent;
      var kept = null;
      try { kept = window.sessionStorage.getItem(key); } catch (error) { /* Not remembered where there is no storage. */ }
      if (kept && !group.querySelector("[aria-current]")) group.open = kept === "open";
      group.firstElementChild.addEventListener("click", function () {
        try { window.sessionStorage.setItem(key, group.open ? "closed" : "open"); } catch (error) { /* The same. */ }
      });
    });
  }

  function copy(text, button) {
    function say(word) {
      var before = button.dataset.label;
      button.textContent = word;
      window.setTimeout(function () { button.textContent = before; }, 1600);
    }
    function byHand() {
      var area = document.createElement("textarea");
      area.value = text;
      area.className = "off-screen";
      document.body.appendChild(area);
      area.select();
      var done = document.execCommand("copy");
      area.remove();
      say(done ? "Copied" : "Not copied");
    }
    if (!navigator.clipboard) return byHand();
    navigator.clipboard.writeText(text).then(function () { say("Copied"); }, byHand);
  }

  function setUpCopying() {
    document.querySelectorAll("article.text .code").forEach(function (box) {
      var code = box.querySelector("pre");
      if (!code) return;
      var button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = button.dataset.label = "Copy";
      button.setAttribute("aria-label", "Copy this code");
      button.addEventListener("click", function () { copy(code.textContent, button); });
      box.appendChild(button);
    });
  }

  function setUpContents() {
    var links = Array.from(document.querySelectorAll("aside.contents li a"));
    var pairs = links.map(function (link) {
      return { link: link, heading: document.getElementById(decodeURIComponent(link.hash.slice(1))) };
    }).filter(function (pair) { return pair.heading; });
    if (!pairs.length) return;
    var waiting = false;
    function mark() {
      waiting = false;
      var active = pairs[0];
      pairs.forEach(function (pair) { if (pair.heading.getBoundingClientRect().top < 120) active = pair; });
      if (window.innerHeight + window.scrollY >= document.body.scrollHeight - 4 && window.scrollY > 0) active = pairs[pairs.length - 1];
      links.forEach(function (link) { link.classList.toggle("active", link === active.link); });
      var list = active.link.closest("aside");
      var top = active.link.getBoundingClientRect().top - list.getBoundingClientRect().top;
      if (top < 0 || top > list.clientHeight - 40) list.scrollTop += top - list.clientHeight / 2;
    }
    window.addEventListener("scroll", function () {
      if (!waiting) { waiting = true; window.requestAnimationFrame(mark); }
    }, { passive: true });
    mark();
  }

  var drawing = Promise.resolve();
  var drawn = 0;

  function drawDiagrams() {
    var sources = Array.from(document.querySelectorAll("article.text pre.mermaid-source"));
    if (!sources.length) return;
    drawing = drawing.then(function () { return load("vendor/mermaid/mermaid.min.js"); }).then(function () {
      window.mermaid.initialize({
        startOnLoad: false, securityLevel: "strict", theme: isDark() ? "dark" : "neutral", suppressErrorRendering: true,
        fontFamily: getComputedStyle(document.body).fontFamily
      });
      return sources.reduce(function (before, source) {
        return before.then(function () { return drawOne(source); });
      }, Promise.resolve());
    }).catch(function () { /* Without the library every diagram stays code. */ });
  }

  // A diagram that names a picture, a style or an address to load is not drawn: no page asks another host for anything.
  var LOADS = /<\s*(?:img|image|svg|video|audio|iframe|object|embed|source|link|style|script|input|picture|use|math)\b|url\s*\(|@import|themeCSS|\bimg\b["']?\s*:/i;

  function drawOne(source) {
    if (LOADS.test(source.textContent)) {
      source.classList.add("not-drawn");
      return Promise.resolve();
    }
    var id = "docsfy-diagram-" + (drawn += 1);
    return window.mermaid.parse(source.textContent).then(function () {
      return window.mermaid.render(id, source.textContent);
    }).then(function (result) {
      var box = source.nextElementSibling;
      if (!box || !box.classList.contains("diagram")) {
        box = document.createElement("div");
        box.className = "diagram";
        box.setAttribute("role", "img");
        box.setAttribute("aria-label", "Diagram");
        source.after(box);
      }
      box.innerHTML = result.svg;
      source.hidden = true;
    }).catch(function () {
      source.classList.add("not-drawn");
      var rest = document.getElementById("d" + id);
      if (rest) rest.remove();
    });
  }

  setUpTheme();
  setUpGroups();
  setUpDrawer();
  setUpCopying();
  setUpContents();
  drawDiagrams();
  load("search.js");
})();

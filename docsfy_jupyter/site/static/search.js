// Search in the browser. Library and index come with the first use, as scripts: a page opened from disk may not fetch.
(function () {
  "use strict";
  var box = document.querySelector("header.top .search");
  var input = box.querySelector("input");
  var list = box.querySelector(".search-results");
  var site = document.currentScript.src.replace(/assets\/[^/]*$/, ""); // a page that is missing is shown at any depth
  var engine = null;
  var chosen = -1;

  // An identifier is found whole and by its parts: Store.open_file by "open_file", "file" and "store".
  function tokens(text) {
    var found = [];
    text.split(/[^\p{L}\p{N}_.]+/u).forEach(function (word) {
      word = word.replace(/^\.+|\.+$/g, "");
      if (!word) return;
      found.push(word);
      var names = word.split(".");
      if (names.length > 1) found.push.apply(found, names.filter(Boolean));
      names.forEach(function (name) {
        var parts = name.replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, "$1_$2").replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, "$1_$2").split("_").filter(Boolean);
        if (parts.length > 1 || (parts.length && parts[0] !== name)) found.push.apply(found, parts);
      });
    });
    return found;
  }

  // Who types the name of a symbol wants the symbol itself before everything that mentions or belongs to it.
  function named(id, term, section) {
    var name = section.h.split(/[(:=]/)[0].trim().toLowerCase();
    return name === term ? 4 : name.slice(-term.length - 1) === "." + term ? 2 : 1;
  }

  function prepare() {
    return Promise.all([window.docsfyLoad("vendor/minisearch/minisearch.js"), window.docsfyLoad("search-index.js")]).then(function () {
      if (engine) return engine;
      engine = new window.MiniSearch({
        fields: ["h", "p", "b"], storeFields: ["s", "a", "h", "p", "b"], tokenize: tokens,
        searchOptions: {
          boost: { h: 6, p: 2 }, prefix: true, combineWith: "AND", boostDocument: named,
          tokenize: function (text) { return text.split(/[^\p{L}\p{N}_.]+/u).filter(Boolean); },
          fuzzy: function (term) { return term.length > 4 ? 0.2 : false; }
        }
      });
      engine.addAll(window.docsfySearchIndex.map(function (section, id) { return Object.assign({ id: id }, section); }));
      return engine;
    });
  }

  function find(query) {
    var results = engine.search(query);
    if (!results.length) results = engine.search(query, { combineWith: "OR", tokenize: tokens });
    return results.slice(0, 12);
  }

  function excerpt(result) {
    var lower = result.b.toLowerCase();
    var at = -1;
    result.terms.some(function (term) { at = lower.indexOf(term.toLowerCase()); return at >= 0; });
    var from = Math.max(0, at - 50);
    return (from ? "…" : "") + result.b.slice(from, from + 130) + (result.b.length > from + 130 ? "…" : "");
  }

  function marked(parent, text, terms) {
    var lower = text.toLowerCase();
    var place = 0;
    while (place < text.length) {
      var best = -1, length = 0;
      terms.forEach(function (term) {
        var at = lower.indexOf(term.toLowerCase(), place);
        if (at >= 0 && (best < 0 || at < best || (at === best && term.length > length))) { best = at; length = term.length; }
      });
      if (best < 0 || lower.length !== text.length) break;
      parent.append(text.slice(place, best));
      var mark = document.createElement("mark");
      mark.textContent = text.slice(best, best + length);
      parent.append(mark);
      place = best + length;
    }
    parent.append(text.slice(place));
  }

  function line(result, index) {
    var link = document.createElement("a");
    link.href = site + result.s + ".html" + (result.a ? "#" + encodeURIComponent(result.a) : "");
    link.id = "search-result-" + index;
    link.setAttribute("role", "option");
    link.setAttribute("aria-selected", "false");
    link.tabIndex = -1;
    var parts = [["strong", result.h, true], ["small", result.p === result.h ? "" : result.p, false], ["span", excerpt(result), true]];
    parts.forEach(function (part) {
      if (!part[1]) return;
      var element = document.createElement(part[0]);
      if (part[2]) marked(element, part[1], result.terms); else element.textContent = part[1];
      link.append(element);
    });
    return link;
  }

  function show() {
    var query = input.value.trim();
    list.replaceChildren();
    chosen = -1;
    input.removeAttribute("aria-activedescendant");
    if (query) {
      var results = find(query);
      results.forEach(function (result, index) { list.append(line(result, index)); });
      if (!results.length) {
        var nothing = document.createElement("p");
        nothing.textContent = "Nothing found for “" + query + "”.";
        list.append(nothing);
      }
    }
    list.hidden = !query;
    input.setAttribute("aria-expanded", String(Boolean(query)));
  }

  function choose(step) {
    var options = list.querySelectorAll("a");
    if (!options.length) return;
    chosen = (chosen + step + options.length) % options.length;
    options.forEach(function (option, index) { option.setAttribute("aria-selected", String(index === chosen)); });
    options[chosen].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[chosen].id);
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
  }

  input.addEventListener("focus", function () { prepare().then(function () { if (input.value.trim()) show(); }); });
  input.addEventListener("input", function () { prepare().then(show); });
  input.addEventListener("keydown", function (event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(event.key === "ArrowDown" ? 1 : chosen < 0 ? 0 : -1);
    } else if (event.key === "Enter") {
      var option = list.querySelectorAll("a")[Math.max(chosen, 0)];
      if (option && !list.hidden) { event.preventDefault(); option.click(); }
    } else if (event.key === "Escape") {
      close();
      input.blur();
    }
  });
  list.addEventListener("click", close);
  document.addEventListener("click", function (event) { if (!box.contains(event.target)) close(); });
  document.addEventListener("keydown", function (event) {
    var target = event.target;
    var typing = target.closest && target.closest("input, textarea, select, [contenteditable]");
    if ((event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) || (event.key === "k" && (event.ctrlKey || event.metaKey))) {
      event.preventDefault();
      input.focus();
      input.select();
    }
  });
})();

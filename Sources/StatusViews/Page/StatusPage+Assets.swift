// SPDX-License-Identifier: GPL-3.0-or-later

extension StatusPage {
    /// A drawing of four nodes, for the browser's tab.
    package static let icon = """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="#23527c"/>\
        <g fill="#fff"><rect x="7" y="7" width="8" height="8"/><rect x="17" y="7" width="8" height="8"/>\
        <rect x="7" y="17" width="8" height="8"/><rect x="17" y="17" width="8" height="8" opacity=".5"/></g></svg>
        """

    /// Nothing is cut off and nothing scrolls sideways at 320 px: long words break where they must. Colours have a contrast of
    /// 4.5:1 or more on their ground, in light and dark.
    static let style: HTML = """
        :root { --ground: #f6f7f8; --card: #fff; --ink: #1c2126; --soft: #59636d; --line: #d9dee3; --link: #1f5c99;
          --ok: #1a6e37; --ok-ground: #e3f3e8; --warning: #8a4b00; --warning-ground: #fdf0d9;
          --failure: #ad1f1f; --failure-ground: #fde6e4; --off: #59636d; --off-ground: #edf0f2; --bar: #4b89c4; }
        @media (prefers-color-scheme: dark) {
          :root { --ground: #14181b; --card: #1c2226; --ink: #e4e8eb; --soft: #a0abb4; --line: #343c43; --link: #8ec1f2;
            --ok: #7dd39a; --ok-ground: #173524; --warning: #f2c06b; --warning-ground: #3a2b10;
            --failure: #ff9c94; --failure-ground: #451d1b; --off: #a0abb4; --off-ground: #293036; --bar: #4b89c4; } }
        * { box-sizing: border-box; }
        html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
        body { margin: 0 auto; padding: .75rem; max-width: 90rem; background: var(--ground); color: var(--ink);
          font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
        h1 { font-size: 1.35rem; margin: .25rem 0 .5rem; } h1 small { font-weight: normal; color: var(--soft); }
        h2 { font-size: 1.05rem; margin: 0; } h3 { font-size: .9rem; margin: .9rem 0 .3rem; color: var(--soft); }
        p { margin: .25rem 0; } ul, ol, dl { margin: 0; padding: 0; list-style: none; } dd { margin: 0; }
        a { color: var(--link); } small, .hint { color: var(--soft); font-size: .84rem; font-weight: normal; }
        code { font: .88em/1.4 ui-monospace, "DejaVu Sans Mono", monospace; }
        time { font-variant-numeric: tabular-nums; white-space: nowrap; } .ago, footer code { white-space: nowrap; }
        section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .8rem .8rem;
          margin: .75rem 0 0; }
        section > .hint { margin-bottom: .5rem; }
        .empty { color: var(--soft); }
        .badge { display: inline-block; padding: 0 .45rem; border-radius: .8rem; font-size: .84rem; font-weight: 600; }
        .badge.ok { color: var(--ok); background: var(--ok-ground); }
        .badge.off, .badge.starting { color: var(--off); background: var(--off-ground); }
        .badge.warning, .badge.unknown, .note.warning { color: var(--warning); background: var(--warning-ground); }
        .badge.failure, .note.failure { color: var(--failure); background: var(--failure-ground); }
        .note { display: block; padding: .35rem .6rem; border-radius: .35rem; margin: .35rem 0; }
        .note .badge { padding: 0 .2rem 0 0; background: none; }
        #health { font-size: 1.05rem; } #health.ok { color: var(--ok); background: var(--ok-ground); }
        #health.off, #health.starting { background: var(--off-ground); }
        #gone { position: sticky; top: 0; z-index: 1; margin: 0 0 .5rem; padding: .6rem .8rem; border-radius: .35rem;
          color: #fff; background: #ad1f1f; font-weight: 600; }
        .gone main { opacity: .6; }
        .facts > * { display: inline; } .facts > * + *::before { content: " · "; color: var(--soft); }
        .line { display: block; } .text { display: block; }
        .parts > li { padding: .4rem 0; border-top: 1px solid var(--line); } .parts > li:first-child { border-top: 0; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.2rem, 1fr)); gap: .6rem .8rem; }
        .tiles dt { font-size: .84rem; } .tiles dd b { font-size: 1.45rem; line-height: 1.2; display: block;
          font-variant-numeric: tabular-nums; } .tiles small { display: block; }
        .rows > div { display: grid; grid-template-columns: 7.5rem minmax(0, 1fr); gap: 0 .7rem; padding: .25rem 0;
          border-top: 1px solid var(--line); } .rows > div:first-child { border-top: 0; }
        .rows code { font-size: .8em; } .hashes code { display: block; } .rows dt { color: var(--soft); } .rows dd small { display: block; }
        .job { border-top: 1px solid var(--line); } .job > summary { position: relative; list-style: none;
          padding: .45rem 0 .45rem 1.3rem; cursor: pointer; } .job > summary::-webkit-details-marker { display: none; }
        .job > summary::before { content: "▸"; position: absolute; left: .2rem; color: var(--soft); }
        .job[open] > summary::before { content: "▾"; } .job > :not(summary) { margin-left: 1.3rem; }
        .job > summary > .facts { display: block; font-size: .9rem; } .job .full { margin: .3rem 0 .6rem 1.3rem; }
        summary:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
        .steps { border-left: 2px solid var(--line); margin: .2rem 0 .5rem .3rem; padding-left: .7rem; }
        .steps > li { display: grid; grid-template-columns: max-content 6.4rem minmax(0, 1fr); gap: 0 .6rem; padding: .12rem 0; }
        .steps small { white-space: nowrap; }
        table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
        th, td { padding: .2rem .5rem .2rem 0; text-align: right; border-top: 1px solid var(--line); font-weight: normal; }
        thead th, thead td { border-top: 0; color: var(--soft); font-size: .84rem; } th:first-child, td:first-child { text-align: left; }
        thead th { white-space: nowrap; }
        .bar { width: 40%; padding-right: 0; } .bar svg { display: block; width: 100%; height: .55rem; }
        .bar rect { fill: var(--bar); }
        footer { margin-top: 1rem; color: var(--soft); font-size: .9rem; } #terms dl { color: var(--ink); max-width: 50rem; }
        #terms > summary, .fold > summary { cursor: pointer; }
        .fold > summary { padding: .45rem 0; } * + .fold { border-top: 1px solid var(--line); }
        @media (max-width: 30rem) {
          .steps > li { grid-template-columns: max-content minmax(0, 1fr); } .steps > li > span { grid-column: 1 / -1; }
          .steps > li { padding: .25rem 0; } .steps small { white-space: normal; } .rows > div { grid-template-columns: minmax(0, 1fr); }
          .bar { width: 25%; } }
        @media (min-width: 64rem) {
          body { padding: 1rem 1.5rem; }
          .columns { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 0 1rem; align-items: start; } }
        """

    /// Fetches what changes and puts it into the page without replacing what stays: open details, the scroll position and a
    /// selection are kept. Says so when no answer comes. After an upgrade of the agent the page loads itself again.
    static let script: HTML = #"""
        "use strict";
        const live = document.getElementById("live"), gone = document.getElementById("gone");
        const source = new URL("live", location.href);
        source.username = source.password = source.search = source.hash = "";
        let busy = false;
        function morph(old, wanted) {
          for (const { name } of [...old.attributes])
            if (name !== "open" && !wanted.hasAttribute(name)) old.removeAttribute(name);
          for (const { name, value } of wanted.attributes)
            if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
          let at = old.firstChild;
          for (const node of [...wanted.childNodes]) {
            let mine = at && !at.id && at.nodeName === node.nodeName ? at : null;
            if (node.id) mine = [...old.children].find((child) => child.id === node.id) || null;
            if (!mine) { old.insertBefore(document.importNode(node, true), at); continue; }
            if (mine === at) at = at.nextSibling; else old.insertBefore(mine, at);
            if (node.nodeType === Node.ELEMENT_NODE) morph(mine, node);
            else if (mine.nodeValue !== node.nodeValue) mine.nodeValue = node.nodeValue;
          }
          while (at) { const next = at.nextSibling; at.remove(); at = next; }
        }
        function say(words) {
          if (words && gone.textContent !== words) gone.textContent = words;
          gone.hidden = !words;
          document.body.classList.toggle("gone", !!words);
        }
        async function update() {
          if (busy || document.hidden) return;
          busy = true;
          const seen = document.getElementById("as-of").textContent;
          try {
            const answer = await fetch(source, { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(10000) });
            if (answer.status === 401) say("The agent no longer accepts this browser: load the page again.");
            else if (!answer.ok) say(`The agent answers with an error (HTTP ${answer.status}): what you see is as of ${seen}.`);
            else {
              const now = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
              if (!now) throw new Error("no status");
              if (now.dataset.version !== live.dataset.version) return location.reload();
              morph(live, now);
              document.title = now.dataset.title;
              say("");
            }
          } catch {
            say(`The agent does not answer: what you see is as of ${seen}. On the head node: systemctl status slurm-grid-agent`);
            document.title = "✕ no answer: slurm-grid-agent";
          } finally { busy = false; }
        }
        setInterval(update, 5000);
        document.addEventListener("visibilitychange", update);
        """#
}

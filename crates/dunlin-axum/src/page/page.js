// Puts what events bring in its place, and touches nothing else: focus, selection, scroll position and open details stay.
(() => {
  "use strict";
  const live = document.getElementById("live");
  const line = document.getElementById("line");
  const words = document.getElementById("line-text");

  const attributes = (old, fresh) => {
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      const keeps = name === "open" && old.nodeName === "DETAILS";
      if (!keeps && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
  };

  const children = (old, fresh) => {
    const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
    const stays = new Set([...fresh.children].map((child) => child.id));
    let at = old.firstChild;
    const drop = () => {
      const next = at.nextSibling;
      at.remove();
      at = next;
    };
    for (const next of [...fresh.childNodes]) {
      if (next.id) {
        const same = known.get(next.id);
        if (!same) {
          old.insertBefore(next, at);
          continue;
        }
        while (at && at !== same && !(at.id && stays.has(at.id))) drop();
        if (at === same) at = at.nextSibling;
        else old.insertBefore(same, at);
        become(same, next);
      } else if (at && !at.id && at.nodeName === next.nodeName) {
        const same = at;
        at = at.nextSibling;
        become(same, next);
      } else {
        old.insertBefore(next, at);
      }
    }
    while (at) drop();
  };

  const become = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.data = fresh.data;
      return;
    }
    attributes(old, fresh);
    children(old, fresh);
  };

  const say = (state, text) => {
    line.hidden = false;
    document.body.dataset.line = state;
    if (words.textContent !== text) words.textContent = text;
  };

  const parts = (event) => {
    const box = document.createElement("template");
    box.innerHTML = event.data;
    for (const part of [...box.content.children]) {
      const old = document.getElementById(part.id);
      if (old) become(old, part);
    }
    const verdict = document.getElementById("verdict");
    document.title = `${verdict.dataset.title} · ${live.dataset.title}`;
  };

  const listen = () => {
    const source = new EventSource(live.dataset.events);
    source.addEventListener("open", () => say("live", "Live"));
    source.addEventListener("parts", parts);
    source.addEventListener("error", () => {
      say("lost", "Connection lost, trying again");
      // The browser tries again by itself unless it was answered with something else than events.
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
    });
  };
  listen();
})();

// Keys, search, and the next card without a page load. Without this file every form still works.
"use strict";

const LOOK_AGAIN_MS = 10_000;
let busy = false;

const byKey = (key) => document.querySelector(`[data-key="${CSS.escape(key)}"]`);
const isTyping = (target) => target.matches("input, textarea, select");

async function swap(request) {
  if (busy) return;
  busy = true;
  document.body.toggleAttribute("data-busy", true);
  try {
    show(await (await request()).text());
  } catch {
    say("No answer from the server. Nothing was lost: answer again.");
  } finally {
    busy = false;
    document.body.toggleAttribute("data-busy", false);
  }
}

function show(html) {
  const next = new DOMParser().parseFromString(html, "text/html");
  const page = next.getElementById("page");
  if (!page) throw new Error("not a page of ours");
  document.title = next.title;
  document.getElementById("page").replaceWith(page);
  prepare();
  scrollTo(0, 0);
  (document.querySelector("main [data-focus]") ?? document.querySelector("main h1"))?.focus({ preventScroll: true });
  say(document.querySelector("main").dataset.said ?? document.title);
}

function say(words) {
  document.getElementById("live").textContent = words;
}

function prepare() {
  const search = document.querySelector(".search");
  if (search) search.hidden = false;
  if (document.querySelector("main[data-empty]")) setTimeout(lookAgain, LOOK_AGAIN_MS);
}

async function lookAgain() {
  if (!document.querySelector("main[data-empty]")) return;
  const html = document.hidden ? "" : await fetch(location.pathname).then((answer) => answer.text(), () => "");
  const found = new DOMParser().parseFromString(html, "text/html").querySelector("main:not([data-empty]) article");
  if (found) show(html);
  else setTimeout(lookAgain, LOOK_AGAIN_MS);
}

function filter(words) {
  const wanted = words.toLowerCase().split(/[\s_-]+/).filter(Boolean);
  const holds = (text) => wanted.every((word) => text.toLowerCase().includes(word));
  const inName = (item) => holds(item.querySelector(".name").textContent);
  const items = [...document.querySelectorAll("#intents li")];
  for (const item of items) item.hidden = !holds(item.textContent);
  // Those found by name come first, then those found by what is said of them; both stay in the order of the alphabet.
  const name = (item) => item.querySelector(".name").textContent;
  items.sort((a, b) => inName(b) - inName(a) || name(a).localeCompare(name(b)));
  document.getElementById("intents").append(...items);
}

// A second press while the answer to the first is on its way sends nothing. It may never come: later ones do.
function once(event) {
  const form = event.target;
  if (form.getAttribute("method") !== "post") return;
  if ("sent" in form.dataset) event.preventDefault();
  form.dataset.sent = "";
  setTimeout(() => delete form.dataset.sent, LOOK_AGAIN_MS);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-swap]")) return once(event);
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  swap(() => fetch(form.action, { method: "POST", body }));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  swap(() => fetch(link.href));
});

// The values that a chart's marks bear for screen readers, for those who point at them.
document.addEventListener("pointerover", (event) => {
  const shown = event.target.closest("figure")?.querySelector(".under-pointer");
  const mark = event.target.closest("[aria-label]:not([role=img], svg)");
  if (shown) shown.textContent = mark?.ariaLabel ?? "";
});

document.addEventListener("input", (event) => {
  if (event.target.id === "search") filter(event.target.value);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
  const target = event.target;
  if (target.id === "search" && event.key === "Enter") {
    event.preventDefault();
    if (target.value.trim()) document.querySelector("#intents li:not([hidden]) button")?.click();
  } else if (event.key === "Escape" && target.closest("details.other")) {
    document.querySelector("details.other").open = false;
    document.querySelector("main h1").focus();
  } else if (target.id === "entities" && event.key === "Enter") {
    event.preventDefault();
    target.form.requestSubmit();
  } else if (event.key === "Escape" || !isTyping(target)) {
    press(event);
  }
});

function press(event) {
  const pressed = byKey(event.key.toLowerCase());
  if (!pressed) return;
  event.preventDefault();
  if (pressed.matches("summary")) {
    pressed.parentElement.open = true;
    document.getElementById("search").focus();
  } else {
    pressed.click();
  }
}

prepare();

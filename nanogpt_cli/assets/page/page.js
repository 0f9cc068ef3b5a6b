"use strict";
/* What is seen: messages, the field to type into, settings. */

const byId = (id) => document.getElementById(id);

function start() {
  const about = JSON.parse(byId("about").textContent);
  const session = new Session(about, fromBase64(byId("weights").textContent.trim()));
  const view = { session, about, busy: null };
  document.title = about.name;
  byId("name").textContent = about.name;
  byId("size").textContent = about.size;
  byId("text").placeholder = session.chat ? "Write a message" : "Write the beginning of a text";
  byId("send").textContent = session.chat ? "Send" : "Continue";
  byId("new").textContent = session.chat ? "New chat" : "New text";
  byId("temperature").value = about.sampling.temperature;
  byId("tokens").value = about.sampling.maxTokens;
  const shown = () => { byId("warmth").textContent = Number(byId("temperature").value).toFixed(2); };
  byId("temperature").addEventListener("input", shown);
  shown();
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (view.busy) view.busy.cancelled = true;
    else send(view);
  });
  byId("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (!view.busy) send(view);
    } else if (event.key === "Escape" && view.busy) view.busy.cancelled = true;
  });
  byId("text").addEventListener("input", fit);
  byId("new").addEventListener("click", () => clear(view));
  byId("theme").addEventListener("click", switchTheme);
  greet(view);
  byId("text").focus();
  globalThis.nanogpt = { session, generate, draw, lossOf };
}

/* The field is as high as its text, up to a third of the window. */
function fit() {
  const field = byId("text");
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, innerHeight / 3)}px`;
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

function greet(view) {
  message("note", view.session.chat
    ? "Say something. The model is in this page, and nothing that you write leaves it."
    : "Begin a text, and the model continues it. It is in this page, and nothing leaves it.");
}

function clear(view) {
  if (view.busy) view.busy.cancelled = true;
  view.session.turns.length = 0;
  byId("messages").replaceChildren();
  greet(view);
  byId("text").focus();
}

/* Add a message, whose text is never taken for markup. */
function message(kind, text) {
  const element = document.createElement("div");
  element.className = kind;
  element.textContent = text;
  byId("messages").append(element);
  element.scrollIntoView({ block: "end" });
  return element;
}

function sampling(about) {
  const tokens = Math.round(Number(byId("tokens").value));
  return { ...about.sampling, temperature: Number(byId("temperature").value),
    maxTokens: Math.min(100_000, Math.max(1, tokens || about.sampling.maxTokens)) };
}

async function send(view) {
  const field = byId("text"), text = field.value, { session, about } = view;
  if (!text.trim()) return;
  const job = { cancelled: false };
  view.busy = job;
  field.value = "";
  fit();
  byId("send").textContent = "Stop";
  const unknown = session.tokenizer.unknown(text);
  if (session.chat) message("human", text);
  else byId("messages").replaceChildren();
  if (unknown.length) message("note", `The model does not know ${unknown.slice(0, 8).join(" ")}`);
  const answer = message(session.chat ? "bot" : "bot text", session.chat ? "" : text);
  answer.classList.add("coming");
  await show(session, session.reply(text, sampling(about)), job, answer);
  answer.classList.remove("coming");
  if (!answer.textContent) answer.textContent = "(no answer)";
  if (view.busy === job) view.busy = null;
  byId("send").textContent = session.chat ? "Send" : "Continue";
  if (!session.chat && !field.value) field.value = answer.textContent;
  fit();
}

/* Write the pieces of a reply into an element, and let the page breathe 30 times a second. */
async function show(session, pieces, job, answer) {
  const begun = performance.now();
  let said = answer.textContent, rest = begun;
  const write = () => {
    answer.textContent = session.chat ? said.trim() : said;
    const seconds = (performance.now() - begun) / 1000;
    byId("speed").textContent = `${Math.round(session.tokens / Math.max(1e-3, seconds))} tokens/s`;
    if (nearEnd()) answer.scrollIntoView({ block: "end" });
  };
  for (const piece of pieces) {
    if (job.cancelled) break;
    said += piece;
    if (performance.now() - rest < 30) continue;
    write();
    await new Promise((resolve) => setTimeout(resolve));
    rest = performance.now();
  }
  write();
}

function nearEnd() {
  const box = byId("messages");
  return box.scrollHeight - box.scrollTop - box.clientHeight < 150;
}

start();

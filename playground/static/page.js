// What Discord's clients do by themselves and SimCord's page does not.
import { setMenuCommands } from "./message_menu.js";
import { sayBriefly } from "./notice.js";
import { setSamples } from "./pictures.js";
import "./steady_pictures.js";

// A relative time counts.
const RELATIVE = /^(in |now$|this |next |last |tomorrow|yesterday)| ago$/;
const UNITS = [["second", 1, 60], ["minute", 60, 3600], ["hour", 3600, 86400], ["day", 86400, 604800], ["week", 604800, Infinity]];
const format = new Intl.RelativeTimeFormat("en-US", { numeric: "auto" });

function said(date) {
  const seconds = (date.getTime() - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, , below]) => Math.abs(seconds) < below);
  return format.format(Math.round(seconds / length), unit);
}

setInterval(() => {
  for (const element of document.querySelectorAll("time.discord-timestamp[datetime]")) {
    if (!RELATIVE.test(element.textContent)) continue;
    const text = said(new Date(element.dateTime));
    if (element.textContent !== text) element.textContent = text;
  }
}, 1000);

// A person at the end of the channel stays there while cards grow, until scrolling away, and goes there by sending
// something. SimCord loses the end when two cards move at once.
const timeline = document.getElementById("channel-timeline");
const composer = document.getElementById("channel-composer");
const ELSEWHERE = "#messages-sidebar, #view-action-output, #back-activity, #history-older, #history-newer";
let following = true;

function missing() {
  return timeline.scrollHeight - timeline.clientHeight - timeline.scrollTop;
}

function follow() {
  if (following && missing() > 1) timeline.scrollTop = timeline.scrollHeight;
}

function leave() {
  following = false;
}

function say(event) {
  if (!composer.contains(event.target)) return;
  following = true;
  follow();
}

const observer = new ResizeObserver(follow);
observer.observe(timeline);
observer.observe(document.getElementById("channel-message-list"));
timeline.addEventListener("scroll", () => { if (missing() <= 1) following = true; else follow(); }, { passive: true });
timeline.addEventListener("wheel", (event) => { if (event.deltaY < 0) leave(); }, { passive: true });
timeline.addEventListener("touchmove", leave, { passive: true });
timeline.addEventListener("keydown", (event) => { if (["PageUp", "Home", "ArrowUp"].includes(event.key)) leave(); });
// SimCord's own listeners stop some events at the composer, so these come first.
document.addEventListener("pointerdown", (event) => {
  if (event.target === timeline || event.target.closest(ELSEWHERE)) leave();
}, true);
document.addEventListener("submit", say, true);
document.addEventListener("keydown", (event) => { if (event.key === "Enter") say(event); }, true);

// Links to messages and channels stay in the page.
const MESSAGE_LINK = /^https:\/\/(?:\w+\.)?discord\.com\/channels\/[^/]+\/(\d+)(?:\/(\d+))?\/?$/;

function show(id) {
  leave();
  const message = document.querySelector(`.channel-message[data-message-id="${id}"]`);
  if (!message) {
    window.easel.dispatch("focus", { target_id: id });
    return;
  }
  message.scrollIntoView({ block: "center" });
  message.classList.remove("is-shown");
  requestAnimationFrame(() => message.classList.add("is-shown"));
}

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  const found = link && MESSAGE_LINK.exec(link.href);
  if (!found) return;
  event.preventDefault();
  const [, channel, message] = found;
  if (channel !== window.easel.state.snapshot?.channelId) sayBriefly("That is in another channel, which this page does not show.");
  else if (message) show(message);
}, true);

// The name of a command in a text fills the composer, as in Discord.
function choose(name, values) {
  if (window.easel.commandPicker.choose(name, values)) {
    following = true;
    follow();
  }
}

function chipOf(event) {
  const chip = event.target instanceof Element ? event.target.closest(".command-mention[role=button]") : null;
  return chip?.closest(".channel-message") ? chip.textContent.replace(/^\//, "").trim() : null;
}

document.addEventListener("click", (event) => {
  const name = chipOf(event);
  if (name) choose(name);
});
document.addEventListener("keydown", (event) => {
  const name = event.key === "Enter" ? chipOf(event) : null;
  if (name) { event.preventDefault(); choose(name); }
});

// A message for one person can be dismissed; it stays so in this tab.
const DISMISSED = "easel-dismissed";
const dismissed = new Set((sessionStorage.getItem(DISMISSED) || "").split(" ").filter(Boolean));
const list = document.getElementById("channel-message-list");

// The bare address of a message is shown as its channel.
function nameLinks() {
  for (const link of list.querySelectorAll("a[href]")) {
    if (link.textContent !== link.getAttribute("href")) continue;
    const found = MESSAGE_LINK.exec(link.href);
    if (found?.[2]) link.textContent = `#${document.getElementById("channel-name").textContent} › message`;
  }
}

new MutationObserver(nameLinks).observe(list, { childList: true, subtree: true });

function hideDismissed() {
  for (const message of list.children) if (dismissed.has(message.dataset.messageId)) message.hidden = true;
}

new MutationObserver(hideDismissed).observe(list, { childList: true });
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest(".message-dismiss") : null;
  if (!button) return;
  dismissed.add(button.closest(".channel-message").dataset.messageId);
  sessionStorage.setItem(DISMISSED, [...dismissed].slice(-200).join(" "));
  hideDismissed();
});

// The panel: examples, pictures, faults of the services, a restart of the bot.
const PANEL_CLOSED = "easel-panel-closed";
const panel = document.getElementById("playground-panel");
const toggle = document.getElementById("panel-toggle");
const phone = window.matchMedia("(max-width: 760px)");

function showPanel(open) {
  panel.hidden = !open;
  toggle.setAttribute("aria-expanded", String(open));
}

function setPanel(open) {
  localStorage.setItem(PANEL_CLOSED, open ? "" : "yes");
  showPanel(open);
}

toggle.addEventListener("click", () => setPanel(panel.hidden));
document.getElementById("panel-close").addEventListener("click", () => setPanel(false));
showPanel(!localStorage.getItem(PANEL_CLOSED));
// On a phone it covers the channel, so it makes room as soon as somebody turns to the channel.
document.addEventListener("pointerdown", (event) => {
  if (phone.matches && !panel.hidden && timeline.parentElement.contains(event.target)) setPanel(false);
}, true);

const fault = document.getElementById("service-fault");
const hint = document.getElementById("service-hint");
const restart = document.getElementById("restart-bot");

async function playground(order) {
  const headers = { "X-Simcord-Capability": location.hash.slice(1), "Content-Type": "application/json" };
  const options = order ? { method: "POST", body: JSON.stringify(order) } : { method: "GET" };
  const response = await fetch("/api/playground", { ...options, headers, cache: "no-store" });
  if (!response.ok) throw new Error(`playground request failed (${response.status})`);
  return response.json();
}

function drawControls(controls) {
  setMenuCommands(controls.menu);
  setSamples(controls.pictures, () => { if (phone.matches) setPanel(false); });
  const examples = document.querySelector("#try-prompts ul");
  if (!examples.childElementCount) {
    for (const prompt of controls.prompts) {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      // A line must not end within a flag.
      const words = prompt.split(" ").map((word) => Object.assign(document.createElement("span"), { className: "word", textContent: word }));
      button.append(...words.flatMap((word, place) => (place ? [" ", word] : [word])));
      button.addEventListener("click", () => {
        choose("imagine", { prompt });
        if (phone.matches) setPanel(false);
      });
      const item = document.createElement("li");
      item.append(button);
      examples.append(item);
    }
  }
  document.getElementById("try-prompts").hidden = false;
  const canBreak = controls.services.length > 0;
  document.getElementById("break-services").hidden = !canBreak;
  document.getElementById("restart-section").hidden = !canBreak;
  if (!canBreak) return;
  if (!fault.childElementCount) {
    for (const { name, label } of controls.services) fault.append(new Option(label, name));
  }
  fault.value = controls.service;
  hint.textContent = controls.services.find(({ name }) => name === controls.service)?.hint || "";
  document.body.classList.toggle("services-broken", controls.service !== controls.services[0].name);
}

async function readControls() {
  try { drawControls(await playground()); } catch (_) { /* the next read tries again */ }
}

fault.addEventListener("change", async () => {
  try { drawControls(await playground({ service: fault.value })); } catch (_) { await readControls(); }
});

restart.addEventListener("click", async () => {
  restart.disabled = true;
  window.easelNotice("Restarting the bot…");
  try {
    drawControls(await playground({ restart: true }));
    sayBriefly("The bot is back. Unfinished jobs go on.");
  } catch (_) {
    sayBriefly("The bot could not be restarted. The terminal says why.");
  } finally {
    restart.disabled = false;
  }
});

void readControls();
// Somebody else at the page may have switched a fault.
setInterval(() => { if (!document.hidden && document.activeElement !== fault) void readControls(); }, 5000);

// What Discord's clients do by themselves and SimCord's page does not.

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

// Whoever is at the end of the channel stays there while cards grow, until scrolling away; whoever says something goes
// there. SimCord loses the end when two cards move at once.
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
// SimCord's own listeners stop some events at the composer, so these are heard before it.
document.addEventListener("pointerdown", (event) => {
  if (event.target === timeline || event.target.closest(ELSEWHERE)) leave();
}, true);
document.addEventListener("submit", say, true);
document.addEventListener("keydown", (event) => { if (event.key === "Enter") say(event); }, true);

// SimCord draws all messages again when a menu opens, and it loads their pictures again. Without their heights the
// channel would move, and SimCord closes a menu that moves out of sight. So each picture keeps its height until then.
const HOLDERS = ".component-gallery, .message-attachments";
const timeline = document.getElementById("channel-timeline");
const list = document.getElementById("channel-message-list");
const heights = new Map();

function nameOf(holder) {
  const message = holder.closest(".channel-message");
  return message && `${message.dataset.messageId} ${[...message.querySelectorAll(HOLDERS)].indexOf(holder)}`;
}

function isLoaded(holder) {
  return [...holder.querySelectorAll("img")].every((image) => image.naturalWidth) && holder.querySelector("img");
}

function remember(event) {
  const holder = event.target.closest(HOLDERS);
  if (!holder || !isLoaded(holder)) return;
  holder.style.minHeight = "";
  heights.set(nameOf(holder), holder.offsetHeight);
}

function steady() {
  const empty = [...list.querySelectorAll(HOLDERS)].filter(
    (holder) => !holder.style.minHeight && heights.has(nameOf(holder)) && !isLoaded(holder),
  );
  if (!empty.length) return;
  const top = timeline.getBoundingClientRect().top;
  const anchor = list.querySelector(".preview-select.is-open")
    || [...list.children].find((message) => message.getBoundingClientRect().bottom > top);
  const before = anchor?.getBoundingClientRect().top;
  for (const holder of empty) holder.style.minHeight = `${heights.get(nameOf(holder))}px`;
  if (anchor) timeline.scrollTop += anchor.getBoundingClientRect().top - before;
}

list.addEventListener("load", remember, true);
new MutationObserver(steady).observe(list, { childList: true, subtree: true });
window.addEventListener("resize", () => {
  heights.clear();
  for (const holder of list.querySelectorAll(HOLDERS)) holder.style.minHeight = "";
});

// The menu of a message: a right click, a long press, or its button ⋯.
const LONG_PRESS = 500;
let names = [];
let menu = null;
let opener = null;

export function setMenuCommands(commands) {
  names = commands;
}

function closeMenu(restoreFocus = false) {
  menu?.remove();
  menu = null;
  if (restoreFocus && opener?.isConnected) opener.focus({ preventScroll: true });
  opener = null;
}

function run(name, id) {
  closeMenu();
  window.easel.dispatch("message_menu", { name, target_id: id });
}

function openMenu(message, x, y, button = null) {
  closeMenu();
  if (!names.length) return;
  opener = button;
  menu = document.createElement("div");
  menu.className = "message-menu";
  menu.setAttribute("role", "menu");
  menu.setAttribute("aria-label", "Apps");
  menu.append(Object.assign(document.createElement("div"), { className: "message-menu-heading", textContent: "Apps" }));
  for (const name of names) {
    const item = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    item.setAttribute("role", "menuitem");
    item.addEventListener("click", () => run(name, message.dataset.messageId));
    menu.append(item);
  }
  document.body.append(menu);
  const { width, height } = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(y, innerHeight - height - 8))}px`;
  menu.querySelector("button").focus({ preventScroll: true });
}

function messageOf(target) {
  return target instanceof Element ? target.closest(".channel-message[data-message-id]") : null;
}

document.addEventListener("contextmenu", (event) => {
  const message = messageOf(event.target);
  // Images and links keep the browser's menu with Shift, as in every web application.
  if (!message || event.shiftKey) return;
  event.preventDefault();
  openMenu(message, event.clientX, event.clientY);
});

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest(".message-more") : null;
  if (!button) return;
  const rect = button.getBoundingClientRect();
  openMenu(messageOf(button), rect.left, rect.bottom + 4, button);
});

document.addEventListener("pointerdown", (event) => {
  if (menu && !menu.contains(event.target)) closeMenu();
}, true);

document.addEventListener("keydown", (event) => {
  if (!menu) return;
  if (event.key === "Escape") { event.preventDefault(); closeMenu(true); return; }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const items = [...menu.querySelectorAll("button")];
  items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
}, true);

// Browsers without a context menu on touch get a long press.
let timer = null;
let pressed = false;

function cancelPress() {
  clearTimeout(timer);
  timer = null;
}

document.addEventListener("touchstart", (event) => {
  cancelPress();
  pressed = false;
  const message = messageOf(event.target);
  if (!message || event.touches.length !== 1) return;
  const { clientX, clientY } = event.touches[0];
  timer = setTimeout(() => { pressed = true; openMenu(message, clientX, clientY); }, LONG_PRESS);
}, { passive: true });
document.addEventListener("touchmove", cancelPress, { passive: true });
document.addEventListener("touchcancel", cancelPress, { passive: true });
document.addEventListener("touchend", (event) => {
  cancelPress();
  // Otherwise the end of a long press would be a click on what is below the finger.
  if (pressed && event.cancelable) event.preventDefault();
}, { passive: false });

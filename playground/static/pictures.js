// Pictures for messages, options of commands and forms: files of this device, and those that the playground offers.
import { sayBriefly } from "./notice.js";

const KIB = 1024, MIB = 1024 * KIB;
const FILE_LIMIT = 10 * MIB, MESSAGE_LIMIT = 25 * MIB, MOST_FILES = 10;

const form = document.getElementById("channel-composer");
const tray = document.getElementById("attachment-tray");
const input = document.getElementById("attach-input");
let samples = [];
let attached = [];

// A thumbnail is shown at many places, and its address is made once.
const addresses = new WeakMap();
const loaded = new Map();

function element(name, className, properties = {}) {
  return Object.assign(document.createElement(name), { className, ...properties });
}

function once(path) {
  if (!loaded.has(path)) {
    const loading = fetch(path, { headers: { "X-Simcord-Capability": location.hash.slice(1) } }).then((response) => {
      if (!response.ok) throw new Error(`picture request failed (${response.status})`);
      return response.blob();
    });
    loading.catch(() => loaded.delete(path));
    loaded.set(path, loading);
  }
  return loaded.get(path);
}

function addressOf(blob) {
  if (!addresses.has(blob)) addresses.set(blob, URL.createObjectURL(blob));
  return addresses.get(blob);
}

// The thumbnail of a file. What is no picture has a sheet of paper.
function thumbnail(file) {
  const image = element("img", "picture-thumbnail", { alt: "" });
  image.addEventListener("error", () => image.replaceWith(element("span", "picture-thumbnail is-file", { textContent: "📄" })));
  image.src = addressOf(file);
  return image;
}

function sampleThumbnail(sample) {
  const image = element("img", "picture-thumbnail", { alt: sample.description });
  once(`/api/playground/pictures/${sample.name}/thumbnail`).then((blob) => { image.src = addressOf(blob); }, () => {});
  return image;
}

async function sampleFile(sample) {
  const blob = await once(`/api/playground/pictures/${sample.name}`);
  return new File([blob], sample.filename, { type: blob.type });
}

// Hand over the file of a sample, or say why that is impossible.
async function withSample(sample, use) {
  try {
    use(await sampleFile(sample));
  } catch (_) {
    sayBriefly("This picture could not be loaded. Try again.");
  }
}

function size(bytes) {
  return bytes >= MIB ? `${(bytes / MIB).toFixed(1)} MiB` : `${Math.max(1, Math.round(bytes / KIB))} KiB`;
}

function problem(files) {
  if (files.some((file) => file.size > FILE_LIMIT)) return "A file is larger than 10 MiB. Choose a smaller one.";
  if (files.length > MOST_FILES) return "A message can have 10 files.";
  if (files.reduce((sum, file) => sum + file.size, 0) > MESSAGE_LIMIT) return "Together the files are larger than 25 MiB. Send them in two messages.";
  return null;
}

function drawTray() {
  tray.hidden = !attached.length;
  tray.replaceChildren(...attached.map((file) => {
    const item = element("li", "attached-file");
    const remove = element("button", "attached-remove", { type: "button", textContent: "×" });
    remove.setAttribute("aria-label", `Remove ${file.name}`);
    remove.addEventListener("click", () => { attached = attached.filter((other) => other !== file); drawTray(); });
    item.append(thumbnail(file), element("span", "attached-name", { textContent: file.name }),
      element("small", "attached-size", { textContent: size(file.size) }), remove);
    return item;
  }));
}

// Attach files to the message that is being written.
function attach(files) {
  const all = [...attached, ...files];
  const wrong = problem(all);
  if (wrong) { sayBriefly(wrong); return; }
  attached = all;
  drawTray();
  document.getElementById("channel-composer-input")?.focus();
}

// Files go to the command that is being typed if it takes one, otherwise to the message.
function take(files) {
  const left = files.filter((file) => !window.easel.commandPicker.attach(file));
  if (left.length && form.querySelector(".command-row")) sayBriefly("This command takes no file.");
  else if (left.length) attach(left);
}

// A sample starts the command for images, unless something else is being written.
function start(file) {
  const writing = attached.length || document.getElementById("channel-composer-input")?.value.trim();
  if (writing || !window.easel.commandPicker.attach(file, "imagine")) take([file]);
}

function sampleButton(sample, use) {
  const button = element("button", "sample-picture", { type: "button", title: sample.description });
  button.append(sampleThumbnail(sample), element("span", "", { textContent: sample.label }));
  button.addEventListener("click", () => void withSample(sample, use));
  return button;
}

export function setSamples(offered, used) {
  if (samples.length || !offered.length) return;
  samples = offered;
  const section = document.getElementById("try-pictures");
  section.hidden = false;
  section.querySelector("ul").append(...samples.map((sample) => {
    const item = document.createElement("li");
    item.append(sampleButton(sample, (file) => { start(file); used(); }));
    return item;
  }));
}

// What the changed parts of SimCord's page use.
window.easelPictures = {
  files: () => attached,
  sent: (files) => { attached = attached.filter((file) => !files.includes(file)); drawTray(); },
  thumbnail,
  sampleThumbnail,
  samples: () => samples,
  withSample,
  fileLimit: FILE_LIMIT,
  // A form's control for files offers the samples, too.
  offer: (field, use) => {
    if (!samples.length) return;
    const row = element("div", "offered-samples");
    row.append(...samples.map((sample) => sampleButton(sample, (file) => use([file]))));
    field.append(row);
  },
};

document.getElementById("attach-file").addEventListener("click", () => input.click());
input.addEventListener("change", () => {
  const files = [...input.files];
  input.value = "";
  take(files);
});

// Files can be dropped anywhere and pasted into the composer. A form has a place of its own for them.
function takesFiles() {
  return !form.hidden && document.querySelector(".modal-dialog") === null;
}

function carriesFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}

document.addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  document.body.classList.toggle("is-dropping", takesFiles());
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("is-dropping");
});
document.addEventListener("drop", (event) => {
  document.body.classList.remove("is-dropping");
  if (!carriesFiles(event)) return;
  event.preventDefault();
  if (takesFiles()) take([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files || [])];
  if (!files.length || !form.contains(event.target)) return;
  event.preventDefault();
  take(files);
}, true);

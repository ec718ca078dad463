// A sentence that disappears by itself.
let brief = null;

export function sayBriefly(text) {
  clearTimeout(brief);
  window.easelNotice(text);
  brief = setTimeout(() => window.easelNotice(""), 4000);
}

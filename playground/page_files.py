"""The files of the page: SimCord's, with our additions.

SimCord's page is a tool for the developers of bots. Here it is a shop window, so some of its behaviour is changed. Each
change replaces a piece of SimCord's source; a test checks that the piece still exists in the pinned version.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import simcord.preview

OURS = Path(__file__).parent / "static"
THEIRS = Path(simcord.preview.__file__).parent / "static"
JAVASCRIPT = "application/javascript"
OUR_FILES = {
    "page.js": JAVASCRIPT,
    "message_menu.js": JAVASCRIPT,
    "notice.js": JAVASCRIPT,
    "pictures.js": JAVASCRIPT,
    "steady_pictures.js": JAVASCRIPT,
    "connection_watch.js": JAVASCRIPT,
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
}
"""The files that SimCord's page does not have, with their types."""

CHANGES: Mapping[str, Mapping[str, str]] = {
    "index.html": {
        "<title>SimCord Preview</title>": '<title>Easel playground</title><link rel="icon" href="/icon.svg">'
        '<script src="/connection_watch.js"></script>',
        "</head>": '<link rel="stylesheet" href="/page.css"></head>',
        "<strong>SimCord</strong>": "<strong>Easel</strong>",
        "<small>Preview</small>": "<small>Playground</small>",
        'aria-hidden="true">S</span>': 'aria-hidden="true">E</span>',
        '>Viewing as\n          <select id="viewer-picker" aria-label="Viewing as">': "><span>You are</span>\n"
        '          <select id="viewer-picker" aria-label="You are">',
        '</header>\n      <div class="preview-workspace"': '{toolbar}</header>\n      <div class="preview-workspace"',
        '<div id="preview-stage" class="preview-stage">': '{panel}<div id="preview-stage" class="preview-stage">',
        '<div class="composer-row">': '{attachments}<div class="composer-row">{attach}',
        "</body>": '<script type="module" src="/page.js"></script></body>',
    },
    "app.js": {
        # Our script acts through the page's own functions.
        "\nbootstrap();": "\nwindow.easel = { dispatch, commandPicker, state };\nbootstrap();",
    },
    "actions.js": {
        # An action during a query for suggestions would be lost without a word. It waits instead.
        "  let busyDeferred = false;": "  let busyDeferred = false;\n  let waiting = null;",
        "{ if (pageAction(kind)) pageIntent(kind, extra); return; }\n    if (uncertain) {": "{\n"
        "      if (pageAction(kind)) pageIntent(kind, extra);\n"
        "      else if (pending?.queryIntent && !uncertain) waiting = [kind, extra, metadata];\n"
        "      return;\n"
        "    }\n"
        "    if (uncertain) {",
        "    pending = null; publish();\n    idle();": "    pending = null; publish();\n"
        "    if (waiting) { const next = waiting; waiting = null; dispatch(...next); }\n"
        "    idle();",
    },
    "composer.js": {
        # A message can have files, and no text.
        """    } else if (content.trim()) {
      onDispatch("send_message", {
        target_id: state.targetId,
        content,""": """    } else if (content.trim() || window.easelPictures?.files().length) {
      const files = window.easelPictures?.files() || [];
      onDispatch("send_message", {
        ...(files.length ? { values: { files } } : {}),
        target_id: state.targetId,
        content,""",
        "    const { kind, contextId, targetId } = action;": "    const { kind, contextId, targetId } = action;\n"
        '    if (kind === "send_message" && action.submittedValues?.files)'
        " window.easelPictures.sent(action.submittedValues.files);",
    },
    "components.js": {
        "options.onFiles?.(key, [...filesDraft(), ...files]);": "options.onFiles?.(key,"
        " [...filesDraft(), ...files].slice(-(component.max_values ?? 1)));",
        "`Upload up to ${component.max_values ?? 1} files, 10 MiB per file.`": "(component.max_values ?? 1) === 1"
        ' ? "Up to 10 MiB." : `Up to ${component.max_values} files of 10 MiB each.`',
        "        icon.innerHTML = FILE_ICON_SVG;\n        row.append(icon,": "        icon.innerHTML = FILE_ICON_SVG;\n"
        "        row.append(window.easelPictures?.thumbnail(file) || icon,",
        "    field.append(dropzone, list);": "    field.append(dropzone, list);\n"
        "    window.easelPictures?.offer(field, addFiles);",
    },
    "commands.js": {
        # Discord lists the choices of an option as soon as it is entered.
        'const current = String(field.value || "");': 'const current = String(field.value || "");\n'
        "            queryAutocomplete(option, current);",
        '"Loading options failed" : "No options match"': '"Loading options failed"'
        ' : autocomplete.state === "loading" ? "Loading…" : "No options match"',
        "`OPTIONS MATCHING ${current.toUpperCase()}`": "current"
        ' ? `OPTIONS MATCHING ${current.toUpperCase()}` : "OPTIONS"',
        "`OPTIONS MATCHING ${field.value.toUpperCase()}`": "field.value"
        ' ? `OPTIONS MATCHING ${field.value.toUpperCase()}` : "OPTIONS"',
        "`OPTIONS MATCHING ${input.value.toUpperCase()}`": "input.value"
        ' ? `OPTIONS MATCHING ${input.value.toUpperCase()}` : "OPTIONS"',
        '"Value length is outside the allowed range."': '"This is too long. Shorten it."',
        # The composer can be filled by a click on a command's name or on an example.
        "  function isCatalogLoadingOpen()": """  function choose(invocation, values = {}) {
    const entry = catalog?.entries?.find((item) => item.invocation === invocation);
    if (!entry || !canOpen() || pendingKind === "run_command") return false;
    if (draft) exitCommand();
    input.value = "";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    select(entry);
    for (const [name, raw] of Object.entries(values)) {
      const option = entry.options.find((candidate) => candidate.name === name);
      if (!option) continue;
      if (!option.required) drafts.add(name);
      drafts.value(name, { raw });
    }
    renderCompose({ focus: true });
    return true;
  }
  function attach(file, invocation = null) {
    const entry = draft ? entryForDraft() : catalog?.entries?.find((item) => item.invocation === invocation);
    const takers = (entry?.options || []).filter((option) => option.type === "attachment");
    if (!takers.length || pendingKind === "run_command" || (!draft && !choose(entry.invocation))) return false;
    const option = takers.find((taker) => taker.name === currentDraft().focused)
      || takers.find((taker) => !valueExists(taker)) || takers[0];
    if (!option.required) drafts.add(option.name);
    if (file.size > window.easelPictures.fileLimit) {
      drafts.error(option.name, "This file is larger than 10 MiB. Choose a smaller one.");
      drafts.focus(option.name);
    } else {
      drafts.value(option.name, { file, raw: file.name });
      const next = optionsFor().find((candidate) => candidate.required && !valueExists(candidate));
      drafts.focus(next?.name || option.name);
    }
    renderCompose({ focus: true });
    return true;
  }
  function offerSamples(option, button, openFile) {
    const samples = window.easelPictures?.samples() || [];
    if (!samples.length || valueExists(option)) { clearPopup(); return; }
    const items = [{ name: "A file of this device…", value: "" }, ...samples.map((sample) => (
      { name: sample.label, username: sample.description, value: sample.name, kind: "picture", sample }))];
    renderPopup(button, "CHOOSE A PICTURE", items, (item) => {
      if (item.sample) void window.easelPictures.withSample(item.sample, (file) => {
        if (optionsFor().some((each) => each.name === option.name)) { drafts.focus(option.name); attach(file); }
      });
      else openFile();
    });
  }
  function isCatalogLoadingOpen()""",
        # A chosen option for files stays chosen while the row is drawn again.
        "commandElement().contains(document.activeElement) && document.activeElement instanceof HTMLInputElement": (
            "commandElement().contains(document.activeElement) && (document.activeElement instanceof HTMLInputElement"
            ' || document.activeElement.matches(".command-file-choose"))'
        ),
        # The options for files: thumbnails, and the playground's pictures to choose from.
        'drafts.error(option.name, "File exceeds the 10 MiB per-file limit.");': "drafts.error(option.name,"
        ' "This file is larger than 10 MiB. Choose a smaller one.");',
        'drafts.error(last.name, "Uploads exceed the 25 MiB aggregate limit.");': "drafts.error(last.name,"
        ' "Together the files are larger than 25 MiB. Choose smaller ones.");',
        'const choose = node("button", "command-file-choose", value?.file ? value.file.name : "Choose file");': (
            'const choose = node("button", "command-file-choose", value?.file ? value.file.name : "Choose a file");\n'
            "        if (value?.file) choose.prepend(window.easelPictures.thumbnail(value.file));\n"
            '        choose.addEventListener("focus", () => {\n'
            "          drafts.focus(option.name);\n"
            '          commandElement().querySelectorAll(".command-pill").forEach((item) => {\n'
            '            item.classList.toggle("is-focused", item.dataset.option === option.name);\n'
            "          });\n"
            "          context();\n"
            "          offerSamples(option, choose, () => fileInput.click());\n"
            "        });"
        ),
        '} else if (value.kind === "channel") item.append(node("span", "command-channel-mark", "#"));': (
            '} else if (value.kind === "channel") item.append(node("span", "command-channel-mark", "#"));\n'
            '      else if (value.kind === "picture") item.append(window.easelPictures.sampleThumbnail(value.sample));'
        ),
        "update, receiveSnapshot, receiveAction, status,": "choose, attach, update, receiveSnapshot,"
        " receiveAction, status,",
    },
    "selects.js": {
        '"SimCord selection draft actions"': '"Your choice"',
        '"SimCord selection draft"': '"Your choice"',
        "`${selected.length} selected. Choose ${minimum}–${maximum} options.`": '(maximum === 1 ? "" : '
        "`${selected.length} selected. Choose ${minimum}–${maximum} options.`)",
    },
    "text.js": {
        'target.append(node("span", token.type === "mention" ? "mention" : "command-mention", token.label || ""));': (
            'const chip = node("span", token.type === "mention" ? "mention" : "command-mention", token.label || "");\n'
            '      if (token.type === "command") { chip.tabIndex = 0; chip.role = "button"; }\n'
            "      target.append(chip);"
        ),
    },
    "messages.js": {
        'root.append(node("div", "message-ephemeral-note", "Only you can see this"));': (
            'const note = node("div", "message-ephemeral-note", "Only you can see this · ");\n'
            '    const dismiss = node("button", "message-dismiss", "Dismiss message");\n'
            '    dismiss.type = "button";\n'
            "    note.append(dismiss);\n"
            "    root.append(note);"
        ),
        # The button of the menu that a right click opens.
        "    if (toolbar.childElementCount) root.append(toolbar);": """
    const more = node("button", "message-action-button message-more", "⋯");
    more.type = "button";
    more.setAttribute("aria-label", "More");
    more.setAttribute("aria-haspopup", "menu");
    toolbar.append(more);
    root.append(toolbar);""",
    },
}
"""Pieces of SimCord's files and what replaces them."""


def changed_files() -> dict[str, str]:
    """The text of each of SimCord's files that is changed here, by name. Blocks."""
    parts = {
        "{toolbar}": (OURS / "toolbar.html").read_text("utf-8"),
        "{panel}": (OURS / "panel.html").read_text("utf-8"),
        "{attachments}": '<ul id="attachment-tray" class="attachment-tray" aria-label="Attached files" hidden></ul>',
        "{attach}": '<button id="attach-file" class="attach-file" type="button" aria-label="Attach a file">+</button>'
        '<input id="attach-input" type="file" multiple hidden>',
    }
    changed = {}
    for name, changes in CHANGES.items():
        text = (THEIRS / name).read_text("utf-8")
        for theirs, ours in changes.items():
            text = text.replace(theirs, ours)
        if name == "index.html":
            for mark, part in parts.items():
                text = text.replace(mark, part)
        changed[name] = text
    return changed

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
  function isCatalogLoadingOpen()""",
        "update, receiveSnapshot, receiveAction, status,": "choose, update, receiveSnapshot, receiveAction, status,",
    },
    "selects.js": {
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

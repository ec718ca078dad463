// Loaded before the page: keeps the page's secret and person over a reload, and opens the page again when the server
// has restarted.
(() => {
  const TOKEN = "easel-token", PERSON = "easel-person";
  const fetchNow = window.fetch.bind(window);
  const TEXTS = {
    away: "The playground isn't running. This page reconnects as soon as it is.",
    foreign: "This address is no longer valid. Open the one that the terminal shows.",
  };
  let failures = 0;

  // The secret is in the address's fragment. Without it, use the one of the last visit.
  if (location.hash.length > 1) localStorage.setItem(TOKEN, location.hash.slice(1));
  else if (localStorage.getItem(TOKEN)) history.replaceState(null, "", `#${localStorage.getItem(TOKEN)}`);

  function notice(text) {
    let bar = document.getElementById("connection-notice");
    if (!bar) {
      bar = document.createElement("div");
      bar.id = "connection-notice";
      bar.setAttribute("role", "alert");
      document.body.prepend(bar);
    }
    bar.textContent = text || "";
    bar.hidden = !text;
  }

  window.easelNotice = notice;

  window.fetch = async (input, init = {}) => {
    const path = String(input).split("?")[0];
    const opens = path === "/api/pages" && init.method === "POST";
    if (opens) init = { ...init, body: JSON.stringify({ ...JSON.parse(init.body), viewer_id: sessionStorage.getItem(PERSON) }) };
    let response;
    try {
      response = await fetchNow(input, init);
    } catch (error) {
      if (error.name !== "AbortError" && path.startsWith("/api/") && ++failures > 1) notice(TEXTS.away);
      throw error;
    }
    if (!path.startsWith("/api/")) return response;
    if (failures > 1) notice("");
    failures = 0;
    // The server does not know this page: it has restarted, or the page was asleep.
    if (response.status === 410) location.reload();
    if (response.status === 401) notice(TEXTS.foreign);
    if (path === "/api/state" && response.ok) {
      response.clone().json().then((state) => sessionStorage.setItem(PERSON, state.viewerId)).catch(() => {});
    }
    return response;
  };
})();

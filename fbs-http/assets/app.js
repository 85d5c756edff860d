// What pages do beside showing: they follow jobs and logs. Without it they are reloaded, and logs are text.
"use strict";

(() => {
  // Asks htmx for what has changed, a few times a second at most.
  const asking = (name) => {
    let waiting = null;
    return () => {
      waiting ??= setTimeout(() => {
        waiting = null;
        htmx.trigger(document.body, name);
      }, 300);
    };
  };

  const live = document.querySelector("[data-live]");
  const running = live && !live.dataset.ended;
  if (running) {
    const ask = asking(live.dataset.live === "job" ? "job-changed" : "jobs-changed");
    const events = new EventSource("/api/v1/events");
    events.addEventListener("job", (event) => {
      const { job } = live.dataset;
      if (!job || JSON.parse(event.data).id === job) ask();
    });
    events.addEventListener("missed", ask);
    // After a break nobody knows what was missed.
    let broken = false;
    events.addEventListener("error", () => { broken = true; });
    events.addEventListener("open", () => { if (broken) ask(); broken = false; });
  }

  // What a terminal would obey is shown, not obeyed.
  const shown = (line) => line.replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)));

  const log = document.getElementById("log");
  if (log) {
    log.hidden = false;
    const tools = document.createElement("div");
    tools.className = "tools";
    const label = document.createElement("label");
    const follow = document.createElement("input");
    follow.type = "checkbox";
    follow.checked = !location.hash;
    label.append(follow, " follow");
    const field = document.createElement("span");
    field.className = "pf-v6-c-form-control";
    const search = document.createElement("input");
    search.type = "search";
    search.placeholder = "Search the log; Enter goes on";
    search.setAttribute("aria-label", "Search the log");
    field.append(search);
    const state = document.createElement("span");
    state.setAttribute("role", "status");
    tools.append(label, field, state);
    log.before(tools);

    let number = 0;
    const add = (lines) => {
      const part = document.createDocumentFragment();
      for (const line of lines) {
        number += 1;
        const row = document.createElement("div");
        row.id = `L${number}`;
        const link = document.createElement("a");
        link.href = `#L${number}`;
        link.textContent = number;
        const text = document.createElement("span");
        text.textContent = shown(line);
        row.append(link, text);
        part.append(row);
      }
      log.append(part);
      const wanted = /^#L\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
      if (follow.checked) log.scrollTop = log.scrollHeight;
      else if (wanted && !wanted.dataset.seen) {
        wanted.dataset.seen = "yes";
        wanted.className = "here";
        wanted.scrollIntoView({ block: "center" });
      }
    };
    const events = new EventSource(log.dataset.events);
    events.addEventListener("run", (event) => {
      const { run, worker } = JSON.parse(event.data);
      const name = `${run} at ${worker}`;
      if (log.dataset.run === name) return;
      log.dataset.run = name;
      number = 0;
      for (const row of log.querySelectorAll("[id]")) row.removeAttribute("id");
      const title = document.createElement("div");
      title.className = "run";
      title.textContent = `Run ${name}`;
      log.append(title);
    });
    events.addEventListener("log", (event) => {
      const { text } = JSON.parse(event.data);
      const lines = text.split("\n");
      if (lines.at(-1) === "") lines.pop();
      add(lines);
    });
    events.addEventListener("end", (event) => {
      const { complete } = JSON.parse(event.data);
      state.textContent = complete ? "" : "The worker does not tell how the log ends.";
      events.close();
    });
    events.addEventListener("error", () => { state.textContent = "Connecting again ..."; });
    events.addEventListener("open", () => { state.textContent = ""; });
    log.addEventListener("wheel", () => { follow.checked = false; }, { passive: true });
    follow.addEventListener("change", () => { if (follow.checked) log.scrollTop = log.scrollHeight; });
    let found = 0;
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !search.value) return;
      event.preventDefault();
      follow.checked = false;
      const words = search.value.toLowerCase();
      const rows = [...log.querySelectorAll("[id]")];
      const hits = rows.filter((row) => row.lastChild.textContent.toLowerCase().includes(words));
      for (const row of log.querySelectorAll(".here")) row.classList.remove("here");
      state.textContent = hits.length ? `${(found % hits.length) + 1} of ${hits.length}` : "not found";
      if (!hits.length) return;
      const hit = hits[found % hits.length];
      found += 1;
      hit.classList.add("here");
      hit.scrollIntoView({ block: "center" });
    });
    search.addEventListener("input", () => { found = 0; });
  }

  // Packages and groups are found while somebody types, and added with one press.
  const find = document.getElementById("f-find");
  const packages = document.getElementById("f-packages");
  if (find && packages) {
    document.getElementById("find").hidden = false;
    // What is looked for is no part of the spec: its preview need not follow.
    for (const kind of ["input", "change"]) find.addEventListener(kind, (event) => event.stopPropagation());
    find.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      htmx.trigger(find, "find");
    });
    document.getElementById("found").addEventListener("click", (event) => {
      const button = event.target.closest("button[data-add]");
      if (!button) return;
      const { add } = button.dataset;
      const names = packages.value.split(/[;,\s]+/).filter(Boolean);
      if (!names.includes(add)) {
        packages.value = [...names, add].join(";");
        packages.dispatchEvent(new Event("input", { bubbles: true }));
      }
      button.textContent = "Added";
      button.setAttribute("aria-label", `Added ${add}`);
    });
  }

  // What the service says of a field while somebody types comes with the preview of the spec; the field shows it, too.
  document.getElementById("preview")?.addEventListener("htmx:afterSettle", () => {
    for (const words of document.querySelectorAll("[id^='m-']")) {
      const field = document.getElementById(`f-${words.id.slice(2)}`);
      const wrong = words.childElementCount > 0;
      if (wrong) field?.setAttribute("aria-invalid", "true");
      else field?.removeAttribute("aria-invalid");
      field?.parentElement.classList.toggle("pf-m-error", wrong);
    }
  });

  // Fields follow the type of the image: what it has no use for is not shown.
  const type = document.getElementById("f-type");
  if (type) {
    const follow = () => {
      for (const part of document.querySelectorAll("[data-types]")) {
        part.hidden = !part.dataset.types.split(" ").includes(type.value);
      }
    };
    type.addEventListener("change", follow);
    follow();
  }

  // A file that is chosen is shown, and can be changed before it is sent.
  for (const input of document.querySelectorAll("input[data-into]")) {
    input.addEventListener("change", async () => {
      const [file] = input.files;
      const area = document.getElementById(input.dataset.into);
      if (!file || !area) return;
      area.value = await file.text();
      input.value = "";
      area.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }
})();

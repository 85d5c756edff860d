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

  const OVER = "Your session has ended.";

  // So many milliseconds before the next try: more each time, and others at other times.
  const pause = (tries) => Math.min(60, 2 ** tries) * (0.5 + Math.random() / 2) * 1000;

  // Says where a stream stands, with a way out if there is one.
  const sayer = (element) => (words, out) => {
    element.textContent = words;
    if (!out) return;
    const link = document.createElement("a");
    link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Log in";
    element.append(" ", link);
  };

  // An EventSource comes again by itself when a connection breaks, but never after an answer that is no stream: what a
  // proxy says while the service begins anew, or the service to one too many.
  const stream = (address, handlers, say) => {
    let source = null;
    let tries = 0;
    let ended = false;
    // Which of them it was is told to nobody, so something small is asked.
    const refused = async () => {
      try {
        const { status } = await fetch("/api/v1/me");
        if (status === 401) return OVER;
        if (status === 403) return "You may not see this any more.";
      } catch {
        // There is no answer at all.
      }
      return null;
    };
    const open = () => {
      if (ended) return;
      source = new EventSource(address());
      for (const [name, handler] of Object.entries(handlers)) source.addEventListener(name, handler);
      source.addEventListener("open", () => {
        tries = 0;
        say("");
      });
      source.addEventListener("error", async () => {
        if (source.readyState !== EventSource.CLOSED) {
          say("Connecting again ...");
          return;
        }
        const words = await refused();
        if (ended) return;
        say(words ?? "Connecting again ...", words);
        setTimeout(open, pause(tries));
        tries += 1;
      });
    };
    open();
    return () => {
      ended = true;
      source.close();
    };
  };

  const live = document.querySelector("[data-live]");
  const shows = live ?? document.getElementById("workers");
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.setAttribute("role", "status");
  shows?.before(notice);
  const say = sayer(notice);
  // When a session has ended, what comes is the page to log in: it has no part that could be shown here.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (new URL(event.detail.xhr.responseURL, location).pathname !== "/login") return;
    event.detail.shouldSwap = false;
    say(OVER, true);
  });
  if (live && !live.dataset.ended) {
    const ask = asking(live.dataset.live === "job" ? "job-changed" : "jobs-changed");
    // After a break nobody knows what was missed.
    let broken = false;
    stream(() => "/api/v1/events", {
      job: (event) => {
        const { job } = live.dataset;
        if (!job || JSON.parse(event.data).id === job) ask();
      },
      missed: ask,
      error: () => { broken = true; },
      open: () => { if (broken) ask(); broken = false; },
    }, say);
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

    // Whoever scrolls away from the end reads there, by whatever means they do so; at the end they follow again.
    let placed = null;
    const toEnd = () => {
      log.scrollTop = log.scrollHeight;
      placed = log.scrollTop;
    };
    const show = (row) => {
      row.scrollIntoView({ block: "center" });
      placed = log.scrollTop;
    };
    log.addEventListener("scroll", () => {
      if (log.scrollTop === placed) return;
      placed = null;
      follow.checked = log.scrollHeight - log.clientHeight - log.scrollTop < 2;
    }, { passive: true });
    follow.addEventListener("change", () => { if (follow.checked) toEnd(); });

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
      if (follow.checked) toEnd();
      else if (wanted && !wanted.dataset.seen) {
        wanted.dataset.seen = "yes";
        wanted.className = "here";
        show(wanted);
      }
    };
    // How far a stage is stands with it in the history, which is another one after each change.
    let far = null;
    const showFar = () => {
      const bar = document.getElementById("far");
      if (!bar || bar.dataset.stage !== far?.stage) return;
      bar.max = far.total;
      bar.value = far.done;
      bar.hidden = false;
    };
    document.body.addEventListener("htmx:afterSettle", showFar);
    // The place behind what was read. A browser knows it as long as it comes again by itself.
    let place = null;
    const address = () => (place ? `${log.dataset.events}?after=${encodeURIComponent(place)}` : log.dataset.events);
    const close = stream(address, {
      run: (event) => {
        const { run, worker } = JSON.parse(event.data);
        const name = `${run} at ${worker}`;
        if (log.dataset.run === name) return;
        log.dataset.run = name;
        number = 0;
        far = null;
        for (const row of log.querySelectorAll("[id]")) row.removeAttribute("id");
        const title = document.createElement("div");
        title.className = "run";
        title.textContent = `Run ${name}`;
        log.append(title);
      },
      log: (event) => {
        place = event.lastEventId;
        const { text } = JSON.parse(event.data);
        const lines = text.split("\n");
        if (lines.at(-1) === "") lines.pop();
        add(lines);
      },
      progress: (event) => {
        far = JSON.parse(event.data);
        showFar();
      },
      end: (event) => {
        const { complete } = JSON.parse(event.data);
        state.textContent = complete ? "" : "The worker does not tell how the log ends.";
        close();
      },
    }, sayer(state));
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
      show(hit);
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

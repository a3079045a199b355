// The boot shim: what has to work before Python does, or when Python does not come up at all.
// Everything else is Python (app/). Nothing here knows what a message is.

const root = document.documentElement;
const panel = document.querySelector('[data-testid="boot-error"]');
const python = document.querySelector('script[type="py"]');
const core = document.querySelector('script[src$="/pyscript/core.js"]');
const PATIENCE = 8000; // ms without any progress before we say that something is slow

const KEPT = "Messages stored on this device are kept.";
const TEXTS = {
  slow: [
    "Starting takes longer than usual",
    "Driftline is still trying. The first visit downloads a few megabytes, which takes a while on a weak signal. " + KEPT,
    "You can wait, or reload the page.",
  ],
  failed: [
    "Driftline could not start",
    "Something went wrong while it was starting. " + KEPT,
    "Reload the page. If this comes back, pass the technical details on to whoever runs this site.",
  ],
  wasm: [
    "Driftline cannot run here",
    "It runs Python inside the page, which needs WebAssembly, and this browser or the site's security policy does not allow that. " + KEPT,
    "Turn off lockdown or strict security for this site, or use another browser, then reload the page.",
  ],
  storage: [
    "This browser does not let Driftline store anything on this device",
    "This happens in some private windows and where site data is blocked. Without storage nothing you write could be kept, so Driftline does not start.",
    "Open Driftline in a normal window, or allow site data for this address, then reload the page.",
  ],
};

let lastProgress = performance.now();
let lastError = ""; // the last thing PyScript wrote to stderr

// JavaScript because it shows what Python, not being there, cannot. The first cause keeps its words;
// later ones, usually its consequences, only add to the technical details. Readiness clears it all.
function show(kind, detail = "") {
  if (isReady()) return;
  const part = (name) => panel.querySelector(`[data-part="${name}"]`);
  if (!["slow", undefined].includes(root.dataset.boot)) kind = root.dataset.boot;
  if (root.dataset.boot !== kind) {
    root.dataset.boot = kind;
    ["title", "text", "advice"].forEach((name, i) => (part(name).textContent = TEXTS[kind][i]));
    panel.hidden = false;
  }
  const known = part("detail").textContent;
  if (detail && !known.includes(detail)) part("detail").textContent = known ? `${known}\n${detail}` : detail;
  part("more").hidden = !part("detail").textContent;
  if (kind !== "slow") settled();
}

// JavaScript because it describes errors of Python as well as of the browser: one line for the page, never a
// traceback (that is in the console).
function summary(error) {
  const text = String(error?.message ?? error ?? "").trim();
  return text.split("\n").at(-1).trim().slice(0, 300);
}

// JavaScript because a failure can come before there is any Python to ask.
function isReady() {
  return root.dataset.ready === "true";
}

// JavaScript because PyScript cannot start without these two, so Python could never report that they are missing.
async function checkBrowser() {
  try {
    await WebAssembly.compile(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])); // the smallest module there is
  } catch (error) {
    show("wasm", summary(error));
  }
  try {
    await new Promise((resolve, reject) => {
      const request = indexedDB.open("driftline-check");
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        request.result.close();
        indexedDB.deleteDatabase("driftline-check");
        resolve();
      };
    });
  } catch (error) {
    show("storage", summary(error));
  }
}

// JavaScript because it sees scripts that do not arrive, and exceptions outside of Python.
function onError(event) {
  const { target, error } = event;
  if (target instanceof HTMLScriptElement) show("failed", `Could not load ${target.getAttribute("src")}`);
  else if (error) show("failed", summary(error));
}

// JavaScript because an exception of the Python script only reaches PyScript's stderr, and then `py:done` is fired as
// if all were well; a broken configuration only shows as a `.py-error` element (which the style sheet hides).
function watchPyScript() {
  import(core.src).then(
    ({ hooks }) =>
      hooks.main.onReady.add(({ io }) => {
        const { stderr } = io;
        io.stderr = (...args) => {
          lastError = summary(args[0]) || lastError;
          stderr(...args);
        };
      }),
    (error) => show("failed", summary(error)),
  );
  python.addEventListener("py:done", () => show("failed", lastError || "The program ended before it was ready."));
  new MutationObserver(() => {
    const note = document.querySelector(".py-error");
    if (note) show("failed", summary(note.textContent));
  }).observe(document.body, { childList: true });
}

// JavaScript because it has to run while Python is being loaded. A hidden page makes no progress, and need not.
function watchProgress() {
  const progress = () => (lastProgress = performance.now());
  const resources = new PerformanceObserver(progress);
  resources.observe({ type: "resource", buffered: true });
  addEventListener("py:progress", progress);
  addEventListener("visibilitychange", progress);
  const timer = setInterval(() => {
    if (!document.hidden && performance.now() - lastProgress > PATIENCE) show("slow", lastError);
  }, 500);
  return () => {
    clearInterval(timer);
    resources.disconnect();
  };
}

// JavaScript because the worker must also be registered (and so renewed) where Python failed to start; and only then
// or after readiness, so that precaching never competes with boot for a weak line. Gives null where there is none.
async function register() {
  await settledOnce;
  try {
    return await navigator.serviceWorker.register("./sw.js", { scope: "./", updateViaCache: "none" });
  } catch {
    return null;
  }
}

// JavaScript because Reload must work without Python: a fixed version that waits takes over instead of the broken one.
async function reload() {
  const registration = await navigator.serviceWorker?.getRegistration().catch(() => undefined);
  registration?.waiting?.postMessage({ type: "SKIP_WAITING" });
  location.reload();
}

let settled;
const settledOnce = new Promise((resolve) => (settled = resolve));
const unwatch = watchProgress();
const onRejection = (event) => show("failed", summary(event.reason));
addEventListener("error", onError, true);
addEventListener("unhandledrejection", onRejection);
panel.querySelector('[data-part="reload"]').addEventListener("click", reload);
settledOnce.then(unwatch);
new MutationObserver((_, observer) => {
  if (!isReady()) return;
  observer.disconnect();
  panel.hidden = true;
  delete root.dataset.boot;
  removeEventListener("error", onError, true);
  removeEventListener("unhandledrejection", onRejection);
  settled();
}).observe(root, { attributeFilter: ["data-ready"] });
watchPyScript();
checkBrowser();

window.driftline = {
  // Called by app/main.py when it cannot go on; `detail` is one line for the technical details.
  bootFailed: (detail) => show("failed", summary(detail)),
  // Called by app/main.py once Python takes input; setting html[data-ready] by hand does the same.
  ready() {
    root.dataset.ready = "true";
    performance.mark("driftline:ready");
  },
  registration: register(),
};

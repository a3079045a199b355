// The boot shim: what has to work before Python does, or when Python does not come up at all. Everything else is
// Python (app/). The comment of each function says why it is not.

const root = document.documentElement;
const panel = document.querySelector('[data-testid="boot-error"]');
const part = (name) => panel.querySelector(`[data-part="${name}"]`); // not Python: see show()
const PATIENCE = 7000; // ms without any progress, after which a person is told
const RUNTIME = /\/runtime\/[^?]*\.(js|mjs|wasm|zip|whl|json)$/; // what Python cannot start without

const KEPT = "Messages stored on this device are kept.";
const WORDS = {
  slow: [
    "Starting takes longer than usual",
    `Driftline is still trying. The first visit downloads a few megabytes, which takes a while on a weak signal. ${KEPT}`,
    "You can wait, or reload the page.",
  ],
  failed: [
    "Driftline could not start",
    `Something went wrong on the way. ${KEPT}`,
    "Reload the page. If this comes back, pass the technical details on to whoever runs this site.",
  ],
  wasm: [
    "Driftline cannot run here",
    `It runs Python inside the page, and this browser or the site's security settings do not allow that (WebAssembly). ${KEPT}`,
    "Turn off lockdown or strict security for this site, or use another browser. Then reload the page.",
  ],
};

const isReady = () => root.dataset.ready === "true"; // not Python: it may not be there to ask
// Not Python: the error may be the browser's. One line for the page, never a traceback (the console has that).
function summary(error) {
  const lines = String(error?.message ?? error ?? "").trim().split("\n");
  return (lines.findLast((line) => /^[\w.]+(Error|Exception)\b/.test(line)) ?? lines.at(-1)).slice(0, 300);
}

// Not Python: it speaks for Python. The first cause keeps its words; later ones, usually its consequences, only add
// to the technical details; readiness takes it all back.
function show(kind, detail = "") {
  if (isReady()) return;
  const shown = root.dataset.boot;
  if (!shown || (shown === "slow" && kind !== "slow")) {
    root.dataset.boot = kind;
    ["title", "text", "advice"].forEach((name, i) => (part(name).textContent = WORDS[kind][i]));
    panel.hidden = false;
  }
  const known = part("detail").textContent;
  if (detail && !known.includes(detail)) part("detail").textContent = `${known}\n${detail}`.trim();
  part("more").hidden = !part("detail").textContent;
  if (kind !== "slow") settle();
}

// Not Python: the tab of the view that is painted first (early.js) is marked before Python is there to do it.
function markTab() {
  for (const tab of document.querySelectorAll(".tab")) {
    if (tab.hash === `#/${root.dataset.route}`) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
}

// Not Python: PyScript cannot start without it, so Python could never report that it is missing.
function checkBrowser() {
  const smallest = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const compile = async () => WebAssembly.compile(smallest);
  compile().catch((error) => show("wasm", summary(error)));
}

// Not Python: these are scripts that do not arrive, and exceptions outside of Python.
function onError({ target, error, reason }) {
  if (target instanceof HTMLScriptElement) show("failed", `Could not load ${target.getAttribute("src")}`);
  else if (error ?? reason) show("failed", summary(error ?? reason));
}

// Not Python: an exception that ends the Python script only reaches PyScript's stderr, and `py:done` follows as if all
// were well. A broken configuration only shows as a `.py-error` box with raw text, which never stays on the page.
function watchPyScript() {
  let last = "";
  const listen = ({ io }) => {
    const { stderr } = io;
    io.stderr = (...args) => {
      last = summary(args[0]) || last;
      stderr(...args);
    };
  };
  import(document.querySelector('script[src$="/pyscript/core.js"]').src).then(
    ({ hooks }) => hooks.main.onReady.add(listen),
    (error) => show("failed", summary(error)),
  );
  document.querySelector('script[type="py"]').addEventListener("py:done", () => show("failed", last));
  new MutationObserver(() => {
    for (const note of document.querySelectorAll("body > .py-error")) {
      show("failed", summary(note.textContent));
      note.remove();
    }
  }).observe(document.body, { childList: true });
}

// Not Python: it runs while Python is being loaded. Gives what stops it. A hidden page need not make progress, and a
// part of the runtime that the server does not have is named at once, because Pyodide may wait for it for ever.
function watchProgress() {
  let last = performance.now();
  const progress = () => (last = performance.now());
  const resources = new PerformanceObserver((list) => {
    progress();
    const missing = list.getEntries().find((it) => it.responseStatus >= 400 && RUNTIME.test(it.name));
    if (missing) show("failed", `Could not load ${missing.name} (${missing.responseStatus})`);
  });
  resources.observe({ type: "resource", buffered: true });
  addEventListener("py:progress", progress);
  document.addEventListener("visibilitychange", progress);
  const timer = setInterval(() => !document.hidden && performance.now() - last > PATIENCE && show("slow"), 500);
  return () => (clearInterval(timer), resources.disconnect());
}

// Not Python: the worker is renewed also where Python failed to start. Never before that is settled, so that
// precaching does not compete with boot for a weak line. Its scope is the folder of this page.
async function register() {
  await settled;
  return navigator.serviceWorker?.register("./sw.js", { updateViaCache: "none" }).catch(() => null) ?? null;
}

// Not Python: it must work without. A fixed version that already waits takes over from the broken one.
async function reload() {
  const registration = await navigator.serviceWorker?.getRegistration().catch(() => null);
  registration?.waiting?.postMessage({ type: "SKIP_WAITING" });
  location.reload();
}

// Not Python: it may still be loading, and what it loads from now on would be of another version than this page.
navigator.serviceWorker?.addEventListener("controllerchange", () => location.reload());
let settle; // called once Python takes input, or boot failed for good
const settled = new Promise((resolve) => (settle = resolve));
settled.then(watchProgress());
for (const type of ["error", "unhandledrejection"]) addEventListener(type, onError, true);
new MutationObserver(() => {
  panel.hidden = isReady() || panel.hidden;
  if (isReady()) settle(delete root.dataset.boot);
}).observe(root, { attributeFilter: ["data-ready"] });
part("reload").addEventListener("click", reload);
markTab();
watchPyScript();
checkBrowser();

window.driftline = {
  registration: register(),
  bootFailed: (detail) => show("failed", summary(detail)), // for app/main.py, when it cannot go on
  ready() {
    performance.mark("driftline:ready");
    root.dataset.ready = "true"; // for app/main.py, once it takes input
  },
};

// What has to be done before anything is painted, and before PyScript's own script runs: it cannot wait for Python.

// The view to paint first is the one that the address names; app/ui/router.py goes on from there.
document.documentElement.dataset.route = /^#\/(notes|outbox|settings)\b/.exec(location.hash)?.[1] ?? "messages";

// Shows a theme: "light" or "dark", anything else for the system's. Python calls it with what a person chose
// (app/browser/device.py); the copy kept here is in time for the first paint, where there is storage for one.
window.driftlineTheme = (theme) => {
  const schemes = ["light", "dark"]; // in the order of the two meta elements, which colour the browser's own bars
  const chosen = schemes.includes(theme);
  if (chosen) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  document.querySelectorAll('meta[name="theme-color"]').forEach((bar, i) => {
    bar.media = !chosen ? `(prefers-color-scheme: ${schemes[i]})` : theme === schemes[i] ? "all" : "not all";
  });
  try {
    if (chosen) localStorage.setItem("driftline-theme", theme);
    else localStorage.removeItem("driftline-theme");
  } catch {}
};
try {
  window.driftlineTheme(localStorage.getItem("driftline-theme"));
} catch {}

// PyScript opens databases of its own at its start, for features that are not used here, and does not start where the
// browser allows none. It gets empty ones, of this page only: Python then comes up, and can say what is the matter.
{
  const answer = (result) => {
    const request = {};
    queueMicrotask(() => request.onsuccess({ target: { result } }));
    return request;
  };
  const store = { getAllKeys: () => answer([]), clear: () => answer() };
  const empty = { transaction: () => ({ objectStore: () => store }), close() {} };
  const refuse = () => {
    throw new DOMException("This browser has no IndexedDB.", "NotSupportedError");
  };
  let real; // where data of this site is blocked it may be missing, or looking at it may be refused
  try {
    real = window.indexedDB;
  } catch {}
  const storage = real ?? { open: refuse };
  const { open } = storage;
  storage.open = (name, ...rest) => (name.startsWith("IDBMap/") ? answer(empty) : open.call(storage, name, ...rest));
  Object.defineProperty(window, "indexedDB", { value: storage, configurable: true });
}

// The interpreter is asked for at once, and compiled beside the page (assets/compiler.js) while PyScript's scripts
// arrive; runtime/boot.mjs takes it from here. Where this fails it asks again, and says why that fails.
window.driftlineInterpreter = new Promise((resolve, reject) => {
  const compiler = new Worker("./assets/compiler.js");
  compiler.onmessage = ({ data }) => (typeof data === "string" ? reject(data) : resolve(data));
  compiler.onerror = compiler.onmessageerror = reject;
  compiler.postMessage(new URL("./runtime/dist/pyodide/pyodide.asm.wasm", document.baseURI).href);
});
window.driftlineInterpreter.catch(() => {});

// The browser offers to install the app when it likes, also before Python listens (app/browser/device.py).
addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  window.driftlineInstall = event;
});

// The `interpreter` of pyscript.toml: Pyodide with the options that PyScript has no setting for.
// - pydantic_core, our one compiled package, is fetched while the interpreter starts and laid into
//   its file system by Pyodide's own hook. As a wheel it would be unpacked by Python: a tenth of a
//   warm start. With no `packages` in pyscript.toml, PyScript loads no graph and no installer.
// - No bytecode is written (all of ours is precompiled), pydantic looks for no plugins, and
//   zoneinfo for no time zones of a machine: each would read files that are not there.
// - An error that no script is the cause of, such as that of a request that failed, has no stack in
//   WebKit. Pyodide tells errors by that: Python would wait for such a promise for ever. So errors
//   inherit one, and with them all kinds of DOMException, which Pyodide knows only by that name.
// - Pyodide would run Python on stacks of its own, so that it can be suspended (JSPI). We never suspend it, and
//   Chromium, where it samples allocations, reads beyond the end of such a stack: the tab crashes. So there is none.
// - Emscripten has a module of a few bytes compiled for each of 260 functions of JavaScript that Python may call; they are
//   of 28 kinds, and one of each kind does.
// - pydantic_core is linked while Python imports other things, and so compiled beside the page, not by it.
// - Between the stages of the start the browser gets a turn: it can paint and take taps meanwhile.
import { loadPyodide as load, version } from "./pyodide.mjs";

export { version };

if (!("stack" in Error.prototype))
  Object.defineProperty(Error.prototype, "stack", { value: "", writable: true, configurable: true });

delete WebAssembly.Suspending;

const modules = new Map();
WebAssembly.Module = new Proxy(WebAssembly.Module, {
  construct(Module, [bytes]) {
    const kind = bytes.length < 100 && String(bytes);
    if (!kind) return new Module(bytes);
    if (!modules.has(kind)) modules.set(kind, new Module(bytes));
    return modules.get(kind);
  },
});

const fetchBytes = async (name) => {
  const response = await fetch(new URL(`pydantic_core/${name}`, import.meta.url));
  if (!response.ok) throw new Error(`${response.status} for ${response.url}`);
  return [name, new Uint8Array(await response.arrayBuffer())];
};
// A message comes in a turn of its own at once; a timer would come late after a few in a row.
const turn = () =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve(port1.close());
    port2.postMessage(null);
  });
const files = Promise.all(["__init__.pyc", "core_schema.pyc", "_pydantic_core.wasm"].map(fetchBytes));

let library;
const fsInit = async (FS, { sitePackages }) => {
  library = `${sitePackages}/pydantic_core/_pydantic_core.so`;
  FS.mkdir(`${sitePackages}/pydantic_core`);
  for (const [name, bytes] of await files)
    FS.writeFile(`${sitePackages}/pydantic_core/${name.replace(".wasm", ".so")}`, bytes, { canOwn: true });
  await turn(); // the machine code is there; CPython comes next
};
// What Pyodide's own Python imports, which is most of the time that it takes to start.
const imports =
  "enum re typing ast tokenize dis inspect json traceback logging socket ssl subprocess asyncio shutil zipfile tempfile";
const createPyodideModule = async (settings) => {
  const { default: create } = await import("./pyodide.asm.mjs");
  await turn();
  const created = await create(settings);
  await turn();
  settings.API.rawRun("import quickimport; quickimport.install()");
  const linked = settings.API.loadDynlib(library);
  for (const name of imports.split(" ")) {
    await turn();
    settings.API.rawRun(`import ${name}`);
  }
  settings.API.rawRun("import lateimport; lateimport.install('pyscript')");
  await linked;
  await turn(); // CPython is there; Pyodide comes next
  return created;
};
const env = { PYTHONDONTWRITEBYTECODE: "1", PYDANTIC_DISABLE_PLUGINS: "__all__", PYTHONTZPATH: "" };

// While `load` runs, whoever asks for the interpreter's file gets the compiled module, and may instantiate it.
const withInterpreter = async (module, load) => {
  const { fetch } = globalThis;
  const { instantiateStreaming } = WebAssembly;
  globalThis.fetch = (url, ...rest) =>
    String(url).endsWith("/pyodide.asm.wasm") ? module.catch(() => fetch(url, ...rest)) : fetch(url, ...rest);
  WebAssembly.instantiateStreaming = async (source, imports) => {
    const given = await source;
    if (!(given instanceof WebAssembly.Module)) return instantiateStreaming(given, imports);
    const instance = await WebAssembly.instantiate(given, imports);
    await turn();
    return { module: given, instance };
  };
  try {
    return await load();
  } finally {
    Object.assign(globalThis, { fetch });
    Object.assign(WebAssembly, { instantiateStreaming });
  }
};

export const loadPyodide = async (options) => {
  const start = () => load({ ...options, fsInit, createPyodideModule, env });
  const module = globalThis.driftlineInterpreter;
  const pyodide = await (module ? withInterpreter(module, start) : start());
  await turn(); // PyScript comes next
  return pyodide;
};

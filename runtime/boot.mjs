// The `interpreter` of pyscript.toml: Pyodide with the options that PyScript has no setting for.
// - pydantic_core, our one compiled package, is fetched while the interpreter starts and laid into
//   its file system by Pyodide's own hook. As a wheel it would be unpacked by Python: a tenth of a
//   warm start. With no `packages` in pyscript.toml, PyScript loads no graph and no installer.
// - No bytecode is written (all of ours is precompiled), pydantic looks for no plugins, and
//   zoneinfo for no time zones of a machine: each would read files that are not there.
import { loadPyodide as load, version } from "./pyodide.mjs";

export { version };

const fetchBytes = async (name) => {
  const response = await fetch(new URL(`pydantic_core/${name}`, import.meta.url));
  if (!response.ok) throw new Error(`${response.status} for ${response.url}`);
  return [name, new Uint8Array(await response.arrayBuffer())];
};
const files = Promise.all(["__init__.pyc", "core_schema.pyc", "_pydantic_core.wasm"].map(fetchBytes));

const fsInit = async (FS, { sitePackages }) => {
  FS.mkdir(`${sitePackages}/pydantic_core`);
  for (const [name, bytes] of await files)
    FS.writeFile(`${sitePackages}/pydantic_core/${name.replace(".wasm", ".so")}`, bytes, { canOwn: true });
};
const env = { PYTHONDONTWRITEBYTECODE: "1", PYDANTIC_DISABLE_PLUGINS: "__all__", PYTHONTZPATH: "" };

export const loadPyodide = (options) => load({ ...options, fsInit, env });

// Starts the shipped interpreter under Node: for the build, and for tests on the browser's Python.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadPyodide } from "../node_modules/pyodide/pyodide.mjs";

// Resolves to Pyodide. With `dist` (a built runtime) it has pydantic_core, and that runtime's
// trimmed standard library with our packages inside; with `stock` too, the full library of the npm
// package instead, which has what tests need (unittest, doctest, pdb) but no packages of ours.
export const startPython = ({ dist, stock = false, env, ...options } = {}) => {
  const fsInit = (FS, { sitePackages }) => {
    FS.mkdir(`${sitePackages}/pydantic_core`);
    for (const name of ["__init__.pyc", "core_schema.pyc", "_pydantic_core.wasm"]) {
      const bytes = readFileSync(join(dist, "pyodide", "pydantic_core", name));
      FS.writeFile(`${sitePackages}/pydantic_core/${name.replace(".wasm", ".so")}`, bytes);
    }
  };
  return loadPyodide({
    ...options,
    env: { PYTHONHASHSEED: "0", PYDANTIC_DISABLE_PLUGINS: "__all__", ...env },
    ...(dist && { fsInit }),
    ...(dist && !stock && { stdLibURL: join(dist, "pyodide", "python_stdlib.zip") }),
  });
};

// The `interpreter` of pyscript.toml: Pyodide with the options that PyScript has no setting for.
// - pydantic_core, our one compiled package, is fetched while the interpreter starts. Named here
//   and not under `packages` in pyscript.toml, PyScript loads no package graph and no installer.
// - No bytecode is written (all of ours is precompiled), and pydantic looks for no plugins,
//   which would read the metadata of every installed package.
import { loadPyodide as load, version } from "./pyodide.mjs";

export { version };

export const loadPyodide = (options) =>
  load({
    ...options,
    packages: ["pydantic-core"],
    env: { PYTHONDONTWRITEBYTECODE: "1", PYDANTIC_DISABLE_PLUGINS: "__all__" },
  });

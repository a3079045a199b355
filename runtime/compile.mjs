// Runs the shipped interpreter under Node to compile Python: the bytecode always fits it.
// Usage: node compile.mjs '[{"source", "target", "prefix", "optimize", "methods"}, ...]' [built runtime]
import { readFileSync } from "node:fs";
import { startPython } from "./python.mjs";

const [jobs, dist] = process.argv.slice(2);

try {
  const python = await startPython({ dist });
  const load = (name) => {
    python.runPython(readFileSync(new URL(`${name}.py`, import.meta.url), "utf8"));
    return python.globals.get(name);
  };
  const [compileTree, recordMethods] = ["compile_tree", "record_methods"].map(load);
  JSON.parse(jobs).forEach(({ source, target, prefix, optimize, methods }, index) => {
    const [from, to] = [`/source${index}`, `/target${index}`];
    python.mountNodeFS(from, source);
    python.mountNodeFS(to, target);
    compileTree(from, to, prefix, optimize);
    if (methods) recordMethods(to, methods);
  });
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

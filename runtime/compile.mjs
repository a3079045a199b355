// Runs the shipped interpreter under Node to compile Python: the bytecode always fits it.
// Usage: node compile.mjs '[{"source", "target", "prefix", "optimize"}, ...]' [built runtime]
import { readFileSync } from "node:fs";
import { startPython } from "./python.mjs";

const [jobs, dist] = process.argv.slice(2);

try {
  const python = await startPython({ dist });
  python.runPython(readFileSync(new URL("compile_tree.py", import.meta.url), "utf8"));
  const compileTree = python.globals.get("compile_tree");
  JSON.parse(jobs).forEach(({ source, target, prefix, optimize }, index) => {
    const [from, to] = [`/source${index}`, `/target${index}`];
    python.mountNodeFS(from, source);
    python.mountNodeFS(to, target);
    compileTree(from, to, prefix, optimize);
  });
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

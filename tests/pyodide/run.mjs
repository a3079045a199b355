// Runs pytest on the interpreter that the page loads, started by the page's own boot.mjs, under Node.
// Usage: node run.mjs <project> <site-packages> <fd to ask the server> <fd of its answers> [argument of pytest ...]
import { readFileSync, readSync, writeSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [project, sitePackages, questions, answers, ...options] = process.argv.slice(2);
const shipped = pathToFileURL(`${project}/runtime/dist/pyodide/`);

// A page's fetch reads what the page was served from; Node's own reads no files.
globalThis.fetch = async (url) => new Response(readFileSync(new URL(url)));

// Asks the server beside this process (server.py), and waits: one line of JSON there, one line back.
globalThis.askServer = (line) => {
  writeSync(Number(questions), `${line}\n`);
  const chunks = [];
  const chunk = Buffer.alloc(65536);
  do chunks.push(Buffer.from(chunk.subarray(0, readSync(Number(answers), chunk))));
  while (chunks.at(-1).length && chunks.at(-1).at(-1) !== 10);
  return Buffer.concat(chunks).toString();
};

const { loadPyodide } = await import(new URL("boot.mjs", shipped).href);
const python = await loadPyodide({ indexURL: new URL(shipped).pathname, enableRunUntilComplete: true });

python.mountNodeFS("/project", project);
python.mountNodeFS("/site-packages", sitePackages);
python.FS.writeFile("/stock.zip", readFileSync(`${project}/node_modules/pyodide/python_stdlib.zip`));
python.globals.set("options", python.toPy(options));

// What is shipped comes first. pytest comes after it, and so does the stock library, for what was left out of ours.
process.exitCode = await python.runPythonAsync(`
import os, sys
sys.path = ["/project", *sys.path, "/site-packages", "/stock.zip"]
os.chdir("/project")
from tests.pyodide.inside import main
main(options)
`);

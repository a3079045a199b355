// Runs Python on the shipped interpreter and prints what the last expression gives, as text.
// Usage: node shipped.mjs <built runtime> <Python> [folder to mount at /mounted]
import { startPython } from "../../runtime/python.mjs";

const [dist, code, folder] = process.argv.slice(2);

try {
  const python = await startPython({ dist });
  if (folder) python.mountNodeFS("/mounted", folder);
  process.stdout.write(String(python.runPython(code)));
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

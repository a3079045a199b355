// Compiles WebAssembly beside the page, which it is asked to by assets/early.js: machine code that comes out of the
// browser's cache holds up whoever wants it, a third of a second for the interpreter, and here nobody taps. It answers
// with the module, or with a text that says why there is none. It stays as long as the page: the browser keeps what it
// optimises in the background only while whoever compiled it is there.
onmessage = async ({ data: url }) => {
  try {
    postMessage(await WebAssembly.compileStreaming(fetch(url, { credentials: "same-origin" })));
  } catch (error) {
    postMessage(String(error));
  }
};

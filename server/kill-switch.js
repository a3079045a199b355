// The kill switch: in the place of sw.js it ends the service worker that a device has, and takes away the files that it
// kept, so that pages come from the network again. What people wrote stays where it is. It must be JavaScript because
// that is all a browser takes in the place of a worker, and the pages' Python may be what is broken.

// Not Python, see above. The pages that the worker served come anew, at the address without its fragment: a change of
// that alone would load nothing. A page that came from the network is left alone.
async function end() {
  for (const name of await caches.keys()) if (name.endsWith(registration.scope)) await caches.delete(name);
  const pages = await clients.matchAll({ type: "window" });
  await registration.unregister();
  for (const page of pages) await page.navigate(page.url.split("#")[0]).catch(() => {});
}

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(end()));

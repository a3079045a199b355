// The service worker: the app starts from this device, whatever the network does. No business logic lives here, and it
// must be JavaScript because Python is among the things it serves. Calls to the API pass by it untouched.

importScripts(
  "./runtime/dist/workbox/workbox-core.prod.js",
  "./runtime/dist/workbox/workbox-routing.prod.js",
  "./runtime/dist/workbox/workbox-strategies.prod.js",
  "./runtime/dist/workbox/workbox-precaching.prod.js",
  "./precache-manifest.js",
);

const { precaching, routing } = self.workbox;

// All or nothing: one file that is missing, or whose content is not what the build saw, and this version is not
// installed; the one before it stays. Responses are served as they were stored, so that compiled code stays cached.
precaching.precacheAndRoute(self.__precacheManifest, { cleanURLs: false });
precaching.cleanupOutdatedCaches();

// Every way into the app is the same page; the route is in the address's fragment. The licences are a text beside it.
const api = new URL("api/", self.location).pathname;
const isPage = ({ mode }, { pathname }) =>
  mode === "navigate" && !pathname.startsWith(api) && !pathname.endsWith(".txt");
const page = precaching.createHandlerBoundToURL("index.html");
routing.registerRoute(({ request, url }) => isPage(request, url), page);

// A new version waits until the person taps "Update" (app/browser/updates.py): an old page never meets new files.
self.addEventListener("message", (event) => {
  if (event.data?.type === "SKIP_WAITING") self.skipWaiting();
});

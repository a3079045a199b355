// The service worker: the app starts from this device whatever the network does, and what was written is sent though no
// page is open. It must be JavaScript because Python is among the things it serves, and takes too long to start for an
// event in the background. No business logic lives here: nothing is decided that app/core does not decide when it
// settles what came. Calls to the API that the page makes pass by it untouched.

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

// ---- The courier ------------------------------------------------------------------------------------------------
// With the leader's lock held, it sends what the page would have sent and puts the answers into `inbox`, where the next
// page settles them (app/core/inbox.py). It writes nowhere else and keeps nothing in memory that it needs after being
// killed, which may happen at every await: the ids stay the same, so that whatever is sent again has one effect.

const DATABASE = "driftline"; // also the name of the leader's lock; its stores are those of app/core/schema.py
const ACTIONS = "sync-actions"; // push what is due
const DATA = "sync-data"; // pull what is new
const MOST_ACTIONS = 100; // of a request, as in app/core/claim.py
const MOST_BYTES = 512 * 1024; // of a request's actions, but for a single one that is larger
const MOST_ROWS = 500; // of a request, as in app/protocol.py
const ROUNDS = { [ACTIONS]: 100, [DATA]: 10 }; // requests in one event
const CROWDED = 50; // records in the inbox from which on nothing is pulled besides
const ANSWER_WITHIN = 30_000; // ms, as app/sync/transport.py waits
const LEADER_WITHIN = 20_000; // ms in which a page that leads should have sent what is due
const NO_ENDPOINT = [404, 405]; // answers of a host that has no API
const TRY_LATER = [408, 425, 429]; // of those below 500

// All that follow are not Python because they run where no Python does: in the worker, with no page open.

// Answers an IndexedDB request.
const answered = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

// Waits until a transaction is on the disk.
const durable = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });

// Opens the database as Python left it; gives nothing where there is none. Made here, it would be without its stores.
async function open() {
  const request = indexedDB.open(DATABASE);
  let isNew = false;
  request.onupgradeneeded = () => ((isNew = true), request.transaction.abort());
  const db = await answered(request).catch((error) => {
    if (!isNew) throw error;
  });
  if (db) db.onversionchange = () => db.close();
  return db;
}

// Reads what a trip needs to know from what is stored: where to, as whom, from which cursor on, and what went before.
async function prepare(db) {
  const transaction = db.transaction(["metadata", "inbox"]);
  const value = async (key) => (await answered(transaction.objectStore("metadata").get(key)))?.value;
  const [courier, client, cursor, records] = await Promise.all([
    value("courier"), value("client_id"), value("cursor"), answered(transaction.objectStore("inbox").getAll()),
  ]);
  if (!courier || !client || cursor?.startsWith("{")) return null; // nothing was ever sent, or not to a server of ours
  const trip = {
    url: new URL(`${courier.api.replace(/\/+$/, "")}/sync`, registration.scope),
    local: new Set(courier.local_types), // types that the page carries out by itself
    client, cursor: cursor ?? null, records: records.length, next: (records.at(-1)?.id ?? 0) + 1,
    done: new Set(), // entries that are not to be sent (again), by seq
    held: new Set(), // items with an action that is not sent, or was not applied: those behind it wait for Python
    open: null, // the record whose answer never came
  };
  for (const record of records) learn(trip, record);
  return { ...trip, more: true };
}

// Notes what a record of the inbox means for what is sent after it.
function learn(trip, record) {
  if (record.answer === null) return (trip.open = record);
  const { results, cursor, has_more } = JSON.parse(record.answer);
  const applied = new Set(results.filter(({ verdict }) => /^(applied|duplicate)$/.test(verdict)).map(({ id }) => id));
  for (const { seq, id, item } of record.actions) {
    trip.done.add(seq);
    if (!applied.has(id)) trip.held.add(item);
  }
  Object.assign(trip, { cursor, more: has_more, open: null });
}

const itemOf = ({ collection, item_id }) => `${collection}/${item_id}`;

// Tells whether an entry holds an action at all; a damaged one is Python's to show.
function isSound({ id, action, damaged }) {
  try {
    return !damaged && JSON.parse(action).id === id;
  } catch {
    return false;
  }
}

// Chooses what Python's next claim would take (app/core/claim.py), but for what went before; in the order of seq.
async function choose(outbox, trip, now) {
  const due = outbox.index("state_next_attempt_at");
  const keys = (state, until) => answered(due.getAllKeys(IDBKeyRange.bound([state, 0], [state, until])));
  // What is in flight belongs to a page that died, since the lock is ours: Python would ask for it first.
  const [flying, pending] = await Promise.all([keys("in_flight", Number.MAX_SAFE_INTEGER), keys("pending", now)]);
  for (;;) {
    const left = (seqs) => seqs.filter((seq) => !trip.done.has(seq)).slice(0, MOST_ACTIONS);
    const found = await Promise.all([...left(flying), ...left(pending)].map((seq) => answered(outbox.get(seq))));
    for (const entry of found) if (entry.state === "in_flight") entry.next_attempt_at = 0;
    found.sort((a, b) => a.next_attempt_at - b.next_attempt_at || a.seq - b.seq).splice(MOST_ACTIONS);
    found.sort((a, b) => a.seq - b.seq);
    const chosen = [];
    let bytes = 0;
    for (const entry of found) {
      const isHandled = entry.state === "in_flight" && entry.local; // perhaps by a page that does not lead
      if (isHandled || trip.local.has(entry.type) || !isSound(entry)) trip.held.add(itemOf(entry));
      if (trip.held.has(itemOf(entry))) {
        trip.done.add(entry.seq);
        continue;
      }
      bytes += new TextEncoder().encode(entry.action).length;
      if (chosen.length && bytes > MOST_BYTES) break;
      chosen.push(entry);
    }
    if (chosen.length || !found.length) return chosen;
  }
}

// Takes the next batch: notes in the inbox what is about to be sent, and renders the request as Python would, byte for
// byte (app/sync/transport.py). What was perhaps sent before goes first, in its old record.
async function take(db, trip, tag) {
  const now = Date.now();
  const transaction = db.transaction(["outbox", "metadata", "inbox"], "readwrite", { durability: "strict" });
  const saved = durable(transaction);
  const [outbox, inbox] = ["outbox", "inbox"].map((name) => transaction.objectStore(name));
  const [oldest] = await answered(outbox.getAllKeys(null, 1));
  const last = (await answered(transaction.objectStore("metadata").get("seq")))?.value ?? 0;
  const before = trip.open;
  let entries = [];
  if (tag === ACTIONS && before) {
    const found = await Promise.all(before.actions.map(({ seq }) => answered(outbox.get(seq))));
    const waits = (it, i) => it?.id === before.actions[i].id && /^(pending|in_flight)$/.test(it.state);
    entries = found.filter(waits);
  }
  const again = entries.length > 0;
  if (tag === ACTIONS && !again) entries = await choose(outbox, trip, now);
  const actions = entries.map((it) => ({ seq: it.seq, id: it.id, item: itemOf(it) }));
  const record = { id: again ? before.id : trip.next++, at: now, asked: trip.cursor, actions, answer: null };
  if (entries.length) inbox.put(record);
  await saved;
  const settled_through = oldest === undefined ? last : oldest - 1;
  const head = { protocol: 1, client_id: trip.client, cursor: trip.cursor, settled_through, limit: MOST_ROWS };
  const body = `${JSON.stringify(head).slice(0, -1)},"actions":[${entries.map((it) => it.action).join(",")}]}`;
  return { record, body, again };
}

// Writes one record of the inbox, or takes out the one with this id.
async function write(db, verb, value) {
  const transaction = db.transaction("inbox", "readwrite", { durability: "strict" });
  const saved = durable(transaction);
  transaction.objectStore("inbox")[verb](value);
  await saved;
}

// Makes one request; gives the answer's text, or nothing where our server refused in a way that the page has to deal
// with. Throws where there was no answer of our server, or one that says "later": the browser tries again then.
async function ask(db, trip, { record, body, again }) {
  const response = await fetch(trip.url, {
    method: "POST", headers: { "Content-Type": "application/json" }, body,
    cache: "no-store", credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(ANSWER_WITHIN),
  });
  const [text, { status }] = [await response.text(), response];
  const isJson = /^\s*application\/json\s*(;|$)/i.test(response.headers.get("content-type") ?? "");
  const answer = isJson && !NO_ENDPOINT.includes(status) ? JSON.parse(text) : {};
  if (status === 200 && answer.protocol === 1 && Array.isArray(answer.results) && answer.cursor) return text;
  if (!answer.error || status < 400) throw new Error("Something answered, but it is not a Driftline server.");
  const hadNoEffect = status < 500 && status !== 408;
  if (hadNoEffect && !again && record.actions.length) await write(db, "delete", record.id);
  if (status >= 500 || TRY_LATER.includes(status)) throw new Error(`The server answered ${status}.`);
  return null;
}

// Sends batch after batch (or pulls page after page) until nothing is left, or a page wants to lead: it goes on then.
async function carry(tag) {
  const db = await open();
  if (!db) return;
  try {
    const trip = await prepare(db);
    for (let round = 0; trip && round < ROUNDS[tag]; round++) {
      if (tag === DATA && (!trip.more || trip.records > CROWDED)) return;
      const batch = await take(db, trip, tag);
      if (tag === ACTIONS && !batch.record.actions.length) return;
      const answer = await ask(db, trip, batch);
      if (answer === null) return;
      const record = { ...batch.record, answer };
      await write(db, "put", record);
      trip.records++;
      learn(trip, record);
      const { pending } = await navigator.locks.query();
      if (pending.some(({ name }) => name === DATABASE)) return;
    }
  } finally {
    db.close();
  }
}

// Counts the entries that are under way, or are to be sent by `until`.
async function count(until = Number.MAX_SAFE_INTEGER) {
  const db = await open();
  if (!db) return 0;
  try {
    const due = db.transaction("outbox").objectStore("outbox").index("state_next_attempt_at");
    const of = (state, last) => answered(due.count(IDBKeyRange.bound([state, 0], [state, last])));
    const [flying, pending] = await Promise.all([of("in_flight", Number.MAX_SAFE_INTEGER), of("pending", until)]);
    return flying + pending;
  } finally {
    db.close();
  }
}

// Wakes the pages that are open; the leader among them synchronises.
async function wakePages() {
  for (const client of await clients.matchAll({ type: "window", includeUncontrolled: true }))
    client.postMessage({ type: "wake" });
}

// Carries where no page leads. A page that does is woken; if it is closed before it has sent what is due, the lock is
// free, and if it does not manage, the browser is asked to come back.
async function deliver(tag) {
  const until = Date.now() + LEADER_WITHIN;
  for (let woken = false; ; woken = true) {
    const carried = (lock) => lock && carry(tag).then(() => true);
    if (await navigator.locks.request(DATABASE, { ifAvailable: true }, carried)) return;
    if (!woken) await wakePages();
    if (tag === DATA || !(await count(Date.now()))) return;
    if (Date.now() > until) throw new Error("The page that leads has not sent everything.");
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

// At the browser's last attempt: registers anew, which browsers only allow while a page is open, and tells the person,
// if they allowed that, how much waits; never what.
async function giveUpForNow() {
  await registration.sync.register(ACTIONS).catch(() => {});
  const number = await count();
  const pages = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const isSeen = pages.some(({ visibilityState }) => visibilityState === "visible");
  if (!number || isSeen || Notification.permission !== "granted") return;
  const title = number === 1 ? "1 change waits on this device" : `${number} changes wait on this device`;
  const options = { body: "Open Driftline to send it.", tag: "driftline-waiting", data: { route: "#/outbox" } };
  await registration.showNotification(title, options);
}

// The event of a tag: what is thrown makes the browser try again, some minutes later, up to its last chance.
async function synchronise({ tag, lastChance }) {
  try {
    await deliver(tag);
  } catch (error) {
    if (lastChance && tag === ACTIONS) await giveUpForNow();
    throw error;
  }
}

for (const type of ["sync", "periodicsync"])
  self.addEventListener(type, (event) => event.tag in ROUNDS && event.waitUntil(synchronise(event)));

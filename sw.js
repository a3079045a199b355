// The service worker: the app starts from this device whatever the network does, and what was written is sent though no
// page is open. It must be JavaScript because Python is among the things it serves, and takes too long to start for an
// event in the background: "no page", below, is short for that. No business logic lives here: nothing is decided that
// app/core does not decide when it settles what came. Calls to the API that the page makes pass by it untouched.

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

// No page yet. Every way into the app is the same one; the route is in the address's fragment. The licences are a text.
const api = new URL("api/", self.location).pathname;
const isPage = ({ request: { mode }, url: { pathname } }) =>
  mode === "navigate" && !pathname.startsWith(api) && !pathname.endsWith(".txt");
routing.registerRoute(isPage, precaching.createHandlerBoundToURL("index.html"));

const DATABASE = "driftline"; // also the name of the leader's lock; its stores are those of app/core/schema.py
const [ACTIONS, DATA] = ["sync-actions", "sync-data"]; // push what is due; pull what is new
const MOST_ACTIONS = 100; // of a request, as in app/core/claim.py
const MOST_BYTES = 512 * 1024; // of a request's actions, but for a single one that is larger
const MOST_ROWS = 200; // of a page, as in app/sync/transport.py
const ROUNDS = { [ACTIONS]: 100, [DATA]: 10 }; // requests in one event
const CROWDED = 50; // records in the inbox from which on nothing is pulled besides
const [ANSWER_WITHIN, LEADER_WITHIN] = [30_000, 20_000]; // ms that a server has, and a page that leads
const [NO_ENDPOINT, TRY_LATER] = [[404, 405], [408, 425, 429]]; // answers of a host without an API; of a busy server
const FOR_EVER = Number.MAX_SAFE_INTEGER;

// No page. Gives the open pages of the app; other apps may share its origin.
async function pages() {
  const all = await clients.matchAll({ type: "window", includeUncontrolled: true });
  return all.filter(({ url }) => url.startsWith(registration.scope));
}

// No page, but of the version before. A new one waits until the person taps "Update" in a page that is alone
// (app/browser/updates.py): files of two versions never meet in a page.
async function takeOver(page) {
  if ((await pages()).length > 1) page.postMessage({ type: "busy" });
  else await self.skipWaiting();
}

// ---- The courier ----------------------------------------------------------------------------------------------------
// With the leader's lock held, it sends what the page would have sent and puts the answers into `inbox`, where the next
// page settles them (app/core/inbox.py). It writes nowhere else and keeps nothing in memory that it needs after being
// killed, which may happen at every await: the ids stay the same, so that whatever is sent again has one effect.

// No page. Answers an IndexedDB request, or waits until a transaction is on the disk.
const answered = (it) =>
  new Promise((resolve, reject) => {
    it.onsuccess = it.oncomplete = () => resolve(it.result);
    it.onerror = it.onabort = () => reject(it.error ?? new Error("The storage failed."));
  });

// No page. Uses the database as Python left it; not where there is none: made here it would be without its stores.
async function withDatabase(use) {
  const request = indexedDB.open(DATABASE);
  let isNew = false;
  request.onupgradeneeded = () => ((isNew = true), request.transaction.abort());
  const db = await answered(request).catch((error) => {
    if (!isNew) throw error;
  });
  if (!db) return;
  db.onversionchange = () => db.close();
  return use(db).finally(() => db.close());
}

// No page. Reads what a trip needs: where to, as whom, from which cursor on, and what went before. What Python could
// not read either (app/core/metadata.py, app/core/reset.py) is left to it.
async function prepare(db) {
  const transaction = db.transaction(["metadata", "inbox"]);
  const value = async (key) => (await answered(transaction.objectStore("metadata").get(key)))?.value;
  const [courier, client, cursor, reset, records] = await Promise.all([
    value("courier"), value("client_id"), value("cursor"), value("reset"),
    answered(transaction.objectStore("inbox").getAll()),
  ]);
  const isTold = typeof courier?.api === "string" && Array.isArray(courier.local_types);
  const isKnown = /^(none|pulling|sweeping)$/.test(reset?.phase) && Number.isInteger(reset.round) && reset.round >= 0;
  if (!isTold || !isId(client) || /^\{/.test(cursor)) return null; // nothing was ever sent, or to another kind of API
  const trip = {
    url: new URL(`${courier.api.replace(/\/+$/, "")}/sync`, registration.scope),
    local: new Set(courier.local_types), // types that the page carries out by itself
    client, cursor: (isKnown && typeof cursor === "string" && cursor) || null, more: true,
    records: records.length, next: (records.at(-1)?.id ?? 0) + 1,
    done: new Set(), // entries that are not to be sent (again), by seq
    held: new Set(), // items with an action that is not sent, or was not applied: those behind it wait for Python
    open: null, // the record whose answer never came
  };
  for (const record of records) learn(trip, record);
  return Object.assign(trip, { more: true });
}

// No page. Notes what a record of the inbox means for what is sent after it.
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

const isId = (it) => typeof it === "string" && /^[\w-]{1,64}$/.test(it); // no page
const itemOf = ({ collection, item_id }) => `${collection}/${item_id}`; // no page

// No page. Tells whether an entry holds an action at all; a damaged one is Python's to show.
function isSound({ id, action, client_id, damaged }) {
  try {
    return !damaged && (!client_id || isId(client_id)) && JSON.parse(action).id === id;
  } catch {
    return false;
  }
}

// No page. Chooses what Python's next claim would take (app/core/claim.py), but for what went before; all of one
// client, in the order of seq.
async function choose(outbox, trip, now) {
  const due = outbox.index("state_next_attempt_at");
  const keys = (state, until) => answered(due.getAllKeys(IDBKeyRange.bound([state, 0], [state, until])));
  // What is in flight belongs to a page that died, since the lock is ours: Python would ask for it first.
  const [flying, pending] = await Promise.all([keys("in_flight", FOR_EVER), keys("pending", now)]);
  for (;;) {
    const left = (seqs) => seqs.filter((seq) => !trip.done.has(seq)).slice(0, MOST_ACTIONS);
    const found = await Promise.all([...left(flying), ...left(pending)].map((seq) => answered(outbox.get(seq))));
    const time = (entry) => (entry.state === "in_flight" ? 0 : entry.next_attempt_at);
    found.sort((a, b) => time(a) - time(b) || a.seq - b.seq).splice(MOST_ACTIONS);
    const [chosen, others] = [[], new Set()]; // others: items of which an action goes under another client
    let [bytes, client] = [0, null];
    for (const entry of found.sort((a, b) => a.seq - b.seq)) {
      const item = itemOf(entry);
      const isHandled = entry.state === "in_flight" && entry.local; // perhaps by a page that does not lead
      if (isHandled || trip.local.has(entry.type) || !isSound(entry)) trip.held.add(item);
      if (trip.held.has(item)) {
        trip.done.add(entry.seq);
        continue;
      }
      client ??= entry.client_id || trip.client;
      if ((entry.client_id || trip.client) !== client) others.add(item);
      if (others.has(item)) continue;
      bytes += new TextEncoder().encode(entry.action).length;
      if (chosen.length && bytes > MOST_BYTES) break;
      chosen.push(entry);
    }
    if (chosen.length || !found.length) return { entries: chosen, client: client ?? trip.client };
  }
}

// No page. Takes the next batch: notes in the inbox what is about to be sent, and renders the request as Python would,
// byte for byte (app/sync/transport.py). What was perhaps sent before goes first, in its old record.
async function take(db, trip, tag) {
  const now = Date.now();
  const transaction = db.transaction(["outbox", "metadata", "inbox"], "readwrite", { durability: "strict" });
  const saved = answered(transaction);
  const [outbox, metadata, inbox] = ["outbox", "metadata", "inbox"].map((name) => transaction.objectStore(name));
  const [oldest] = await answered(outbox.getAllKeys(null, 1));
  const last = (await answered(metadata.get("seq")))?.value;
  const before = (tag === ACTIONS && trip.open?.actions) || [];
  const found = await Promise.all(before.map(({ seq }) => answered(outbox.get(seq))));
  const waiting = found.filter((it, i) => it?.id === before[i].id && /^(pending|in_flight)$/.test(it.state));
  const again = waiting.length > 0;
  let batch = { entries: waiting, client: again ? trip.open.client : trip.client };
  if (tag === ACTIONS && !again) batch = await choose(outbox, trip, now);
  const { entries, client } = batch;
  const actions = entries.map((it) => ({ seq: it.seq, id: it.id, item: itemOf(it) }));
  const id = again ? trip.open.id : trip.next++;
  const record = { id, at: now, client, again, asked: trip.cursor, actions, answer: null };
  if (entries.length) inbox.put(record);
  await saved;
  const settled_through = oldest === undefined ? (Number.isSafeInteger(last) ? last : 0) : oldest - 1;
  const head = { protocol: 1, client_id: client, cursor: trip.cursor, settled_through, limit: MOST_ROWS };
  const body = `${JSON.stringify(head).slice(0, -1)},"actions":[${entries.map((it) => it.action).join(",")}]}`;
  return { record, body };
}

// No page. Writes one record of the inbox, or takes out the one with this id.
async function write(db, verb, value) {
  const transaction = db.transaction("inbox", "readwrite", { durability: "strict" });
  const saved = answered(transaction);
  transaction.objectStore("inbox")[verb](value);
  await saved;
}

// No page. Makes one request; gives the answer's text, or nothing where our server refused in a way that the page has
// to deal with. Throws where there was no answer of our server, or one that says "later": the browser tries again then.
async function ask(db, trip, { record, body }) {
  const response = await fetch(trip.url, {
    method: "POST", headers: { "Content-Type": "application/json" }, body,
    cache: "no-store", credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(ANSWER_WITHIN),
  });
  const [text, { status }] = [await response.text(), response];
  const isJson = /^\s*application\/json\s*(;|$)/i.test(response.headers.get("content-type") ?? "");
  const answer = isJson && !NO_ENDPOINT.includes(status) ? JSON.parse(text) : {};
  const isOurs = answer.protocol === 1 && typeof answer.cursor === "string" && Array.isArray(answer.results);
  if (status === 200 && isOurs && answer.results.every((it) => it?.id && it.verdict)) return text;
  if (!answer.error || status < 400) throw new Error("Something answered, but it is not a Driftline server.");
  const hadNoEffect = status < 500 && status !== 408;
  if (hadNoEffect && !record.again && record.actions.length) await write(db, "delete", record.id);
  if (status >= 500 || TRY_LATER.includes(status)) throw new Error(`The server answered ${status}.`);
  return null;
}

// No page. Sends batch after batch (or pulls page after page) until nothing is left, or a page wants to lead.
async function carry(tag, db) {
  const trip = await prepare(db);
  for (let round = 0; trip; round++) {
    if (tag === DATA && (!trip.more || trip.records > CROWDED || round >= ROUNDS[DATA])) break;
    if (round >= ROUNDS[ACTIONS]) throw new Error("There is more to send than one event may.");
    const batch = await take(db, trip, tag);
    if (tag === ACTIONS && !batch.record.actions.length) break;
    const answer = await ask(db, trip, batch);
    if (answer === null) break;
    const record = { ...batch.record, answer };
    await write(db, "put", record);
    trip.records++;
    learn(trip, record);
    const { pending } = await navigator.locks.query();
    if (pending.some(({ name }) => name === DATABASE)) break;
  }
}

// No page. Counts the entries that are under way, or are to be sent by `until`.
async function count(db, until = FOR_EVER) {
  const due = db.transaction("outbox").objectStore("outbox").index("state_next_attempt_at");
  const of = (state, last) => answered(due.count(IDBKeyRange.bound([state, 0], [state, last])));
  return (await of("in_flight", FOR_EVER)) + (await of("pending", until));
}

// No page. Carries where no page leads. A page that does is woken; if it is closed before it has sent what is due, the
// lock is free, and if it does not manage, or a new version waits, the browser is asked to come back.
async function deliver(tag) {
  const until = Date.now() + LEADER_WITHIN;
  for (let woken = false; ; woken = true) {
    const carried = (lock) => lock && withDatabase((db) => carry(tag, db)).then(() => true);
    if (await navigator.locks.request(DATABASE, { ifAvailable: true }, carried)) return;
    if (!woken) (await pages()).forEach((page) => page.postMessage({ type: "wake" }));
    if (tag === DATA || !(await withDatabase((db) => count(db, Date.now())))) return;
    if (Date.now() > until || registration.waiting) throw new Error("The page that leads has not sent everything.");
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

// No page. The event of a tag: what is thrown makes the browser try again, minutes later, up to its last chance. That
// registers anew, which browsers only allow while a page is open, and tells the person how much waits.
async function synchronise({ tag, lastChance }) {
  try {
    await deliver(tag);
  } catch (error) {
    if (lastChance && tag === ACTIONS) {
      await registration.sync.register(ACTIONS).catch(() => {});
      const number = await withDatabase(count);
      const title = number === 1 ? "1 change waits on this device" : `${number} changes wait on this device`;
      if (number) await notify("driftline-waiting", title, "Open Driftline to send it.", "#/outbox");
    }
    throw error;
  }
}

// ---- Notifications: they say that there is something, never what: whoever is near may read them ---------------------

// No page. Tells a person who does not look at the app, if they allowed that.
async function notify(tag, title, body, route) {
  const isSeen = (await pages()).some(({ visibilityState }) => visibilityState === "visible");
  if (isSeen || Notification.permission !== "granted") return;
  await registration.showNotification(title, { body, tag, icon: "assets/icon-192.png", data: { route } });
}

// No page. The server says that there is something new. Whatever else a push may hold is not looked at. The leader
// fetches it, or else the worker, for the next start; the app's icon gets a mark until a page counts.
async function announce() {
  await notify("driftline-new", "New data on Driftline", "Open Driftline to see it.", "#/messages");
  if (!(await pages()).length) await navigator.setAppBadge?.().catch(() => {});
  await deliver(DATA).catch(() => {});
}

// No page. Shows what a notification is about: in the page that is open, or a new one.
async function follow({ notification }) {
  notification.close();
  const [page] = await pages();
  if (!page) return clients.openWindow(new URL(notification.data.route, registration.scope));
  page.postMessage({ type: "open", route: notification.data.route });
  await page.focus();
}

const on = (type, react) => self.addEventListener(type, (event) => event.waitUntil(react(event))); // no page
for (const type of ["sync", "periodicsync"]) on(type, async (event) => event.tag in ROUNDS && synchronise(event));
on("message", async ({ data, source }) => data?.type === "SKIP_WAITING" && takeOver(source));
on("push", announce);
on("notificationclick", follow);

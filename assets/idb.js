// The few lines of IndexedDB that cannot be Python: a transaction ends as soon as control returns to the event loop,
// and Python resumes later than that. Data crosses as one JSON string per batch, never object by object.

// A key range for a query's bounds; undefined stands for "everything".
const range = ({ lower, upper }) =>
  lower !== null && upper !== null ? IDBKeyRange.bound(lower, upper)
  : lower !== null ? IDBKeyRange.lowerBound(lower)
  : upper !== null ? IDBKeyRange.upperBound(upper)
  : undefined;

// Issues one query; `land` gets its result inside the transaction. A cursor serves only where the newest come first,
// since `getAll` cannot go backwards.
function issue(transaction, query, land) {
  const store = transaction.objectStore(query.store);
  const source = query.index ? store.index(query.index) : store;
  const on = (request, pick) => (request.onsuccess = () => land(pick(request.result)));
  if (query.kind === "get") return on(source.get(query.key), (value) => value ?? null);
  if (query.kind === "count") return on(source.count(range(query)), (count) => count);
  if (!query.reverse) return on(source.getAll(range(query), query.limit ?? undefined), (values) => values);
  const values = [];
  const request = source.openCursor(range(query), "prev");
  request.onsuccess = () => {
    const cursor = request.result;
    if (cursor) values.push(cursor.value);
    if (cursor && values.length !== query.limit) cursor.continue();
    else land(values);
  };
}

// Issues all queries at once and calls `done` inside the transaction when the last one lands.
function answer(transaction, queries, done) {
  const results = new Array(queries.length);
  let missing = queries.length;
  if (!missing) return done(results);
  queries.forEach((query, i) =>
    issue(transaction, query, (result) => {
      results[i] = result;
      if (!--missing) done(results);
    }),
  );
}

// Settles with the transaction, not with a request: a quota error comes after the last request's success.
const settle = (transaction, resolve, reject, value, reason = () => null) => {
  transaction.oncomplete = () => resolve(value());
  transaction.onabort = () => reject(reason() ?? transaction.error ?? new DOMException("Aborted", "AbortError"));
};

// Opens the database and runs the upgrade steps that it has not seen yet, in one transaction (the platform's rule).
// `lost` is called when the connection ends by itself: cleared by the browser, or newer code upgrades elsewhere.
export const open = (name, steps, lost) =>
  new Promise((resolve, reject) => {
    const upgrades = JSON.parse(steps);
    const request = indexedDB.open(name, upgrades.length);
    request.onupgradeneeded = ({ oldVersion }) => {
      for (const { stores, indexes } of upgrades.slice(oldVersion)) {
        for (const { name, keyPath } of stores) request.result.createObjectStore(name, { keyPath });
        for (const { store, name, keyPath, unique, multiEntry } of indexes)
          request.transaction.objectStore(store).createIndex(name, keyPath, { unique, multiEntry });
      }
    };
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const db = request.result;
      db.onversionchange = () => (db.close(), lost());
      db.onclose = () => lost();
      resolve(db);
    };
  });

// Answers all queries from one snapshot, as a JSON string.
export const read = (db, stores, queries) =>
  new Promise((resolve, reject) => {
    const transaction = db.transaction(stores, "readonly");
    let results;
    settle(transaction, resolve, reject, () => JSON.stringify(results));
    answer(transaction, JSON.parse(queries), (found) => (results = found));
  });

// Answers the queries, lets Python decide synchronously, and writes what it decided, all in one durable transaction.
// `decide` returns the writes as JSON, or nothing to abort.
export const transact = (db, stores, queries, decide) =>
  new Promise((resolve, reject) => {
    const transaction = db.transaction(stores, "readwrite", { durability: "strict" });
    let failure = null;
    settle(transaction, resolve, reject, () => undefined, () => failure);
    answer(transaction, JSON.parse(queries), (results) => {
      try {
        const writes = decide(JSON.stringify(results));
        if (!writes) return transaction.abort();
        for (const [verb, store, value] of JSON.parse(writes)) transaction.objectStore(store)[verb](value);
      } catch (error) {
        failure = error;
        transaction.abort();
      }
    });
  });

// Deletes the database, once all connections to it were closed: each closes itself when it hears of this.
export const remove = (name) =>
  new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
  });

// Python reaches these by this name (app/browser/idb.py).
window.driftlineIdb = { open, read, transact, remove };

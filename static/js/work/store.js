// What must outlive the page: IndexedDB, or the page's memory where a browser has none.
//
// `answers` are on their way to the server, by their client key; `drafts` are not answers yet, by
// their assignment. `pairs` are held at this moment, as HTML, for a reload without a server.

const NAME = "accord";
const VERSION = 2;
const KEYS = { answers: "key", drafts: "assignment", pairs: "assignment" };

const PATIENCE = 3000; // milliseconds; a database that does not open by then is none for this page

const memory = { answers: new Map(), drafts: new Map(), pairs: new Map() };

const opened = new Promise((resolve) => {
  if (!globalThis.indexedDB) return resolve(null);
  setTimeout(() => resolve(null), PATIENCE);
  try {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      for (const [name, keyPath] of Object.entries(KEYS)) {
        if (request.result.objectStoreNames.contains(name)) continue;
        request.result.createObjectStore(name, { keyPath });
      }
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => resolve(null); // a private window, or no room left
  } catch {
    resolve(null);
  }
});

/** Do one thing in one store; null where there is no database or it failed. */
async function ask(name, mode, work) {
  const database = await opened;
  if (!database) return null;
  return new Promise((resolve) => {
    try {
      const transaction = database.transaction(name, mode);
      const request = work(transaction.objectStore(name));
      transaction.oncomplete = () => resolve(request.result ?? true);
      transaction.onabort = transaction.onerror = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
}

export async function all(name) {
  const stored = (await ask(name, "readonly", (store) => store.getAll())) ?? [];
  return [...stored, ...memory[name].values()];
}

export async function get(name, key) {
  if (memory[name].has(key)) return memory[name].get(key);
  const found = await ask(name, "readonly", (store) => store.get(key));
  return found && found !== true ? found : null;
}

export async function put(name, value) {
  const key = value[KEYS[name]];
  const stored = await ask(name, "readwrite", (store) => store.put(value));
  if (stored === null) memory[name].set(key, value);
  else memory[name].delete(key);
}

export async function remove(name, key) {
  memory[name].delete(key);
  await ask(name, "readwrite", (store) => store.delete(key));
}

export async function clear(name) {
  memory[name].clear();
  await ask(name, "readwrite", (store) => store.clear());
}

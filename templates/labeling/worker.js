{% load static %}// Lets the labeling page be loaded again while the server is away, and says so in the place of any
// other page. Served under /label/, which is all it can see. What is kept of a person is forgotten when another one, or nobody, is signed in
// (js/signing-out.js); pairs and answers are not kept here but in the page's own database.

const SCRIPTS = "accord-static-{{ version }}"; // named after the static files: a new version, a new cache
const PAGES = "accord-pages";
const STATIC = "{{ static_url }}";
const AWAY = "{% url 'labeling:away' %}"; // its query is the language it is in
const AWAY_FILES = ["{% static 'css/shared.css' %}", "{% static 'js/away.js' %}", "{% static 'favicon.svg' %}"];

const isPage = (url) => /^\/label\/\d+\/$/.test(url.pathname);
const isImage = (url) => url.pathname.startsWith("/images/");

self.addEventListener("install", (event) => {
  self.skipWaiting();
  // What a page sends as it is left would be lost on the way through here.
  const routes = { condition: { requestMethod: "POST" }, source: "network" };
  event.waitUntil(Promise.resolve(event.addRoutes?.(routes)).catch(() => {}));
});

self.addEventListener("activate", (event) => event.waitUntil(begin()));

async function begin() {
  for (const name of await caches.keys()) {
    if (name.startsWith("accord-static-") && name !== SCRIPTS) await caches.delete(name);
  }
  await self.clients.claim();
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") event.respondWith(isPage(url) ? page(event) : other(request));
  else if (url.pathname.startsWith(STATIC)) event.respondWith(file(event, SCRIPTS));
  else if (isImage(url)) event.respondWith(file(event, PAGES));
});

/** From the server, or where that does not answer, what it said last. */
async function file(event, name) {
  try {
    const response = await fetch(event.request);
    if (response.ok) event.waitUntil(keep(name, event.request.url, response.clone()));
    return response;
  } catch (error) {
    const kept = await (await caches.open(name)).match(event.request.url);
    if (kept) return kept;
    throw error;
  }
}

async function page(event) {
  const { request } = event;
  try {
    const response = await fetch(request);
    if (response.ok) event.waitUntil(keep(PAGES, request.url, response.clone()));
    return response;
  } catch (error) {
    const kept = await (await caches.open(PAGES)).match(request.url);
    if (!kept) return away(error);
    const html = (await kept.text()).replace("<html ", "<html data-kept ");
    return new Response(html, { headers: kept.headers });
  }
}

async function other(request) {
  try {
    return await fetch(request);
  } catch (error) {
    return away(error);
  }
}

async function away(error) {
  const kept = await (await caches.open(SCRIPTS)).match(AWAY, { ignoreSearch: true });
  if (!kept) throw error;
  return kept;
}

/** In the language that was read last. */
async function keepAway(address) {
  const cache = await caches.open(SCRIPTS);
  if (await cache.match(address)) return;
  const got = await fetch(address);
  if (!got.ok) return;
  await cache.delete(AWAY, { ignoreSearch: true });
  await cache.put(address, got);
  await cache.addAll(AWAY_FILES);
}

async function keep(name, address, response) {
  await (await caches.open(name)).put(address, response);
}

// The first page came before there was anybody to keep it. Asked for so, it is as it was: nothing
// is reserved for a page that nobody looks at.
self.addEventListener("message", (event) => {
  const { away: words, page: address, files } = event.data;
  event.waitUntil(keepAway(words).catch(() => {}));
  if (!address) return;
  event.waitUntil(
    Promise.allSettled([
      ...files.map(async (each) => keep(SCRIPTS, each, await fetch(each))),
      fetch(address, { redirect: "error", headers: { "X-Keep": "1" } }).then(
        (got) => got.status === 200 && keep(PAGES, address, got),
      ),
    ]),
  );
});

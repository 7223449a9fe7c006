// Registers the service worker, so that the page can be loaded again while the server is away.

const { away, worker } = document.querySelector("[data-outbox]").dataset;

/** Whether this page was kept from before, because the server does not answer. */
export const isKept = document.documentElement.dataset.kept !== undefined;

async function register() {
  const first = !navigator.serviceWorker.controller;
  await navigator.serviceWorker.register(worker);
  const { active } = await navigator.serviceWorker.ready;
  if (!first) return active.postMessage({ away });
  const files = performance
    .getEntriesByType("resource")
    .map((entry) => entry.name)
    .filter((name) => name.startsWith(`${location.origin}/static/`));
  active.postMessage({ away, page: location.href, files });
}

// A private window, or an address without TLS, has none: then a reload needs the server.
if (navigator.serviceWorker) register().catch(() => {});

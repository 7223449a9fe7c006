// How the page talks to the server in the background.

// A page stays in the language it came in, whatever was chosen in another tab since.
const LANGUAGE = { "X-Page-Language": document.documentElement.lang };
const PART = { Accept: "text/html", "HX-Request": "true" };
const PATIENCE = 20_000; // milliseconds until a request counts as lost

/** The token of this moment: signing in again in another tab changes it, the cookie has it. */
export function token() {
  const cookie = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
  return cookie?.[1] ?? document.querySelector("input[name=csrfmiddlewaretoken]")?.value ?? "";
}

/** Post some fields; null where no server answers. A redirect leads to the sign-in page. */
export async function post(address, fields, headers = { Accept: "application/json" }) {
  const sent = fields.filter(([name]) => name !== "csrfmiddlewaretoken");
  return ask(address, {
    method: "POST",
    body: new URLSearchParams([...sent, ["csrfmiddlewaretoken", token()]]),
    headers,
  });
}

/** Post a form whose answer is the part of the page that takes its place. */
export function submit(address, fields) {
  return post(address, fields, PART);
}

/** A page without what stands around its pair, which the server leaves out for this header. */
export function part(address) {
  return ask(address, { headers: PART });
}

async function ask(address, options) {
  try {
    const response = await fetch(address, {
      ...options,
      headers: { ...options.headers, ...LANGUAGE },
      credentials: "same-origin",
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE),
    });
    // 502 to 504: a proxy answers for a server that is starting again
    return response.status >= 502 && response.status <= 504 ? null : response;
  } catch {
    return null;
  }
}

export const isSignedOut = (response) => response?.type === "opaqueredirect";

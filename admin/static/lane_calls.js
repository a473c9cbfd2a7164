/* The lane's calls to the server, and what may stand between: no connection, no session. */

"use strict";

/** No answer, or one that says to come back: the same call may work later. */
class NoConnection extends Error {}
/** The session has ended; nothing works until somebody signs in. */
class SignedOut extends Error {}
/** Another moderator has signed in with this browser. */
class AnotherSignedIn extends Error {}

const LONGEST_CALL_MS = 20_000;

function asNoConnection(error) {
  throw new NoConnection(error.message);
}

class LaneCalls {
  constructor(data) {
    this.urls = data.urls;
    this.moderator = data.moderator;
    this.at = data.at; // the server's time of the last answer
  }

  /** POST as the page's moderator; resolves to {status, body} for 2xx and refusals. */
  async post(name, body) {
    let answer = await this.#send(name, body);
    if (answer.status === 400) {
      await this.renewToken(); // signing in elsewhere made the page's token invalid
      answer = await this.#send(name, body);
    }
    if (answer.body.kind === "other_moderator") throw new AnotherSignedIn();
    return answer;
  }

  /** Ask who is signed in by now, and take over the token for calls if it is still the same. */
  async renewToken() {
    const answer = await this.#fetch(this.urls.me, { headers: { Accept: "application/json" } });
    const { body: me } = await panel.read(answer).catch(asNoConnection);
    if (me.moderator !== this.moderator) throw new AnotherSignedIn();
    panel.csrfToken = me.token;
  }

  /** Let go of images while the page is being left, and tell what was looked at. */
  release(itemIds, views = []) {
    panel.release(this.urls.release, itemIds, this.at, views);
  }

  async #send(name, body) {
    const answer = await this.#fetch(this.urls[name], {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/json",
        "X-CSRFToken": panel.csrfToken,
      },
      body: JSON.stringify({ ...body, moderator: this.moderator }),
    });
    this.at = answer.headers.get("Panel-Time") ?? this.at;
    return panel.read(answer).catch(asNoConnection);
  }

  async #fetch(url, options) {
    const signal = AbortSignal.timeout(LONGEST_CALL_MS);
    const sent = fetch(url, { credentials: "same-origin", signal, ...options });
    const answer = await sent.catch(asNoConnection);
    if (answer.status === 401) throw new SignedOut();
    if (answer.status >= 500 || answer.status === 429) throw new NoConnection(answer.statusText);
    return answer;
  }
}

/** Name a request. `crypto.randomUUID` is missing on plain http, except on this machine. */
function newRequestKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/* Pictures, fetched and decoded ahead, so that the next one is painted at once. They are kept in
   memory alone, for as long as the lane may show them. */

"use strict";

class LanePictures {
  constructor() {
    this.loads = new Map(); // by URL: {promise, image}
  }

  /** Fetch a picture, unless that was done; resolves to an <img> that is decoded. It `isDrawing`
      where it only says that there is nothing to show, and `isMissing` where that is so for good. */
  get(url) {
    let load = this.loads.get(url);
    if (!load) {
      load = { promise: null, image: null };
      this.loads.set(url, load);
      load.promise = this.#load(url).then(
        (image) => (load.image = image),
        (error) => {
          this.loads.delete(url);
          throw error;
        },
      );
    }
    return load.promise;
  }

  /** The picture, if it is at hand. */
  ready(url) {
    return this.loads.get(url)?.image ?? null;
  }

  /** Take over what the page came with. */
  adopt(url, image) {
    image.isMissing = panel.statusOf(image) === 404;
    image.isDrawing = panel.statusOf(image) >= 400;
    this.loads.set(url, { promise: Promise.resolve(image), image });
  }

  /** Forget all pictures but these. */
  keepOnly(urls) {
    for (const [url, load] of this.loads) {
      if (!urls.has(url) && load.image) {
        URL.revokeObjectURL(load.image.src);
        this.loads.delete(url);
      }
    }
  }

  async #load(url) {
    let answer, blob;
    try {
      answer = await fetch(url, { credentials: "same-origin" });
      blob = await answer.blob();
    } catch (error) {
      throw new NoConnection(error.message);
    }
    if (answer.redirected) throw new SignedOut();
    if (answer.status >= 500) this.loads.delete(url); // what it says holds for now only
    // What is not there comes as a picture that says so.
    if (!blob.type.startsWith("image/")) throw new NoConnection(`${answer.status} ${url}`);
    const image = new Image();
    image.isMissing = answer.status === 404;
    image.isDrawing = !answer.ok;
    image.src = URL.createObjectURL(blob);
    await image.decode().catch(() => {}); // a damaged one is shown as browsers show those
    return image;
  }
}

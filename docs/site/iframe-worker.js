// Search runs in a Worker, and a browser gives none to a page that was opened from disk. There the worker's
// script runs in a hidden frame of the page, behind the part of Worker's interface that search uses.
if (location.protocol === "file:") {
  window.Worker = class {
    onmessage = null;
    onerror = null;
    #frame = document.createElement("iframe");
    #ready;

    constructor(url) {
      this.#frame.hidden = true;
      document.body.append(this.#frame);
      const inside = this.#frame.contentWindow;
      inside.postMessage = message => {
        const data = structuredClone(message);    // each side has its own, as a worker's messages are
        setTimeout(() => this.onmessage?.(new MessageEvent("message", { data })));
      };
      this.#ready = new Promise((resolve, reject) => {
        const script = inside.document.createElement("script");
        script.src = new URL(url, location.href);
        script.onload = resolve;
        script.onerror = reject;
        inside.document.head.append(script);
      });
      this.#ready.catch(event => this.onerror?.(event));
    }

    postMessage(message) {
      const data = structuredClone(message);
      const inside = this.#frame.contentWindow;
      this.#ready.then(() => setTimeout(() => inside.dispatchEvent(new inside.MessageEvent("message", { data }))), () => {});
    }

    terminate() {
      this.#frame.remove();
    }
  };
}

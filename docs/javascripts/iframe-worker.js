// The site's search runs in a worker, which browsers refuse to a page that was opened as a file. There it runs
// in a frame that nobody sees, behind what the site uses of a worker. The `offline` plugin takes its own from the
// network unless a script of this name is there.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      this.room = new Promise((resolve, reject) => {
        frame.addEventListener("load", () => {
          const room = frame.contentWindow
          room.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
          const script = room.document.createElement("script")
          script.addEventListener("load", () => resolve(room))
          script.addEventListener("error", () => reject(new Error(`${url} cannot be loaded`)))
          script.src = new URL(url, document.baseURI)
          room.document.body.append(script)
        }, { once: true })
      })
      document.body.append(frame)
    }

    async postMessage(data) {
      const room = await this.room
      room.dispatchEvent(new room.MessageEvent("message", { data }))
    }
  }
}

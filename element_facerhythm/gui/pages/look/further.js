// What can be done with components, areas and events beside choosing them: `act` gets these, too.

const MOST_VERTICES = 48;
const CIRCLE_VERTICES = 24;

/** Vertices of a line, thinned evenly, as an address holds them. */
export function areaOf(polygon) {
  const n = polygon.length;
  const kept = n <= MOST_VERTICES ? polygon
    : Array.from({ length: MOST_VERTICES }, (_, k) => polygon[Math.floor((k * n) / MOST_VERTICES)]);
  return `area:${kept.map(([x, y]) => `${+x.toFixed(1)},${+y.toFixed(1)}`).join(",")}`;
}

export function verticesOf(of) {
  if (!of.startsWith("area:")) return null;
  return of.slice(5).split(",").map(Number);
}

/** Scroll to a card that begins too low to be seen as it grows. */
function bringIntoView(selector) {
  const card = document.querySelector(selector);
  if (card && card.getBoundingClientRect().top > 0.5 * window.innerHeight) card.scrollIntoView({ block: "start" });
}

export function furtherActs(page, act, { stage, drawControls, drawBelow }) {
  return {
    // --- components
    compareWith(component) {
      act.set({ compare: component === page.state.component ? null : component });
    },
    compareNext() {
      const { state, model } = page;
      if (state.component === null || !model) return;
      const others = [...model.components.keys()].filter((n) => n !== state.component);
      act.compareWith([...others, null][state.compare === null ? 0 : others.indexOf(state.compare) + 1]);
    },
    toggleScale() {
      act.set({ ownScale: !page.state.ownScale });
    },
    makeClips() {
      if (page.state.component === null) return;
      page.clips.make();
      bringIntoView(".strongest");
    },
    stopClips() {
      page.clips.stop();
      drawBelow();
    },
    pauseClips() {
      const { clips } = page;
      clips.isPaused = !clips.isPaused;
      if (clips.isPaused) clips.video?.pause();
      else clips.video?.play();
      drawBelow();
    },
    showCycle() {
      if (page.state.component === null) return;
      page.cycle.show();
      bringIntoView(".cycle");
    },
    hideCycle() {
      page.cycle.hide();
      drawBelow();
    },
    toggleCycle() {
      page.cycle.isPlaying = !page.cycle.isPlaying;
      page.cycle.play();
      drawBelow();
    },
    setPhase(phase) {
      page.cycle.isPlaying = false;
      page.cycle.setPhase(phase);
      drawBelow();
    },
    magnifyCycle(magnify) {
      page.cycle.magnify = magnify;
      page.cycle.draw();
      drawBelow();
    },
    // --- areas
    toggleLasso() {
      page.isDrawing = !page.isDrawing;
      stage.setDrawing(page.isDrawing);
      drawControls();
    },
    endLasso() {
      if (!page.isDrawing) return false;
      act.toggleLasso();
      return true;
    },
    selectWithin(polygon) {
      if (page.isDrawing) act.toggleLasso();
      act.set({ of: areaOf(polygon) });
    },
    setRadius(radius) {
      page.radius = Math.max(1, radius || 1);
    },
    /** Without a mouse: the points around the one that was picked last. */
    selectNear() {
      const point = page.state.points[page.state.points.length - 1];
      if (point === undefined) return act.say("pick a point first, with p or by a click", "warn");
      const { positions } = page.geometry.arrays;
      const [x, y] = [positions[2 * point], positions[2 * point + 1]];
      return act.selectWithin(Array.from({ length: CIRCLE_VERTICES }, (_, n) => {
        const angle = (2 * Math.PI * n) / CIRCLE_VERTICES;
        return [x + page.radius * Math.cos(angle), y + page.radius * Math.sin(angle)];
      }));
    },
    // --- events
    jumpEvent(direction) {
      const times = [...(page.events?.arrays.times ?? [])];
      const { clock, sequence } = page;
      const now = sequence.number;
      const frames = times.map((time) => clock.frameAt(time));
      const target = direction > 0 ? frames.find((frame) => frame > now) : frames.findLast((frame) => frame < now);
      if (target !== undefined) sequence.step(target - now);
    },
  };
}

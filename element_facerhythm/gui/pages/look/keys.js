// The keys of the page.

export function keysOf(page, act) {
  // sliders other than that of frames keep their arrow keys
  const step = (by) => (event) => !event.target.closest?.(".layers, .below") && (page.sequence?.step(by), true);
  return [
    { keys: ["?"], shown: ["?"], says: "these keys", run: () => act.showHelp() },
    { keys: ["Space"], shown: ["Space"], says: "play, pause", run: () => act.togglePlay() },
    { keys: ["ArrowLeft"], shown: ["←", "→"], says: "a frame back, a frame on", run: step(-1) },
    { keys: ["ArrowRight"], run: step(1) },
    { keys: ["Shift+ArrowLeft"], shown: ["Shift ←", "Shift →"], says: "10 frames", run: step(-10) },
    { keys: ["Shift+ArrowRight"], run: step(10) },
    { keys: ["Ctrl+arrowleft"], shown: ["Ctrl ←", "Ctrl →"], says: "100 frames", run: step(-100) },
    { keys: ["Ctrl+arrowright"], run: step(100) },
    { keys: [","], shown: [",", "."], says: "previous, next episode with flagged points", run: () => act.jumpEpisode(-1) },
    { keys: ["."], run: () => act.jumpEpisode(1) },
    { keys: ["E"], shown: ["E", "e"], says: "previous, next event", run: () => act.jumpEvent(-1) },
    { keys: ["e"], run: () => act.jumpEvent(1) },
    { keys: ["["], shown: ["[", "]"], says: "slower, faster", run: () => act.stepSpeed(-1) },
    { keys: ["]"], run: () => act.stepSpeed(1) },
    { keys: ["0"], shown: ["0"], says: "whole face, whole recording", run: () => (act.fitFace(), act.fitTime()) },
    { keys: ["+", "="], shown: ["+", "-"], says: "shorter, longer span of time", run: () => act.zoomBy(0.5) },
    { keys: ["-"], run: () => act.zoomBy(2) },
    { keys: ["o", "O"], shown: ["O"], says: "opacity of what is drawn over the face", run: () => act.stepOpacity() },
    { keys: ["p"], shown: ["p", "P"], says: "next, previous point", run: () => act.pickNext(1) },
    { keys: ["P"], run: () => act.pickNext(-1) },
    { keys: ["l"], shown: ["l"], says: "draw a line around points; once more, or Esc, ends that", run: () => act.toggleLasso() },
    { keys: ["Escape"], run: () => act.endLasso() },
    { keys: ["n"], shown: ["n"], says: "all points near the picked one", run: () => act.selectNear() },
    { keys: [..."123456789"], shown: ["1", "…", "9"], says: "component 0 … 8; once more for none",
      run: (event) => +event.key <= (page.model?.components.length ?? 0) && act.chooseComponent(+event.key - 1) },
    { keys: ["x"], shown: ["x"], says: "compare with the next component, at last with none", run: () => act.compareNext() },
    { keys: ["s"], shown: ["s"], says: "one scale for all components, or each its own", run: () => act.toggleScale() },
    { keys: ["v"], shown: ["v"], says: "clips of the strongest episodes", run: () => act.makeClips() },
    { keys: ["c"], shown: ["c"], says: "mean cycle of the component", run: () => act.showCycle() },
  ];
}

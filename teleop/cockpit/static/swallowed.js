// What can swallow the end of something held, so that no key-up or pointer-up comes: everything is let go then.

const ENDS = {
  window: ["blur", "pagehide", "beforeprint", "compositionstart", "dragenter"],
  document: ["visibilitychange", "freeze", "fullscreenchange", "pointerlockchange"],
};

// `letGo` is called whenever one of them happens. Menus and drags are not opened at all: while one is open, neither Space
// nor the first click on STOP would reach the page.
export function whenSwallowed(letGo) {
  const capture = { capture: true };
  for (const name of ENDS.window) addEventListener(name, () => letGo(), capture);
  for (const name of ENDS.document) document.addEventListener(name, () => letGo(), capture);
  addEventListener("contextmenu", (event) => refuse(event, letGo), capture);
  addEventListener("dragstart", (event) => refuse(event, letGo), capture);
  // The middle button scrolls or pastes in some browsers, the fourth leaves the page.
  addEventListener("mousedown", (event) => event.button && refuse(event, letGo), capture);
}

// Note: a thumb that rests on a touch stick asks for a menu as well, and must not lose the stick by it.
function refuse(event, letGo) {
  event.preventDefault();
  letGo({ touch: !event.target.closest?.(".stick") });
}

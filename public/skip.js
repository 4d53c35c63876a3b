// The switch for authors, which views.js loads where the address ends in `#tally-skip`: toggles whether
// the visits of this browser count, says so, and takes the fragment off the address.
//
// Stores under `tally-skip` in the site's local storage: 1, not to be counted; 0, to be counted.

const KEY = "tally-skip";

toggle();
addEventListener("hashchange", toggle);

function toggle() {
  if (location.hash !== `#${KEY}`) return;
  history.replaceState(history.state, "", location.href.split("#")[0]);
  alert(`Tally: ${toggled()}`);
}

/** Toggles it; what the author is told. */
function toggled() {
  try {
    const skips = localStorage[KEY] !== "1";
    localStorage[KEY] = skips ? 1 : 0;
    return skips
      ? "your visits to this site are not counted in this browser. Open this address again to change that."
      : "your visits to this site are counted again in this browser.";
  } catch {
    return "this browser stores nothing for this site, so your visits are counted.";
  }
}

/**
 * Fetches lists of the most viewed posts afresh that a page cache has kept too long. `data-tally-until` is
 * until when a list is fresh, `data-tally-list` is where a newer one is. A list that cannot be had stays.
 */
( function () {
	async function refresh( list ) {
		const answer = await fetch( list.dataset.tallyList );
		const { html } = answer.ok ? await answer.json() : {};
		if ( html ) {
			list.innerHTML = html;
			list.hidden = false;
		}
	}

	/** One after the other, as they may be of one list of the Worker's. */
	let queue = Promise.resolve();

	function look() {
		for ( const list of document.querySelectorAll( '[data-tally-list]' ) ) {
			if ( list.dataset.tallyUntil * 1000 <= Date.now() ) {
				list.dataset.tallyUntil = Infinity;
				queue = queue.then( () => refresh( list ) ).catch( () => {} );
			}
		}
	}

	look();
	document.addEventListener( 'DOMContentLoaded', look );
} )();

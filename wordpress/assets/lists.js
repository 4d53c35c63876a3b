/**
 * Fetches lists of the most viewed posts afresh that a page cache has kept too long. `data-tally-until` is
 * until when a list is fresh, `data-tally-list` has its options as a query. A list that cannot be had stays.
 *
 * Authors may write these attributes into their posts, so where the HTML comes from is in none: the plugin
 * puts the address of the REST API into `tallyViewsLists` before this script.
 */
( function () {
	const OPTIONS = [ 'limit', 'period', 'views', 'thumbnail', 'author', 'type', 'category' ];

	/** One option at a time: with plain permalinks, `rest_route` in the query says what answers. */
	function address( list ) {
		const url = new URL( window.tallyViewsLists );
		const given = new URLSearchParams( list.dataset.tallyList );
		for ( const name of OPTIONS ) {
			if ( given.has( name ) ) {
				url.searchParams.set( name, given.get( name ) );
			}
		}
		return url;
	}

	async function refresh( list ) {
		const answer = await fetch( address( list ) );
		const { html } = answer.ok ? await answer.json() : {};
		if ( html ) {
			list.innerHTML = html;
			list.hidden = false;
		}
	}

	/** One after the other, as they may be of one list of the Worker's. */
	let queue = Promise.resolve();

	function look() {
		// Where a policy forbids inline scripts, this may be an element with that ID.
		if ( typeof window.tallyViewsLists !== 'string' ) {
			return;
		}
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

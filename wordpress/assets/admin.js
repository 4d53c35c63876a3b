/**
 * The plugin's screens: asks how the Worker is, once the page has been loaded, and runs imports.
 */
( function ( wp ) {
	const { __, sprintf } = wp.i18n;

	async function refreshStatus( element ) {
		const { ok, text } = await wp.apiFetch( { path: '/tally-views/v1/status' } );
		element.textContent = text;
		element.classList.toggle( 'tally-views-failing', ! ok );
		element.dataset.tallyStatus = 'asked';
	}

	for ( const element of document.querySelectorAll( '[data-tally-status]' ) ) {
		refreshStatus( element ).catch( () => {} );
	}

	/** The lines of a file of CSV: a line break in quotes is not the end of one. */
	const linesOf = ( text ) => text.match( /(?:"(?:[^"]|"")*"|[^"\r\n])+/g ) ?? [];

	/** What is sent, step by step. */
	async function* steps( form, token ) {
		const [ file ] = form.csv.files;
		if ( file ) {
			const lines = linesOf( await file.text() );
			for ( let from = 0; from < lines.length; from += 500 ) {
				yield { token, lines: lines.slice( from, from + 500 ), share: ( from + 500 ) / lines.length };
			}
			return;
		}
		const field = form.field.value.trim();
		for (;;) {
			yield { token, source: field ? `field:${ field }` : form.source?.value ?? '' };
		}
	}

	function notice( kind, text ) {
		const element = document.createElement( 'div' );
		element.className = `notice notice-${ kind } inline`;
		element.append( Object.assign( document.createElement( 'p' ), { textContent: text } ) );
		return element;
	}

	const number = ( value ) => value.toLocaleString( document.documentElement.lang || undefined );

	function told( { posts, leftOut, examples } ) {
		/* translators: 1: number of posts, 2: number of values. */
		const text = sprintf( __( 'Posts imported: %1$s. Values skipped: %2$s.', 'tally-views' ), number( posts ), number( leftOut ) );
		return examples.length ? `${ text } ${ examples.join( '; ' ) }` : text;
	}

	async function runImport( form ) {
		const token = form.querySelector( '#tally_views_token' ).value;
		const outcome = form.querySelector( '[data-tally-outcome]' );
		const progress = form.querySelector( 'progress' );
		const total = Number( form.querySelector( '[name=source]:checked' )?.dataset.posts ?? 0 );
		const sum = { posts: 0, leftOut: 0, examples: [] };
		let before = 0;
		outcome.replaceChildren();
		progress.hidden = false;
		try {
			for await ( const { share, ...data } of steps( form, token ) ) {
				const step = await wp.apiFetch( { path: '/tally-views/v1/import', method: 'POST', data } );
				before ||= step.from ?? 0;
				sum.posts += step.posts;
				sum.leftOut += step.left_out;
				sum.examples = [ ...sum.examples, ...step.examples ].slice( 0, 5 );
				progress.value = share ?? ( total ? ( before + sum.posts ) / total : 0 );
				if ( step.done && ! data.lines ) {
					break;
				}
			}
			outcome.append( notice( 'success', told( sum ) ) );
		} catch ( error ) {
			outcome.append( notice( 'error', error.message ) );
			if ( sum.posts ) {
				outcome.append( notice( 'warning', `${ told( sum ) } ${ __( 'Import again to continue. Nothing is counted twice.', 'tally-views' ) }` ) );
			}
		}
		progress.hidden = true;
	}

	const form = document.querySelector( '[data-tally-import]' );
	form?.addEventListener( 'submit', async ( event ) => {
		event.preventDefault();
		form.querySelector( 'button' ).disabled = true;
		await runImport( form );
		form.querySelector( '#tally_views_token' ).value = '';
		form.querySelector( 'button' ).disabled = false;
	} );
} )( window.wp );

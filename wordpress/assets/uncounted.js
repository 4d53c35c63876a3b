// Stands before the Worker's script in assets/views.js: the browser of one who is not counted shows numbers only.
const tag = Reflect.get( Document.prototype, 'currentScript', document );
if ( tag && /(^|; )tally_views_uncounted=1/.test( document.cookie ) ) {
	tag.dataset.skip = 1;
}

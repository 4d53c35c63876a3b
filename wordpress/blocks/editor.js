/**
 * The blocks in the editor: each shows what the server renders, with its settings in the sidebar. The
 * block of the most viewed posts is made of the widget too, and "Query Loop" has a variation that is ordered
 * by views.
 */
( function ( wp ) {
	const { createElement: el, Fragment } = wp.element;
	const { InspectorControls, useBlockProps } = wp.blockEditor;
	const { Disabled, PanelBody, RangeControl, SelectControl, TextControl, ToggleControl } = wp.components;
	const ServerSideRender = wp.serverSideRender;
	const { __ } = wp.i18n;

	/**
	 * Registers a block; its name, texts and attributes are those of its `block.json`.
	 *
	 * @param {string}   name     The block's name.
	 * @param {Function} controls Makes the controls of the sidebar of the block's attributes.
	 * @param {Object}   more     What else the block has.
	 */
	function register( name, controls, more ) {
		wp.blocks.registerBlockType( name, {
			...more,
			edit( { attributes, setAttributes, context } ) {
				const query = context.postId ? { post_id: context.postId } : {};
				const rendered = el( ServerSideRender, { block: name, attributes, urlQueryArgs: query } );
				return el(
					Fragment,
					null,
					el( InspectorControls, null, el( PanelBody, { title: __( 'Settings', 'tally-views' ) }, ...controls( attributes, setAttributes ) ) ),
					el( 'div', useBlockProps(), el( Disabled, null, rendered ) )
				);
			},
			save: () => null,
		} );
	}

	/** What the controls share, so that they look the same in every version of WordPress. */
	const looks = { __nextHasNoMarginBottom: true, __next40pxDefaultSize: true };
	const toggle = ( label, checked, onChange ) => el( ToggleControl, { __nextHasNoMarginBottom: true, label, checked, onChange } );

	register( 'tally-views/views', ( { post, label }, set ) => [
		toggle( __( 'Show the label “Views:”', 'tally-views' ), label, ( value ) => set( { label: value } ) ),
		el( TextControl, {
			...looks,
			label: __( 'ID of the post', 'tally-views' ),
			help: __( 'Leave empty for the current post.', 'tally-views' ),
			value: post,
			onChange: ( value ) => set( { post: value.replace( /\D/g, '' ) } ),
		} ),
	] );

	/** The widget that the block stands for, as WordPress keeps it. */
	const fromWidget = {
		type: 'block',
		blocks: [ 'core/legacy-widget' ],
		isMatch: ( { idBase, instance } ) => idBase === 'tally_top' && !! instance?.raw,
		transform: ( { instance: { raw } } ) => {
			const list = wp.blocks.createBlock( 'tally-views/top', raw );
			return raw.title ? [ wp.blocks.createBlock( 'core/heading', { content: raw.title } ), list ] : list;
		},
	};

	register(
		'tally-views/top',
		( { limit, period, views, thumbnail, author, type, category }, set ) => [
			el( RangeControl, {
				...looks,
				label: __( 'Number of posts', 'tally-views' ),
				value: limit,
				min: 1,
				max: 50,
				onChange: ( value ) => set( { limit: value } ),
			} ),
			el( SelectControl, {
				...looks,
				label: __( 'Period', 'tally-views' ),
				value: period,
				options: [
					{ value: 'all', label: __( 'All time', 'tally-views' ) },
					{ value: 'day', label: __( 'Last 24 hours', 'tally-views' ) },
					{ value: 'week', label: __( 'Last 7 days', 'tally-views' ) },
					{ value: 'month', label: __( 'Last 30 days', 'tally-views' ) },
				],
				onChange: ( value ) => set( { period: value } ),
			} ),
			toggle( __( 'Show the views', 'tally-views' ), views, ( value ) => set( { views: value } ) ),
			toggle( __( 'Show the featured images', 'tally-views' ), thumbnail, ( value ) => set( { thumbnail: value } ) ),
			toggle( __( 'Show the authors', 'tally-views' ), author, ( value ) => set( { author: value } ) ),
			el( TextControl, {
				...looks,
				label: __( 'Post type', 'tally-views' ),
				help: __( 'A post type’s name, such as page. Leave empty for all that are counted, except pages.', 'tally-views' ),
				value: type,
				onChange: ( value ) => set( { type: value } ),
			} ),
			el( TextControl, {
				...looks,
				label: __( 'Category', 'tally-views' ),
				help: __( 'A category’s slug. Leave empty for all.', 'tally-views' ),
				value: category,
				onChange: ( value ) => set( { category: value } ),
			} ),
		],
		{ transforms: { from: [ fromWidget ] } }
	);

	wp.blocks.registerBlockVariation( 'core/query', {
		name: 'tally-views/most-viewed',
		title: __( 'Most viewed posts (Query Loop)', 'tally-views' ),
		description: __( 'A query loop sorted by views.', 'tally-views' ),
		icon: 'chart-bar',
		attributes: {
			namespace: 'tally-views/most-viewed',
			query: { perPage: 5, pages: 0, offset: 0, postType: 'post', order: 'desc', orderBy: 'tally_views', author: '', search: '', exclude: [], sticky: '', inherit: false },
		},
		innerBlocks: [ [ 'core/post-template', {}, [ [ 'core/post-title', { isLink: true } ], [ 'tally-views/views' ] ] ] ],
		isActive: ( { query } ) => query?.orderBy === 'tally_views',
		scope: [ 'inserter' ],
	} );
} )( window.wp );

/**
 * The blocks in the editor: each shows what the server renders, with its settings in the sidebar.
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
	 */
	function register( name, controls ) {
		wp.blocks.registerBlockType( name, {
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
		toggle( __( 'Say that these are views', 'tally-views' ), label, ( value ) => set( { label: value } ) ),
		el( TextControl, {
			...looks,
			label: __( 'ID of the post', 'tally-views' ),
			help: __( 'Empty: the post in which the block stands.', 'tally-views' ),
			value: post,
			onChange: ( value ) => set( { post: value.replace( /\D/g, '' ) } ),
		} ),
	] );

	register( 'tally-views/top', ( { limit, period, views }, set ) => [
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
				{ value: 'all', label: __( 'Since the beginning', 'tally-views' ) },
				{ value: 'day', label: __( 'The last 24 hours', 'tally-views' ) },
				{ value: 'week', label: __( 'The last 7 days', 'tally-views' ) },
				{ value: 'month', label: __( 'The last 30 days', 'tally-views' ) },
			],
			onChange: ( value ) => set( { period: value } ),
		} ),
		toggle( __( 'Show the views', 'tally-views' ), views, ( value ) => set( { views: value } ) ),
	] );
} )( window.wp );

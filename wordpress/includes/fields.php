<?php
/**
 * The fields of Settings → Tally.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

/**
 * The fields in their order; each is printed by `print_NAME_field`.
 *
 * @return string[] What they are called, by name.
 */
function fields() {
	return array(
		'url'       => __( 'Address of the Worker', 'tally-views' ),
		'status'    => __( 'Connection', 'tally-views' ),
		'types'     => __( 'Post types to count', 'tally-views' ),
		'uncounted' => __( 'Roles to exclude', 'tally-views' ),
		'addresses' => __( 'IP addresses to exclude', 'tally-views' ),
		'place'     => __( 'Show views in posts', 'tally-views' ),
		'mirror'    => __( 'Custom field for themes', 'tally-views' ),
		'legacy'    => __( 'Shortcodes of other plugins', 'tally-views' ),
		'prefix'    => __( 'Prefix', 'tally-views' ),
	);
}

/**
 * The types of posts that can be counted.
 *
 * @return string[] Their labels by name.
 */
function countable_types() {
	$types = get_post_types( array( 'public' => true ), 'objects' );
	unset( $types['attachment'] );
	return wp_list_pluck( $types, 'label' );
}

/**
 * Prints the field of the Worker's address.
 */
function print_url_field() {
	printf(
		'<input type="text" inputmode="url" class="regular-text code" id="tally_views_url" name="%s[url]" value="%s" placeholder="https://tally.you.workers.dev" autocapitalize="none" spellcheck="false">',
		esc_attr( SETTINGS ),
		esc_attr( settings()['url'] )
	);
	if ( '' !== network_worker() ) {
		/* translators: %s: the address of a Worker. */
		print_description( sprintf( __( 'Leave empty to use the network’s Worker, %s.', 'tally-views' ), network_worker() ) );
	}
}

/**
 * Prints how the Worker is, as far as that is known: `assets/admin.js` asks again.
 */
function print_status_field() {
	$class = health()['since'] ? ' tally-views-failing' : '';
	printf( '<span class="tally-views-status%s" role="status" data-tally-status>%s</span>', esc_attr( $class ), esc_html( status_text() ) );
	if ( '' !== worker() ) {
		printf( ' <a href="%s">%s</a>', esc_url( worker() . '/dashboard' ), esc_html__( 'Open the dashboard', 'tally-views' ) );
	}
	echo '<style>.tally-views-failing { color: #b32d2e; }</style>';
}

/**
 * Prints a box for each type of posts.
 */
function print_types_field() {
	print_boxes( 'types', countable_types(), settings()['types'], __( 'Post types to count', 'tally-views' ) );
}

/**
 * Prints a box for each role.
 */
function print_uncounted_field() {
	$names = array_map( 'translate_user_role', wp_roles()->get_names() );
	print_boxes( 'uncounted', $names, settings()['uncounted'], __( 'Roles to exclude', 'tally-views' ) );
	print_description( __( 'Views of logged-in users with one of these roles are not counted.', 'tally-views' ) );
}

/**
 * Prints a group of boxes.
 *
 * @param string   $name   The setting.
 * @param string[] $labels What can be chosen: labels by value.
 * @param string[] $chosen The values that are.
 * @param string   $legend What the group is.
 */
function print_boxes( $name, $labels, $chosen, $legend ) {
	printf( '<fieldset><legend class="screen-reader-text">%s</legend>', esc_html( $legend ) );
	foreach ( $labels as $value => $label ) {
		printf(
			'<label><input type="checkbox" name="%s[%s][]" value="%s"%s> %s</label><br>',
			esc_attr( SETTINGS ),
			esc_attr( $name ),
			esc_attr( $value ),
			checked( in_array( (string) $value, $chosen, true ), true, false ),
			esc_html( $label )
		);
	}
	echo '</fieldset>';
}

/**
 * Prints the field of the addresses that are not counted.
 */
function print_addresses_field() {
	printf(
		'<textarea class="code" rows="3" cols="40" id="tally_views_addresses" name="%s[addresses]" spellcheck="false" aria-describedby="tally_views_addresses_help">%s</textarea>',
		esc_attr( SETTINGS ),
		esc_textarea( implode( "\n", settings()['addresses'] ) )
	);
	print_description( __( 'One per line, such as 192.0.2.7 or 192.0.2.0/24. A browser is recognized after WordPress has answered it once; a page from a cache alone is not enough.', 'tally-views' ), 'addresses' );
	// Their pages are the same for everybody, and a picture counts, which knows no cookie.
	if ( function_exists( 'amp_is_request' ) ) {
		print_description( __( 'On AMP pages, views from these addresses are counted all the same.', 'tally-views' ) );
	}
}

/**
 * Prints the choice of the place of the views in posts.
 */
function print_place_field() {
	$places = array(
		''       => __( 'Only where I place them', 'tally-views' ),
		'before' => __( 'Before the content', 'tally-views' ),
		'after'  => __( 'After the content', 'tally-views' ),
	);
	printf( '<select id="tally_views_place" name="%s[place]">', esc_attr( SETTINGS ) );
	foreach ( $places as $place => $label ) {
		printf( '<option value="%s"%s>%s</option>', esc_attr( $place ), selected( settings()['place'], $place, false ), esc_html( $label ) );
	}
	echo '</select>';
}

/**
 * Prints the field of the custom field that gets the views too.
 */
function print_mirror_field() {
	print_text_field( 'mirror', 'views' );
	print_description( __( 'For themes that read views from a custom field, such as views. Tally raises the field to its own count and never lowers it. Import existing values first.', 'tally-views' ), 'mirror' );
}

/**
 * Prints the box of the shortcodes of other plugins.
 */
function print_legacy_field() {
	printf(
		'<label><input type="checkbox" name="%s[legacy]" value="1"%s> %s</label>',
		esc_attr( SETTINGS ),
		checked( settings()['legacy'], true, false ),
		esc_html__( 'Keep [views], [post-views], [wpp] and [koko_analytics_most_viewed_posts] working after their plugins are removed', 'tally-views' )
	);
}

/**
 * Prints the field of the prefix.
 */
function print_prefix_field() {
	print_text_field( 'prefix', '' === site_prefix() ? 'blog/' : site_prefix() );
	print_description( __( 'If several sites share a Worker, give each its own prefix. To get complete lists for a day, week or month, add the prefix to the Worker’s LISTS setting. Counts start at zero when you change the prefix.', 'tally-views' ), 'prefix' );
}

/**
 * Prints a field of text.
 *
 * @param string $name    The setting.
 * @param string $example What may be in it.
 */
function print_text_field( $name, $example ) {
	printf(
		'<input type="text" class="code" id="tally_views_%1$s" name="%2$s[%1$s]" value="%3$s" placeholder="%4$s" autocapitalize="none" spellcheck="false" aria-describedby="tally_views_%1$s_help">',
		esc_attr( $name ),
		esc_attr( SETTINGS ),
		esc_attr( settings()[ $name ] ),
		esc_attr( $example )
	);
}

/**
 * Prints what a field is about.
 *
 * @param string $text Plain text.
 * @param string $name The setting whose field it describes.
 */
function print_description( $text, $name = '' ) {
	$id = '' === $name ? '' : sprintf( ' id="tally_views_%s_help"', esc_attr( $name ) );
	printf( '<p class="description"%s>%s</p>', $id, esc_html( $text ) ); // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- escaped above.
}

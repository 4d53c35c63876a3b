<?php
/**
 * Plugins that delay, combine or rewrite scripts leave this plugin's alone, by the attributes of its tag
 * (script.php) and by their own filters.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

foreach ( array(
	// WP Rocket.
	'rocket_exclude_js',
	'rocket_exclude_defer_js',
	'rocket_delay_js_exclusions',
	// LiteSpeed Cache.
	'litespeed_optimize_js_excludes',
	'litespeed_optm_js_defer_exc',
	'litespeed_optm_gm_js_exc',
	// WP-Optimize and Perfmatters.
	'wp-optimize-minify-default-exclusions',
	'perfmatters_delay_js_exclusions',
) as $tally_views_filter ) {
	add_filter( $tally_views_filter, __NAMESPACE__ . '\exclude_path' );
}
// SiteGround Speed Optimizer.
foreach ( array( 'sgo_js_minify_exclude', 'sgo_javascript_combine_exclude', 'sgo_js_async_exclude' ) as $tally_views_filter ) {
	add_filter( $tally_views_filter, __NAMESPACE__ . '\exclude_handle' );
}
unset( $tally_views_filter );
add_filter( 'autoptimize_filter_js_exclude', __NAMESPACE__ . '\exclude_text' );

/**
 * Adds the script to a list of paths.
 *
 * @param mixed $excluded The paths.
 * @return array
 */
function exclude_path( $excluded ) {
	return array_merge( (array) $excluded, array( 'tally-views/assets/views' ) );
}

/**
 * Adds the script to a list of handles.
 *
 * @param mixed $excluded The handles.
 * @return array
 */
function exclude_handle( $excluded ) {
	return array_merge( (array) $excluded, array( SCRIPT ) );
}

/**
 * Adds the script to Autoptimize's list: text, in newer versions an array by path.
 *
 * @param mixed $excluded The list.
 * @return string|array
 */
function exclude_text( $excluded ) {
	if ( is_array( $excluded ) ) {
		return array( 'tally-views/assets/views' => '' ) + $excluded;
	}
	return trim( $excluded . ', tally-views/assets/views', ', ' );
}

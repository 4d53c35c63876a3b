<?php
/**
 * The shortcodes of other plugins, for posts that hold them: they show Tally's numbers where the owner wants
 * that and the plugin is gone.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

// After the plugins that may still be there.
add_action( 'init', __NAMESPACE__ . '\add_legacy_shortcodes', 99 );

/**
 * Takes over those that nobody else has.
 */
function add_legacy_shortcodes() {
	if ( ! settings()['legacy'] ) {
		return;
	}
	$shortcodes = array(
		'views'                            => 'legacy_views',
		'post-views'                       => 'legacy_views',
		'wpp'                              => 'legacy_top',
		'koko_analytics_most_viewed_posts' => 'legacy_top',
	);
	foreach ( $shortcodes as $name => $work ) {
		if ( ! shortcode_exists( $name ) ) {
			add_shortcode( $name, __NAMESPACE__ . '\\' . $work );
		}
	}
}

/**
 * The views of a post: WP-PostViews' `[views id="1"]`, Post Views Counter's `[post-views id="1"]`.
 *
 * @param array|string $given The attributes.
 * @return string HTML.
 */
function legacy_views( $given ) {
	$id = isset( $given['id'] ) ? (string) $given['id'] : '';
	return views_html( '0' === $id ? '' : $id, true );
}

/**
 * The most viewed posts: WordPress Popular Posts' `[wpp]`, and Koko Analytics' list.
 *
 * @param array|string $given The attributes.
 * @return string HTML.
 */
function legacy_top( $given ) {
	$given   = is_array( $given ) ? $given : array();
	$periods = array(
		'last24hours' => 'day',
		'daily'       => 'day',
		'last7days'   => 'week',
		'weekly'      => 'week',
		'last30days'  => 'month',
		'monthly'     => 'month',
		'all'         => 'all',
	);
	$range   = isset( $given['range'] ) ? $given['range'] : '';
	$days    = isset( $given['days'] ) ? (int) $given['days'] : 1;
	$default = $days > 7 ? 'month' : ( $days > 1 ? 'week' : 'day' );
	return top_html(
		array(
			'limit'     => isset( $given['limit'] ) ? $given['limit'] : ( isset( $given['number'] ) ? $given['number'] : 10 ),
			'period'    => isset( $periods[ $range ] ) ? $periods[ $range ] : $default,
			'views'     => ! isset( $given['stats_views'] ) || is_yes( $given['stats_views'] ),
			'thumbnail' => isset( $given['thumbnail_width'] ),
			'author'    => isset( $given['stats_author'] ) && is_yes( $given['stats_author'] ),
		)
	);
}

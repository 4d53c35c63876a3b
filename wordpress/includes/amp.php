<?php
/**
 * AMP pages, which may run no script of ours: the AMP plugin's own component asks for a picture of the Worker,
 * which counts under the same rules.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

// In the modes Standard and Transitional, and in Reader.
add_filter( 'amp_analytics_entries', __NAMESPACE__ . '\add_amp_entry' );
add_filter( 'amp_post_template_analytics', __NAMESPACE__ . '\add_amp_entry' );

/**
 * Whether this page is AMP.
 *
 * @return bool
 */
function is_amp() {
	return function_exists( 'amp_is_request' ) && did_action( 'wp' ) && amp_is_request();
}

/**
 * Adds what counts to the components of the page.
 *
 * @param mixed $entries The components.
 * @return array
 */
function add_amp_entry( $entries ) {
	$entries = (array) $entries;
	$post    = '' === worker() ? 0 : viewed_post();
	// No cookie of ours reaches the picture. Caches keep no page of a user who is logged in.
	if ( ! $post || 'never' === count_mode( $post ) || ! is_counted_user( wp_get_current_user() ) ) {
		return $entries;
	}
	$config = array(
		'requests'  => array( 'view' => worker() . '/views/' . rawurlencode( post_name( $post ) ) . '.gif' ),
		'triggers'  => array(
			'view' => array(
				'on'      => 'visible',
				'request' => 'view',
			),
		),
		'transport' => array(
			'beacon'  => false,
			'xhrpost' => false,
			'image'   => true,
		),
	);
	// One of the filters takes the one, the other the other.
	$entries['tally-views'] = array(
		'type'        => '',
		'attributes'  => array(),
		'config'      => wp_json_encode( $config ),
		'config_data' => $config,
	);
	return $entries;
}

<?php
/**
 * The REST API of the plugin, `tally-views/v1`: what a browser asks for so that no page waits.
 *
 * - `GET top`: a list of the most viewed posts as HTML, fetched from the Worker where it is not fresh. For
 *   everybody; it tells what the pages show.
 * - `GET status`: how the Worker is, in words, asked now. For the owner.
 * - `POST import`: a step of an import (importer.php). For the owner.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const API = 'tally-views/v1';

add_action( 'rest_api_init', __NAMESPACE__ . '\register_routes' );

/**
 * Tells WordPress of the routes.
 */
function register_routes() {
	register_rest_route(
		API,
		'/top',
		array(
			'methods'             => 'GET',
			'callback'            => __NAMESPACE__ . '\rest_top',
			'permission_callback' => '__return_true',
		)
	);
	register_rest_route(
		API,
		'/status',
		array(
			'methods'             => 'GET',
			'callback'            => __NAMESPACE__ . '\rest_status',
			'permission_callback' => __NAMESPACE__ . '\is_owner',
		)
	);
}

/**
 * Whether the current user owns the site.
 *
 * @return bool
 */
function is_owner() {
	return current_user_can( 'manage_options' );
}

/**
 * A list.
 *
 * @param \WP_REST_Request $request Its query has the options of the list.
 * @return \WP_REST_Response `at` and `html`.
 */
function rest_top( $request ) {
	$options = top_options( $request->get_query_params() );
	$kept    = kept_top( $options['period'] );
	if ( fresh_until( $kept ) <= time() && may_ask() && lock( 2 * TIMEOUT + 1 ) ) {
		$views = refresh_top( $options['period'] );
		if ( is_wp_error( $views ) ) {
			note_answer( $views );
		}
		unlock();
		$kept = kept_top( $options['period'] );
	}
	$response = rest_ensure_response(
		array(
			'at'   => $kept['at'],
			'html' => top_items( $options, $kept['views'] ),
		)
	);
	$response->header( 'Cache-Control', 'public, max-age=' . max( 0, min( MINUTE_IN_SECONDS, fresh_until( $kept ) - time() ) ) );
	return $response;
}

/**
 * How the Worker is.
 *
 * @return array `ok` and `text`.
 */
function rest_status() {
	if ( '' !== worker() ) {
		$stats = read_stats();
		note_answer( $stats );
		if ( ! is_wp_error( $stats ) ) {
			refresh_soon();
		}
	}
	return array(
		'ok'   => '' !== worker() && ! health()['since'],
		'text' => status_text(),
	);
}

/**
 * How the Worker was when it was asked last, in words.
 *
 * @return string
 */
function status_text() {
	$health = health();
	if ( '' === worker() ) {
		return __( 'No Worker is set.', 'tally-views' );
	}
	if ( $health['since'] ) {
		/* translators: 1: a time span, such as "5 minutes", 2: what went wrong. */
		return sprintf( __( 'The Worker has not answered for %1$s: %2$s', 'tally-views' ), human_time_diff( $health['since'] ), $health['why'] );
	}
	if ( ! $health['at'] ) {
		return __( 'The Worker has not been contacted yet.', 'tally-views' );
	}
	return sprintf(
		/* translators: 1: number of views, 2: number of posts, 3: a time span, such as "5 minutes". */
		__( 'Connected. Views: %1$s, posts: %2$s (%3$s ago)', 'tally-views' ),
		number_format_i18n( $health['views'] ),
		number_format_i18n( $health['posts'] ),
		human_time_diff( $health['at'] )
	);
}

<?php
/**
 * The Worker, asked over HTTP. Nothing that it answers, or does not, is fatal; what is not a count
 * is left out.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

/** The most posts that one request may ask for. */
const BATCH = 100;
/** Up to here a count is exact in JavaScript. */
const GREATEST = 9007199254740991;

/**
 * The views of posts.
 *
 * @param int[] $ids The posts' IDs.
 * @return int[]|\WP_Error The views by ID, of those posts that the Worker tells.
 */
function read_views( array $ids ) {
	$views = array();
	foreach ( array_chunk( $ids, BATCH ) as $chunk ) {
		$answer = ask_worker( '/views?post=' . implode( '&post=', array_map( 'intval', $chunk ) ) );
		if ( is_wp_error( $answer ) ) {
			return $answer;
		}
		$told   = isset( $answer['views'] ) && is_array( $answer['views'] ) ? $answer['views'] : array();
		$views += array_intersect_key( array_filter( $told, __NAMESPACE__ . '\is_count' ), array_flip( $chunk ) );
	}
	return $views;
}

/**
 * The most viewed of everything that the Worker counts, which need not be posts of this site.
 *
 * @param string $period `all`, `day`, `week` or `month`.
 * @return int[]|\WP_Error The views by ID, the greatest first.
 */
function read_top( $period ) {
	$answer = ask_worker( '/top?limit=100&period=' . rawurlencode( $period ) );
	if ( is_wp_error( $answer ) ) {
		return $answer;
	}
	if ( ! isset( $answer['posts'] ) || ! is_array( $answer['posts'] ) ) {
		return not_tally();
	}
	$views = array();
	foreach ( $answer['posts'] as $entry ) {
		if ( isset( $entry['post'], $entry['views'] ) && is_id( $entry['post'] ) && is_count( $entry['views'] ) ) {
			$views[ (int) $entry['post'] ] = $entry['views'];
		}
	}
	return $views;
}

/**
 * What the Worker tells about itself.
 *
 * @return array|\WP_Error `views` and `posts`, both counts.
 */
function read_stats() {
	$answer = ask_worker( '/stats' );
	if ( is_wp_error( $answer ) ) {
		return $answer;
	}
	return isset( $answer['views'], $answer['posts'] ) && is_count( $answer['views'] ) && is_count( $answer['posts'] ) ? $answer : not_tally();
}

/**
 * Has the Worker raise posts' views to these, where they are less.
 *
 * @param int[]  $views The views by ID.
 * @param string $token The Worker's ADMIN_TOKEN.
 * @return true|\WP_Error
 */
function send_views( array $views, $token ) {
	$answer = ask_worker(
		'/import?mode=max',
		array(
			'method'  => 'POST',
			'timeout' => 60,
			'headers' => array(
				'Accept'        => 'application/json',
				'Authorization' => 'Bearer ' . $token,
				'Content-Type'  => 'application/json',
			),
			'body'    => wp_json_encode( (object) array_map( 'strval', $views ) ),
		)
	);
	if ( is_wp_error( $answer ) ) {
		return $answer;
	}
	return isset( $answer['posts'] ) && is_count( $answer['posts'] ) ? true : not_tally();
}

/**
 * Sends the Worker a request.
 *
 * @param string $path The path with its query.
 * @param array  $args What is other than in a read; see wp_remote_request().
 * @return array|\WP_Error The JSON of the answer; what went wrong, with the status in `status`.
 */
function ask_worker( $path, array $args = array() ) {
	$defaults = array(
		'timeout'             => 3,
		// A redirection would take the token along.
		'redirection'         => 0,
		'limit_response_size' => MB_IN_BYTES,
		'headers'             => array( 'Accept' => 'application/json' ),
	);
	$answer   = wp_remote_request( worker() . $path, array_merge( $defaults, $args ) );
	if ( is_wp_error( $answer ) ) {
		return $answer;
	}
	$body   = json_decode( wp_remote_retrieve_body( $answer ), true );
	$status = wp_remote_retrieve_response_code( $answer );
	if ( 200 === $status && is_array( $body ) ) {
		return $body;
	}
	if ( isset( $body['error']['message'] ) && is_string( $body['error']['message'] ) ) {
		return new \WP_Error( 'tally_views_error', wp_html_excerpt( $body['error']['message'], 300, '…' ), array( 'status' => $status ) );
	}
	return not_tally();
}

/**
 * The error of an answer that Tally does not give.
 *
 * @return \WP_Error
 */
function not_tally() {
	return new \WP_Error( 'tally_views_not_tally', __( 'What answers at this address is not Tally.', 'tally-views' ), array( 'status' => 0 ) );
}

/**
 * Whether a value can be a count.
 *
 * @param mixed $value Anything.
 * @return bool
 */
function is_count( $value ) {
	return is_int( $value ) && $value >= 0 && $value <= GREATEST;
}

/**
 * Whether a value is the ID of a post, as text.
 *
 * @param mixed $value Anything.
 * @return bool
 */
function is_id( $value ) {
	return is_string( $value ) && 1 === preg_match( '/^[1-9][0-9]{0,17}$/D', $value );
}

<?php
/**
 * The Worker, asked over HTTP. Nothing that it answers, or does not, is fatal; what is not a count
 * is left out. Only cron, the REST API, WP-CLI and the importer ask, so that no page and no screen waits.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

/** The most posts that one request may ask for. */
const BATCH = 100;
/** Up to here a count is exact in JavaScript. */
const GREATEST = 9007199254740991;
/** How many seconds an answer may take. */
const TIMEOUT = 3;

/**
 * The views of posts.
 *
 * @param int[] $ids The posts' IDs, at most BATCH.
 * @return int[]|\WP_Error The views of all of them by ID.
 */
function read_views( array $ids ) {
	$names  = array_map( __NAMESPACE__ . '\post_name', $ids );
	$answer = ask_worker( '/views?post=' . implode( '&post=', array_map( 'rawurlencode', $names ) ) );
	if ( is_wp_error( $answer ) ) {
		return $answer;
	}
	if ( ! isset( $answer['views'] ) || ! is_array( $answer['views'] ) ) {
		return not_tally();
	}
	$views = array();
	foreach ( $ids as $id ) {
		$name = post_name( $id );
		if ( ! isset( $answer['views'][ $name ] ) || ! is_count( $answer['views'][ $name ] ) ) {
			return not_tally();
		}
		$views[ $id ] = $answer['views'][ $name ];
	}
	return $views;
}

/**
 * The most viewed of what the Worker counts for this site, which need not be posts of it.
 *
 * @param string $period `all`, `day`, `week` or `month`.
 * @return int[]|\WP_Error The views by ID, the greatest first.
 */
function read_top( $period ) {
	$path   = '/top?limit=100&period=' . rawurlencode( $period );
	$prefix = prefix();
	$answer = '' === $prefix ? ask_worker( $path ) : ask_worker( $path . '&prefix=' . rawurlencode( $prefix ) );
	// Without a list of its own, a prefix has its share of the list of all; the totals are known here.
	if ( '' !== $prefix && is_wp_error( $answer ) && 400 === error_status( $answer ) ) {
		if ( 'all' === $period ) {
			return most_viewed_here();
		}
		$answer = ask_worker( $path );
	}
	if ( is_wp_error( $answer ) ) {
		return $answer;
	}
	if ( ! isset( $answer['posts'] ) || ! is_array( $answer['posts'] ) ) {
		return not_tally();
	}
	$views = array();
	foreach ( $answer['posts'] as $entry ) {
		$id = isset( $entry['post'], $entry['views'] ) ? post_id( $entry['post'] ) : 0;
		if ( $id && is_count( $entry['views'] ) ) {
			$views[ $id ] = $entry['views'];
		}
	}
	return $views;
}

/**
 * The views of the site's last days. The Worker tells them of all that it counts.
 *
 * @return int[]|\WP_Error The views by day (`2026-11-21`), the oldest first.
 */
function read_days() {
	$answer = ask_worker( '/history?days=7' );
	if ( is_wp_error( $answer ) ) {
		return $answer;
	}
	if ( ! isset( $answer['days'] ) || ! is_array( $answer['days'] ) ) {
		return not_tally();
	}
	$days = array();
	foreach ( $answer['days'] as $day ) {
		if ( isset( $day['day'], $day['views'] ) && is_string( $day['day'] ) && preg_match( '/^\d{4}-\d\d-\d\d$/D', $day['day'] ) && is_count( $day['views'] ) ) {
			$days[ $day['day'] ] = $day['views'];
		}
	}
	return array_slice( $days, -7, null, true );
}

/**
 * What the Worker tells about itself.
 *
 * @return array|\WP_Error `views` and `posts`, both counts, and when it has `published`.
 */
function read_stats() {
	$answer = ask_worker( '/stats' );
	if ( is_wp_error( $answer ) ) {
		return $answer;
	}
	if ( ! isset( $answer['views'], $answer['posts'] ) || ! is_count( $answer['views'] ) || ! is_count( $answer['posts'] ) ) {
		return not_tally();
	}
	return array(
		'views'     => $answer['views'],
		'posts'     => $answer['posts'],
		'published' => isset( $answer['published'] ) && is_string( $answer['published'] ) ? substr( $answer['published'], 0, 40 ) : '',
	);
}

/**
 * Has the Worker raise posts' views to these, where they are less.
 *
 * @param int[]  $views The views by ID.
 * @param string $token The Worker's ADMIN_TOKEN.
 * @return true|\WP_Error
 */
function send_views( array $views, $token ) {
	$named = array();
	foreach ( $views as $id => $count ) {
		$named[ post_name( $id ) ] = (string) $count;
	}
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
			'body'    => wp_json_encode( (object) $named ),
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
		'timeout'             => TIMEOUT,
		// A redirection would take the token along.
		'redirection'         => 0,
		// A site's own choice in a network does not reach hosts in the server's own networks.
		'reject_unsafe_urls'  => is_multisite() && 0 === strpos( settings()['url'], 'https:' ),
		'limit_response_size' => MB_IN_BYTES,
		'headers'             => array( 'Accept' => 'application/json' ),
	);
	$answer   = wp_remote_request( worker() . $path, array_merge( $defaults, $args ) );
	if ( is_wp_error( $answer ) ) {
		return unreachable( $answer );
	}
	$body   = json_decode( wp_remote_retrieve_body( $answer ), true );
	$status = (int) wp_remote_retrieve_response_code( $answer );
	if ( 200 === $status && is_array( $body ) ) {
		return $body;
	}
	if ( isset( $body['error']['message'] ) && is_string( $body['error']['message'] ) ) {
		return refused( $status, $body['error']['message'] );
	}
	return not_tally();
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

/**
 * What the Worker calls a post.
 *
 * @param int $id The post's ID.
 * @return string
 */
function post_name( $id ) {
	return prefix() . (int) $id;
}

/**
 * The post that the Worker calls so.
 *
 * @param mixed $name What the Worker has told.
 * @return int Its ID; 0 where that is none of this site's.
 */
function post_id( $name ) {
	$prefix = prefix();
	if ( ! is_string( $name ) || 0 !== strncmp( $name, $prefix, strlen( $prefix ) ) ) {
		return 0;
	}
	$id = (string) substr( $name, strlen( $prefix ) );
	return is_id( $id ) ? (int) $id : 0;
}

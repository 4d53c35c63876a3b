<?php
/**
 * An import, step by step: a part is read from a source (sources.php) and sent to the Worker, which keeps the
 * greater number, so that importing twice changes nothing. The Worker's ADMIN_TOKEN comes with each step
 * and is kept nowhere. How far an import has come is kept in the option `tally_views_imports`, by source, so
 * that one which has broken off goes on; with another Worker or prefix it begins anew.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const IMPORTS = 'tally_views_imports';

add_action( 'rest_api_init', __NAMESPACE__ . '\register_import_route' );

/**
 * Tells WordPress of the route.
 */
function register_import_route() {
	register_rest_route(
		API,
		'/import',
		array(
			'methods'             => 'POST',
			'callback'            => __NAMESPACE__ . '\rest_import',
			'permission_callback' => function () {
				return is_owner() && current_user_can( 'import' );
			},
		)
	);
}

/**
 * A step that a browser asks for: `source` and `token`, or `lines` of CSV instead of a source; `restart` begins anew.
 *
 * @param \WP_REST_Request $request The request.
 * @return array|\WP_Error
 */
function rest_import( $request ) {
	$source = is_string( $request['source'] ) ? $request['source'] : '';
	$token  = is_string( $request['token'] ) ? trim( $request['token'] ) : '';
	$lines  = is_array( $request['lines'] ) ? array_slice( $request['lines'], 0, 500 ) : null;
	if ( ! preg_match( '/^[\x21-\x7e]+$/D', $token ) ) {
		return new \WP_Error( 'tally_views_token', __( 'Enter your Worker’s ADMIN_TOKEN. It contains no spaces.', 'tally-views' ), array( 'status' => 400 ) );
	}
	if ( null !== $lines ) {
		return import_part( read_csv( array_filter( $lines, 'is_string' ) ), $token );
	}
	return import_step( $source, $token, ! empty( $request['restart'] ) );
}

/**
 * Imports the next part of a source.
 *
 * @param string $source  The source.
 * @param string $token   The Worker's ADMIN_TOKEN.
 * @param bool   $restart Whether to begin anew.
 * @return array|\WP_Error As import_part(); `from`, how many posts came before where it goes on.
 */
function import_step( $source, $token, $restart = false ) {
	$imports = broken_imports();
	$before  = isset( $imports[ $source ] ) && ! $restart ? $imports[ $source ] : array(
		'cursor' => '0',
		'posts'  => 0,
	);
	$part    = read_source( $source, $before['cursor'] );
	$outcome = is_wp_error( $part ) ? $part : import_part( $part, $token );
	if ( is_wp_error( $outcome ) ) {
		return $outcome;
	}
	unset( $imports[ $source ] );
	if ( ! $outcome['done'] ) {
		$imports[ $source ] = array(
			'cursor' => $part['cursor'],
			'posts'  => $before['posts'] + $outcome['posts'],
		);
	}
	$kept = array(
		'to'      => import_target(),
		'sources' => $imports,
	);
	update_option( IMPORTS, $kept, false );
	return $outcome + array( 'from' => $before['posts'] );
}

/**
 * The imports to this Worker that have broken off.
 *
 * @return array[] By source: where it goes on as `cursor`, and how many `posts` came before.
 */
function broken_imports() {
	$kept = get_option( IMPORTS, array() );
	return isset( $kept['to'] ) && import_target() === $kept['to'] ? $kept['sources'] : array();
}

/**
 * Where an import goes.
 *
 * @return string
 */
function import_target() {
	return worker() . ' ' . prefix();
}

/**
 * Sends a part to the Worker.
 *
 * @param array  $part  What read_source() answers.
 * @param string $token The Worker's ADMIN_TOKEN.
 * @return array|\WP_Error How many `posts` were sent, how many values were `left_out`, the first of them as
 *                         `examples`, and whether that was all (`done`).
 */
function import_part( $part, $token ) {
	$sent = $part['views'] ? send_views( $part['views'], $token ) : true;
	if ( is_wp_error( $sent ) ) {
		// Not 401: the browser would think that the login has ended.
		return new \WP_Error( 'tally_views_import', import_error( $sent ), array( 'status' => 400 ) );
	}
	if ( '' === $part['cursor'] ) {
		mark_stale();
	}
	return array(
		'posts'    => count( $part['views'] ),
		'left_out' => count( $part['left_out'] ),
		'examples' => array_slice( $part['left_out'], 0, 5 ),
		'done'     => '' === $part['cursor'],
	);
}

/**
 * Why an import failed, and what to do about it.
 *
 * @param \WP_Error $error What went wrong.
 * @return string Plain text.
 */
function import_error( $error ) {
	if ( 401 === error_status( $error ) ) {
		return __( 'This is not your Worker’s ADMIN_TOKEN.', 'tally-views' );
	}
	if ( 404 === error_status( $error ) ) {
		return __( 'Your Worker has no ADMIN_TOKEN. Set one with `npx wrangler secret put ADMIN_TOKEN`.', 'tally-views' );
	}
	/* translators: %s: what went wrong. */
	return sprintf( __( 'The import failed: %s', 'tally-views' ), $error->get_error_message() );
}

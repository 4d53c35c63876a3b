<?php
/**
 * What went wrong between WordPress and the Worker, in words for the owner of a site.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

/**
 * The error of a Worker that was not reached.
 *
 * @param \WP_Error $error What WordPress tells, in the words of curl or OpenSSL.
 * @return \WP_Error
 */
function unreachable( $error ) {
	$data = array(
		'status' => 0,
		'detail' => $error->get_error_message(),
	);
	return new \WP_Error( 'tally_views_unreachable', why_unreachable( $error->get_error_code(), $error->get_error_message() ), $data );
}

/**
 * Why the Worker was not reached.
 *
 * @param string $code   WordPress's code of the error.
 * @param string $detail WordPress's message.
 * @return string
 */
function why_unreachable( $code, $detail ) {
	if ( 'http_request_not_executed' === $code ) {
		return __( 'WordPress is configured to block requests to other hosts. Add your Worker’s host to WP_ACCESSIBLE_HOSTS in wp-config.php.', 'tally-views' );
	}
	$reasons = array(
		'/error (28|18)\b|timed? ?out/i'              => __( 'The Worker did not answer in time.', 'tally-views' ),
		'/error (6|5)\b|resolve|getaddrinfo|name or service/i' => __( 'No host with this name was found. Check the address of your Worker.', 'tally-views' ),
		'/error (35|51|58|60|77|83)\b|ssl|certificate|tls|crypto/i' => __( 'A secure connection to the Worker could not be established.', 'tally-views' ),
		'/error 7\b|refused|unreachable|connect to/i' => __( 'Nothing answers at the address of your Worker.', 'tally-views' ),
	);
	foreach ( $reasons as $pattern => $reason ) {
		if ( preg_match( $pattern, $detail ) ) {
			return $reason;
		}
	}
	return __( 'The connection to the Worker was interrupted.', 'tally-views' );
}

/**
 * The error that the Worker has answered.
 *
 * @param int    $status  The status of the answer.
 * @param string $message What the Worker says.
 * @return \WP_Error
 */
function refused( $status, $message ) {
	$message = wp_html_excerpt( $message, 300, '…' );
	if ( 401 === $status ) {
		$message = __( 'The Worker does not share its numbers. Add views, top, history and stats to its PUBLIC setting.', 'tally-views' );
	}
	if ( 503 === $status ) {
		/* translators: %s: the Worker's own words. */
		$message = sprintf( __( 'The Worker cannot answer right now: %s', 'tally-views' ), $message );
	}
	return new \WP_Error( 'tally_views_error', $message, array( 'status' => $status ) );
}

/**
 * The error of an answer that Tally does not give.
 *
 * @return \WP_Error
 */
function not_tally() {
	return new \WP_Error( 'tally_views_not_tally', __( 'The server at this address is not Tally.', 'tally-views' ), array( 'status' => 0 ) );
}

/**
 * The status with which the Worker has refused.
 *
 * @param \WP_Error $error An error of ask_worker().
 * @return int 0 where it did not answer, or is not Tally.
 */
function error_status( $error ) {
	$data = $error->get_error_data();
	return isset( $data['status'] ) ? (int) $data['status'] : 0;
}

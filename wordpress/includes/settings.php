<?php
/**
 * What the owner has set: the option `tally_views_settings`, an array of `url`, the Worker's origin
 * without a slash at the end (empty: the plugin does nothing), and `uncounted`, the roles whose
 * views are not counted.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const SETTINGS = 'tally_views_settings';

/**
 * The settings, the defaults where nothing is set.
 *
 * @return array
 */
function settings() {
	$defaults = array(
		'url'       => '',
		'uncounted' => array( 'administrator', 'editor' ),
	);
	return wp_parse_args( get_option( SETTINGS, array() ), $defaults );
}

/**
 * The Worker's origin, empty where none is set.
 *
 * @return string
 */
function worker() {
	return settings()['url'];
}

/**
 * Whether the views of the current user are counted.
 *
 * @return bool
 */
function is_counted_user() {
	$roles = wp_get_current_user()->roles;
	// A network's administrators need no role on its sites.
	if ( is_multisite() && is_super_admin() ) {
		$roles[] = 'administrator';
	}
	return ! array_intersect( $roles, settings()['uncounted'] );
}

/**
 * Makes an origin of what the owner typed.
 *
 * @param string $typed An address, with or without `https://` and a path.
 * @return string The origin; empty where the address cannot be a Worker's.
 */
function origin( $typed ) {
	$typed = trim( $typed );
	if ( ! preg_match( '#^[a-z]+://#i', $typed ) ) {
		$typed = 'https://' . $typed;
	}
	$parts = wp_parse_url( $typed );
	if ( ! is_array( $parts ) || empty( $parts['host'] ) || isset( $parts['user'] ) ) {
		return '';
	}
	$scheme = strtolower( $parts['scheme'] );
	$host   = strtolower( $parts['host'] );
	if ( ! preg_match( '/^([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])$/', $host ) ) {
		return '';
	}
	if ( 'https' !== $scheme && ! ( 'http' === $scheme && allows_http( $host ) ) ) {
		return '';
	}
	return $scheme . '://' . $host . ( isset( $parts['port'] ) ? ':' . $parts['port'] : '' );
}

/**
 * Whether the Worker may be asked without encryption.
 *
 * @param string $host The Worker's host.
 * @return bool
 */
function allows_http( $host ) {
	$local = (bool) preg_match( '/^((.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\])$/', $host );
	/**
	 * Filters whether a Worker may be at an address that starts with `http://`. A local one may.
	 *
	 * @param bool   $local Whether the host is this machine.
	 * @param string $host  The Worker's host.
	 */
	return (bool) apply_filters( 'tally_views_allow_http', $local, $host );
}

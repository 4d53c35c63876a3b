<?php
/**
 * What the owner has set: the option `tally_views_settings`, an array of
 *
 * - `url`: the Worker's origin without a slash at the end; empty: the plugin does nothing;
 * - `types`: the types of posts that are counted;
 * - `uncounted`: the roles whose views are not counted;
 * - `addresses`: the addresses from which views are not counted, and networks such as `192.0.2.0/24`;
 * - `place`: where posts show their views by themselves: `before` or `after` the content, or empty;
 * - `mirror`: the custom field that gets the views too, for themes that read it; empty: none;
 * - `legacy`: whether the shortcodes of other plugins go on working (legacy.php);
 * - `prefix`: what goes before the posts' IDs where several sites share a Worker;
 * - `home`: the site that counts, see home_key(); a copy of it does not.
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
		'types'     => array( 'post', 'page' ),
		'uncounted' => array( 'administrator', 'editor' ),
		'addresses' => array(),
		'place'     => '',
		'mirror'    => '',
		'legacy'    => false,
		'prefix'    => '',
		'home'      => '',
	);
	return wp_parse_args( get_option( SETTINGS, array() ), $defaults );
}

/**
 * The Worker's origin, empty where none is set.
 *
 * @return string
 */
function worker() {
	$url = settings()['url'];
	return '' === $url ? network_worker() : $url;
}

/**
 * What goes before the posts' IDs, so that several sites can share a Worker.
 *
 * @return string
 */
function prefix() {
	$prefix = settings()['prefix'];
	return '' === $prefix ? site_prefix() : $prefix;
}

/**
 * The types of posts whose views are counted.
 *
 * @return string[] Names of post types.
 */
function post_types() {
	/**
	 * Filters which types of posts are counted and have a column of views.
	 *
	 * @param string[] $types Names of post types; those of the settings.
	 */
	return (array) apply_filters( 'tally_views_post_types', settings()['types'] );
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
 * Whether the Worker may be asked without encryption: on this machine, where its owner says so. Who has but one
 * site of a network must not have the server send requests to itself.
 *
 * @param string $host The Worker's host.
 * @return bool
 */
function allows_http( $host ) {
	$local = preg_match( '/^((.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\])$/', $host )
		&& ( is_super_admin() || 'local' === wp_get_environment_type() );
	/**
	 * Filters whether a Worker may be at an address that starts with `http://`. A local one may, if the user owns
	 * the whole network or the environment is `local`.
	 *
	 * @param bool   $local Whether the host is this machine, and the user may name it.
	 * @param string $host  The Worker's host.
	 */
	return (bool) apply_filters( 'tally_views_allow_http', $local, $host );
}

<?php
/**
 * The Worker's script in the site's pages. On a single post it counts the view; wherever numbers
 * are shown it fills them in. It is loaded where one of the two is wanted, and waited for nowhere. It
 * comes with the plugin, and its tag names the Worker; the tag is the same for all visitors.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const SCRIPT = 'tally-views';

add_action( 'wp_enqueue_scripts', __NAMESPACE__ . '\enqueue_on_posts' );
add_filter( 'script_loader_tag', __NAMESPACE__ . '\make_script_tag', 10, 2 );

/**
 * Loads the script on single posts.
 */
function enqueue_on_posts() {
	if ( viewed_post() ) {
		enqueue_script();
	}
}

/**
 * Loads the script, which may be asked for as late as in the page's body.
 */
function enqueue_script() {
	if ( '' !== worker() && ! is_admin() && ! is_amp() ) {
		wp_enqueue_script( SCRIPT, plugins_url( 'assets/views.js', MAIN ), array(), version(), true );
	}
}

/**
 * The post of which this page is a view.
 *
 * @return int The post's ID; 0 where the page is none that counts.
 */
function viewed_post() {
	if ( ! is_singular( post_types() ) || is_preview() || is_customize_preview() || is_feed() || is_embed() ) {
		return 0;
	}
	$post = get_queried_object();
	return 'publish' === $post->post_status && ! post_password_required( $post ) ? $post->ID : 0;
}

/**
 * Whether the script counts.
 *
 * @param int $post The post that is viewed, 0 where there is none.
 * @return string Empty: it counts; `never`: it shows numbers only; `always`, see below.
 */
function count_mode( $post ) {
	if ( ! $post || is_copy() ) {
		return 'never';
	}
	/**
	 * Filters whether a view of a post counts. The page may be kept in a cache for all visitors.
	 *
	 * @param string $mode Empty: it counts. `never`: it does not. `always`: it does, even on
	 *                     localhost, in frames and in browsers that a program drives (for tests).
	 * @param int    $post The post's ID.
	 */
	$mode = apply_filters( 'tally_views_count', '', $post );
	return in_array( $mode, array( 'never', 'always' ), true ) ? $mode : '';
}

/**
 * Makes the script's tag, with attributes that WordPress cannot be asked for.
 *
 * @param string $tag    The tag that WordPress made.
 * @param string $handle The script's handle.
 * @return string
 */
function make_script_tag( $tag, $handle ) {
	if ( SCRIPT !== $handle ) {
		return $tag;
	}
	$post       = viewed_post();
	$mode       = count_mode( $post );
	$attributes = array(
		// Before the address: Cloudflare's Rocket Loader, LiteSpeed Cache, Autoptimize, WP Rocket, Jetpack Boost.
		'data-cfasync'       => 'false',
		'data-no-optimize'   => '1',
		'data-no-defer'      => '1',
		'data-noptimize'     => '1',
		'nowprocket'         => true,
		'data-jetpack-boost' => 'ignore',
		'id'                 => SCRIPT . '-js',
		'async'              => true,
		'src'                => asset( 'assets/views.js' ),
		'data-tally'         => worker(),
	);
	if ( '' !== prefix() ) {
		$attributes['data-prefix'] = prefix();
	}
	if ( $post ) {
		$attributes['data-post'] = (string) $post;
	}
	if ( '' !== $mode ) {
		$attributes['data-skip'] = 'never' === $mode ? '1' : '0';
	}
	return wp_get_script_tag( $attributes );
}

<?php
/**
 * Plugin Name:       Tally Views
 * Description:       Shows how often each post was viewed, and the most viewed posts, as counted by Tally, your own counter on Cloudflare Workers.
 * Version:           0.2.0
 * Requires at least: 6.1
 * Requires PHP:      7.4
 * Author:            Tally
 * License:           MIT
 * License URI:       https://opensource.org/licenses/MIT
 * Text Domain:       tally-views
 * Domain Path:       /languages
 *
 * The site's visitors count their views at the Worker by themselves, with the Worker's script; this
 * plugin puts the script into the pages and shows what the Worker tells. It keeps:
 *
 * - option `tally_views_settings`: the Worker's address and who is not counted (settings.php);
 * - transients `tally_views_top_PERIOD`: the list of the most viewed posts (top.php);
 * - option `tally_views_last_top`: the last lists that the Worker told (top.php);
 * - option `widget_tally_top`: the widgets, kept by WordPress (class-top-widget.php).
 *
 * Filters, each explained where it is applied: `tally_views_post_types`,
 * `tally_views_top_post_types`, `tally_views_count`, `tally_views_allow_http` and
 * `tally_views_meta_keys`.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

require __DIR__ . '/includes/settings.php';
require __DIR__ . '/includes/client.php';
require __DIR__ . '/includes/script.php';
require __DIR__ . '/includes/views.php';
require __DIR__ . '/includes/top.php';
require __DIR__ . '/includes/class-top-widget.php';
require __DIR__ . '/includes/blocks.php';

if ( is_admin() ) {
	require __DIR__ . '/includes/settings-page.php';
	require __DIR__ . '/includes/column.php';
	require __DIR__ . '/includes/importer.php';
}

// Before the widgets, which are registered early in `init` and have names to translate.
add_action( 'init', __NAMESPACE__ . '\load_translations', 0 );

/**
 * Loads the translations that come with the plugin.
 */
function load_translations() {
	load_plugin_textdomain( 'tally-views', false, dirname( plugin_basename( __FILE__ ) ) . '/languages' );
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
	 * @param string[] $types Names of post types.
	 */
	return (array) apply_filters( 'tally_views_post_types', array( 'post', 'page' ) );
}

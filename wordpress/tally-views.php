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
 * The site's visitors count their views at the Worker by themselves, with the Worker's script, which
 * comes with the plugin; this plugin puts it into the pages and shows what the Worker tells. No page and
 * no screen waits for the Worker. What is kept: the options that settings.php, kept.php and sync.php
 * name, the post meta `_tally_views` (sync.php), and the widgets in `widget_tally_top`.
 *
 * Filters, each explained where it is applied: `tally_views_post_types`,
 * `tally_views_top_post_types`, `tally_views_count`, `tally_views_allow_http` and
 * `tally_views_meta_keys`.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const MAIN = __FILE__;

foreach ( array( 'settings', 'network', 'uncounted', 'errors', 'client', 'kept', 'refresh', 'sync', 'query', 'rest', 'script', 'amp', 'optimizers', 'views', 'top', 'class-top-widget', 'blocks', 'legacy', 'sources', 'import' ) as $tally_views_part ) {
	require __DIR__ . '/includes/' . $tally_views_part . '.php';
}
if ( is_admin() ) {
	foreach ( array( 'settings-page', 'fields', 'clean', 'column', 'dashboard', 'importer' ) as $tally_views_part ) {
		require __DIR__ . '/includes/' . $tally_views_part . '.php';
	}
}
unset( $tally_views_part );
if ( defined( 'WP_CLI' ) && WP_CLI ) {
	require __DIR__ . '/includes/class-cli-command.php';
	\WP_CLI::add_command( 'tally', CLI_Command::class );
}

register_deactivation_hook( MAIN, __NAMESPACE__ . '\unschedule_refresh' );

// Before the widgets, which are registered early in `init` and have names to translate.
add_action( 'init', __NAMESPACE__ . '\load_translations', 0 );

/**
 * Loads the translations that come with the plugin.
 */
function load_translations() {
	load_plugin_textdomain( 'tally-views', false, dirname( plugin_basename( MAIN ) ) . '/languages' );
}

/**
 * The version of the plugin, as its head says.
 *
 * @return string
 */
function version() {
	static $version = null;
	if ( null === $version ) {
		$version = get_file_data( MAIN, array( 'version' => 'Version' ) )['version'];
	}
	return $version;
}

/**
 * The address of a file of the plugin, which changes with its version.
 *
 * @param string $file Its path in the plugin.
 * @return string
 */
function asset( $file ) {
	return add_query_arg( 'ver', version(), plugins_url( $file, MAIN ) );
}

<?php
/**
 * Removes what the plugin has kept, on every site of a network. The counts are the Worker's.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

foreach ( array( 'settings', 'network', 'kept', 'sync', 'refresh' ) as $tally_views_part ) {
	require_once __DIR__ . '/includes/' . $tally_views_part . '.php';
}

if ( is_multisite() ) {
	$tally_views_sites = get_sites(
		array(
			'fields' => 'ids',
			'number' => 0,
		)
	);
	delete_site_option( NETWORK );
	foreach ( $tally_views_sites as $tally_views_site ) {
		switch_to_blog( $tally_views_site );
		remove_everything();
		restore_current_blog();
	}
} else {
	remove_everything();
}

/**
 * Removes what the plugin has kept on a site.
 */
function remove_everything() {
	unschedule_refresh();
	forget_kept();
	forget_views();
	delete_option( SETTINGS );
	delete_option( 'tally_views_imports' );
	delete_option( 'widget_tally_top' );
	$areas = get_option( 'sidebars_widgets', array() );
	foreach ( $areas as $area => $widgets ) {
		$areas[ $area ] = is_array( $widgets ) ? array_values( preg_grep( '/^tally_top-\d+$/', $widgets, PREG_GREP_INVERT ) ) : $widgets;
	}
	update_option( 'sidebars_widgets', $areas );
}
